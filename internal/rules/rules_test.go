package rules

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

const own = "anna@demo.test"

// world is a store with an account, and an engine.
type world struct {
	t       testing.TB
	store   *store.Store
	account store.Account
	engine  *Engine
}

func newWorld(t testing.TB) *world {
	return on(t, storetest.Open(t))
}

// on makes a world of a store that had one: with the account as if it were new.
func on(t testing.TB, s *store.Store) *world {
	t.Helper()
	w := &world{t: t, store: s}
	if a, err := s.AccountByAddress(context.Background(), own); err == nil {
		if err := s.DeleteAccount(context.Background(), a.ID); err != nil {
			t.Fatal(err)
		}
	}
	w.account = storetest.Account(t, s, own)
	w.engine = New(Options{Store: w.store, Hostname: "mail.demo.test", Redirects: 4, Answers: 4, Log: slog.New(slog.DiscardHandler)})
	return w
}

// activate stores a script and makes it the one that runs.
func (w *world) activate(text string) {
	w.t.Helper()
	if err := w.store.PutScript(context.Background(), w.account.ID, "main", text); err != nil {
		w.t.Fatal(err)
	}
	if err := w.store.ActivateScript(context.Background(), w.account.ID, "main"); err != nil {
		w.t.Fatal(err)
	}
}

// letter is a message with fields of its own.
func letter(fields ...string) string {
	return strings.Join(fields, "\r\n") + "\r\nFrom: Bo <bo@elsewhere.test>\r\nTo: Anna <anna@demo.test>\r\nSubject: Möte\r\nMessage-ID: <1@elsewhere.test>\r\n\r\nHej\r\n"
}

func (w *world) input(text string) Input {
	text = strings.TrimPrefix(text, "\r\n")
	return Input{
		Account: &w.account, Trace: store.TraceID{1}, From: "bo@elsewhere.test", To: own,
		Message: strings.NewReader(text), Summary: message.Summarize([]byte(text)),
	}
}

func (w *world) run(in Input) Outcome {
	w.t.Helper()
	o, err := w.engine.Run(context.Background(), in)
	if err != nil {
		w.t.Fatal(err)
	}
	if in.Dry {
		return o
	}
	if err := w.store.Remember(context.Background(), w.account.ID, o.Remember); err != nil {
		w.t.Fatal(err)
	}
	return o
}

// short says an outcome in a line.
func short(o *Outcome) string {
	var words []string
	for _, p := range o.Places {
		words = append(words, "in "+p.Name)
		if p.Flags != (store.Flags{}) || p.Keywords != nil {
			words = append(words, fmt.Sprint("flags ", p.Flags[0], p.Keywords))
		}
	}
	for _, r := range o.Redirects {
		words = append(words, "to "+r)
	}
	if o.Vacation != nil {
		words = append(words, "answer "+o.Vacation.To)
	}
	if o.Reject != nil {
		words = append(words, "reject "+string(o.Reject.Cause)+" "+o.Reject.Variant+" "+o.RejectText)
	}
	for _, e := range o.Events {
		words = append(words, strings.TrimPrefix(e.Kind, "rules."))
	}
	return strings.Join(words, "; ")
}

