package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/certs/certstest"
	"github.com/postiljon/postiljon/internal/resolver"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

func wantList(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n  %s\ninstead of\n  %s", what, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestRelay(t *testing.T) {
	w := newWorld(t)
	far := w.serve("far.test", &peer{offers: []string{"PIPELINING"}})
	w.submit([]string{"you@far.test", "bo@here.test", "too@far.test"})
	w.settle()
	got := far.letters()
	if len(got) != 1 || got[0].body != letter || len(got[0].rcpts) != 2 || !strings.HasPrefix(got[0].mail, "FROM:<anna@here.test>") {
		t.Fatalf("the peer got %+v", got)
	}
	if l := w.local.letters; len(l) != 1 || l[0].To != "bo@here.test" || l[0].body != letter {
		t.Fatalf("placed %+v", l)
	}
	wantList(t, "events", w.events(), []string{"message.relayed you@far.test", "message.relayed too@far.test"})
	if left := w.queued(); len(left) != 0 {
		t.Errorf("%d submissions are left", len(left))
	}
}

// TestOutcomes: what servers do, and what comes of it at the first attempt.
func TestOutcomes(t *testing.T) {
	always := func(reply string) func(string, int) string { return func(string, int) string { return reply } }
	tests := []struct {
		name   string
		peer   *peer
		change func(*store.Submission)
		event  string
		report string // "" means that it waits
	}{
		{"unknown", &peer{rcpt: always("550 5.1.1 nobody")}, nil,
			"message.bounced you@far.test recipient.unknown", "failed you@far.test 5.1.1"},
		{"full", &peer{rcpt: always("552 5.2.2 full")}, nil,
			"message.bounced you@far.test quota.recipient-full", "failed you@far.test 5.2.2"},
		{"greylisted", &peer{rcpt: always("450 4.2.0 Greylisted, come back")}, nil,
			"message.deferred you@far.test reputation.greylisted", ""},
		{"spam", &peer{final: func([]string, int) string { return "554 5.7.1 looks like spam" }}, nil,
			"message.bounced you@far.test content.looks-like-spam", "failed you@far.test 5.7.1"},
		{"drop in DATA", &peer{final: func([]string, int) string { return "drop" }}, nil,
			"message.unconfirmed you@far.test outbox.accepted-unconfirmed", ""},
		{"busy", &peer{banner: "421 4.3.2 busy"}, nil,
			"message.deferred you@far.test provider.overloaded", ""},
		{"huge reply", &peer{banner: strings.Repeat("220-x\r\n", 500) + "220 x"}, nil,
			"message.deferred you@far.test recipient.server-unreachable", ""},
		{"REQUIRETLS", &peer{offers: []string{"REQUIRETLS"}}, func(s *store.Submission) { s.RequireTLS = true },
			"message.bounced you@far.test tls.required-by-sender", "failed you@far.test 5.7.30"},
		{"SIZE", &peer{offers: []string{"SIZE 10"}}, nil,
			"message.bounced you@far.test content.too-large-recipient", "failed you@far.test 5.2.3"},
		{"8BITMIME declared but not needed", &peer{}, func(s *store.Submission) { s.Body = "8BITMIME" },
			"message.relayed you@far.test", "-"},
		{"BINARYMIME", &peer{offers: []string{"CHUNKING"}}, func(s *store.Submission) { s.Body = "BINARYMIME" },
			"message.bounced you@far.test content.unreadable", "failed you@far.test 5.6.0"},
		{"SMTPUTF8 declared but not needed", &peer{}, func(s *store.Submission) { s.SMTPUTF8 = true },
			"message.relayed you@far.test", "-"},
		{"SMTPUTF8", &peer{}, func(s *store.Submission) { s.SMTPUTF8 = true; s.Recipients[0].Address = "två@far.test" },
			"message.bounced två@far.test client.utf8-required", "failed två@far.test 5.6.7"},
		{"broken STARTTLS", &peer{offers: []string{"STARTTLS"}, tls: func(net.Conn) (net.Conn, bool) { return nil, false }}, nil,
			"message.relayed you@far.test", "-"},
		{"broken STARTTLS and REQUIRETLS", &peer{offers: []string{"STARTTLS"}, tls: func(net.Conn) (net.Conn, bool) { return nil, false }},
			func(s *store.Submission) { s.RequireTLS = true },
			"message.bounced you@far.test tls.required-by-sender", "failed you@far.test 5.7.30"},
		{"success asked of a server without DSN", &peer{}, func(s *store.Submission) { s.Recipients[0].Notify = "SUCCESS" },
			"message.relayed you@far.test", "relayed you@far.test 2.0.0"},
		{"success asked of a server with DSN", &peer{offers: []string{"DSN"}}, func(s *store.Submission) { s.Recipients[0].Notify = "SUCCESS" },
			"message.relayed you@far.test", "-"},
		{"no report wanted", &peer{rcpt: always("550 5.1.1 nobody")}, func(s *store.Submission) { s.Recipients[0].Notify = "NEVER" },
			"message.bounced you@far.test recipient.unknown", "-"},
		{"null return path", &peer{rcpt: always("550 5.1.1 nobody")}, func(s *store.Submission) { s.From = "" },
			"message.bounced you@far.test recipient.unknown", "-"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.serve("far.test", test.peer)
			change := []func(*store.Submission){}
			if test.change != nil {
				change = append(change, test.change)
			}
			w.submit([]string{"you@far.test"}, change...)
			w.settle()
			events := []string{test.event}
			var reports []string
			if test.report != "" && test.report != "-" {
				events = append(events, "report.sent anna@here.test")
				reports = append(reports, test.report)
			}
			wantList(t, "events", w.events(), events)
			wantList(t, "reports", w.local.reports(), reports)
			if left := len(w.queued()); left != 0 && test.report != "" {
				t.Errorf("%d submissions are left", left)
			}
		})
	}
}

