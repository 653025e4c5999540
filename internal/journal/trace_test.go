package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// scene is a store in which something happened.
type scene struct {
	*Journal
	start      time.Time
	anna, bo   store.Account
	sent, lost store.TraceID
}

// at is n minutes after the scene's start.
func (s *scene) at(n int) time.Time { return s.start.Add(time.Duration(n) * time.Minute) }

// newScene: Anna's message to Bo, who is here, and to Cai, who is elsewhere; a message for Anna
// from outside that is refused; sign-ins of Anna.
func newScene(t *testing.T) *scene {
	t.Helper()
	db := storetest.Open(t)
	s := &scene{start: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	s.anna, s.bo = storetest.Account(t, db, "anna@example.org"), storetest.Account(t, db, "bo@example.org")
	s.Journal = newJournal(t, Options{Store: db, Now: func() time.Time { return s.at(600) }})
	s.sent, s.lost = store.NewTraceID(s.at(0)), store.NewTraceID(s.at(30))

	message := fields("from", "anna@example.org", "to", "bo@example.org", "to", "cai@example.net",
		"message-id", "<1@example.org>", "subject", "Lunch\x1b[31m?")
	queued := store.Event{Time: s.at(0), Trace: s.sent, Account: s.anna.ID, Kind: MessageQueued, Fields: message}
	delivered := store.Event{Time: s.at(1), Trace: s.sent, Account: s.bo.ID, Kind: MessageDelivered, Fields: fields("to", "bo@example.org", "mailbox", "INBOX")}
	copied := delivered
	copied.Account = s.anna.ID // the sender's copy of the same event
	deferred := store.Event{Time: s.at(2), Trace: s.sent, Account: s.anna.ID, Kind: MessageDeferred,
		Fields: fields("to", "cai@example.net", "host", "mx.example.net", "reply", "450 4.2.0 later")}
	deferred.SetDecision(cause.Wait(cause.ReputationGreylisted, s.at(17)))
	relayed := store.Event{Time: s.at(17), Trace: s.sent, Account: s.anna.ID, Kind: MessageRelayed,
		Fields: fields("to", "cai@example.net", "host", "mx.example.net", "reply", "250 2.0.0 ok")}
	fetched := store.Event{Time: s.at(20), Trace: s.sent, Account: s.bo.ID, Kind: MessageFetchedPOP3, Fields: fields("count", "3", "client", "phone")}

	refused := store.Event{Time: s.at(30), Trace: s.lost, Kind: RecipientRefused,
		Fields: fields("from", "dag@example.net", "to", "anna@example.org", "remote", "192.0.2.1")}
	refused.SetDecision(cause.Refuse(cause.QuotaMailboxFull, cause.Size("limit", 1_000_000_000)))

	for _, e := range []store.Event{queued, delivered, copied, deferred, relayed, fetched, refused} {
		s.Record(t.Context(), e)
	}
	for i := range 312 {
		s.Record(t.Context(), s.signIn(40+i, SignInOK, "192.0.2.7"))
		if i%100 == 0 {
			e := s.signIn(40+i, SignInRefused, "192.0.2.9")
			e.Time = e.Time.Add(time.Second)
			e.SetDecision(cause.Refuse(cause.AuthPasswordWrong))
			s.Record(t.Context(), e)
		}
	}
	s.Record(t.Context(), s.signIn(400, SignInOK, "192.0.2.9"))
	return s
}

func (s *scene) signIn(n int, kind, remote string) store.Event {
	return store.Event{Time: s.at(n), Trace: store.NewTraceID(s.at(n)), Account: s.anna.ID, Kind: kind,
		Fields: fields("to", "anna@example.org", "protocol", "IMAP", "remote", remote)}
}

func fields(pairs ...string) (all []store.Field) {
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, store.Field{Name: pairs[i], Value: pairs[i+1]})
	}
	return all
}

