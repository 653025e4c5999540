package jmapd

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

// seen are the recipients of all emails in a mailbox, as their headers name them.
func (w *world) seen(mailbox string) (all []string) {
	w.t.Helper()
	var found struct {
		List []struct{ To []struct{ Email string } }
	}
	var ids struct{ IDs []string }
	w.args(&ids, "Email/query", `{"accountId":"a1","filter":{"inMailbox":%q}}`, mailbox)
	raw, _ := json.Marshal(ids.IDs)
	w.args(&found, "Email/get", `{"accountId":"a1","ids":%s,"properties":["to"]}`, raw)
	for _, e := range found.List {
		var to []string
		for _, a := range e.To {
			to = append(to, a.Email)
		}
		all = append(all, strings.Join(to, " "))
	}
	return all
}

// states are what Delivery/get tells of the only email in a mailbox, but for recipients who do not get it from there any more.
func (w *world) states(mailbox string) map[string]string {
	w.t.Helper()
	var ids struct{ IDs []string }
	w.args(&ids, "Email/query", `{"accountId":"a1","filter":{"inMailbox":%q}}`, mailbox)
	if len(ids.IDs) != 1 {
		w.t.Fatalf("there are %d emails in %s", len(ids.IDs), mailbox)
	}
	var got struct {
		List []struct {
			Recipients map[string]struct{ State string }
		}
	}
	w.args(&got, "Delivery/get", `{"accountId":"a1","emailId":%q}`, ids.IDs[0])
	all := map[string]string{}
	for _, one := range got.List {
		for address, r := range one.Recipients {
			if r.State == "cancelled" {
				continue
			}
			if all[address] != "" {
				w.t.Errorf("%s is told of twice", address)
			}
			all[address] = r.State
		}
	}
	return all
}

// waiting is the one message in the Outbox.
func (w *world) waiting() (id string, to []string) {
	w.t.Helper()
	var got struct {
		List []struct {
			ID         string
			Recipients []struct{ Address, State string }
		}
	}
	w.args(&got, "Outbox/get", `{"accountId":"a1","failedSince":"2020-01-01T00:00:00Z"}`)
	if len(got.List) != 1 {
		w.t.Fatalf("%d messages are in the Outbox: %v", len(got.List), got.List)
	}
	for _, r := range got.List[0].Recipients {
		to = append(to, r.Address+" "+r.State)
	}
	slices.Sort(to)
	return got.List[0].ID, to
}

// TestCorrectOneOfSeveral holds that a message of which one address was wrong is one message in Sent, which names all recipients rightly and tells of each,
// and that nobody gets it twice.
func TestCorrectOneOfSeveral(t *testing.T) {
	w := newWorld(t)
	w.using = append(w.using, capabilityVendor)
	bo := storetest.Account(t, w.store, "bo@example.org")
	w.calls(`[["Identity/get",{"accountId":"a1"},"0"]]`)
	w.handIn(1, time.Now(), "eva@exmaple.net", "carl@example.net")
	w.settle()
	id, _ := w.waiting()
	correct := func(id, from, to string) string {
		return string(w.calls(fmt.Sprintf(`[["Outbox/act",{"accountId":"a1","id":%q,"action":"correctRecipient","recipient":%q,"to":%q},"0"]]`, id, from, to)))
	}
	if got := correct(id, "eva@exmaple.net", "eva@example.net"); !strings.Contains(got, `"emailSubmissionId":"S2"`) {
		t.Fatal(got)
	}
	w.settle()
	if got := correct(id, "eva@exmaple.net", "anna@example.org"); !strings.Contains(got, "notFound") { // another window was faster
		t.Error(got)
	}
	if got := w.seen("F3"); fmt.Sprint(got) != "[bo@example.org eva@example.net carl@example.net]" {
		t.Error(got)
	}
	want := map[string]string{"bo@example.org": "delivered", "eva@example.net": "delayed", "carl@example.net": "delayed"}
	if got := w.states("F3"); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Error(got)
	}
	id, to := w.waiting()
	if fmt.Sprint(to) != "[carl@example.net delayed eva@example.net delayed]" {
		t.Error(to)
	}
	// The other one, too: all have it now, in one message.
	if got := correct(id, "carl@example.net", "anna@example.org"); !strings.Contains(got, `"emailSubmissionId":"S3"`) {
		t.Fatal(got)
	}
	w.settle()
	want = map[string]string{"bo@example.org": "delivered", "eva@example.net": "delayed", "anna@example.org": "delivered"}
	if got := w.states("F3"); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Error(got)
	}
	m, err := w.store.Mailboxes(t.Context(), bo.ID)
	if err != nil || m[0].Messages != 1 {
		t.Error(m, err)
	}
	if got := w.seen("F1"); fmt.Sprint(got) != "[bo@example.org eva@example.net anna@example.org]" {
		t.Error(got)
	}
}

