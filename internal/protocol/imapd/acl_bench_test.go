package imapd

import (
	"context"
	"fmt"
	"testing"

	"github.com/postiljon/postiljon/internal/store"
)

// BenchmarkShared compares one's own mailboxes with those that a hundred others share.
func BenchmarkShared(b *testing.B) {
	w := newWorld(b, settings{dir: b.TempDir(), plaintext: true})
	ctx := context.Background()
	w.person("bob@example.org")
	box := w.newBox("Work")
	w.grant(box.ID, "bob", store.AllRights)
	bob := w.signInAs("bob@example.org")
	alice := w.signInAs(testAddress)
	w.person("carl@example.org")
	carl := w.signInAs("carl@example.org")
	for i := range 100 {
		owner := w.person(fmt.Sprintf("p%d@example.org", i))
		_, _, err := w.store.SetGrant(ctx, owner, store.InboxID, "bob@example.org", func(store.Rights) store.Rights { return store.RightLookup })
		if err != nil {
			b.Fatal(err)
		}
	}
	buf := make([]byte, 256<<10)
	run := func(name string, c *wire, command string) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.drain(command, buf)
			}
		})
	}
	alice.drain("SELECT Work", buf)
	bob.drain(`SELECT "Other Users/alice/Work"`, buf)
	run("own NOOP", alice, "NOOP")
	run("shared NOOP", bob, "NOOP")
	run("own FETCH", alice, "UID FETCH 1 (FLAGS BODY.PEEK[])")
	run("shared FETCH", bob, "UID FETCH 1 (FLAGS BODY.PEEK[])")
	run("LIST with nothing shared", carl, `LIST "" "*"`)
	run("LIST with 101 shared", bob, `LIST "" "*"`)
}
