package imapd

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
)

// TestHeaderFieldsWithoutOverview holds that header fields are the same whether they lie in the email's record or must be
// read from the message, as those that an older version stored, and that Verify takes both for whole.
func TestHeaderFieldsWithoutOverview(t *testing.T) {
	w := newWorld(t, settings{plaintext: true})
	for _, raw := range []string{
		"Received: from a\r\nFrom: a@b\r\nSubject: one\r\n two\r\nX-Other: x\r\nto: c@d\r\nTo: e@f\r\n\r\nText\r\n",
		"Subject: no end of the line", "", "No header\r\n\r\nSubject: text\r\n", "Subject: NUL\x00\r\n\r\n",
	} {
		ref, err := w.store.Blobs().Put(t.Context(), []byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		kept, read := message.Summarize([]byte(raw)), message.Summarize([]byte(raw))
		if kept.Overview == nil {
			t.Fatalf("%q has no overview", raw)
		}
		read.Overview = nil
		for _, s := range []*message.Summary{kept, read} {
			if _, err := w.store.Append(t.Context(), w.account, store.InboxID, []store.NewEmail{{Blob: ref, Summary: s, Received: clock}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	c := w.plainClient()
	c.ok("SELECT INBOX")
	for _, section := range []string{"FIELDS (SUBJECT)]", "FIELDS (From TO x-tuid)]", "FIELDS (SUBJECT X-Other)]", "FIELDS.NOT (SUBJECT)]", "FIELDS (SUBJECT TO)]<3.20>"} {
		for n := 1; n < 10; n += 2 {
			have, want := c.fields(n, section), c.fields(n+1, section)
			if !slices.Equal(have, want) {
				t.Errorf("message %d, %s: %q from the record, %q from the message", n, section, have, want)
			}
		}
	}
	r, err := w.store.Verify(t.Context(), store.VerifyOptions{Bodies: true})
	if err != nil || r.Found != 0 {
		t.Errorf("verify found %v, %v", r.Problems, err)
	}
}

// fields fetches header fields of a message, without its number.
func (c *wire) fields(n int, section string) []string {
	lines := c.ok(fmt.Sprintf("FETCH %d (BODY.PEEK[HEADER.%s)", n, section))
	_, lines[0], _ = strings.Cut(lines[0], " FETCH ")
	return lines[:len(lines)-1]
}