// TestCorrectOfSMTP holds that a message which a mail program sent is corrected as one of our own, with the copy that its program keeps, unless the
// program signed it.
func TestCorrectOfSMTP(t *testing.T) {
	for _, tt := range []struct {
		name, signature string
		kept            bool
		sent            string
	}{
		{"kept", "", true, "[anna@example.org]"},
		{"not kept", "", false, "[anna@example.org]"},
		{"signed", "DKIM-Signature: v=1; d=example.org; h=To; bh=x; b=x\r\n", true, "[eva@exmaple.net]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.using = append(w.using, capabilityVendor)
			w.calls(`[["Identity/get",{"accountId":"a1"},"0"]]`)
			letter := tt.signature + "From: anna@example.org\r\nTo: eva@exmaple.net\r\nSubject: Hej\r\nMessage-ID: <1@x>\r\n\r\nHej\r\n"
			ref, err := w.store.Blobs().Put(t.Context(), []byte(letter))
			if err != nil {
				t.Fatal(err)
			}
			if tt.kept {
				w.calls(`[["Email/set",{"accountId":"a1","create":{"e":{"mailboxIds":{"F3":true},"messageId":["1@x"],"to":[{"email":"eva@exmaple.net"}],"subject":"Hej"}}},"0"]]`)
			}
			now := w.store.Now()
			sub := store.Submission{
				ID: store.NewTraceID(now), Account: w.anna.ID, From: w.anna.Address, Blob: ref, Size: int64(len(letter)), MessageID: "1@x",
				Recipients: []store.SubmissionRecipient{{Address: "eva@exmaple.net"}},
			}
			w.desk.journal.Record(t.Context(), store.Event{Time: now, Trace: sub.ID, Account: w.anna.ID, Kind: journal.MessageQueued, Fields: []store.Field{
				{Name: "to", Value: "eva@exmaple.net"}, {Name: "message-id", Value: "1@x"}, {Name: "protocol", Value: "ESMTPSA"},
			}})
			if err := w.queue.Submit(t.Context(), sub); err != nil {
				t.Fatal(err)
			}
			w.settle()
			got := string(w.calls(`[["Outbox/act",{"accountId":"a1","id":"` + sub.ID.String() + `","action":"correctRecipient","recipient":"eva@exmaple.net","to":"anna@example.org"},"0"]]`))
			if strings.Contains(got, `"signed":true`) != (tt.signature != "") {
				t.Error(got)
			}
			w.settle()
			if got := fmt.Sprint(w.seen("F3")); got != tt.sent {
				t.Errorf("in Sent: %s", got)
			}
			if got := fmt.Sprint(w.seen("F1")); got != tt.sent {
				t.Errorf("in the inbox: %s", got)
			}
			if got := fmt.Sprint(w.states("F3")); got != "map[anna@example.org:delivered]" {
				t.Error(got)
			}
		})
	}
}

// TestCorrectMeanwhile holds that who got a message, or from whom it was taken back, while another address of it is corrected does not get it again.
func TestCorrectMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.using = append(w.using, capabilityVendor)
	storetest.Account(t, w.store, "bo@example.org")
	w.calls(`[["Identity/get",{"accountId":"a1"},"0"]]`)
	w.handIn(1, time.Now(), "eva@exmaple.net", "carl@example.net")
	w.settle()
	id, _ := w.waiting()
	trace, err := store.ParseTraceID(id)
	if err != nil {
		t.Fatal(err)
	}
	check, first := w.server.options.Check, true
	w.server.options.Check = func(ctx context.Context, a *store.Account, sub *store.Submission, authors []string) (cause.Decision, []cause.Decision) {
		if first {
			first = false
			if err := w.queue.Cancel(ctx, a.ID, trace, "carl@example.net"); err != nil {
				t.Error(err)
			}
		}
		return check(ctx, a, sub, authors)
	}
	got := string(w.calls(`[["Outbox/act",{"accountId":"a1","id":"` + id + `","action":"correctRecipient","recipient":"eva@exmaple.net","to":"eva@example.net"},"0"]]`))
	if !strings.Contains(got, `"emailSubmissionId":"S2"`) {
		t.Fatal(got)
	}
	w.settle()
	if _, to := w.waiting(); fmt.Sprint(to) != "[eva@example.net delayed]" {
		t.Error(to)
	}
}

