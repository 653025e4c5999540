package inbound_test

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/inbound"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

// handIn hands a letter of anna in for some recipients, and returns what waits of it and what it becomes.
func (s *service) handIn(t *testing.T, text string, to ...string) *store.Submission {
	t.Helper()
	email := storetest.Email(t, s.store, strings.TrimSuffix(text, "."))
	if _, err := s.store.Append(t.Context(), s.anna.ID, store.InboxID, []store.NewEmail{email}); err != nil {
		t.Fatal(err)
	}
	usage, err := s.store.Usage(t.Context(), s.anna.ID)
	if err != nil {
		t.Fatal(err)
	}
	now := s.store.Now()
	sub := &store.Submission{
		ID: store.NewTraceID(now), Account: s.anna.ID, From: s.anna.Address, Created: now, Expires: now.Add(time.Hour), Scheduled: true, MessageID: email.Summary.MessageID,
	}
	record := store.EmailSubmission{Email: store.EmailID(usage.Emails), MessageID: sub.ID.String(), From: store.EnvelopeAddress{Email: sub.From}}
	for _, one := range to {
		sub.Recipients = append(sub.Recipients, store.SubmissionRecipient{Address: one, State: store.Queued, Next: now})
		record.To = append(record.To, store.EnvelopeAddress{Email: one})
	}
	made, repeated, err := s.store.CreateEmailSubmission(t.Context(), s.anna.ID, record, sub)
	if err != nil || repeated || made.ID == 0 {
		t.Fatal(err, repeated)
	}
	return sub
}

// road is the backend of a service that has started.
func (s *service) road(change ...func(*inbound.Options)) *inbound.Backend {
	o := inbound.Options{
		Store: s.store, Policy: s, Journal: s, Queue: s, Hostname: "mx.demo.test", MaxSize: 1 << 20, MaxRecipients: 10, MaxHops: 5,
		Log: slog.New(slog.DiscardHandler),
	}
	for _, fn := range change {
		fn(&o)
	}
	return inbound.New(o)
}

// states are what became of the recipients of a submission.
func (s *service) states(t *testing.T, sub *store.Submission) (list []string) {
	t.Helper()
	e, err := s.store.EmailSubmission(t.Context(), s.anna.ID, sub.Handed)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range e.Recipients {
		list = append(list, strings.TrimSpace(r.Address+" "+string(r.State)+" "+string(r.Cause)))
	}
	return list
}

const withBlindCopies = "Bcc: eva@far.test,\r\n carl@far.test\r\n" + letter

// TestDepart holds that a message that was handed in goes as one that comes over SMTP does: rules run, blind copies are left out, and each
// recipient has a state.
func TestDepart(t *testing.T) {
	s := start(t)
	road := s.road(ruling)
	s.script(t, s.bjorn, `require "fileinto"; fileinto "Archive";`)
	sub := s.handIn(t, withBlindCopies, "bjorn@demo.test", "anna@demo.test", "eva@far.test", "nobody@demo.test")
	if d := road.Depart(t.Context(), sub); !d.Allowed() {
		t.Fatal(d)
	}
	want := []string{"bjorn@demo.test placed", "anna@demo.test placed", "eva@far.test queued", "nobody@demo.test failed recipient.unknown"}
	if got := s.states(t, sub); !slices.Equal(got, want) {
		t.Errorf("states %q, want %q", got, want)
	}
	if n := len(s.inbox(t, s.bjorn)); n != 0 {
		t.Errorf("the rules did not run: %d in INBOX", n)
	}
	own := s.inbox(t, s.anna)
	if len(own) != 2 || strings.Contains(own[1], "Bcc") || !strings.Contains(own[1], "Received: by mx.demo.test with HTTP id "+sub.ID.String()) ||
		!strings.Contains(own[0], "carl@far.test") {
		t.Errorf("anna has %q", own)
	}
	after, err := s.store.Submission(t.Context(), s.anna.ID, sub.ID)
	if err != nil || after.Scheduled || after.Blob == sub.Blob {
		t.Errorf("%v: it goes on as %+v", err, after)
	}
	body, err := s.store.Blobs().Read(t.Context(), nil, after.Blob, 0, 4000)
	if err != nil || strings.Contains(string(body), "carl@far.test") || !strings.Contains(string(body), "Subject: Hej") || int64(len(body)) != after.Size {
		t.Errorf("%v: eva gets %q", err, body)
	}
	// What departed does not depart again, though a crash may have it seem so.
	if d := road.Depart(t.Context(), sub); d.Allowed() {
		t.Error("it departs twice")
	}
	if n := len(s.inbox(t, s.anna)); n != 2 {
		t.Errorf("it came twice: %d messages", n)
	}
}

