package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// limit.bandwidth: a daily volume is used up. The server says so at the sign-in or
// after it; it worked before and will again, unlike with a wrong password.
var limitBandwidth = &infer.Cause{
	ID:       cause.LimitBandwidth,
	About:    []evidence.Symptom{evidence.Receive, evidence.SignsIn, evidence.Push, evidence.OneMessage},
	Requires: []*infer.Sign{volumeUsedUp},
	Explains: refusesSignIns(infer.Sometimes),
	Proof:    []*infer.Sign{volumeUsedUp},
	Params: func(e *evidence.Evidence) []cause.Param {
		i, ok := fromInside(e)
		if !ok {
			return nil
		}
		l, full := counter(i, string(cause.LimitBandwidth))
		if !full {
			return nil
		}
		params := []cause.Param{cause.Size("limit", l.Max)}
		if l.Until != nil {
			params = append(params, cause.Time("until", *l.Until))
		}
		return params
	},
}

var volumeUsedUp = &infer.Sign{Name: "volume-used-up", Of: func(e *evidence.Evidence) infer.Truth {
	return either(signInMeans(e, dialect.BandwidthLimit), clientMeans(e, dialect.BandwidthLimit),
		commandMeans(e, evidence.IMAP, dialect.BandwidthLimit), commandMeans(e, evidence.POP3, dialect.BandwidthLimit),
		counterFull(e, string(cause.LimitBandwidth)))
}}
