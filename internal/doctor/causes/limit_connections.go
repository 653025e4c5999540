package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// limit.connections: programs hold more connections than the server allows at once. It
// says so at the greeting, at the sign-in or after it, perhaps only to some of the
// connections. A server that is too busy for everybody gives that as its reason.
var limitConnections = &infer.Cause{
	ID:       cause.LimitConnections,
	Requires: []*infer.Sign{tooManyConnections},
	Explains: append(refusesSignIns(infer.Sometimes), infer.Link{Sign: manySessions, P: infer.Usually}),
	Proof:    []*infer.Sign{tooManyConnections},
	Params: func(e *evidence.Evidence) []cause.Param {
		if i, ok := fromInside(e); ok {
			params := textParam("clients", connectedDevices(i))
			if l, full := counter(i, string(cause.LimitConnections)); full {
				params = append(params, cause.Count("limit", l.Max))
			}
			return params
		}
		return nil
	},
}

var tooManyConnections = &infer.Sign{Name: "too-many-connections", Of: func(e *evidence.Evidence) infer.Truth {
	told := []infer.Truth{
		signInMeans(e, dialect.ConnectionsLimit), clientMeans(e, dialect.ConnectionsLimit), counterFull(e, string(cause.LimitConnections)),
		anyOf(evidence.Where(e, func(g evidence.Greeting) bool {
			return g.Endpoint.Origin != evidence.MX && g.Endpoint.Origin != evidence.Reference && g.Outcome == evidence.OK
		}), func(g evidence.Greeting) bool { return !g.Positive && means(g.Reading, dialect.ConnectionsLimit) }),
	}
	for _, p := range []evidence.Protocol{evidence.IMAP, evidence.Submission, evidence.POP3} {
		told = append(told, commandMeans(e, p, dialect.ConnectionsLimit))
	}
	return either(told...)
}}

// manySessions: the mail program itself holds many connections open.
var manySessions = &infer.Sign{Name: "many-sessions", Normal: true, Leak: 0.05, Of: func(e *evidence.Evidence) infer.Truth {
	open := 0
	for _, s := range shown(e).IMAPSessions {
		if s.State != "closed" {
			open++
		}
	}
	if open == 0 {
		return infer.Unknown
	}
	return infer.Is(open >= 8)
}}