// TestDepartLater holds that limits and full mailboxes let a message wait, each in its way, and that what is the matter with all is
// told as a refusal.
func TestDepartLater(t *testing.T) {
	s := start(t)
	road := s.road()
	s.sendLimit = 1
	sub := s.handIn(t, letter, "bjorn@demo.test", "eva@far.test")
	if d := road.Depart(t.Context(), sub); d.Action != cause.ActionWait || d.Cause != cause.LimitAddressHourly {
		t.Errorf("over the limit: %+v", d)
	}
	if len(s.inbox(t, s.bjorn)) != 0 || s.sent != 0 {
		t.Error("it went to some in spite of the limit")
	}
	s.sendLimit, s.full = 0, s.bjorn.ID
	if d := road.Depart(t.Context(), sub); !d.Allowed() {
		t.Fatal(d)
	}
	want := []string{"bjorn@demo.test queued quota.mailbox-full", "eva@far.test queued"}
	if got := s.states(t, sub); !slices.Equal(got, want) {
		t.Errorf("states %q, want %q", got, want)
	}
	if d := road.Depart(t.Context(), s.handIn(t, letter, "nobody@demo.test")); d.Action != cause.ActionRefuse || d.Cause != cause.RecipientUnknown {
		t.Errorf("to nobody: %+v", d)
	}
	foreign := s.handIn(t, letter, "bjorn@demo.test")
	foreign.From = s.bjorn.Address
	if d := road.Depart(t.Context(), foreign); d.Action != cause.ActionRefuse || d.Cause != cause.ClientFromNotOwned {
		t.Errorf("in the name of another: %+v", d)
	}
}

// TestCheck holds that what would be refused is told beforehand, about the sender and about each recipient, and that nothing is counted.
func TestCheck(t *testing.T) {
	s := start(t)
	s.sendLimit = 1
	road := s.road()
	sub := &store.Submission{ID: store.NewTraceID(time.Now()), Account: s.anna.ID, From: s.anna.Address, Size: 100, Recipients: []store.SubmissionRecipient{
		{Address: "bjorn@demo.test"}, {Address: "nobody@demo.test"}, {Address: "eva@far.test"}, {Address: "not an address"},
	}}
	sender, recipients := road.Check(t.Context(), &s.anna, sub, []string{s.anna.Address})
	var got []cause.ID
	for _, d := range recipients {
		got = append(got, d.Cause)
	}
	if want := []cause.ID{"", cause.RecipientUnknown, "", cause.RecipientAddressInvalid}; !sender.Allowed() || !slices.Equal(got, want) || s.sent != 0 {
		t.Errorf("%+v, %q, %d counted", sender, got, s.sent)
	}
	for _, one := range []struct {
		from    string
		authors []string
		size    int64
		want    cause.ID
	}{
		{"bjorn@demo.test", nil, 0, cause.ClientFromNotOwned},
		{"anna@demo.test", []string{"anna@demo.test", "eva@far.test"}, 0, cause.ClientFromNotOwned},
		{"anna@demo.test", nil, 2 << 20, cause.ContentTooLargeOwn},
	} {
		sub.From, sub.Size = one.from, one.size
		if sender, _ := road.Check(t.Context(), &s.anna, sub, one.authors); sender.Cause != one.want {
			t.Errorf("%+v: %+v", one, sender)
		}
	}
}

// TestUnsent holds that a message which was taken back does not go, though its time has come.
func TestUnsent(t *testing.T) {
	s := start(t)
	sub := s.handIn(t, letter, "bjorn@demo.test")
	if err := s.store.DeleteSubmission(t.Context(), s.anna.ID, sub.ID); err != nil {
		t.Fatal(err)
	}
	if d := s.road().Depart(t.Context(), sub); d.Allowed() {
		t.Error("it goes all the same")
	}
	if n := len(s.inbox(t, s.bjorn)); n != 0 {
		t.Errorf("%d came", n)
	}
	if _, err := s.store.Submission(t.Context(), s.anna.ID, sub.ID); store.KindOf(err) != store.KindNotFound {
		t.Error(errors.Join(errors.New("it is there again"), err))
	}
}