// TestRoutes: domains and hosts that cannot take mail.
func TestRoutes(t *testing.T) {
	public := netip.MustParseAddr("192.88.1.1")
	tests := []struct {
		name   string
		mx     []resolver.MX
		hosts  map[string][]netip.Addr
		exists bool
		event  string
	}{
		{"no domain", nil, nil, false, "message.bounced you@far.test recipient.domain-typo"},
		{"null MX", []resolver.MX{{}}, nil, true, "message.bounced you@far.test dns.mx-null"},
		{"neither MX nor address", nil, nil, true, "message.bounced you@far.test dns.mx-missing"},
		{"MX without address", []resolver.MX{{Host: "mx.far.test"}}, nil, true, "message.bounced you@far.test dns.mx-unusable"},
		{"MX at loopback", []resolver.MX{{Host: "mx.far.test"}}, map[string][]netip.Addr{"mx.far.test": {netip.MustParseAddr("127.0.0.1")}}, true,
			"message.bounced you@far.test dns.mx-unusable"},
		{"we are the MX", []resolver.MX{{Host: "us.test", Preference: 10}, {Host: "mx.far.test", Preference: 20}}, nil, true,
			"message.bounced you@far.test rules.loop"},
		{"nobody answers", []resolver.MX{{Host: "mx.far.test"}}, map[string][]netip.Addr{"mx.far.test": {public}}, true,
			"message.deferred you@far.test recipient.server-unreachable"},
		{"implicit MX that does not answer", nil, map[string][]netip.Addr{"far.test": {public}}, true,
			"message.deferred you@far.test recipient.server-unreachable"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, func(o *Options) { o.AllowPrivate = false })
			if test.exists {
				w.internet.mx["far.test"] = test.mx
			}
			for host, ips := range test.hosts {
				w.internet.hosts[host] = ips
			}
			w.submit([]string{"you@far.test"})
			w.settle()
			if got := w.events(); len(got) == 0 || got[0] != test.event {
				t.Errorf("events %q", got)
			}
		})
	}
	t.Run("resolver fails", func(t *testing.T) {
		w := newWorld(t)
		w.internet.failing = errors.New("SERVFAIL")
		w.submit([]string{"you@far.test"})
		w.settle()
		wantList(t, "events", w.events(), []string{"message.deferred you@far.test dns.resolver-dead"})
	})
}

func TestIsPrivate(t *testing.T) {
	for _, s := range []string{"127.0.0.1", "::1", "10.1.2.3", "192.168.0.1", "172.20.0.1", "169.254.1.1", "fe80::1", "fc00::1",
		"100.64.1.1", "0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "::ffff:10.0.0.1", "198.51.100.7", "2001:db8::1"} {
		if !isPrivate(netip.MustParseAddr(s)) {
			t.Errorf("%s is let through", s)
		}
	}
	for _, s := range []string{"1.1.1.1", "2606:4700::1", "172.32.0.1", "100.128.0.1"} {
		if isPrivate(netip.MustParseAddr(s)) {
			t.Errorf("%s is refused", s)
		}
	}
}

func TestOrderMX(t *testing.T) {
	list := []resolver.MX{{Host: "c.test", Preference: 30}, {Host: "a.test", Preference: 10}, {Host: "US.test", Preference: 20}, {Host: "b.test", Preference: 20}, {Host: "", Preference: 5}}
	for range 20 {
		if got := orderMX(list, "us.test"); !slices.Equal(got, list[1:2]) {
			t.Fatalf("with us: %v", got)
		}
	}
	first := map[string]bool{}
	for range 200 {
		first[orderMX([]resolver.MX{{Host: "a.test", Preference: 10}, {Host: "b.test", Preference: 10}, {Host: "c.test", Preference: 20}}, "us.test")[0].Host] = true
	}
	if len(first) != 2 || !first["a.test"] || !first["b.test"] {
		t.Errorf("the first of equals is always of %v", first)
	}
}