// TestCorrectHeld holds that others who are held stay so in the message that takes the place of the first one, which is among the sent ones once.
func TestCorrectHeld(t *testing.T) {
	w := newWorld(t)
	w.using = append(w.using, capabilityVendor)
	storetest.Account(t, w.store, "bo@example.org")
	w.calls(`[["Identity/get",{"accountId":"a1"},"0"]]`)
	w.handIn(1, time.Now(), "eva@exmaple.net", "carl@example.net")
	w.settle()
	id, _ := w.waiting()
	w.calls(`[["Outbox/act",{"accountId":"a1","id":"` + id + `","action":"hold"},"0"]]`)
	w.calls(`[["Outbox/act",{"accountId":"a1","id":"` + id + `","action":"correctRecipient","recipient":"eva@exmaple.net","to":"anna@example.org"},"0"]]`)
	w.settle()
	if got := w.seen("F3"); fmt.Sprint(got) != "[bo@example.org anna@example.org carl@example.net]" {
		t.Error("in Sent:", got)
	}
	want := map[string]string{"bo@example.org": "delivered", "anna@example.org": "delivered", "carl@example.net": "held"}
	if got := w.states("F3"); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Error(got)
	}
	id, to := w.waiting()
	if fmt.Sprint(to) != "[anna@example.org delivered carl@example.net held]" {
		t.Error(to)
	}
	w.calls(`[["Outbox/act",{"accountId":"a1","id":"` + id + `","action":"release"},"0"]]`)
	w.settle()
	if _, to = w.waiting(); fmt.Sprint(to) != "[anna@example.org delivered carl@example.net delayed]" {
		t.Error(to)
	}
}

// smtp hands a message in as a mail program does, for one recipient, and others who are here; kept puts the program's copy among the sent ones.
func (w *world) smtp(letter, to, ret string, kept bool, also ...string) store.TraceID {
	w.t.Helper()
	ref, err := w.store.Blobs().Put(w.t.Context(), []byte(letter))
	if err != nil {
		w.t.Fatal(err)
	}
	if kept {
		one, err := w.server.receive(w.t.Context(), strings.NewReader(letter))
		if err != nil {
			w.t.Fatal(err)
		}
		n := store.NewEmail{Blob: one.ref, Summary: message.Summarize([]byte(letter)), Flags: store.FlagSeen}
		if _, err := w.store.Append(w.t.Context(), w.anna.ID, 3, []store.NewEmail{n}); err != nil {
			w.t.Fatal(err)
		}
	}
	now := w.store.Now()
	sub := store.Submission{
		ID: store.NewTraceID(now), Account: w.anna.ID, From: w.anna.Address, Blob: ref, Size: int64(len(letter)), MessageID: "1@x", Ret: ret,
		Recipients: []store.SubmissionRecipient{{Address: to}},
	}
	for _, one := range also {
		sub.Recipients = append(sub.Recipients, store.SubmissionRecipient{Address: one})
		w.desk.journal.Record(w.t.Context(), store.Event{Time: now, Trace: sub.ID, Account: w.anna.ID, Kind: journal.MessageAccepted, Fields: []store.Field{
			{Name: "from", Value: w.anna.Address}, {Name: "to", Value: one}, {Name: "message-id", Value: "1@x"}, {Name: "protocol", Value: "ESMTPSA"},
		}})
	}
	w.desk.journal.Record(w.t.Context(), store.Event{Time: now, Trace: sub.ID, Account: w.anna.ID, Kind: journal.MessageQueued, Fields: []store.Field{
		{Name: "from", Value: w.anna.Address}, {Name: "to", Value: to}, {Name: "message-id", Value: "1@x"}, {Name: "protocol", Value: "ESMTPSA"},
	}})
	if err := w.queue.Submit(w.t.Context(), sub); err != nil {
		w.t.Fatal(err)
	}
	w.settle()
	return sub.ID
}

