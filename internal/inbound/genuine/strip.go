package genuine

import (
	"bytes"
	"io"
	"strings"

	"github.com/postiljon/postiljon/internal/message/address"
)

// Stripper passes a message on and leaves out Authentication-Results fields that claim to be ours (RFC
// 8601 section 5): nobody but us may say what we found out. Those that cannot be read go, too. It is
// written to in pieces of any size, as the message comes; of the header it holds no more than such a field.
type Stripper struct {
	w    io.Writer
	ids  []string
	mode stripMode
	line []byte // the beginning of a line, until it can be judged
	held []byte // a field that is still to be judged
	out  []byte // what goes out of one Write
}

type stripMode uint8

const (
	stripJudge stripMode = iota // at the beginning of a line
	stripPass                   // in a line that passes
	stripHold                   // in a line of a field that is to be judged
	stripBody                   // after the header
)

const (
	resultsName = "authentication-results"
	judgeLen    = len(resultsName) + 16 // enough of a line to know its name
	maxHeld     = 64 << 10              // a longer field is none of anybody's
)

// NewStripper returns a Stripper that writes to w. The ids are the names under which this service speaks.
func NewStripper(w io.Writer, ids ...string) *Stripper {
	s := &Stripper{w: w}
	for _, id := range ids {
		s.ids = append(s.ids, address.NormalizeDomain(id))
	}
	return s
}

// Write takes the next octets of the message. Its error is that of the writer behind it.
func (s *Stripper) Write(p []byte) (int, error) {
	if s.mode == stripBody {
		return s.w.Write(p)
	}
	n := len(p)
	s.out = s.out[:0]
	for len(p) > 0 && s.mode != stripBody {
		piece := p
		if i := bytes.IndexByte(p, '\n'); i >= 0 {
			piece = p[:i+1]
		}
		p = p[len(piece):]
		s.piece(piece)
	}
	s.out = append(s.out, p...)
	if len(s.out) > 0 {
		if _, err := s.w.Write(s.out); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// Close passes on what is still held. It does not close the writer behind.
func (s *Stripper) Close() error {
	s.out = s.out[:0]
	if len(s.line) > 0 {
		s.judge()
	}
	s.release()
	s.mode = stripBody
	if len(s.out) == 0 {
		return nil
	}
	_, err := s.w.Write(s.out)
	return err
}

// piece takes a line or a part of one.
func (s *Stripper) piece(piece []byte) {
	ends := piece[len(piece)-1] == '\n'
	switch s.mode {
	case stripPass:
		s.out = append(s.out, piece...)
	case stripHold:
		s.hold(piece)
	case stripJudge:
		s.line = append(s.line, piece...)
		if !ends && len(s.line) < judgeLen {
			return
		}
		s.judge()
	}
	if ends && s.mode != stripBody {
		s.mode = stripJudge
	}
}

// judge decides by the beginning of a line what becomes of it.
func (s *Stripper) judge() {
	line := s.line
	s.line = s.line[:0]
	name, _, _ := bytes.Cut(line, []byte(":"))
	switch {
	case len(bytes.TrimRight(line, "\r\n")) == 0:
		s.release()
		s.out = append(s.out, line...)
		s.mode = stripBody
	case line[0] == ' ' || line[0] == '\t':
		if len(s.held) > 0 {
			s.mode = stripHold
			s.hold(line)
			return
		}
		s.pass(line)
	case strings.EqualFold(string(bytes.TrimRight(name, " \t")), resultsName):
		s.release()
		s.mode = stripHold
		s.hold(line)
	default:
		s.release()
		s.pass(line)
	}
}

func (s *Stripper) pass(line []byte) {
	s.out = append(s.out, line...)
	s.mode = stripPass
}

// hold keeps a part of a field; one that is too long stays marked by its length.
func (s *Stripper) hold(piece []byte) {
	if len(s.held) <= maxHeld {
		s.held = append(s.held, piece...)
	}
}

// release passes on the field that is held, unless it claims to be ours.
func (s *Stripper) release() {
	if len(s.held) > 0 && len(s.held) <= maxHeld && !s.claims() {
		s.out = append(s.out, s.held...)
	}
	s.held = s.held[:0]
}

func (s *Stripper) claims() bool {
	_, value, _ := bytes.Cut(s.held, []byte(":"))
	id, _, _ := ReadResults(string(value))
	id = address.NormalizeDomain(id)
	if id == "" {
		return true
	}
	for _, ours := range s.ids {
		if id == ours {
			return true
		}
	}
	return false
}