// TestGreylisting: refused at first, taken five minutes later.
func TestGreylisting(t *testing.T) {
	w := newWorld(t)
	far := w.serve("far.test", &peer{rcpt: func(_ string, n int) string {
		if n == 1 {
			return "451 4.7.1 Greylisted"
		}
		return ""
	}})
	w.submit([]string{"you@far.test"})
	w.settle()
	sub := w.queued()
	if len(sub) != 1 || sub[0].Recipients[0].Cause != cause.ReputationGreylisted || !sub[0].Recipients[0].Next.Equal(w.clock.Now().Add(5*time.Minute)) {
		t.Fatalf("queued %+v", sub)
	}
	w.pass(5*time.Minute, time.Minute)
	if len(far.letters()) != 1 || len(w.queued()) != 0 {
		t.Errorf("kept %d, queued %d", len(far.letters()), len(w.queued()))
	}
}

// TestNextHost: the second host takes what the first does not.
func TestNextHost(t *testing.T) {
	for name, first := range map[string]*peer{
		"busy":        {banner: "421 4.3.2 busy"},
		"refuses us":  {banner: "554 5.7.1 no"},
		"drops":       {final: func([]string, int) string { return "drop" }},
		"not serving": {banner: "521 no mail here"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.serve("far.test", first)
			second := w.serve("far.test", &peer{})
			w.submit([]string{"you@far.test"})
			w.settle()
			if len(second.letters()) != 1 {
				t.Error("the second host got nothing")
			}
			want := []string{"message.relayed you@far.test"}
			if name == "drops" { // after the message: it may have it
				want = append([]string{"message.unconfirmed you@far.test outbox.accepted-unconfirmed"}, want...)
			}
			wantList(t, "events", w.events(), want)
		})
	}
}

// TestUnconfirmed: an attempt that a crash cut off at its end is counted, told
// of and made again; one whose outcome was recorded is not.
func TestUnconfirmed(t *testing.T) {
	w := newWorld(t)
	far := w.serve("far.test", &peer{rcpt: func(_ string, n int) string {
		if n == 1 {
			return "451 4.3.0 later"
		}
		return ""
	}})
	id := w.submit([]string{"you@far.test", "me@here.test"})
	w.settle()
	w.stop()
	w.clock.advance(time.Hour)
	mark := store.SendingMark{Account: w.account.ID, ID: id, Domain: "far.test", Host: "mx1.far.test", Time: w.clock.Now()}
	unfinished := mark
	unfinished.Attempts = 1
	gone := mark
	gone.ID = store.NewTraceID(w.clock.Now())
	other := mark
	other.Domain = "near.test"
	if err := w.store.MarkSending(t.Context(), 7, []store.SendingMark{mark, gone, unfinished, other}, nil); err != nil {
		t.Fatal(err)
	}
	since := w.clock.Now()
	w.clock.advance(time.Second)
	w.start()
	w.settle()
	if got := far.letters(); len(got) != 1 {
		t.Errorf("kept %+v", got)
	}
	wantList(t, "events", w.eventsSince(since), []string{
		"message.unconfirmed you@far.test outbox.accepted-unconfirmed", "message.relayed you@far.test",
	})
	w.stop()
	w.start()
	if left, _, err := w.store.SendingMarks(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("marks %+v, %v", left, err)
	}
}

// TestGivenUp: five days of refusals give one report of a delay and one of the
// failure.
func TestGivenUp(t *testing.T) {
	w := newWorld(t)
	w.serve("far.test", &peer{rcpt: func(string, int) string { return "451 4.3.0 later" }})
	w.submit([]string{"you@far.test", "too@far.test"}, func(s *store.Submission) { s.Recipients[1].Notify = "FAILURE" })
	w.settle()
	w.pass(4*time.Hour-time.Minute, time.Minute)
	wantList(t, "reports before 4 h", w.local.reports(), nil)
	w.pass(time.Minute, time.Minute)
	wantList(t, "reports after 4 h", w.local.reports(), []string{"delayed you@far.test 4.3.0"})
	w.pass(5*24*time.Hour, 30*time.Minute)
	wantList(t, "reports", w.local.reports(), []string{"delayed you@far.test 4.3.0", "failed you@far.test 5.4.7", "failed too@far.test 5.4.7"})
	if left := w.queued(); len(left) != 0 {
		t.Errorf("%d submissions are left", len(left))
	}
	events := w.events()
	if tries := len(slices.DeleteFunc(slices.Clone(events), func(e string) bool { return !strings.HasPrefix(e, "message.deferred you") })); tries < 20 || tries > 45 {
		t.Errorf("%d attempts in five days", tries)
	}
	if !slices.Contains(events, "message.expired you@far.test outbox.expired") {
		t.Errorf("events %q", events)
	}
}

