package causes

import (
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// account.protocol-disabled: one way to the account is switched off. With the same
// name and password one protocol signs in and another does not, and the server gives that
// as the reason, or it is one that gives none.
var accountProtocolDisabled = &infer.Cause{
	ID:       cause.AccountProtocolDisabled,
	Requires: []*infer.Sign{protocolOff},
	Explains: refusesSignIns(infer.Sometimes),
	Excludes: []*infer.Sign{mailSwitchedOff},
	Proof:    []*infer.Sign{protocolOff},
	Params: func(e *evidence.Evidence) []cause.Param {
		if names := protocolsOff(e); len(names) > 0 {
			return []cause.Param{cause.Text("protocol", strings.Join(names, ", "))}
		}
		return nil
	},
}

var protocolOff = &infer.Sign{Name: "protocol-off", Of: func(e *evidence.Evidence) infer.Truth {
	if len(protocolsOff(e)) > 0 {
		return infer.Yes
	}
	if anyAccepted(e) == infer.Unknown {
		return infer.Unknown
	}
	return infer.No
}}

// protocolsOff names the protocols that are switched off for the account, as far as it shows.
func protocolsOff(e *evidence.Evidence) []string {
	var names []string
	if i, ok := fromInside(e); ok {
		for _, p := range i.Off {
			names = append(names, protocolName(evidence.Protocol(p)))
		}
	}
	for _, g := range wrongSettings(e, func(g evidence.GivenSetting) bool { return g.Cause == cause.AccountProtocolDisabled }) {
		names = append(names, strings.ToUpper(string(g.Protocol)))
	}
	for _, s := range sideRefusals(e) {
		vague := vagueRefusals(e) && s.Endpoint.Protocol != evidence.Submission && (s.Reading.Says(dialect.ProtocolDisabled) || s.Reading.Says(dialect.CredentialsRefused))
		if means(s.Reading, dialect.ProtocolDisabled, dialect.AccountDisabled) || vague {
			names = append(names, protocolName(s.Endpoint.Protocol))
		}
	}
	for _, c := range evidence.All[evidence.ClientError](e) {
		if anyAccepted(e) == infer.Yes && c.Protocol != "" && !signsIn(e, c.Protocol) && means(c.Reading, dialect.ProtocolDisabled) {
			names = append(names, protocolName(c.Protocol))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// vagueRefusals reports whether the servers are of a kind that answers a sign-in by a protocol
// that is off as if the password were wrong: Exchange does, and Yandex.
func vagueRefusals(e *evidence.Evidence) bool {
	_, found := evidence.Find(e, func(g evidence.Greeting) bool {
		who := strings.ToLower(g.Provider + " " + g.Software)
		return g.Endpoint.Protocol != evidence.SMTP && (strings.Contains(who, "exchange") || strings.Contains(who, "microsoft") ||
			strings.Contains(who, "outlook") || strings.Contains(who, "yandex"))
	})
	return found
}
