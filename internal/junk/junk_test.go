package junk_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/dmarc"
	"github.com/postiljon/postiljon/internal/inbound/genuine"
	"github.com/postiljon/postiljon/internal/junk"
	"github.com/postiljon/postiljon/internal/junk/corpus"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/signature"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// found is what the checks would have found of a generated message.
func found(m *corpus.Message) *genuine.Result {
	r := &genuine.Result{Disposition: dmarc.None}
	r.SPF.Outcome, r.DMARC.Outcome, r.IPRev.Outcome = signature.None, signature.None, signature.Pass
	if m.Genuine {
		r.SPF.Outcome, r.DMARC.Outcome, r.DMARC.SPF = signature.Pass, signature.Pass, true
	}
	return r
}

func judged(t testing.TB, f *junk.Filter, a store.AccountID, m *corpus.Message) junk.Verdict {
	t.Helper()
	v, err := f.Judge(context.Background(), a, &junk.Message{
		Checked: found(m), Summary: message.Summarize([]byte(m.Text)), Raw: strings.NewReader(m.Text),
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// An account that has taught by hand what is junk and what is not: of what comes next, nearly all junk is caught and
// next to nothing else. The corpus is generated; the figures stand in docs/measurements.md.
func TestTaught(t *testing.T) {
	const taught, asked = 300, 4000
	st := storetest.Open(t)
	a := storetest.Account(t, st, "anna@demo.test")
	f := junk.New(junk.Options{Store: st})
	g := corpus.New(1, time.Now())
	if _, err := st.Deliver(t.Context(), store.Delivery{
		Sender: a.ID, SentTo: g.Known(), SenderEvents: []store.Event{{Time: time.Now(), Kind: "message.queued"}},
	}); err != nil {
		t.Fatal(err)
	}
	for i := range taught {
		m := g.Next(0.5)
		s := message.Summarize([]byte(m.Text))
		l := store.Lesson{Email: store.EmailID(i + 1), Features: junk.Features(s, strings.NewReader(m.Text)), From: junk.Author(s), Junk: m.Junk}
		if _, err := st.Learn(t.Context(), a.ID, l); err != nil {
			t.Fatal(err)
		}
	}
	kinds := map[string]int{}
	junks, caught, wanted, wrong := 0, 0, 0, 0
	for range asked {
		m := g.Next(0.5)
		v := judged(t, f, a.ID, &m)
		switch {
		case m.Junk && v.Junk:
			caught++
			fallthrough
		case m.Junk:
			junks++
		case v.Junk:
			wrong++
			t.Logf("wrongly junk (%s, %.1f): %s", m.Kind, v.Score, v.Text())
			fallthrough
		default:
			wanted++
		}
		if m.Junk && !v.Junk {
			kinds[m.Kind]++
		}
	}
	t.Logf("caught %d of %d (%.2f %%), wrongly %d of %d (%.3f %%); missed %v", caught, junks, 100*float64(caught)/float64(junks), wrong, wanted, 100*float64(wrong)/float64(wanted), kinds)
	if caught*100 < junks*95 {
		t.Errorf("caught %d of %d", caught, junks)
	}
	if wrong*1000 > wanted {
		t.Errorf("%d of %d taken for junk", wrong, wanted)
	}
}

// Nobody has taught anything: no ordinary mail may go to Junk.
func TestUntaught(t *testing.T) {
	st := storetest.Open(t)
	a := storetest.Account(t, st, "anna@demo.test")
	f := junk.New(junk.Options{Store: st})
	g := corpus.New(2, time.Now())
	caught, junks := 0, 0
	for range 1000 {
		m := g.Next(0.3)
		v := judged(t, f, a.ID, &m)
		if !m.Junk && v.Junk {
			t.Errorf("%s taken for junk: %s", m.Kind, v.Text())
		}
		if m.Junk {
			junks++
			if v.Junk {
				caught++
			}
		}
	}
	t.Logf("caught %d of %d", caught, junks)
}

func TestReasons(t *testing.T) {
	st := storetest.Open(t)
	a := storetest.Account(t, st, "anna@demo.test")
	f := junk.New(junk.Options{Store: st})
	const page = "From: \"bank@banken.example\" <x@evil.example>\r\nReply-To: y@other.example\r\nSubject: SVARA GENAST NU!!!\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: text/html; charset=utf-8\r\n\r\n<p>Hej</p><a href=\"http://192.0.2.7/x\">https://www.banken.example/</a>\r\n"
	for _, c := range []struct {
		name    string
		change  func(*junk.Message)
		junk    bool
		certain bool
		has     []junk.ReasonID
		instead []junk.ReasonID
	}{
		{"everything about it is wrong", func(m *junk.Message) {
			m.Checked.SPF.Outcome, m.Checked.DMARC.Outcome = signature.Fail, signature.Fail
			m.Listed = []junk.Listing{{List: "a.example", Weight: 3}, {List: "b.example", Weight: 3}}
		}, true, true, []junk.ReasonID{junk.NameIsAddress, junk.LinkDisguised, junk.LinkToNumber, junk.SubjectShouts, junk.ReplyElsewhere, junk.Listed, junk.SPFFail, junk.HTMLOnly}, nil},
		{"quarantine alone is enough, and says so", func(m *junk.Message) {
			*m = junk.Message{Checked: m.Checked, Summary: message.Summarize([]byte(plain)), Raw: strings.NewReader(plain)}
			m.Checked.Disposition = dmarc.Quarantine
		}, true, false, []junk.ReasonID{junk.DMARCQuarantine}, []junk.ReasonID{junk.DMARCQuarantine}},
		{"an ordinary message", func(m *junk.Message) {
			*m = junk.Message{Checked: m.Checked, Summary: message.Summarize([]byte(plain)), Raw: strings.NewReader(plain)}
		}, false, false, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &junk.Message{Checked: found(&corpus.Message{}), Summary: message.Summarize([]byte(page)), Raw: strings.NewReader(page)}
			c.change(m)
			v, err := f.Judge(t.Context(), a.ID, m)
			if err != nil {
				t.Fatal(err)
			}
			if v.Junk != c.junk || v.Certain != c.certain || v.Decision().Allowed() == c.certain {
				t.Errorf("%+v", v)
			}
			for _, id := range c.has {
				if !strings.Contains(fmt.Sprint(v.Reasons), string(id)) {
					t.Errorf("%s is not among %v", id, v.Reasons)
				}
			}
			if fmt.Sprint(v.Instead) != fmt.Sprint(c.instead) {
				t.Errorf("instead %v", v.Instead)
			}
		})
	}
}

const plain = "From: bo@firman.example\r\nTo: anna@demo.test\r\nSubject: Lunch\r\nMessage-ID: <1@firman.example>\r\nDate: Sun, 22 Nov 2026 08:00:00 +0000\r\n\r\nSka vi äta lunch?\r\n"

// What people move teaches: into Junk, out of it again, once each; and what was read and left alone teaches beside it.
func TestTrainer(t *testing.T) {
	st := storetest.Open(t)
	a := storetest.Account(t, st, "anna@demo.test")
	trainer := junk.NewTrainer(st, slog.New(slog.DiscardHandler))
	defer trainer.Close(context.Background())
	deliver := func(role store.Role, text string) (store.MailboxID, uid.UID) {
		t.Helper()
		ref, err := st.Blobs().Put(t.Context(), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		results, err := st.Deliver(t.Context(), store.Delivery{
			Email:      store.NewEmail{Blob: ref, Summary: message.Summarize([]byte(text))},
			Recipients: []store.DeliverTo{{Account: a.ID, Role: role}},
		})
		if err != nil || results[0].Err != nil {
			t.Fatal(err, results)
		}
		return results[0].Mailbox, results[0].UID
	}
	const spam = "From: win@lucky.example\r\nSubject: casino\r\n\r\nfree spins casino bonus\r\n"
	box, u := deliver(store.RoleJunk, spam)
	sums := func() store.Learned {
		t.Helper()
		trainer.Flush()
		_, all, err := st.LearnedFeatures(t.Context(), a.ID, nil)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	for range 2 {
		trainer.Moved(a.ID, box, uid.Of(u), store.RoleInbox, store.RoleJunk)
	}
	if got := sums(); got != (store.Learned{Junk: 1}) {
		t.Errorf("moved into Junk: %+v", got)
	}
	trainer.Moved(a.ID, box, uid.Of(u), store.RoleJunk, store.RoleInbox)
	if got := sums(); got != (store.Learned{Wanted: 1}) {
		t.Errorf("and out of it: %+v", got)
	}
	trainer.Marked(a.ID, box, uid.Of(u), false)
	trainer.Marked(a.ID, box, nil, true)
	trainer.Moved(a.ID, box, uid.Of(u), store.RoleJunk, store.RoleTrash)
	trainer.Moved(a.ID, box, uid.Of(u), store.RoleInbox, store.RoleArchive)
	if got := sums(); got != (store.Learned{Wanted: 1}) {
		t.Errorf("moves that say nothing: %+v", got)
	}
	c, err := st.Correspondent(t.Context(), a.ID, "WIN@lucky.example")
	if err != nil || c.Wanted != 1 || c.Junk != 0 {
		t.Errorf("%+v, %v", c, err)
	}
}

func BenchmarkJudge(b *testing.B) {
	st := storetest.Open(b)
	a := storetest.Account(b, st, "anna@demo.test")
	f := junk.New(junk.Options{Store: st})
	g := corpus.New(3, time.Now())
	var all []corpus.Message
	for i := range 400 {
		m := g.Next(0.5)
		s := message.Summarize([]byte(m.Text))
		if _, err := st.Learn(b.Context(), a.ID, store.Lesson{Email: store.EmailID(i + 1), Features: junk.Features(s, strings.NewReader(m.Text)), Junk: m.Junk}); err != nil {
			b.Fatal(err)
		}
		all = append(all, m)
	}
	i := 0
	for b.Loop() {
		judged(b, f, a.ID, &all[i%len(all)])
		i++
	}
}