// TestReport reads what a sender gets.
func TestReport(t *testing.T) {
	w := newWorld(t)
	w.serve("far.test", &peer{rcpt: func(string, int) string { return "550 5.1.1 <you@far.test>: nobody\x07 of that name" }})
	w.submit([]string{"you@far.test"}, func(s *store.Submission) {
		s.EnvID, s.Ret, s.Recipients[0].ORcpt = "env 1", "FULL", "rfc822;orig@far.test"
	})
	w.settle()
	if len(w.local.letters) != 1 {
		t.Fatalf("%d letters", len(w.local.letters))
	}
	l := w.local.letters[0]
	if l.From != "" || l.To != "anna@here.test" {
		t.Errorf("from %q to %q", l.From, l.To)
	}
	r := l.report
	if r.EnvelopeID != "env 1" || r.ReportingMTA != "us.test" || r.OriginalMessageID != "1@here.test" {
		t.Errorf("status %+v", r.DeliveryStatus)
	}
	to := r.Recipients[0]
	if to.Original != "orig@far.test" || to.RemoteMTA != "mx1.far.test" || to.Diagnostic != "550 5.1.1 <you@far.test>: nobody of that name" {
		t.Errorf("recipient %+v", to)
	}
	if !strings.Contains(l.body, "Hej d\r\n") {
		t.Error("the message is not returned")
	}
	explained := w.options.Catalogue.Explain(cause.Refuse(cause.RecipientUnknown, cause.Text("address", "you@far.test")), cause.Swedish, cause.Holder)
	for _, part := range []string{"Ditt meddelande ”Glögg” till you@far.test levererades inte: mottagaren finns inte. Du kan själv rätta till det: ", explained.Text, explained.NextStep, "Glögg", "nobody of that name"} {
		if !strings.Contains(r.Text, part) {
			t.Errorf("%q is not in the text:\n%s", part, r.Text)
		}
	}
}

// TestReportHere: the report of a delivery that the queue had no part in.
func TestReportHere(t *testing.T) {
	w := newWorld(t)
	ref, err := w.store.Blobs().Put(t.Context(), []byte(letter))
	if err != nil {
		t.Fatal(err)
	}
	now := w.clock.Now()
	sub := &store.Submission{
		ID: store.NewTraceID(now), From: "bo@here.test", Blob: ref, Size: int64(len(letter)), Created: now,
		Recipients: []store.SubmissionRecipient{
			{Address: "anna@here.test", State: store.Placed, Last: now, Notify: "SUCCESS"},
			{Address: "carl@here.test", State: store.Placed, Last: now},
		},
	}
	if err := w.queue.Report(t.Context(), sub); err != nil {
		t.Fatal(err)
	}
	w.settle()
	wantList(t, "reports", w.local.reports(), []string{"delivered anna@here.test 2.0.0"})
}

// TestReportElsewhere: a sender elsewhere gets the report by SMTP, and no
// report of that comes back.
func TestReportElsewhere(t *testing.T) {
	w := newWorld(t)
	far := w.serve("far.test", &peer{rcpt: func(string, int) string { return "550 5.1.1 nobody" }})
	w.local.answer = func(string) cause.Decision { return cause.Refuse(cause.RecipientUnknown) }
	w.submit([]string{"nobody@here.test"}, func(s *store.Submission) { s.From, s.Account = "you@far.test", 0 })
	w.pass(time.Hour, time.Minute)
	if far.rcpts["you@far.test"] != 1 || len(w.queued()) != 0 {
		t.Errorf("tried %v, queued %d", far.rcpts, len(w.queued()))
	}
}

func TestLoop(t *testing.T) {
	w := newWorld(t)
	w.serve("far.test", &peer{})
	looped := strings.Repeat("Received: from a by b; Mon, 2 Mar 2026 10:00:00 +0000\r\n", maxHops+1) + letter
	ref, err := w.store.Blobs().Put(t.Context(), []byte(looped))
	if err != nil {
		t.Fatal(err)
	}
	w.submit([]string{"you@far.test"}, func(s *store.Submission) { s.Blob, s.Size = ref, int64(len(looped)) })
	w.settle()
	if got := w.events(); got[0] != "message.bounced you@far.test rules.loop" {
		t.Errorf("events %q", got)
	}
}

// TestReuse: many messages share few connections.
func TestReuse(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits.PerDestination, o.Limits.PerConnection, o.Limits.Idle = 3, 50, time.Second })
	far := w.serve("far.test", &peer{offers: []string{"PIPELINING"}})
	for range 60 {
		w.submit([]string{"you@far.test"})
	}
	w.settle()
	if got := len(far.letters()); got != 60 {
		t.Fatalf("%d letters", got)
	}
	if far.most > 3+3 || far.sessions > 12 {
		t.Errorf("%d sessions, %d at once", far.sessions, far.most)
	}
}

// TestManyRecipients: a server that takes few at a time gets the rest at once.
func TestManyRecipients(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits.PerMessage = 10 })
	inTransaction := 0
	far := w.serve("far.test", &peer{
		rcpt: func(string, int) string {
			if inTransaction++; inTransaction > 4 {
				return "452 4.5.3 too many recipients"
			}
			return ""
		},
		final: func([]string, int) string { inTransaction = 0; return "" },
	})
	var to []string
	for i := range 25 {
		to = append(to, fmt.Sprintf("r%d@far.test", i))
	}
	w.submit(to)
	w.settle()
	got := map[string]int{}
	for _, l := range far.letters() {
		for _, r := range l.rcpts {
			got[r]++
		}
	}
	if len(got) != 25 || len(w.queued()) != 0 {
		t.Errorf("%d recipients were served", len(got))
	}
}

