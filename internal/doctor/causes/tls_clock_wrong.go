package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// tls.clock-wrong: everybody's certificates look as if they had run out or were
// not valid yet, and the clocks of others tell by how much the device's is off.
var tlsClockWrong = &infer.Cause{
	ID:       cause.TLSClockWrong,
	Requires: []*infer.Sign{clockOff, certOutOfTime},
	Explains: []infer.Link{{Sign: websiteDead, P: 0.1}},
	Proof:    []*infer.Sign{clockOff, certOutOfTime},
	Params: func(e *evidence.Evidence) []cause.Param {
		if c, ok := evidence.First[evidence.Clock](e); ok {
			return []cause.Param{cause.Span("skew", c.Skew.Abs())}
		}
		return nil
	},
}