// TestCorrectCameBack holds that what a mail program sent and came back goes to the right address, from its copy among the sent ones, or from the
// report where that has all of it; a report that somebody else wrote is not believed.
func TestCorrectCameBack(t *testing.T) {
	const letter = "From: anna@example.org\r\nTo: Eva <eva@example.org>\r\nSubject: Hej\r\nMessage-ID: <1@x>\r\n\r\nHej\r\n"
	for _, tt := range []struct {
		name, letter, ret string
		kept, forged      bool
		answer, sent      string
	}{
		{"kept", letter, "", true, false, "emailSubmissionId", "[anna@example.org]"},
		{"in the report", letter, "FULL", false, false, "emailSubmissionId", "[anna@example.org]"},
		{"in neither", letter, "HDRS", false, false, "notFound", "[]"},
		{"in a forged report", letter, "HDRS", false, true, "notFound", "[]"},
		{"signed", "DKIM-Signature: v=1; d=example.org; h=To; bh=x; b=x\r\n" + letter, "FULL", false, false, `"signed":true`, "[eva@example.org]"},
		{"signed and kept", "DKIM-Signature: v=1; d=example.org; h=To; bh=x; b=x\r\n" + letter, "", true, false, `"signed":true`, "[eva@example.org]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.using = append(w.using, capabilityVendor)
			id := w.smtp(tt.letter, "eva@example.org", tt.ret, tt.kept).String()
			var in struct{ IDs []string }
			w.args(&in, "Email/query", `{"accountId":"a1","filter":{"inMailbox":"F1"}}`)
			if len(in.IDs) != 1 {
				t.Fatal("no report", in.IDs)
			}
			report := in.IDs[0]
			if tt.forged {
				w.put(1, 9, strings.ReplaceAll(forged, "\n", "\r\n"), store.FlagSeen)
				w.args(&in, "Email/query", `{"accountId":"a1","filter":{"inMailbox":"F1","subject":"forged"}}`)
				report = in.IDs[0]
			}
			told := func() string {
				return string(w.calls(`[["Delivery/get",{"accountId":"a1","emailId":"` + report + `"},"0"]]`))
			}
			if got := told(); !strings.Contains(got, id) || !strings.Contains(got, `"state":"bounced"`) {
				t.Error("of the report:", got)
			}
			act := `[["Outbox/act",{"accountId":"a1","id":"` + id + `","action":"correctRecipient","recipient":"eva@example.org","to":"anna@example.org","reportId":"` + report + `"},"0"]]`
			if got := string(w.calls(act)); !strings.Contains(got, tt.answer) {
				t.Fatal(got)
			}
			w.settle()
			if got := fmt.Sprint(w.seen("F3")); got != tt.sent {
				t.Errorf("in Sent: %s", got)
			}
			if tt.answer == "notFound" {
				return
			}
			if got := told(); strings.Contains(got, `"state":"bounced"`) {
				t.Error("of the report, once it was corrected:", got)
			}
			if got := fmt.Sprint(w.states("F3")); got != "map[anna@example.org:delivered]" {
				t.Error(got)
			}
			if got := string(w.calls(act)); !strings.Contains(got, "notFound") {
				t.Error("once more:", got)
			}
		})
	}
}

const forged = `From: postmaster@example.org
Subject: forged
Message-ID: <2@x>
In-Reply-To: <1@x>
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example.org

Final-Recipient: rfc822; eva@example.org
Action: failed
Status: 5.1.1

--b
Content-Type: message/rfc822

From: anna@example.org
To: eva@example.org
Subject: Hej
Message-ID: <1@x>

Something else
--b--
`

// TestCorrectFails holds that a correction which cannot be handed in leaves all as it was: no copy among the sent ones tells of what was not sent.
func TestCorrectFails(t *testing.T) {
	w := newWorld(t)
	w.using = append(w.using, capabilityVendor)
	id := w.smtp("From: anna@example.org\r\nTo: eva@exmaple.net\r\nSubject: Hej\r\nMessage-ID: <1@x>\r\n\r\nHej\r\n", "eva@exmaple.net", "", false).String()
	if _, err := w.store.UpdateAccount(t.Context(), w.anna.ID, func(one *store.Account) error { one.Quota = 1; return nil }); err != nil {
		t.Fatal(err)
	}
	got := string(w.calls(`[["Outbox/act",{"accountId":"a1","id":"` + id + `","action":"correctRecipient","recipient":"eva@exmaple.net","to":"eva@example.net"},"0"]]`))
	if !strings.Contains(got, "overQuota") {
		t.Error(got)
	}
	if got := w.seen("F3"); len(got) != 0 {
		t.Error("in Sent:", got)
	}
	w.settle()
	if _, to := w.waiting(); fmt.Sprint(to) != "[eva@exmaple.net delayed]" {
		t.Error(to)
	}
}