// TestRestart: a new queue on the same store goes on.
func TestRestart(t *testing.T) {
	w := newWorld(t)
	up := false
	far := w.serve("far.test", &peer{final: func([]string, int) string {
		if !up {
			return "451 4.3.0 later"
		}
		return ""
	}})
	for range 10 {
		w.submit([]string{"you@far.test"})
	}
	w.settle()
	w.stop()
	up = true
	w.clock.advance(5 * time.Minute)
	w.start()
	w.settle()
	if got := len(far.letters()); got != 10 || len(w.queued()) != 0 {
		t.Errorf("%d letters, %d queued", got, len(w.queued()))
	}
}

// TestOwedReports: a crash after the outcome and before the report, or after
// the report and before the debt was struck out, gives one report.
func TestOwedReports(t *testing.T) {
	w := newWorld(t)
	now := w.clock.Now()
	ref, err := w.store.Blobs().Put(t.Context(), []byte(letter))
	if err != nil {
		t.Fatal(err)
	}
	w.stop()
	sub := store.Submission{
		ID: store.NewTraceID(now), Account: w.account.ID, From: "anna@here.test", Blob: ref, Size: int64(len(letter)), Created: now,
		Recipients: []store.SubmissionRecipient{
			{Address: "a@far.test", State: store.Failed, Last: now, Next: now, Cause: cause.RecipientUnknown},
			{Address: "b@far.test", State: store.Failed, Last: now.Add(1), Next: now, Cause: cause.RecipientUnknown},
		},
	}
	if err := w.store.CreateSubmission(t.Context(), sub); err != nil {
		t.Fatal(err)
	}
	crashed, err := New(w.options)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := crashed.createReport(t.Context(), &sub, ReportFailed, []int{1}, sub.Recipients[1].Last); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.settle()
	reports := w.local.reports()
	slices.Sort(reports)
	wantList(t, "reports", reports, []string{"failed a@far.test 5.1.1", "failed b@far.test 5.1.1"})
	if left := w.queued(); len(left) != 0 {
		t.Errorf("%d submissions are left", len(left))
	}
}

func TestControl(t *testing.T) {
	w := newWorld(t)
	up := false
	far := w.serve("far.test", &peer{rcpt: func(string, int) string {
		if !up {
			return "451 4.3.0 later"
		}
		return ""
	}})
	ctx := t.Context()
	id := w.submit([]string{"you@far.test", "too@far.test"})
	w.settle()
	if list, err := w.queue.List(ctx, Filter{Account: &w.account.ID, Domain: "FAR.test"}); err != nil || len(list) != 1 {
		t.Fatalf("list %v, %v", list, err)
	}
	if list, err := w.queue.List(ctx, Filter{Domain: "other.test"}); err != nil || len(list) != 0 {
		t.Fatalf("list %v, %v", list, err)
	}
	if err := w.queue.Cancel(ctx, w.account.ID, id, "third@far.test"); !errors.Is(err, ErrNotQueued) {
		t.Errorf("cancel of a stranger: %v", err)
	}
	if err := w.queue.Cancel(ctx, w.account.ID, id, "too@far.test"); err != nil {
		t.Fatal(err)
	}
	up = true
	if err := w.queue.SendNow(ctx, w.account.ID, id); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if got := far.letters(); len(got) != 1 || !slices.Equal(got[0].rcpts, []string{"you@far.test"}) {
		t.Errorf("kept %+v", got)
	}
	if err := w.queue.SendNow(ctx, w.account.ID, id); store.KindOf(err) != store.KindNotFound {
		t.Errorf("send what is gone: %v", err)
	}
	up = false
	id = w.submit([]string{"you@far.test"})
	w.settle()
	if err := w.queue.Cancel(ctx, w.account.ID, id, ""); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Hour, time.Minute)
	if left := w.queued(); len(left) != 0 {
		t.Errorf("left %+v", left)
	}
	events := w.events()
	if n := len(events); events[n-1] != "message.cancelled you@far.test" {
		t.Errorf("events %q", events)
	}
	wantList(t, "reports", w.local.reports(), nil)
}

// TestHold: what is held waits until it is released, whatever time passes.
func TestHold(t *testing.T) {
	w := newWorld(t)
	far := w.serve("far.test", &peer{rcpt: func(_ string, n int) string {
		if n == 1 {
			return "451 4.3.0 later"
		}
		return ""
	}})
	ctx := t.Context()
	id := w.submit([]string{"you@far.test", "too@far.test"})
	w.settle()
	if err := w.queue.Hold(ctx, w.account.ID, id, "YOU@far.test"); err != nil {
		t.Fatal(err)
	}
	if err := w.queue.Hold(ctx, w.account.ID, id, "you@far.test"); !errors.Is(err, ErrNotQueued) {
		t.Errorf("held twice: %v", err)
	}
	w.stop()
	w.start()
	w.pass(10*24*time.Hour, 12*time.Hour)
	if got := far.letters(); len(got) != 1 || !slices.Equal(got[0].rcpts, []string{"too@far.test"}) {
		t.Errorf("kept %+v", got)
	}
	list := w.queued()
	if len(list) != 1 || w.queue.Progress(&list[0], &list[0].Recipients[0]) != ProgressHeld {
		t.Fatalf("queued %+v", list)
	}
	if err := w.queue.SendNow(ctx, w.account.ID, id); !errors.Is(err, ErrNotQueued) {
		t.Errorf("send what is held: %v", err)
	}
	if err := w.queue.Release(ctx, w.account.ID, id, ""); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if got := far.letters(); len(got) != 2 || !slices.Equal(got[1].rcpts, []string{"you@far.test"}) {
		t.Errorf("kept %+v", got)
	}
	if left := w.queued(); len(left) != 0 {
		t.Errorf("left %+v", left)
	}
	wantList(t, "reports", w.local.reports(), nil)
	wantList(t, "events", w.events(), []string{
		"message.deferred you@far.test outbox.deferred", "message.deferred too@far.test outbox.deferred",
		"message.held you@far.test", "message.relayed too@far.test", "message.released you@far.test", "message.relayed you@far.test",
	})
}

