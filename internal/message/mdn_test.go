package message

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// receipt is a disposition notification as programs send it, with these fields.
func receipt(fields string) string {
	return "From: bo@far.example\r\nTo: anna@demo.test\r\nSubject: Read: Hej\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/report; report-type=disposition-notification; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: text/plain\r\n\r\nRead.\r\n--b\r\nContent-Type: message/disposition-notification\r\n\r\n" +
		fields + "\r\n\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <returned@demo.test>\r\nSubject: Hej\r\n\r\n--b--\r\n"
}

const returned = "Message-ID: <returned@demo.test>\r\nSubject: Hej\r\n"

func TestReadMDN(t *testing.T) {
	for _, c := range []struct {
		about, fields string
		want          *Disposition
	}{
		{"all of it", "Reporting-UA: pc4.far.example; Reader 97.1\r\nOriginal-Recipient: rfc822;info@far.example\r\n" +
			"Final-Recipient: rfc822; <bo@far.example>\r\nOriginal-Message-ID: <1@demo.test>\r\n" +
			"Disposition: manual-action/MDN-sent-manually; displayed/warning", &Disposition{
			UserAgent: "pc4.far.example; Reader 97.1", Original: "info@far.example", Final: "bo@far.example", OriginalMessageID: "1@demo.test", Type: Displayed}},
		{"little of it", "final-recipient: rfc822;bo@far.example\r\ndisposition: Automatic-Action/MDN-Sent-Automatically ;Deleted",
			&Disposition{Final: "bo@far.example", OriginalMessageID: "returned@demo.test", Type: "deleted", Automatic: true}},
		{"the first one counts", "Disposition: manual-action/MDN-sent-manually; deleted\r\nDisposition: manual-action/MDN-sent-manually; displayed",
			&Disposition{OriginalMessageID: "returned@demo.test", Type: "deleted"}},
		{"no disposition", "Final-Recipient: rfc822;bo@far.example", nil},
		{"no type", "Disposition: displayed", nil},
		{"an empty type", "Disposition: manual-action/MDN-sent-manually; /error", nil},
		{"nonsense", "Disposition: a/b; " + strings.Repeat("x", 100), nil},
	} {
		got, err := ReadMDN([]byte(receipt(c.fields)))
		if c.want == nil {
			if !errors.Is(err, ErrNoDisposition) {
				t.Errorf("%s: %+v, %v", c.about, got, err)
			}
			continue
		}
		c.want.OriginalHeader = []byte(returned)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %v\n%s", c.about, err, diff)
		}
	}
	if d, err := ReadMDN([]byte(sample)); !errors.Is(err, ErrNoDisposition) {
		t.Errorf("%+v, %v", d, err)
	}
}

func FuzzReadMDN(f *testing.F) {
	f.Add([]byte(receipt("Final-Recipient: rfc822;\\x{E5}@b\r\nDisposition: manual-action/MDN-sent-manually; displayed")))
	f.Add([]byte("Content-Type: message/global-disposition-notification\r\n\r\nDisposition: ;deleted\r\n\r\n"))
	f.Fuzz(func(t *testing.T, message []byte) {
		d, err := ReadMDN(message)
		if err != nil {
			return
		}
		if d.Type == "" || len(d.Type) > maxDispositionWord || !utf8.ValidString(d.Original+d.Final+d.UserAgent) || strings.ContainsAny(d.Type+d.Final+d.Original, "\r\n\x00") {
			t.Fatalf("%+v", d)
		}
	})
}
