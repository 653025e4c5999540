package notice

import (
	"bytes"
	"mime/quotedprintable"
	"strings"
)

// quoted writes a text in lines of the wire, quoted-printable (RFC 2045 section 6.7).
func quoted(text string) []byte {
	var b bytes.Buffer
	w := quotedprintable.NewWriter(&b)
	// A bytes.Buffer takes all that is written to it.
	_, _ = w.Write([]byte(strings.ReplaceAll(strings.TrimSpace(text), "\n", "\r\n") + "\r\n"))
	_ = w.Close()
	return b.Bytes()
}