// TestHoldOfLater: what was to go later, and is held and released before, goes when it was to go.
func TestHoldOfLater(t *testing.T) {
	departed := 0
	w := newWorld(t, func(o *Options) {
		o.Depart = func(context.Context, *store.Submission) cause.Decision {
			departed++
			return cause.Wait(cause.OutboxDeferred, time.Time{})
		}
	})
	id := w.submit([]string{"you@far.test"}, func(s *store.Submission) {
		s.Scheduled, s.Recipients[0].Next = true, w.clock.Now().Add(2*time.Hour)
	})
	for _, act := range []func(context.Context, store.AccountID, store.TraceID, string) error{w.queue.Hold, w.queue.Release} {
		if err := act(t.Context(), w.account.ID, id, ""); err != nil {
			t.Fatal(err)
		}
		w.pass(30*time.Minute, 10*time.Minute)
	}
	if departed != 0 {
		t.Fatal("it went when it was released")
	}
	if w.pass(time.Hour, 10*time.Minute); departed != 1 {
		t.Errorf("it went %d times at its time", departed)
	}
}

// TestForgotten: more deliveries than memory holds are all made.
func TestForgotten(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits.Remembered = 16 })
	up := false
	far := w.serve("far.test", &peer{final: func([]string, int) string {
		if !up {
			return "451 4.3.0 later"
		}
		return ""
	}})
	for range 50 {
		w.submit([]string{"you@far.test"})
		w.clock.advance(time.Second)
	}
	w.settle()
	up = true
	w.pass(30*time.Minute, 10*time.Second)
	if got := len(far.letters()); got != 50 || len(w.queued()) != 0 {
		t.Errorf("%d letters, %d queued", got, len(w.queued()))
	}
}

// TestForgottenAtOnce: also when all come next at the same moment.
func TestForgottenAtOnce(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits.Remembered = 16 })
	up := false
	far := w.serve("far.test", &peer{final: func([]string, int) string {
		if !up {
			return "451 4.3.0 later"
		}
		return ""
	}})
	for range 50 {
		w.submit([]string{"you@far.test"})
	}
	w.settle()
	up = true
	w.pass(30*time.Minute, 10*time.Second)
	if got := len(far.letters()); got != 50 || len(w.queued()) != 0 {
		t.Errorf("%d letters, %d queued", got, len(w.queued()))
	}
}

