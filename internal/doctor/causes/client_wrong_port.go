package causes

import (
	"slices"
	"strconv"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
	"github.com/postiljon/postiljon/internal/doctor/probe"
)

// client.wrong-port: the port in the settings is not that of the service. Another
// protocol answers there, or nobody does while the right port of the same
// host answers; and somebody who knows says which port is right.
var clientWrongPort = &infer.Cause{
	ID:       cause.ClientWrongPort,
	Requires: []*infer.Sign{wrongPort},
	Explains: []infer.Link{{Sign: wrongPortShown, P: infer.Usually}, {Sign: otherProtocolAnswers, P: infer.Sometimes}, {Sign: imapDead, P: infer.Seldom}, {Sign: submissionDead, P: infer.Seldom}, {Sign: imapUnreachable, P: infer.Seldom}, {Sign: submissionUnreachable, P: infer.Seldom}},
	Excludes: []*infer.Sign{foreignServer},
	Proof:    []*infer.Sign{wrongPortShown},
	Params: func(e *evidence.Evidence) []cause.Param {
		for _, g := range wrongSettings(e, func(g evidence.GivenSetting) bool { return g.Cause == cause.ClientWrongPort }) {
			return []cause.Param{cause.Text("port", g.Given), cause.Text("suggestion", g.Right)}
		}
		if o, ok := evidence.Find(e, func(o evidence.OtherPort) bool { return o.Works }); ok {
			return []cause.Param{cause.Text("port", strconv.Itoa(o.Given.Port)), cause.Text("suggestion", strconv.Itoa(o.Endpoint.Port))}
		}
		for _, g := range otherProtocols(e) {
			return []cause.Param{cause.Text("port", strconv.Itoa(g.Endpoint.Port))}
		}
		if ep, ok := oddPort(e); ok {
			return []cause.Param{cause.Text("port", strconv.Itoa(ep.Port))}
		}
		if ep, other := closedPort(e); ep.Port != 0 {
			return []cause.Param{cause.Text("port", strconv.Itoa(ep.Port)), cause.Text("suggestion", strconv.Itoa(other))}
		}
		return nil
	},
}

// wrongPort: that it is wrong shows, or is likely: the port is none of the usual ones, the host says that
// nobody is there, and another service of the same host answers.
var wrongPort = &infer.Sign{Name: "wrong-port", Of: func(e *evidence.Evidence) infer.Truth {
	return either(wrongPortShown.Of(e), oddPortRefused.Of(e), portNotOffered.Of(e))
}}

// portNotOffered: of the two ports for sending, the host has only the other one.
var portNotOffered = &infer.Sign{Name: "port-not-offered", Normal: true, Leak: 0.05, Of: func(e *evidence.Evidence) infer.Truth {
	if ep, _ := closedPort(e); ep.Port != 0 {
		return infer.Yes
	}
	return infer.Unknown
}}

// closedPort returns a given endpoint for sending whose host says that nobody is there, and the port at which
// that host greets; others' servers answer at both from here.
func closedPort(e *evidence.Evidence) (closed evidence.Endpoint, open int) {
	for _, ep := range e.Complaint.Given {
		if ep.Protocol != evidence.Submission || refused(e, func(c evidence.Connect) bool { return placeOf(c.Endpoint) == placeOf(ep) }) != infer.Yes {
			continue
		}
		lives, found := evidence.Find(e, func(g evidence.Greeting) bool {
			return g.Positive && g.Speaks == evidence.Submission && g.Endpoint.Host == ep.Host && g.Endpoint.Port != ep.Port
		})
		_, there := evidence.Find(e, func(c evidence.Connect) bool {
			return c.Endpoint.Origin == evidence.Reference && c.Endpoint.Port == ep.Port && connected(c)
		})
		if found && there {
			return ep, lives.Endpoint.Port
		}
	}
	return evidence.Endpoint{}, 0
}

var oddPortRefused = &infer.Sign{Name: "odd-port-refused", Normal: true, Leak: 0.05, Of: func(e *evidence.Evidence) infer.Truth {
	if _, found := oddPort(e); found {
		return infer.Yes
	}
	return infer.Unknown
}}

// wrongPortShown: somebody who knows says so, another protocol answers there, or the service greets at a usual port of the host.
var wrongPortShown = &infer.Sign{Name: "wrong-port-shown", Normal: true, Leak: 0.05, Of: func(e *evidence.Evidence) infer.Truth {
	told := settingWrong(e, string(cause.ClientWrongPort))
	if told == infer.Yes && givenPortWorks(e) {
		told = infer.No
	}
	elsewhere := anyOf(evidence.All[evidence.OtherPort](e), func(o evidence.OtherPort) bool { return o.Works })
	return either(told, otherProtocolAnswers.Of(e), elsewhere)
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

// oddPort returns a given endpoint at a port that is none of the usual ones of its protocol and that its
// host refuses, where something else in the settings greets at the same host.
func oddPort(e *evidence.Evidence) (evidence.Endpoint, bool) {
	for _, ep := range e.Complaint.Given {
		usual := slices.ContainsFunc(probe.StandardPorts(ep.Protocol), func(s evidence.Endpoint) bool { return s.Port == ep.Port })
		_, lives := evidence.Find(e, func(g evidence.Greeting) bool { return g.Positive && g.Endpoint.Host == ep.Host })
		if !usual && lives && len(rightHosts(e, ep.Protocol)) == 0 && refused(e, func(c evidence.Connect) bool { return placeOf(c.Endpoint) == placeOf(ep) }) == infer.Yes {
			return ep, true
		}
	}
	return evidence.Endpoint{}, false
}
