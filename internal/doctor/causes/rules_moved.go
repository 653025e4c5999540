package causes

import (
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// rules.moved: the message came, and a rule or another program put it elsewhere than the
// inbox. It lies in another mailbox, or a rule moves mail to one in which unread mail lies. A
// mailbox that the program only hides is another cause, if no rule leads there; so is Junk.
var rulesMoved = &infer.Cause{
	ID:       cause.RulesMoved,
	About:    []evidence.Symptom{evidence.Receive, evidence.OneMessage},
	Requires: []*infer.Sign{movedByRule},
	Explains: []infer.Link{{Sign: hiddenMail, P: infer.Sometimes}, {Sign: inJunk, P: infer.Sometimes}},
	Proof:    []*infer.Sign{movedByRule},
	Params: func(e *evidence.Evidence) []cause.Param {
		box, rule := whereMoved(e)
		return append(textParam("mailbox", box), textParam("rule", rule)...)
	},
}

// movedByRule: it shows only where mail that is missed is the complaint: rules are no trouble else.
var movedByRule = &infer.Sign{Name: "moved", Of: func(e *evidence.Evidence) infer.Truth {
	if testMoved(e) != "" {
		return infer.Yes
	}
	if _, asked := evidence.First[evidence.Letter](e); !asked && e.Complaint.Symptom != evidence.Receive && e.Complaint.Symptom != evidence.OneMessage {
		return infer.Unknown
	}
	if box, _ := whereMoved(e); box != "" {
		return infer.Yes
	}
	if len(evidence.All[evidence.Mailbox](e)) == 0 {
		return infer.Unknown
	}
	return infer.No
}}

// whereMoved is the mailbox to which mail was moved, and the rule that did it, where it is known.
func whereMoved(e *evidence.Evidence) (box, rule string) {
	if lies(e, "inbox") {
		return "", ""
	}
	if box := testMoved(e); box != "" {
		r, _ := ruleTo(e, box)
		return box, r.Name
	}
	searched := false
	for _, s := range evidence.All[evidence.Sought](e) {
		searched = searched || s.MessageID != ""
		if s.MessageID == "" || s.Count == 0 || s.Role == "drafts" || s.Role == "sent" {
			continue
		}
		r, ruled := ruleTo(e, s.Mailbox)
		if ruled || s.Role != "junk" && !hides(e, s.Mailbox) {
			return s.Mailbox, r.Name
		}
	}
	if searched {
		return "", ""
	}
	for _, m := range evidence.All[evidence.Mailbox](e) {
		if r, ruled := ruleTo(e, m.Name); ruled && m.Role != "inbox" && m.Unseen > 0 {
			return m.Name, r.Name
		}
	}
	return "", ""
}

// ruleTo finds a rule, of the program or of the server, that moves mail to a mailbox.
func ruleTo(e *evidence.Evidence, box string) (evidence.ClientRule, bool) {
	rules := slices.Clone(shown(e).Rules)
	if i, ok := fromInside(e); ok {
		rules = append(rules, i.Rules...)
	}
	for _, r := range rules {
		moves := strings.EqualFold(r.Action, "move") && strings.EqualFold(r.Folder, box)
		deletes := strings.EqualFold(r.Action, "delete") && roleIs(e, box, "trash")
		if moves || deletes {
			return r, true
		}
	}
	return evidence.ClientRule{}, false
}

func roleIs(e *evidence.Evidence, box, role string) bool {
	_, found := evidence.Find(e, func(m evidence.Mailbox) bool { return m.Name == box && m.Role == role })
	return found
}

// hides reports whether the program does not show a mailbox.
func hides(e *evidence.Evidence, box string) bool {
	f := shown(e).Folders
	return f != nil && (slices.Contains(f.Hidden, box) || len(f.Subscribed) > 0 && !slices.Contains(f.Subscribed, box))
}

// lies reports whether the message that is asked about, or a test message, was found in a mailbox with a role.
func lies(e *evidence.Evidence, role string) bool {
	_, found := evidence.Find(e, func(s evidence.Sought) bool { return s.MessageID != "" && s.Role == role && s.Count > 0 })
	return found || testLies(e, role)
}

// isLetter reports whether a Message-ID is that of the message that is asked about.
func isLetter(e *evidence.Evidence, id string) bool {
	l, ok := evidence.First[evidence.Letter](e)
	return ok && id != "" && strings.Trim(l.MessageID, "<> ") == strings.Trim(id, "<> ")
}