// summary is a timeline in short: one kind a line, with its count.
func summary(t *Timeline) (lines []string) {
	for _, l := range t.Lines {
		line := l.Event.Kind
		if l.Count > 1 {
			line += " x" + strings.Repeat("I", min(l.Count, 5))
		}
		lines = append(lines, line)
	}
	return lines
}

func TestTrace(t *testing.T) {
	s := newScene(t)
	message := []string{MessageQueued, MessageDelivered, MessageDeferred, MessageRelayed, MessageFetchedPOP3}
	told := []string{MessageQueued, MessageDelivered, MessageDeferred, MessageRelayed}
	signIns := []string{SignInOK + " xIIIII", SignInRefused + " xIIII", SignInOK}
	all := append(append(append([]string{}, message...), RecipientRefused), signIns...)
	tests := []struct {
		name  string
		query Query
		want  []string
	}{
		{"message id", Query{Text: "<1@example.org>"}, message},
		{"message id without brackets", Query{Text: "1@example.org"}, message},
		{"trace id", Query{Text: s.sent.String()}, message},
		{"trace id in capitals", Query{Text: strings.ToUpper(s.lost.String())}, []string{RecipientRefused}},
		{"foreign address", Query{Text: "cai@example.net"}, message},
		{"foreign sender", Query{Text: "Dag@EXAMPLE.net"}, []string{RecipientRefused}},
		{"own address", Query{Text: "anna@example.org"}, all},
		{"own address, other spelling", Query{Text: " <Anna@Example.org> "}, all}, // in brackets a Message-ID, which an address can look like
		{"later", Query{Text: "anna@example.org", From: s.at(35)}, signIns},
		{"earlier", Query{Text: "anna@example.org", To: s.at(35)}, all[:6]},
		{"last two", Query{Text: "anna@example.org", Limit: 2}, signIns[1:]},
		{"the sender asks", Query{Text: "<1@example.org>", Account: s.anna.ID}, told},
		{"the recipient asks", Query{Text: "<1@example.org>", Account: s.bo.ID}, nil},
		{"the recipient asks for his mail", Query{Text: "bo@example.org", Account: s.bo.ID}, []string{MessageDelivered, MessageFetchedPOP3}},
		{"one asks for the other", Query{Text: "bo@example.org", Account: s.anna.ID}, told},
		{"nobody", Query{Text: "nobody@example.com"}, nil},
		{"words of the subject", Query{Text: "LUNCH", With: "bo@example.org"}, all[:len(all)-4]},
		{"words that are not in it", Query{Text: "lunch today"}, nil},
		{"with somebody else", Query{Text: "anna@example.org", With: "bo@elsewhere.example"}, nil},
		{"unknown message", Query{Text: "<none@example.org>"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := s.Trace(t.Context(), tt.query)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, summary(got)); diff != "" {
				t.Error(diff)
			}
			if got.Truncated != (tt.query.Limit > 0) {
				t.Errorf("truncated: %t", got.Truncated)
			}
		})
	}
	for _, text := range []string{"", "  ", "<>"} {
		if _, err := s.Trace(t.Context(), Query{Text: text}); !errors.Is(err, ErrQuery) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestRender(t *testing.T) {
	s := newScene(t)
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	oslo := time.FixedZone("CET", 3600)
	for _, lang := range cause.Languages() {
		t.Run(string(lang), func(t *testing.T) {
			var b bytes.Buffer
			for _, q := range []Query{
				{Text: "anna@example.org", Reader: cause.Holder},
				{Text: "nobody@example.com", From: s.at(0), To: s.at(60), Reader: cause.Operator},
				{Text: "nobody@example.com", From: s.at(0), To: s.at(60), Reader: cause.Holder},
				{Text: "anna@example.org", Limit: 1},
			} {
				timeline, err := s.Trace(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				if err := timeline.Render(&b, lang, catalogue, oslo); err != nil {
					t.Fatal(err)
				}
				b.WriteByte('\n')
			}
			refused := catalogue.In(oslo).Explain(cause.Refuse(cause.AuthPasswordWrong), lang, cause.Holder)
			if !strings.Contains(b.String(), "\n"+indent+refused.Text+"\n") {
				t.Errorf("a refusal is not explained with %q", refused.Text)
			}
			golden(t, "testdata/timeline."+string(lang)+".txt", withoutExplanations(b.String()))
		})
	}
}

// withoutExplanations leaves out what package cause says.
func withoutExplanations(text string) []byte {
	var kept []byte
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, indent) {
			kept = append(kept, line...)
		}
	}
	return kept
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestJSON(t *testing.T) {
	s := newScene(t)
	timeline, err := s.Trace(t.Context(), Query{Text: "<1@example.org>"})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := timeline.JSON(&b); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Query string
		Lines []struct {
			Kind, Action, Cause, Trace string
			Until                      time.Time
			Fields                     map[string][]string
		}
		Looked Looked
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Lines) != 5 || got.Looked.Accounts == 0 || got.Looked.Events == 0 {
		t.Fatalf("%s", b.Bytes())
	}
	if to := got.Lines[0].Fields["to"]; len(to) != 2 || to[1] != "cai@example.net" || got.Lines[0].Trace != s.sent.String() {
		t.Errorf("%+v", got.Lines[0])
	}
	if l := got.Lines[2]; l.Action != "wait" || l.Cause != "reputation.greylisted" || !l.Until.Equal(s.at(17)) {
		t.Errorf("%+v", l)
	}
}

