package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// reputation.ip-listed: the server that sends is on a blocklist: a refusal says
// so, or the list does. A list that calls everybody so proves nothing.
var reputationIPListed = &infer.Cause{
	ID:       cause.ReputationIPListed,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{serverListed},
	Explains: []infer.Link{
		{Sign: toldListed, P: infer.Usually},
		{Sign: toldSpam, P: infer.Sometimes},
		{Sign: messageRefused, P: infer.Usually},
		{Sign: messageDeferred, P: infer.Seldom},
	},
	Excludes: []*infer.Sign{listDead},
	Proof:    []*infer.Sign{listConfirms},
	Params: func(e *evidence.Evidence) []cause.Param {
		list := ""
		if r, ok := refusedAs(e, remoteServer, dialect.IPListed); ok {
			list = r.reading.List
		}
		if l, ok := evidence.Find(e, listsServer); ok {
			list = l.List
		}
		return append(sendingClient(e), textParam("list", list)...)
	},
}

func listsServer(l evidence.Listed) bool { return l.Role == "server" && l.Listed && !l.Dead }

// listConfirms: a list that works has the address.
var listConfirms = &infer.Sign{Name: "blocklist-confirms", Of: func(e *evidence.Evidence) infer.Truth {
	return anyOf(evidence.Where(e, func(l evidence.Listed) bool { return l.Role == "server" }), listsServer)
}}

// serverListed: a refusal or a list says so; a list alone counts only where it is known that mail comes from there.
var serverListed = &infer.Sign{Name: "server-listed", Of: func(e *evidence.Evidence) infer.Truth {
	if toldListed.Of(e) == infer.Yes {
		return infer.Yes
	}
	if o, ok := outgoing(e); !ok || o.Source == "submission" {
		return infer.Unknown
	}
	return listConfirms.Of(e)
}}
