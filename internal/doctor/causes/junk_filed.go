package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// junk.filed: the message came and lies in Junk: in the account's own, where a search finds
// it, or at the recipient's, where the message itself has the filter's verdict. A rule of the
// account that moves it there is no filter; and what lies in the inbox is not filed, whatever was written on it.
var junkFiled = &infer.Cause{
	ID:       cause.JunkFiled,
	About:    []evidence.Symptom{evidence.Send, evidence.Receive, evidence.OneMessage},
	Requires: []*infer.Sign{inJunk},
	Excludes: []*infer.Sign{movedByRule, messageRefused},
	Proof:    []*infer.Sign{inJunk},
	Params: func(e *evidence.Evidence) []cause.Param {
		for _, l := range evidence.All[evidence.Letter](e) {
			for _, m := range l.Junk {
				if m.Junk {
					return textParam("reason", m.Field+": "+m.Value)
				}
			}
		}
		return nil
	},
}

// inJunk: the message that is asked about lies in Junk, or a filter's verdict came with it.
var inJunk = &infer.Sign{Name: "in-junk", Of: func(e *evidence.Evidence) infer.Truth {
	switch {
	case lies(e, "inbox"):
		return infer.No
	case lies(e, "junk"):
		return infer.Yes
	}
	if i, ok := fromInside(e); ok {
		for _, event := range i.Events {
			if event.Cause == string(cause.JunkFiled) && isLetter(e, event.MessageID) {
				return infer.Yes
			}
		}
	}
	arrived := evidence.Where(e, func(l evidence.Letter) bool { return l.HopCount > 0 })
	return anyOf(arrived, func(l evidence.Letter) bool { return l.SaysJunk() })
}}