func TestTrim(t *testing.T) {
	s := newScene(t)
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Trim(t.Context(), 0); err == nil {
		t.Error("all events may be trimmed")
	}
	// It is minute 600: what happened before minute 35 goes.
	if err := s.Trim(t.Context(), 565*time.Minute); err != nil {
		t.Fatal(err)
	}
	got, err := s.Trace(t.Context(), Query{Text: "anna@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{SignInOK + " xIIIII", SignInRefused + " xIIII", SignInOK}, summary(got)); diff != "" {
		t.Error(diff)
	}
}

// TestFoldOneMoment: what two accounts have of one event is one line, also where events of the same
// moment stand between.
func TestFoldOneMoment(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	event := func(account store.AccountID, kind, to string) store.Event {
		return store.Event{Time: now, Account: account, Kind: kind, Fields: fields("to", to)}
	}
	lines := fold([]store.Event{
		event(1, MessageAccepted, "anna"), event(1, MessageDelivered, "anna"),
		event(2, MessageAccepted, "bo"), event(2, MessageDelivered, "bo"),
		event(3, MessageAccepted, "anna"), event(3, MessageAccepted, "bo"), event(3, MessageAccepted, "bo"),
	})
	var got []string
	for _, l := range lines {
		got = append(got, fmt.Sprint(l.Event.Account, " ", l.Event.Kind))
	}
	want := []string{
		"1 message.accepted", "1 message.delivered", "2 message.accepted", "2 message.delivered",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestFoldTries: tries of a recipient that end alike are one line that knows the next try, also where those of others
// stand between, until something else happens.
func TestFoldTries(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	n := 0
	event := func(kind, to, reply string) store.Event {
		n++
		return store.Event{Time: now.Add(time.Duration(n) * time.Minute), Account: 1, Kind: kind, Cause: cause.OutboxDeferred, Until: now.Add(time.Duration(n+10) * time.Minute), Fields: fields("to", to, "reply", reply)}
	}
	lines := fold([]store.Event{
		event(MessageDeferred, "anna", "450 later"), event(MessageDeferred, "bo", "450 later"), event(MessageDeferred, "anna", "450 later"),
		event(MessageDeferred, "bo", "451 other"), event(MessageDeferred, "anna", "450 later"), event(MessageReleased, "anna", ""), event(MessageDeferred, "anna", "450 later"),
		event(MessageUnconfirmed, "cilla", ""), event(MessageUnconfirmed, "cilla", ""),
	})
	var got []string
	for _, l := range lines {
		minutes := func(at time.Time) string { return at.Sub(now).String() }
		got = append(got, fmt.Sprint(l.Event.Kind, " ", l.Event.Field("to"), " ", l.Count, " ", minutes(l.Event.Time), " ", minutes(l.Last), " ", minutes(l.Event.Until)))
	}
	want := []string{
		"message.deferred anna 3 1m0s 5m0s 15m0s", "message.deferred bo 1 2m0s 2m0s 12m0s", "message.deferred bo 1 4m0s 4m0s 14m0s",
		"message.released anna 1 6m0s 6m0s 16m0s", "message.deferred anna 1 7m0s 7m0s 17m0s",
		"message.unconfirmed cilla 2 8m0s 9m0s 19m0s",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestTraceJoins: what mail programs do to a message later has traces of its own, and belongs to its timeline whatever it is asked by.
func TestTraceJoins(t *testing.T) {
	s := newScene(t)
	id := strings.Repeat("long", 70) + "@example.net"
	trace := store.NewTraceID(s.at(50))
	accepted := store.Event{Time: s.at(50), Trace: trace, Account: s.bo.ID, Kind: MessageAccepted,
		Fields: fields("from", "eva@example.net", "to", "bo@example.org", "message-id", id, "subject", "Apples and pears")}
	moved := store.Event{Time: s.at(60), Trace: store.NewTraceID(s.at(60)), Account: s.bo.ID, Kind: MessageMoved,
		Fields: fields("from-mailbox", "INBOX", "mailbox", "Fruit", "count", "2", "message-id", id, "message-id", "other@example.net", "client", "Mutt")}
	elsewhere := moved
	elsewhere.Account, elsewhere.Trace, elsewhere.Fields = s.anna.ID, store.NewTraceID(s.at(60)), fields("mailbox", "INBOX", "count", "1", "message-id", "other@example.net")
	for _, e := range []store.Event{accepted, moved, elsewhere} {
		s.Record(t.Context(), e)
	}
	want := []string{MessageAccepted, MessageMoved}
	for _, text := range []string{trace.String(), "pears apples", id, "<" + id + ">", "eva@example.net"} {
		timeline, err := s.Trace(t.Context(), Query{Text: text})
		if err != nil {
			t.Fatal(err)
		}
		if got := summary(timeline); !slices.Equal(got, want) {
			t.Errorf("%.20s: %v", text, got)
		}
	}
}

// TestTraceNames: where several messages are told of, lines say which they are about; and the operator hears whose mail it is.
func TestTraceNames(t *testing.T) {
	s := newScene(t)
	for i, subject := range []string{"Apples", "Pears"} {
		id := fmt.Sprintf("%d@example.net", i)
		for _, e := range []store.Event{
			{Time: s.at(50 + i), Trace: store.NewTraceID(s.at(50 + i)), Account: s.bo.ID, Kind: MessageAccepted, Fields: fields("from", "eva@example.net", "to", "bo@example.org", "message-id", id, "subject", subject)},
			{Time: s.at(60 + i), Trace: store.NewTraceID(s.at(60 + i)), Account: s.bo.ID, Kind: MessageOpened, Fields: fields("count", "1", "message-id", id)},
		} {
			s.Record(t.Context(), e)
		}
	}
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []struct {
		query Query
		want  string
		not   string
	}{
		{Query{Text: "eva@example.net"}, "Opened in the webmail (“Pears”), in the account bo@example.org", ""},
		{Query{Text: "<1@example.net>"}, "Opened in the webmail, in the account bo@example.org", "Apples"},
		{Query{Text: "eva@example.net", Account: s.bo.ID}, "Opened in the webmail (“Apples”)", "account"},
		{Query{Text: "ob@example.org"}, "Did you mean bo@example.org?", "anna"},
		{Query{Text: "ob@example.org", Account: s.anna.ID}, "Nothing is known", "bo@example.org"},
		{Query{Text: "9@example.net"}, "1 message of example.net was refused before its text was known", ""},
	} {
		timeline, err := s.Trace(t.Context(), q.query)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := timeline.Render(&b, cause.English, catalogue, time.UTC); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), q.want) || q.not != "" && strings.Contains(b.String(), q.not) {
			t.Errorf("%+v: %s", q.query, b.String())
		}
	}
}

// TestTraceHidesOtherRecipients: whoever gets a message learns from its trace neither who else does nor what became of it there; its sender does.
func TestTraceHidesOtherRecipients(t *testing.T) {
	s := newScene(t)
	carl := storetest.Account(t, s.store.(*store.Store), "carl@example.org")
	record := func(trace store.TraceID, protocol, from string, accounts ...store.Account) {
		for _, a := range accounts {
			for _, to := range []store.Account{s.bo, carl} {
				if a.ID == s.anna.ID || a.ID == to.ID {
					s.Record(t.Context(), store.Event{Time: trace.Time(), Trace: trace, Account: a.ID, Kind: MessageAccepted,
						Fields: fields("from", from, "to", to.Address, "message-id", "secret@example.org", "subject", "Blind copy", "protocol", protocol)})
				}
				if a.ID == to.ID {
					s.Record(t.Context(), store.Event{Time: trace.Time(), Trace: trace, Account: a.ID, Kind: MessageDelivered, Fields: fields("to", to.Address, "mailbox", "INBOX")})
				}
			}
		}
		s.Record(t.Context(), store.Event{Time: trace.Time(), Trace: trace, Kind: RecipientRefused, Fields: fields("from", from, "to", "nobody@example.org")})
	}
	own := store.NewTraceID(s.at(50))
	record(own, "ESMTPSA", "anna@example.org", s.anna, s.bo, carl)
	forged := store.NewTraceID(s.at(52))
	record(forged, "ESMTPS", "bo@example.org", s.bo, carl)
	for _, c := range []struct {
		who  store.Account
		what string
		want []string // to whom
	}{
		{s.anna, own.String(), []string{"bo", "carl", "nobody"}},
		{s.bo, own.String(), []string{"bo"}},
		{s.bo, forged.String(), []string{"bo"}},
		{carl, "secret@example.org", []string{"carl"}},
		{carl, "blind copy", []string{"carl"}},
	} {
		timeline, err := s.Trace(t.Context(), Query{Text: c.what, Account: c.who.ID})
		if err != nil {
			t.Fatal(err)
		}
		var to []string
		for _, l := range timeline.Lines {
			name, _, _ := strings.Cut(l.Event.Field("to"), "@")
			to = append(to, name)
		}
		slices.Sort(to)
		if to = slices.Compact(to); !slices.Equal(to, c.want) {
			t.Errorf("%s asks for %s and hears of %v, want %v", c.who.Address, c.what, to, c.want)
		}
	}
}

// TestNextTry: when a message is tried again is said, unless its cause says so.
func TestNextTry(t *testing.T) {
	at := time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		kind string
		d    cause.Decision
		want time.Time
	}{
		{MessageDeferred, cause.Wait(cause.RecipientServerUnreachable, at), at},
		{MessageDeferred, cause.Wait(cause.ReputationGreylisted, at, cause.Time("until", at)), time.Time{}},
		{MessageExpired, cause.Wait(cause.RecipientServerUnreachable, at), time.Time{}},
		{MessageBounced, cause.Refuse(cause.RecipientUnknown), time.Time{}},
	} {
		e := store.Event{Kind: c.kind}
		e.SetDecision(c.d)
		if got := nextTry(&e); !got.Equal(c.want) {
			t.Errorf("%s %s: %s", c.kind, c.d.Cause, got)
		}
	}
}
