package smtpc

import "bytes"

// lines prepares content for the wire piece by piece: every line ends in CRLF
// whatever it ended in before, since bare CR and LF must not be sent (RFC 5321
// section 2.3.8) and help others to smuggle; and with dots, a leading dot is
// doubled (section 4.5.2). The zero lines stands at the start of a line.
type lines struct {
	dots   bool
	inside bool // the line has begun
	cr     bool // the last octet was CR and is not written yet
}

// append prepares src behind dst.
func (l *lines) append(dst, src []byte) []byte {
	for len(src) > 0 {
		if l.cr { // ends the line, with the LF that may follow it or alone
			dst = append(dst, '\r', '\n')
			l.cr, l.inside = false, false
			if src[0] == '\n' {
				src = src[1:]
			}
			continue
		}
		if l.dots && !l.inside && src[0] == '.' {
			dst = append(dst, '.')
		}
		end := bytes.IndexByte(src, '\r')
		if end < 0 {
			end = len(src)
		}
		if lf := bytes.IndexByte(src[:end], '\n'); lf >= 0 {
			dst = append(append(dst, src[:lf]...), '\r', '\n')
			l.inside = false
			src = src[lf+1:]
			continue
		}
		dst = append(dst, src[:end]...)
		l.inside = l.inside || end > 0
		if end == len(src) {
			return dst
		}
		l.cr = true
		src = src[end+1:]
	}
	return dst
}

// end completes the last line.
func (l *lines) end(dst []byte) []byte {
	if l.cr || l.inside {
		dst = append(dst, '\r', '\n')
	}
	l.cr, l.inside = false, false
	return dst
}
