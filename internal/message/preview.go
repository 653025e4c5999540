package message

import (
	"bytes"
	"unicode/utf8"
)

// previewLength is the most that a preview may have, in characters (RFC 8970 section 3.3: it should
// be 200 and must not be more than 256).
const previewLength = 200

// previewFirst is how much of a text is decoded at first; it mostly suffices.
const previewFirst = 1 << 10

// preview makes the preview of the text that was kept.
func (s *Scanner) preview() string {
	if s.capture.part < 0 || len(s.capture.buf) == 0 {
		return ""
	}
	e := &s.entities[s.capture.part]
	raw := s.capture.buf
	if s.capture.html {
		return s.htmlPreview(e, raw)
	}
	text := s.previewOf(e, raw[:min(len(raw), previewFirst)])
	if len(raw) > previewFirst && utf8.RuneCount(text) < previewLength {
		text = s.previewOf(e, raw)
	}
	return s.str(text)
}

// previewOf makes a preview of plain text. Where nothing but quotations is left, they are shown.
func (s *Scanner) previewOf(e *entity, raw []byte) []byte {
	text := s.decodeText(e, raw)
	p := previewer{}
	if p.lines(text); len(p.buf) == 0 {
		p = previewer{quotes: true}
		p.lines(text)
	}
	return p.buf
}

func (s *Scanner) htmlPreview(e *entity, raw []byte) string {
	text := s.decodeText(e, raw)
	// A character has at most 4 octets; what is dropped by the previewer must be made up for.
	visible := HTMLText(bytes.NewReader(text), 8*previewLength)
	p := previewer{}
	if p.lines([]byte(visible)); len(p.buf) == 0 {
		p = previewer{quotes: true}
		p.lines([]byte(visible))
	}
	return s.str(p.buf)
}

// decodeText takes transfer encoding and charset away. The result may be cut within a character.
func (s *Scanner) decodeText(e *entity, raw []byte) []byte {
	if kind := transferKindOf(e.Encoding); kind != transferIdentity {
		d := transferDecoder{kind: kind}
		s.rendered = d.append(s.rendered[:0], raw, true)
		raw = s.rendered
	}
	if !mayShift(e.Charset) && utf8.Valid(raw) && (isUTF8(e.Charset) || !hasEightBit(raw)) {
		return raw
	}
	return appendCharset(make([]byte, 0, len(raw)+64), e.Charset, raw)
}

// previewer picks from lines of text what a reader wants to see of it, white space collapsed.
type previewer struct {
	buf    []byte
	count  int  // characters in buf
	space  bool // a space is due
	quotes bool // quotations are shown, without their marks
	resume int  // length of buf before a line that may introduce a quotation, if intro
	intro  bool
}

// lines takes text up to a signature (RFC 3676 section 4.3) or until the preview is full.
func (p *previewer) lines(text []byte) {
	for len(text) > 0 && p.count < previewLength {
		line := text
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			line, text = text[:i], text[i+1:]
		} else {
			text = nil
		}
		line = bytes.TrimRight(line, "\r")
		switch {
		case string(line) != "-- ":
			p.line(line)
		case len(p.buf) > 0:
			return
		}
	}
}

func (p *previewer) line(line []byte) {
	trimmed := bytes.TrimSpace(line)
	switch {
	case len(trimmed) == 0:
		return
	case trimmed[0] == '>':
		if !p.quotes {
			p.dropIntro()
			return
		}
		if trimmed = bytes.TrimLeft(trimmed, "> "); len(trimmed) == 0 {
			return
		}
	case isRule(trimmed):
		return
	}
	// "On Monday Anna wrote:" goes with the quotation that follows it.
	p.intro = trimmed[len(trimmed)-1] == ':'
	p.resume = len(p.buf)
	p.space = len(p.buf) > 0
	p.text(trimmed)
}

// dropIntro takes back the line before a quotation where it introduced it.
func (p *previewer) dropIntro() {
	if p.intro {
		p.buf = p.buf[:p.resume]
		p.count = utf8.RuneCount(p.buf)
		p.intro = false
	}
}

// isRule tells of lines that are drawn, not written: "-----", "=====".
func isRule(line []byte) bool {
	return len(line) >= 3 && len(bytes.Trim(line, "-=_*~#+")) == 0
}

func (p *previewer) text(b []byte) {
	if p.buf == nil {
		p.buf = make([]byte, 0, 2*previewLength)
	}
	for len(b) > 0 && p.count < previewLength {
		r, n := rune(b[0]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRune(b)
		}
		b = b[n:]
		switch {
		case isInvisible(r):
		case isWhite(r):
			p.space = true
		default:
			if p.space && len(p.buf) > 0 {
				if p.count++; p.count == previewLength {
					return // no room for what follows the space
				}
				p.buf = append(p.buf, ' ')
			}
			p.space = false
			p.buf = utf8.AppendRune(p.buf, r)
			p.count++
		}
	}
}
