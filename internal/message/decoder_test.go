package message

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
	"pgregory.net/rapid"
)

// TestBodyDecoder holds one decoder for many bodies against the library's reader, however the
// octets come in.
func TestBodyDecoder(t *testing.T) {
	var d BodyDecoder
	rapid.Check(t, func(rt *rapid.T) {
		unit := rapid.SliceOfN(rapid.SampledFrom([]string{"a", " ", "\r\n", "=\r\n", "=C3=A5", "=3D", "=", "\xc3\xa5", "\xc3", "\xe4", "\xff", "\xf0\x9f\x98\x80", "5b", "w6U=", "\x1b$B", "\x1b$)C\x0e", "+2DTdHg-", "+2DQ", "日本"}), 0, 40).Draw(rt, "unit")
		body := bytes.Repeat([]byte(join(unit)), rapid.SampledFrom([]int{1, 2, 300, 2000}).Draw(rt, "times"))
		encoding := rapid.SampledFrom([]string{"", "8bit", "quoted-printable", "base64"}).Draw(rt, "encoding")
		charset := rapid.SampledFrom([]string{"", "utf-8", "us-ascii", "iso-8859-1", "windows-1251", "utf-16", "iso-2022-jp", "gb18030", "utf-7", "iso-2022-kr", "hz-gb-2312", "none"}).Draw(rt, "charset")
		open := func() io.Reader {
			r := io.Reader(bytes.NewReader(body))
			switch rapid.IntRange(0, 3).Draw(rt, "way") {
			case 1:
				return iotest.HalfReader(r)
			case 2:
				return iotest.DataErrReader(r)
			}
			return r
		}
		plain := io.Reader(bytes.NewReader(body))
		if kind := transferKindOf(encoding); kind != transferIdentity {
			plain = bytes.NewReader((&transferDecoder{kind: kind}).append(nil, body, true))
		}
		var library transform.Transformer = guess{}
		if enc, known := findCharset(charset); known && enc != nil {
			library = enc.NewDecoder()
		} else if isUTF8(charset) {
			library = unicode.UTF8.NewDecoder()
		}
		want, wantErr := io.ReadAll(transform.NewReader(plain, library))
		have, err := io.ReadAll(d.Reset(open(), encoding, charset))
		if !bytes.Equal(have, want) || (err == nil) != (wantErr == nil) {
			rt.Fatalf("%q, %v; want %q, %v", have, err, want, wantErr)
		}
		if rapid.Bool().Draw(rt, "left") { // a body that is not read to its end
			r := d.Reset(open(), encoding, charset)
			io.ReadFull(r, make([]byte, 5))
		}
		broken := io.MultiReader(bytes.NewReader(body), iotest.ErrReader(io.ErrUnexpectedEOF))
		if _, err := io.ReadAll(d.Reset(broken, encoding, charset)); err != io.ErrUnexpectedEOF {
			rt.Fatalf("the error of reading became %v", err)
		}
	})
}

func join(parts []string) string {
	var b bytes.Buffer
	for _, p := range parts {
		b.WriteString(p)
	}
	return b.String()
}
