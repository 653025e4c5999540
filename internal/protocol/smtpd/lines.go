package smtpd

import "bytes"

// lines reads the lines of content as they stream by. Only CRLF ends a line; a CR or LF alone is a
// fault, because servers disagree about it, and who makes two servers disagree about where a
// message ends can smuggle another one (RFC 5321 section 2.3.8, RFC 5322 section 2.2).
type lines struct {
	limit   int // octets of a line with its CRLF
	length  int // octets of the current line so far
	sawCR   bool
	midLine bool // the current line has begun; in DATA its first dot is gone
	bare    bool // fault: a bare CR or LF was seen
	tooLong bool // fault: a line exceeded the limit
}

// unstuff reads content of DATA (RFC 5321 section 4.5.2). It moves the content with dots removed to
// the front of buf, buf[:n], and says how much of buf it has used. What it has not, at most two
// octets, must come again with what follows. At the end of the content, used includes
// <CRLF>.<CRLF> and no more.
//
// After a fault the end is still found, and only the true end.
func (l *lines) unstuff(buf []byte) (n, used int, end bool) {
	for used < len(buf) {
		if !l.midLine && buf[used] == '.' {
			rest := buf[used:]
			switch {
			case len(rest) == 1, len(rest) == 2 && rest[1] == '\r':
				return n, used, false
			case rest[1] == '\r' && rest[2] == '\n':
				return n, used + 3, true
			}
			used++
			l.midLine = true
			continue
		}
		line, whole := cutLine(buf[used:])
		l.inspect(line, whole)
		if n != used {
			copy(buf[n:], line)
		}
		n += len(line)
		used += len(line)
		if !whole {
			return n, used, false
		}
	}
	return n, used, false
}

// cutLine cuts after the first LF. Without one it leaves out a CR at the end, whose LF may follow.
func cutLine(buf []byte) (line []byte, whole bool) {
	if i := bytes.IndexByte(buf, '\n'); i >= 0 {
		return buf[:i+1], true
	}
	if i := len(buf) - 1; buf[i] == '\r' {
		return buf[:i], false
	}
	return buf, false
}

// inspect looks for faults in a part of a line, which never begins between CR and LF.
func (l *lines) inspect(part []byte, whole bool) {
	text := part
	ended := whole && len(part) > 1 && part[len(part)-2] == '\r'
	if ended {
		text = part[:len(part)-2]
	}
	if whole && !ended || bytes.IndexByte(text, '\r') >= 0 {
		l.bare = true
	}
	if l.length += len(part); l.length > l.limit {
		l.tooLong = true
	}
	if l.midLine = !ended && (l.midLine || len(part) > 0); ended {
		l.length = 0
	}
}

// check reads content of BDAT (RFC 3030), which has no dots and no end of its own.
func (l *lines) check(buf []byte) {
	for len(buf) > 0 {
		if l.sawCR {
			l.sawCR = false
			if buf[0] == '\n' {
				l.tooLong = l.tooLong || l.length+2 > l.limit
				l.length, buf = 0, buf[1:]
			} else {
				l.bare = true
				l.length++
			}
			continue
		}
		line, whole := cutLine(buf)
		l.inspect(line, whole)
		if buf = buf[len(line):]; !whole && len(buf) == 1 {
			l.sawCR = true
			return
		}
	}
}

// finish ends content of BDAT: a CR at its very end stands alone.
func (l *lines) finish() { l.bare = l.bare || l.sawCR }