// TestStart: a start takes up what comes soon alone, some of every account and of every destination, and
// all of it goes.
func TestStart(t *testing.T) {
	const room = 64
	w := newWorld(t, func(o *Options) { o.Limits.Remembered, o.Limits.PerDestination = room, 100 })
	w.stop()
	ref, err := w.store.Blobs().Put(t.Context(), []byte(letter))
	if err != nil {
		t.Fatal(err)
	}
	far, near := w.serve("far.test", &peer{}), w.serve("near.test", &peer{})
	queue := func(a store.AccountID, to string, next time.Duration) {
		err := w.store.CreateSubmission(t.Context(), store.Submission{
			ID: store.NewTraceID(w.clock.Now()), Account: a, From: "anna@here.test", Blob: ref, Size: int64(len(letter)), Created: w.clock.Now(),
			Expires:    w.clock.Now().Add(24 * time.Hour),
			Recipients: []store.SubmissionRecipient{{Address: to, State: store.Queued, Attempts: 1, Next: w.clock.Now().Add(next)}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 4 * room {
		queue(w.account.ID, "you@far.test", 0)
		queue(w.account.ID, "you@far.test", 3*time.Hour)
	}
	queue(w.account.ID, "you@near.test", 0)
	queue(0, "you@near.test", 0)
	w.clock.advance(time.Second)
	q, err := New(w.options)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	taken := map[store.AccountID]map[string]int{}
	for k := range q.known {
		if taken[k.account] == nil {
			taken[k.account] = map[string]int{}
		}
		taken[k.account][k.domain.Value()]++
	}
	if n := taken[w.account.ID]; n["far.test"] == 0 || n["far.test"] > room/8 || n["near.test"] != 1 || taken[0]["near.test"] != 1 {
		t.Errorf("taken up: %v", taken)
	}
	if s := q.Stats(); s.Waiting != 8*room+2 {
		t.Errorf("%d wait", s.Waiting)
	}
	if err := q.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.settle()
	if a, b := len(far.letters()), len(near.letters()); a != 4*room || b != 2 {
		t.Errorf("%d and %d went at once", a, b)
	}
	w.pass(3*time.Hour, time.Minute)
	if n := len(far.letters()); n != 8*room || len(w.queued()) != 0 {
		t.Errorf("%d went, %d are left", n, len(w.queued()))
	}
}

// TestDown: a domain out of reach is not dialled for each message.
func TestDown(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits.PerDestination = 1 })
	w.internet.add("far.test", "mx.far.test", "")
	for range 20 {
		w.submit([]string{"you@far.test"})
	}
	w.settle()
	if w.internet.dialed != 1 {
		t.Errorf("dialled %d times", w.internet.dialed)
	}
	wantList(t, "events", w.events(), slices.Repeat([]string{"message.deferred you@far.test recipient.server-unreachable"}, 20))
}

// TestClose: what runs too long is broken off and tried again.
func TestClose(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits.Stop = 20 * time.Millisecond })
	block := make(chan struct{})
	reached := make(chan struct{}, 10)
	far := w.serve("far.test", &peer{offers: []string{"STARTTLS"}, tls: func(conn net.Conn) (net.Conn, bool) {
		reached <- struct{}{}
		<-block
		return nil, false
	}})
	w.submit([]string{"you@far.test"})
	<-reached
	w.stop()
	close(block)
	far.mu.Lock()
	far.offers = nil
	far.mu.Unlock()
	w.start()
	w.settle()
	if len(far.letters()) != 1 {
		t.Error("it was not tried again")
	}
	wantList(t, "events", w.events(), []string{"message.relayed you@far.test"})
}

// TestProperty: whatever servers do, every recipient ends in one final state,
// and every failure that the sender wants to hear of is reported once.
func TestProperty(t *testing.T) {
	replies := []string{"250 ok", "450 4.2.0 later", "550 5.1.1 no", "421 4.3.2 stop", "452 4.5.3 too many recipients"}
	finals := []string{"250 ok", "451 4.3.0 later", "554 5.7.1 no", "drop", "lost"}
	offers := [][]string{nil, {"PIPELINING"}, {"DSN", "PIPELINING"}}
	w := newWorld(t)
	check := 0
	rapid.Check(t, func(rt *rapid.T) {
		check++ // each has names of its own
		since := w.clock.Now()
		w.local.letters = nil
		var peers []*peer
		domains := []string{fmt.Sprintf("a%d.test", check), fmt.Sprintf("b%d.test", check), "none.test", "here.test"}
		for _, domain := range domains[:2] {
			seed := rapid.SliceOfN(rapid.IntRange(0, 99), 20, 20).Draw(rt, "will")
			calls := 0
			pick := func(from []string) string { calls++; return from[seed[calls%len(seed)]%len(from)] }
			peers = append(peers, w.serve(domain, &peer{
				offers: rapid.SampledFrom(offers).Draw(rt, "offers"),
				rcpt:   func(string, int) string { return pick(replies) },
				final:  func([]string, int) string { return pick(finals) },
			}))
		}
		restarts := rapid.IntRange(0, 2).Draw(rt, "restarts")
		var all []string
		notify := map[string]string{}
		for m := range rapid.IntRange(1, 4).Draw(rt, "messages") {
			var to []string
			for i := range rapid.IntRange(1, 5).Draw(rt, "recipients") {
				domain := rapid.SampledFrom(domains).Draw(rt, "domain")
				to = append(to, fmt.Sprintf("m%dr%d@%s", m, i, domain))
			}
			null := rapid.IntRange(0, 4).Draw(rt, "null") == 0
			w.submit(to, func(s *store.Submission) {
				if null {
					s.From = ""
				}
				for i := range s.Recipients {
					r := &s.Recipients[i]
					r.Notify = rapid.SampledFrom([]string{"", "NEVER", "SUCCESS", "FAILURE,DELAY"}).Draw(rt, "notify")
					notify[r.Address] = r.Notify
					if null {
						notify[r.Address] = "NEVER"
					}
				}
			})
			all = append(all, to...)
		}
		for range restarts {
			w.clock.advance(2 * time.Hour)
			w.stop()
			w.clock.advance(time.Second) // a start takes time, so events of two queues differ in theirs
			w.start()
		}
		w.settle()
		w.pass(6*24*time.Hour, 2*time.Hour)
		if left := w.queued(); len(left) != 0 {
			rt.Fatalf("left %+v", left)
		}
		if found, err := w.store.Verify(context.Background(), store.VerifyOptions{}); err != nil || found.Found != 0 {
			rt.Fatalf("verify: %v, %v", found.Problems, err)
		}
		ends, failed, unsure := map[string]int{}, map[string]int{}, map[string]int{}
		for _, e := range w.eventsSince(since) {
			kind, rest, _ := strings.Cut(e, " ")
			to, _, _ := strings.Cut(rest, " ")
			switch kind {
			case "message.bounced", "message.expired":
				failed[to]++
				ends[to]++
			case "message.relayed":
				ends[to]++
			case "message.unconfirmed":
				unsure[to]++
			}
		}
		for _, l := range w.local.letters {
			if l.report == nil {
				ends[l.To]++
			}
		}
		kept := map[string]int{}
		for _, p := range peers {
			for _, l := range p.letters() {
				for _, to := range l.rcpts {
					kept[to]++
				}
			}
		}
		reported := map[string]int{}
		for _, r := range w.local.reports() {
			action, rest, _ := strings.Cut(r, " ")
			to, _, _ := strings.Cut(rest, " ")
			if action == "failed" {
				reported[to]++
			}
		}
		for _, to := range all {
			if kept[to] > 1+unsure[to] {
				rt.Fatalf("%s got it %d times, and the trace doubts %d", to, kept[to], unsure[to])
			}
			want := 0
			if n := notify[to]; failed[to] > 0 && (n == "" || strings.Contains(n, "FAILURE")) {
				want = 1
			}
			if ends[to] != 1 || reported[to] != want {
				rt.Fatalf("%s came to an end %d times, failed %d, was reported %d times; NOTIFY=%q", to, ends[to], failed[to], reported[to], notify[to])
			}
		}
	})
}

