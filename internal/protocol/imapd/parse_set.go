package imapd

import "github.com/postiljon/postiljon/internal/store/uid"

// star is "*" in a sequence set: the largest number in use.
const star = 0

// seqRange is one element of a sequence set as the client wrote it, either end may be star.
type seqRange struct{ from, to uint32 }

// seqSet is a sequence set (RFC 9051 section 9): of message sequence numbers or of UIDs, which is
// for the command to say. saved is "$", the result of the last SEARCH that was told to SAVE.
type seqSet struct {
	ranges []seqRange
	saved  bool
}

// maxRanges is how many elements one sequence set can have.
const maxRanges = 20_000

// sequenceSet reads a sequence-set or "$".
func (p *parser) sequenceSet() (s seqSet) {
	if p.accept('$') {
		s.saved = true
		return s
	}
	for p.err == nil {
		r := seqRange{from: p.seqNumber()}
		r.to = r.from
		if p.accept(':') {
			r.to = p.seqNumber()
		}
		if s.ranges = append(s.ranges, r); len(s.ranges) > maxRanges {
			p.tooMany(maxRanges)
		}
		if !p.accept(',') {
			return s
		}
	}
	return s
}

func (p *parser) seqNumber() uint32 {
	if p.accept('*') {
		return star
	}
	return p.nzNumber()
}

// uidSet reads a sequence set without "*" and "$", as QRESYNC has them.
func (p *parser) uidSet() uid.Set {
	s := p.sequenceSet()
	ranges := make([]uid.Range, 0, len(s.ranges))
	for _, r := range s.ranges {
		if r.from == star || r.to == star {
			p.fail("* in a set of known numbers")
			return nil
		}
		ranges = append(ranges, uid.Range{First: uid.UID(min(r.from, r.to)), Last: uid.UID(max(r.from, r.to))})
	}
	if s.saved {
		p.fail("$ in a set of known numbers")
	}
	return uid.FromRanges(ranges)
}
