package genuine

import (
	"context"
	"slices"
	"time"

	"github.com/postiljon/postiljon/internal/dmarc"
	"github.com/postiljon/postiljon/internal/signature"
)

// DKIM is one signature of a message.
type DKIM struct {
	Outcome   signature.Outcome
	Reason    string // where it is not pass
	Domain    string // d=, in lower case
	Selector  string // s=
	Identity  string // i=
	Algorithm string // a=
	Short     string // the beginning of b=, which tells it from others
	Bits      int    // of the key
	Testing   bool   // the domain says that it is only trying (t=y)
	Limited   bool   // it says how much of the body it is over (l=)
}

// checking is one signature on its way.
type checking struct {
	signature *signature.Signature
	failure   *signature.Failure
	key       *signature.Key
}

// readSignatures finds the signatures of a message. Of too many, those of the domains in From are taken
// first: they are the ones that decide.
func (c *Checker) readSignatures(h *signature.Header, from fromField, r *Result) []*checking {
	var list []*checking
	for _, f := range h.All("dkim-signature") {
		s, failure := signature.Parse(signature.DKIM, f.Raw)
		list = append(list, &checking{signature: s, failure: failure})
	}
	related := func(s *checking) int {
		if slices.ContainsFunc(from.domains, func(d string) bool { return dmarc.Aligned(s.signature.Domain, d, false) }) {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(list, func(a, b *checking) int { return related(a) - related(b) })
	if len(list) > c.opt.MaxSignatures {
		r.Skipped = len(list) - c.opt.MaxSignatures
		list = list[:c.opt.MaxSignatures]
	}
	return list
}

func (s *checking) need(b *signature.Bodies) {
	if s.failure == nil {
		s.failure = s.signature.Need(b)
	}
}

func (s *checking) findKey(ctx context.Context, r Resolver) {
	if s.failure == nil {
		s.key, s.failure = s.signature.FindKey(ctx, r)
	}
}

// conclude verifies the signature, after the body was read.
func (s *checking) conclude(h *signature.Header, now time.Time, readErr error) DKIM {
	d := DKIM{
		Outcome: signature.Pass, Domain: s.signature.Domain, Selector: s.signature.Selector, Identity: s.signature.Identity,
		Algorithm: s.signature.Algorithm, Short: s.signature.Short, Limited: s.signature.Length >= 0,
	}
	if s.key != nil {
		d.Bits, d.Testing = s.key.Bits, s.key.Testing
	}
	switch {
	case s.failure != nil:
	case readErr != nil:
		s.failure = &signature.Failure{Outcome: signature.TempError, Reason: readErr.Error()}
	default:
		s.failure = s.signature.Verify(h, s.key, now)
	}
	if s.failure != nil {
		d.Outcome, d.Reason = s.failure.Outcome, s.failure.Reason
	}
	return d
}
