package causes

import (
	"slices"
	"strconv"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// client.wrong-port: the port in the settings is not that of the service. Another
// protocol answers there, or nobody does while the right port of the same
// host answers; and somebody who knows says which port is right.
var clientWrongPort = &infer.Cause{
	ID:       cause.ClientWrongPort,
	Requires: []*infer.Sign{wrongPort},
	Explains: []infer.Link{{Sign: otherProtocolAnswers, P: infer.Sometimes}},
	Excludes: []*infer.Sign{foreignServer},
	Proof:    []*infer.Sign{wrongPort},
	Params: func(e *evidence.Evidence) []cause.Param {
		for _, g := range wrongSettings(e, func(g evidence.GivenSetting) bool { return g.Cause == cause.ClientWrongPort }) {
			return []cause.Param{cause.Text("port", g.Given), cause.Text("suggestion", g.Right)}
		}
		for _, g := range otherProtocols(e) {
			return []cause.Param{cause.Text("port", strconv.Itoa(g.Endpoint.Port))}
		}
		return nil
	},
}

var wrongPort = &infer.Sign{Name: "wrong-port", Of: func(e *evidence.Evidence) infer.Truth {
	told := settingWrong(e, string(cause.ClientWrongPort))
	if told == infer.Yes && givenPortWorks(e) {
		told = infer.No
	}
	return either(told, otherProtocolAnswers.Of(e))
}}

// otherProtocolAnswers: at the port that the mail program has, a server of another protocol greets.
var otherProtocolAnswers = &infer.Sign{Name: "other-protocol-answers", Of: func(e *evidence.Evidence) infer.Truth {
	greetings := evidence.Where(e, func(g evidence.Greeting) bool { return g.Endpoint.Origin == evidence.Given && g.Speaks != "" })
	if len(greetings) == 0 {
		return infer.Unknown
	}
	return infer.Is(len(otherProtocols(e)) > 0)
}}

func otherProtocols(e *evidence.Evidence) []evidence.Greeting {
	return evidence.Where(e, func(g evidence.Greeting) bool {
		return g.Endpoint.Origin == evidence.Given && g.Speaks != "" && g.Speaks != g.Endpoint.Protocol
	})
}

// givenPortWorks reports whether the right protocol greets at every port that the mail program has.
func givenPortWorks(e *evidence.Evidence) bool {
	given := slices.DeleteFunc(slices.Clone(e.Complaint.Given), func(ep evidence.Endpoint) bool {
		_, greets := evidence.Find(e, func(g evidence.Greeting) bool {
			return g.Endpoint.Host == ep.Host && g.Endpoint.Port == ep.Port && g.Positive && g.Speaks == ep.Protocol
		})
		return greets
	})
	return len(given) == 0
}
