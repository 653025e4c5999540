package causes

import (
	"slices"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// auth.password-stale-one-side: of the two passwords that a mail program stores, for
// receiving and for sending, one is old. One side signs in and the other is refused as
// wrong; or the program shows such an error where the same password works from here.
// A protocol that is switched off gives that as its reason.
var authPasswordStaleOneSide = &infer.Cause{
	ID:       cause.AuthPasswordStaleOneSide,
	About:    []evidence.Symptom{evidence.Send, evidence.Receive, evidence.SignsIn},
	Requires: []*infer.Sign{oneSideRefused},
	Explains: refusesSignIns(infer.Sometimes),
	Excludes: []*infer.Sign{protocolOff},
	Proof:    []*infer.Sign{oneSideRefused, oneSideTold},
	Params: func(e *evidence.Evidence) []cause.Param {
		return append(textParam("client", refusedDevice(e)), cause.Text("protocol", protocolName(staleSide(e))))
	},
}

var oneSideRefused = &infer.Sign{Name: "one-side-refused", Of: func(e *evidence.Evidence) infer.Truth {
	if anyAccepted(e) == infer.Unknown {
		return infer.Unknown
	}
	return infer.Is(staleSide(e) != "")
}}

// oneSideTold: the refusal says that name or password is wrong. A bare no may have other reasons.
var oneSideTold = &infer.Sign{Name: "one-side-told-why", Normal: true, Leak: 0.5, Of: func(e *evidence.Evidence) infer.Truth {
	return anyOf(sideRefusals(e), func(s evidence.SignIn) bool {
		return means(s.Reading, dialect.CredentialsRefused, dialect.AccountLocked) && s.Reading.First().Weight >= 0.5
	})
}}

// staleSide is the protocol whose password is old; "" if there is none, or not one alone.
func staleSide(e *evidence.Evidence) evidence.Protocol {
	if anyAccepted(e) != infer.Yes {
		return ""
	}
	refused := sideRefusals(e)
	if slices.ContainsFunc(refused, func(s evidence.SignIn) bool {
		return means(s.Reading, dialect.AccountDisabled, dialect.ProtocolDisabled)
	}) {
		return "" // one that says only "wrong" says less
	}
	for _, s := range refused {
		if means(s.Reading, dialect.CredentialsRefused, dialect.AccountLocked) {
			return s.Endpoint.Protocol
		}
	}
	sides := map[evidence.Protocol]bool{}
	var side evidence.Protocol
	for _, c := range evidence.All[evidence.ClientError](e) {
		if means(c.Reading, dialect.CredentialsRefused, dialect.AccountLocked) && c.Reading.First().Weight >= 0.5 { // a bare no can mean anything
			side = c.Protocol
			if side == "" {
				side = evidence.IMAP
			}
			sides[side] = true
		}
	}
	if len(sides) != 1 {
		return ""
	}
	return side
}