func TestRun(t *testing.T) {
	const need = `require ["fileinto", "reject", "vacation", "copy", "imap4flags", "mailbox", "special-use", "envelope", "subaddress", "duplicate", "variables"];` + "\n"
	plain, shared := letter(), storetest.Open(t)
	for _, tt := range []struct {
		name, script, text, want string
		change                   func(*Input)
	}{
		{"kept", `stop;`, plain, "in INBOX; kept", nil},
		{"moved", `fileinto "Archive";`, plain, "in Archive; moved", nil},
		{"moved and kept", `fileinto :copy "Archive"; setflag "\\Seen x";`, plain, "in Archive; in INBOX; flags 1 [x]; moved", nil},
		{"with flags", `setflag ["\\Flagged", "$Work"]; keep;`, plain, "in INBOX; flags 4 [$Work]; kept", nil},
		{"special use", `fileinto :specialuse "\\Junk" "Nowhere";`, plain, "in Junk; moved", nil},
		{"no folder", `fileinto "Nowhere"; stop;`, plain, "in INBOX; no-folder", nil},
		{"folder made", `fileinto :create "New/One";`, plain, "in New/One; moved", nil},
		{"folder that cannot be", `fileinto :create "New//One*";`, plain, "in INBOX; no-folder", nil},
		{"discarded", `discard;`, plain, "discarded", nil},
		{"rejected", `reject "Not me";`, plain, "reject recipient.refuses rule Not me; rejected", nil},
		{"forwarded", `redirect "x@other.test";`, plain, "to x@other.test; forwarded", nil},
		{"forwarded and kept", `redirect :copy "x@other.test";`, plain, "in INBOX; to x@other.test; forwarded", nil},
		{"forwarded to oneself", `redirect "Anna+x@demo.test";`, plain, "in INBOX; not-forwarded", nil},
		{"forwarded in a circle", `redirect "x@other.test";`, letter("Delivered-To: anna@demo.test"), "in INBOX; not-forwarded", nil},
		{"junk is not forwarded", `redirect "x@other.test";`, plain, "in Junk; not-forwarded", func(in *Input) { in.Junk = true }},
		{"junk is kept in Junk", `keep;`, plain, "in Junk; kept", func(in *Input) { in.Junk = true }},
		{"subaddress", `if envelope :detail "to" "work" { fileinto "Archive"; }`, plain, "in Archive; moved", func(in *Input) { in.To = "anna+work@demo.test" }},
		{"its own mailbox", `keep;`, plain, "in Archive; kept", func(in *Input) { in.Mailbox = 4 }},
		{"its own mailbox, gone", `keep;`, plain, "in INBOX; kept", func(in *Input) { in.Mailbox = 99 }},
		{"the last flags", `setflag "a"; keep; setflag "b"; fileinto "INBOX";`, plain, "in INBOX; flags 0 [b]; moved", nil},
		{"the last flags are the first", `setflag "a"; fileinto "INBOX"; setflag "b"; keep;`, plain, "in INBOX; flags 0 [b]; moved", nil},
		{"error while running", `set "a" "x"; redirect "${a}";`, plain, "in INBOX; failed", nil},
		{"error in the script", `frobnicate;`, plain, "in INBOX; failed", nil},

		{"answered", `vacation "Away";`, plain, "in INBOX; answer bo@elsewhere.test; answered", nil},
		{"not the null sender", `vacation "Away";`, plain, "in INBOX; not-answered", func(in *Input) { in.From = "" }},
		{"not junk", `vacation "Away";`, plain, "in Junk; not-answered", func(in *Input) { in.Junk = true }},
		{"not oneself", `vacation "Away";`, plain, "in INBOX; not-answered", func(in *Input) { in.From = "anna+x@demo.test" }},
		{"not lists", `vacation "Away";`, letter("List-Id: <x.test>"), "in INBOX; not-answered", nil},
		{"not bulk", `vacation "Away";`, letter("Precedence: bulk"), "in INBOX; not-answered", nil},
		{"not machines", `vacation "Away";`, letter("Auto-Submitted: auto-generated; x=y"), "in INBOX; not-answered", nil},
		{"people", `vacation "Away";`, letter("Auto-Submitted: no"), "in INBOX; answer bo@elsewhere.test; answered", nil},
		{"not who wants none", `vacation "Away";`, letter("X-Auto-Response-Suppress: DR, OOF"), "in INBOX; not-answered", nil},
		{"not roles", `vacation "Away";`, plain, "in INBOX; not-answered", func(in *Input) { in.From = "owner-news@elsewhere.test" }},
		{"not blind copies", `vacation "Away";`, strings.Replace(plain, "anna@demo.test", "all@demo.test", 1), "in INBOX; not-answered", nil},
		{"another address", `vacation :addresses "all@demo.test" "Away";`, strings.Replace(plain, "anna@demo.test", "all@demo.test", 1), "in INBOX; answer bo@elsewhere.test; answered", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := on(t, shared)
			w.activate(need + tt.script)
			in := w.input(tt.text)
			if tt.change != nil {
				tt.change(&in)
			}
			o := w.run(in)
			if got := short(&o); got != tt.want {
				t.Errorf("%s\ngives %s\nnot   %s", tt.script, got, tt.want)
			}
			dry := in
			dry.Dry = true
			if again := w.run(dry); len(again.Steps) == 0 {
				t.Error("a dry run has no steps")
			}
		})
	}
}

