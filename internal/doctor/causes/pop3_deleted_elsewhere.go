package causes

import (
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// pop3.deleted-elsewhere: a device that fetches by POP3 took the mail and removed it from
// the server. The inbox is empty though it was not always, which its UIDs show; and a POP3
// program is known that leaves nothing on the server. An account that is new is empty, too.
var pop3DeletedElsewhere = &infer.Cause{
	ID:       cause.POP3DeletedElsewhere,
	About:    []evidence.Symptom{evidence.Receive, evidence.OneMessage},
	Requires: []*infer.Sign{inboxEmptied, fetchedByPOP3},
	Proof:    []*infer.Sign{inboxEmptied, fetchedByPOP3},
	Params: func(e *evidence.Evidence) []cause.Param {
		if i, ok := fromInside(e); ok {
			for _, s := range i.Sessions {
				if s.Protocol == "pop3" {
					return []cause.Param{cause.Text("client", s.Client)}
				}
			}
		}
		return nil
	},
}

// inboxEmptied: nothing is in the inbox, and something was.
var inboxEmptied = &infer.Sign{Name: "inbox-emptied", Normal: true, Leak: 0.02, Of: func(e *evidence.Evidence) infer.Truth {
	drops := evidence.All[evidence.Maildrop](e)
	if anyOf(drops, func(m evidence.Maildrop) bool { return m.Messages > 0 }) == infer.Yes {
		return infer.No
	}
	next := anyOf(evidence.Where(e, func(m evidence.Maildrop) bool { return m.Next > 0 }), func(m evidence.Maildrop) bool { return m.Next > 1 })
	if next == infer.Unknown && len(drops) > 0 {
		return infer.Yes // POP3 alone does not tell what was there before
	}
	return next
}}

// fetchedByPOP3: a program fetches by POP3 and leaves nothing on the server.
var fetchedByPOP3 = &infer.Sign{Name: "fetched-by-pop3", Leak: 0.02, Of: func(e *evidence.Evidence) infer.Truth {
	a := shownAccount(e)
	told := []infer.Truth{}
	if n := shown(e).OnDeviceOnlyMessages; n != nil && strings.EqualFold(a.Protocol, "pop3") {
		told = append(told, infer.Is(*n > 0))
	}
	if strings.EqualFold(a.Protocol, "pop3") {
		told = append(told, isSet(a.LeaveOnServer, false))
	}
	if i, ok := fromInside(e); ok {
		removed := false
		for _, event := range i.Events {
			removed = removed || event.Kind == "removed" && event.Text["protocol"] == "pop3"
		}
		told = append(told, infer.Is(removed))
	}
	return either(told...)
}}