// TestEncrypted: the record says how a message travelled.
func TestEncrypted(t *testing.T) {
	w := newWorld(t)
	cert, _ := certstest.New(t, "mx1.far.test")
	w.serve("far.test", &peer{offers: []string{"STARTTLS"}, tls: func(conn net.Conn) (net.Conn, bool) {
		secure := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}})
		return secure, secure.HandshakeContext(context.Background()) == nil
	}})
	w.submit([]string{"you@far.test"})
	w.settle()
	used := ""
	err := w.store.Events(t.Context(), w.account.ID, time.Time{}, time.Time{}, func(e *store.Event) error {
		used = e.Field("tls")
		return nil
	})
	if err != nil || used != string(TLSUnverified) {
		t.Errorf("TLS %q, %v", used, err)
	}
}

// BenchmarkQueue brings letters from submission to a server on loopback.
func BenchmarkQueue(b *testing.B) {
	w := newWorld(b)
	w.serve("far.test", &peer{offers: []string{"PIPELINING"}})
	ref, err := w.store.Blobs().Put(b.Context(), []byte(letter))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			err := w.queue.Submit(b.Context(), store.Submission{
				ID: store.NewTraceID(time.Now()), Account: w.account.ID, From: "anna@here.test", Blob: ref, Size: int64(len(letter)),
				Recipients: []store.SubmissionRecipient{{Address: "you@far.test"}},
			})
			if err != nil {
				b.Error(err)
			}
		}
	})
	w.settle()
}

// BenchmarkStart takes up what waits; one operation is one submission.
func BenchmarkStart(b *testing.B) {
	w := newWorld(b)
	w.stop()
	ref, err := w.store.Blobs().Put(b.Context(), []byte(letter))
	if err != nil {
		b.Fatal(err)
	}
	var next atomic.Int64
	b.SetParallelism(50)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n := next.Add(1)
			err := w.store.CreateSubmission(b.Context(), store.Submission{
				ID: store.NewTraceID(w.clock.Now()), Account: w.account.ID, From: "anna@here.test", Blob: ref, Size: int64(len(letter)),
				Created: w.clock.Now(), Outbox: uid.UID(n),
				Recipients: []store.SubmissionRecipient{{
					Address: fmt.Sprintf("you%d@far%d.test", n, n%500), State: store.Queued, Attempts: 1, Cause: cause.OutboxDeferred,
					Reply: "451 4.3.0 The server is busy, try again later", Host: "mx.far.test", Next: w.clock.Now().Add(time.Hour),
				}},
			})
			if err != nil {
				b.Error(err)
			}
		}
	})
	b.ResetTimer()
	w.start()
	b.StopTimer()
	if s := w.queue.Stats(); s.Waiting != b.N {
		b.Errorf("%d wait of %d", s.Waiting, b.N)
	}
}

// TestLocalRefused: what the rules of somebody here say to the sender stands in the report (RFC 5429 section 2.1.2).
func TestLocalRefused(t *testing.T) {
	w := newWorld(t)
	w.local.answer = func(to string) cause.Decision {
		if to != "bo@here.test" {
			return cause.Allow()
		}
		return cause.Refuse(cause.RecipientRefuses, cause.Text("address", to), cause.Text("reason", "Nej tack.")).As("rule")
	}
	w.submit([]string{"bo@here.test"})
	w.settle()
	if got := w.local.reports(); len(got) != 1 || got[0] != "failed bo@here.test 5.7.1" {
		t.Fatalf("reports %q", got)
	}
	if text := w.local.letters[0].body; !strings.Contains(text, "Diagnostic-Code: smtp; 550 5.7.1 Nej tack.") {
		t.Errorf("report:\n%s", text)
	}
}