func TestEachIsAnsweredOnce(t *testing.T) {
	w := newWorld(t)
	w.activate(`require "vacation"; vacation "Away";`)
	answers := 0
	for _, from := range []string{"a", "a", "b", "A", "c", "d", "e", "f"} {
		in := w.input(letter())
		in.From = from + "@elsewhere.test"
		if o := w.run(in); o.Vacation != nil {
			answers++
		}
	}
	if answers != 4 {
		t.Errorf("%d answers, a day allows 4", answers)
	}
	fresh := New(w.engine.Options) // as after a restart
	if o, err := fresh.Run(t.Context(), w.input(letter())); err != nil || o.Vacation != nil {
		t.Errorf("%v after a day's answers, %v", o.Vacation, err)
	}
}

// Of two messages that come together, before either is placed, one is answered.
func TestAnsweredOnceAtOnce(t *testing.T) {
	w := newWorld(t)
	w.activate(`require "vacation"; vacation "Away";`)
	answers := 0
	for range 3 {
		if o, err := w.engine.Run(t.Context(), w.input(letter())); err != nil {
			t.Fatal(err)
		} else if o.Vacation != nil {
			answers++
		}
	}
	if answers != 1 {
		t.Errorf("%d answers", answers)
	}
}

// Messages come for many accounts at once, while scripts change.
func TestConcurrently(t *testing.T) {
	w := newWorld(t)
	accounts := make([]store.Account, 4)
	for i := range accounts {
		accounts[i] = storetest.Account(t, w.store, fmt.Sprintf("u%d@demo.test", i))
	}
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			in := w.input(letter())
			in.Account = &accounts[i%len(accounts)]
			in.To = in.Account.Address
			for n := range 20 {
				if i < len(accounts) && n%5 == 0 {
					script := []string{`discard;`, `keep;`, `require "vacation"; vacation "x";`, `wrong`}[n/5]
					if err := errors.Join(w.store.PutScript(context.Background(), in.Account.ID, "s", script), w.store.ActivateScript(context.Background(), in.Account.ID, "s")); err != nil {
						t.Error(err)
					}
				}
				if o, err := w.engine.Run(context.Background(), in); err != nil || o.Ran && len(o.Steps) == 0 {
					t.Errorf("%+v, %v", o, err)
				}
			}
		})
	}
	all.Wait()
	if o := w.run(Input{Account: &accounts[0], Message: strings.NewReader(letter()), Summary: message.Summarize([]byte(letter()))}); short(&o) != "in INBOX; failed" {
		t.Errorf("the last script is not the one that runs: %s", short(&o))
	}
}

// What variables make of an answer is the same answer; another answer is another one.
func TestAnswersAreTold(t *testing.T) {
	w := newWorld(t)
	count := func(subject string) int {
		in := w.input(strings.Replace(letter(), "Möte", subject, 1))
		if o := w.run(in); o.Vacation == nil {
			return 0
		}
		return 1
	}
	w.activate(`require ["vacation", "variables"]; if header :matches "subject" "*" { vacation :subject "Re: ${1}" "Away"; }`)
	if n := count("one") + count("two"); n != 1 {
		t.Errorf("%d answers with variables", n)
	}
	w.activate(`require ["vacation", "variables"]; if header :is "subject" "one" { vacation "1"; } else { vacation "2"; }`)
	if n := count("one") + count("two") + count("one"); n != 2 {
		t.Errorf("%d answers of two", n)
	}
	w.activate(`require "vacation"; if header :is "subject" "one" { vacation :handle "h" "1"; } else { vacation :handle "h" "2"; }`)
	if n := count("one") + count("two"); n != 1 {
		t.Errorf("%d answers with a handle", n)
	}
}

