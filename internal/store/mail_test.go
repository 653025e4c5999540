package store_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// TestMailFollows holds that a client which applies only what changed and what was removed has the same
// emails as one that reads everything, whatever happens.
func TestMailFollows(t *testing.T) {
	s := storetest.Open(t)
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		follow(t, s, fmt.Sprintf("a%d@demo.test", n))
	})
}

func follow(t *rapid.T, s *store.Store, address string) {
	ctx := t.Context()
	if err := s.CreateDomain(ctx, store.Domain{Name: "demo.test"}); err != nil && store.KindOf(err) != store.KindExists {
		t.Fatal(err)
	}
	a, err := s.CreateAccount(ctx, store.Account{Address: address})
	mustRapid(t, err)
	mail, _, err := s.Mail(ctx, a.ID, nil)
	mustRapid(t, err)
	client := map[store.EmailID]string{}
	for step := range rapid.IntRange(1, 10).Draw(t, "steps") {
		box := store.MailboxID(rapid.IntRange(1, 3).Draw(t, "mailbox"))
		other := store.MailboxID(rapid.IntRange(1, 3).Draw(t, "other"))
		set := uid.Of(uid.UID(rapid.IntRange(1, 6).Draw(t, "uid")))
		switch rapid.IntRange(0, 4).Draw(t, "what") {
		case 0:
			_, err = s.Append(ctx, a.ID, box, []store.NewEmail{letter(t, s, step)})
		case 1:
			_, err = s.Copy(ctx, a.ID, box, set, other)
		case 2:
			_, err = s.Move(ctx, a.ID, box, set, other)
		case 3:
			_, _, err = s.Expunge(ctx, a.ID, box, set, false)
		case 4:
			_, err = s.StoreFlags(ctx, a.ID, box, set, store.FlagChange{System: store.FlagSeen}, nil)
		}
		mustRapid(t, err)
		if rapid.Bool().Draw(t, "look") {
			mail = apply(t, s, a.ID, mail, client)
		}
	}
	apply(t, s, a.ID, mail, client)
}

// apply brings a client from one moment to now by differences, and compares it with all that is there.
func apply(t *rapid.T, s *store.Store, a store.AccountID, old *store.Mail, client map[store.EmailID]string) *store.Mail {
	now, change, err := s.Mail(t.Context(), a, old)
	mustRapid(t, err)
	for _, id := range change.Emails {
		if l, there := now.Email(id); there {
			client[id] = fmt.Sprint(*l)
		} else {
			delete(client, id)
		}
	}
	gone, complete, err := s.RemovedSince(t.Context(), a, old.ModSeq)
	mustRapid(t, err)
	for _, g := range gone {
		if _, there := now.Email(g.Email); !complete || there && g.Thread != 0 || g.At <= old.ModSeq {
			t.Fatalf("email %d is told to be gone and is there", g.Email)
		}
	}
	all, first, err := s.Mail(t.Context(), a, nil)
	mustRapid(t, err)
	want := map[store.EmailID]string{}
	for l := range all.All() {
		want[l.ID] = fmt.Sprint(*l)
	}
	if diff := cmp.Diff(want, client); diff != "" || !first.All || now.Len() != len(want) {
		t.Fatalf("a client that follows has other mail (-want +got):\n%s", diff)
	}
	return now
}

// TestForgetRemovals holds that of emails that left mailboxes the latest are known, and that it is said which are not.
func TestForgetRemovals(t *testing.T) {
	s := storetest.Open(t)
	a := storetest.Account(t, s, "anna@demo.test")
	var batch []store.NewEmail
	for n := range 10 {
		batch = append(batch, storetest.Email(t, s, storetest.Text(n)))
	}
	if _, err := s.Append(t.Context(), a.ID, store.InboxID, batch); err != nil {
		t.Fatal(err)
	}
	before, _, err := s.Mail(t.Context(), a.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	var last store.ModSeq
	for _, set := range []uid.Set{uid.Of(1, 2, 3), uid.Of(4), uid.Of(5)} {
		if _, last, err = s.Expunge(t.Context(), a.ID, store.InboxID, set, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.ForgetRemovals(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	for since, complete := range map[store.ModSeq]bool{before.ModSeq: false, last - 3: false, last - 2: true, last: true} {
		gone, known, err := s.RemovedSince(t.Context(), a.ID, since)
		if err != nil || known != complete || len(gone) != min(int(last-since), 2) {
			t.Errorf("since %d: %v %v %v", since, gone, known, err)
		}
	}
	now, change, err := s.Mail(t.Context(), a.ID, before)
	if err != nil || !change.All || now.Len() != 5 {
		t.Error(change, now.Len(), err)
	}
}

func letter(t *rapid.T, s *store.Store, n int) store.NewEmail {
	text := storetest.Text(n)
	ref, err := s.Blobs().Put(t.Context(), []byte(text))
	mustRapid(t, err)
	return store.NewEmail{Blob: ref, Summary: message.Summarize([]byte(text))}
}

func mustRapid(t *rapid.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
