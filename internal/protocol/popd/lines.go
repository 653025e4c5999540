package popd

import (
	"bufio"
	"bytes"
	"errors"
)

// errEnough ends a message of which enough lines were written.
var errEnough = errors.New("popd: enough lines")

// multiline writes the lines of a message as a multi-line response has them (RFC 1939 section 3):
// a dot at the beginning of a line is doubled. A bare LF becomes CRLF, for to some clients it ends
// a line and to others it does not, and a dot behind it must end the response for neither.
type multiline struct {
	out   *bufio.Writer
	limit int  // lines of the body to write; below 0 all
	count int  // octets of the line that were written
	cr    bool // the last of them is a CR
	body  bool // the empty line after the header was written
	lines int  // of the body
}

// Write writes some octets of the message. It returns errEnough when the limit is reached.
func (m *multiline) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if m.limit >= 0 && m.body && m.lines >= m.limit {
			return n - len(p), errEnough
		}
		if m.count == 0 && p[0] == '.' {
			m.out.WriteByte('.')
		}
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			m.count += len(p)
			m.cr = p[len(p)-1] == '\r'
			_, err := m.out.Write(p)
			return n, err
		}
		if err := m.endLine(p[:i]); err != nil {
			return n - len(p), err
		}
		p = p[i+1:]
	}
	return n, nil
}

// endLine writes the rest of a line, which an LF ended, and its CRLF.
func (m *multiline) endLine(rest []byte) error {
	m.count += len(rest)
	if len(rest) > 0 {
		m.cr = rest[len(rest)-1] == '\r'
	}
	m.out.Write(rest)
	if !m.cr {
		m.out.WriteByte('\r')
	}
	err := m.out.WriteByte('\n') // errors stay in the writer, so that the last one tells of all
	if m.body {
		m.lines++
	}
	m.body = m.body || m.count == 0 || (m.count == 1 && m.cr)
	m.count, m.cr = 0, false
	return err
}

// end writes what ends the response, after the end of a last line that has none.
func (m *multiline) end() error {
	switch {
	case m.count > 0 && m.cr:
		m.out.WriteByte('\n')
	case m.count > 0:
		m.out.WriteString("\r\n")
	}
	_, err := m.out.WriteString(".\r\n")
	return err
}