func TestForwardsAreBounded(t *testing.T) {
	w := newWorld(t)
	w.activate(`require "copy"; redirect :copy "x@other.test"; redirect :copy "y@other.test"; redirect :copy "z@other.test";`)
	got := 0
	for range 3 {
		o := w.run(w.input(letter()))
		got += len(o.Redirects)
		if len(o.Places) != 1 {
			t.Errorf("kept %d times", len(o.Places))
		}
	}
	if got != 4 {
		t.Errorf("%d forwards, a day allows 4", got)
	}
}

func TestDuplicates(t *testing.T) {
	w := newWorld(t)
	w.activate(`require "duplicate"; if duplicate { discard; }`)
	if first, second := w.run(w.input(letter())), w.run(w.input(letter())); len(first.Places) != 1 || len(second.Places) != 0 {
		t.Errorf("placed %d and %d times", len(first.Places), len(second.Places))
	}
}

func TestChangedScriptRuns(t *testing.T) {
	w := newWorld(t)
	check := func(want string) {
		t.Helper()
		if o := w.run(w.input(letter())); short(&o) != want {
			t.Errorf("%s, not %s", short(&o), want)
		}
	}
	check("in INBOX")
	w.activate(`discard;`)
	check("discarded")
	w.activate(`require ["include"]; include "other";`)
	check("in INBOX; failed")
	if err := w.store.PutScript(t.Context(), w.account.ID, "other", `require "fileinto"; fileinto "Archive";`); err != nil {
		t.Fatal(err)
	}
	check("in Archive; moved")
	if err := w.store.ActivateScript(t.Context(), w.account.ID, ""); err != nil {
		t.Fatal(err)
	}
	check("in INBOX")
}

func TestCacheIsBounded(t *testing.T) {
	c := cache{entries: map[store.AccountID]entry{}}
	for i := range 100 {
		c.put(store.AccountID(i%70), entry{active: &compiled{size: maxCachedText / 20}})
	}
	if c.text > maxCachedText+maxCachedText/20 || len(c.entries) > 21 {
		t.Errorf("%d octets of %d scripts", c.text, len(c.entries))
	}
	for i := range 100 {
		c.put(store.AccountID(i), entry{})
	}
	if c.text != 0 {
		t.Errorf("%d octets of none", c.text)
	}
}

func TestAnswer(t *testing.T) {
	w := newWorld(t)
	w.account.Name = "Anna Å"
	w.activate("require \"vacation\"; vacation :days 3 \"Jag är borta.\nHälsningar\";")
	o := w.run(w.input(letter("References: <0@elsewhere.test>")))
	text := string(o.Vacation.Message)
	s := message.Summarize(o.Vacation.Message)
	if s.Subject != "Auto: Möte" || s.From[0] != (message.Address{Name: "Anna Å", Email: own}) || s.To[0].Email != "bo@elsewhere.test" ||
		fmt.Sprint(s.InReplyTo, s.References) != "[1@elsewhere.test] [0@elsewhere.test 1@elsewhere.test]" ||
		!strings.Contains(text, "Auto-Submitted: auto-replied") || s.Preview != "Jag är borta. Hälsningar" {
		t.Errorf("it says %q:\n%s", s.Preview, text)
	}
	w.activate("require \"vacation\"; vacation :mime :subject \"Gone\" :from \"Boss <boss@other.test>\" :handle \"2\" \"Content-Type: text/html\nBcc: x@y.test\n\n<b>away</b>\";")
	o = w.run(w.input(letter()))
	text = string(o.Vacation.Message)
	s = message.Summarize(o.Vacation.Message)
	if s.Subject != "Gone" || s.From[0] != (message.Address{Name: "Boss", Email: own}) || s.Parts[0].Subtype != "html" || strings.Contains(text, "Bcc") {
		t.Errorf("it says %q:\n%s", s.Preview, text)
	}
}

// TestDelivered carries an outcome out.
func TestDelivered(t *testing.T) {
	w := newWorld(t)
	w.activate("require [\"fileinto\", \"imap4flags\", \"duplicate\"];\n# rule:[Bo]\nif not duplicate { fileinto :flags \"\\\\Seen\" \"Archive\"; keep; }")
	o := w.run(w.input(letter()))
	to := store.DeliverTo{Account: w.account.ID}
	o.DeliverTo(&to)
	if _, err := w.store.Deliver(t.Context(), store.Delivery{Email: storetest.Email(t, w.store, letter()), Recipients: []store.DeliverTo{to}}); err != nil {
		t.Fatal(err)
	}
	counts := ""
	mailboxes, err := w.store.Mailboxes(t.Context(), w.account.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mailboxes {
		counts += fmt.Sprintf("%s %d %d,", m.Name, m.Messages, m.Unseen)
	}
	if !strings.Contains(counts, "INBOX 1 1,Archive 1 0,") {
		t.Errorf("messages are in %s", counts)
	}
	rule := ""
	err = w.store.Events(t.Context(), w.account.ID, time.Time{}, time.Time{}, func(e *store.Event) error {
		if e.Kind == journal.RulesMoved {
			rule = e.Field("rule") + e.Field("mailbox")
		}
		return nil
	})
	if err != nil || rule != "BoArchive" {
		t.Errorf("the journal tells of %q, %v", rule, err)
	}
	if again := w.run(w.input(letter())); short(&again) != "in INBOX; kept" {
		t.Errorf("the second one: %s", short(&again))
	}
}

func TestEffects(t *testing.T) {
	s := Settings{
		Forward: &Forward{To: []string{"x@other.test"}, Keep: true},
		Rules:   []Rule{{Name: "Bo", Conditions: []Condition{{Field: "from", Values: []string{"bo"}}}, Move: "Friends"}, {Name: "Old", Delete: true}},
	}
	script, err := s.Script()
	if err != nil {
		t.Fatal(err)
	}
	want := `[{Forward  forward  x@other.test} {Bo header :contains "from" ["bo"] move Friends } {Old  move Trash }]`
	if got := fmt.Sprint(Effects("main", script)); got != want {
		t.Errorf("%s, not %s", got, want)
	}
	if got := fmt.Sprint(Effects("main", "if true {\n  discard; } else { stop; }")); got != "[{main:2 true delete  }]" {
		t.Error(got)
	}
	if got := Effects("main", "if"); got != nil {
		t.Error(got)
	}
}

func TestRejectIsACause(t *testing.T) {
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.activate("require \"ereject\"; ereject \"Nåja,\n“Ærlig” тк\";")
	o := w.run(w.input(letter()))
	if reply := catalogue.SMTP(*o.Reject); reply.Code != 550 || reply.Text != "A rule of the recipient refuses this message: Naja, \"AErlig\" ??" {
		t.Errorf("%+v", reply)
	}
}

// Accounts without a script are nearly all: what they pay is this.
func BenchmarkNoScript(b *testing.B) {
	w := newWorld(b)
	in := w.input(letter())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.engine.Run(b.Context(), in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkScript(b *testing.B) {
	w := newWorld(b)
	w.activate(`require "fileinto"; if address :domain "from" "other.test" { fileinto "Archive"; } elsif header :contains "subject" "rea" { fileinto "Junk"; }`)
	in := w.input(letter())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.engine.Run(b.Context(), in); err != nil {
			b.Fatal(err)
		}
	}
}
