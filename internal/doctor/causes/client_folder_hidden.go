package causes

import (
	"slices"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// client.folder-hidden: the message is on the server, where the mail program does not
// look: in a folder that it hides or is not subscribed to and that has unread mail, or
// further back than it fetches.
var clientFolderHidden = &infer.Cause{
	ID:       cause.ClientFolderHidden,
	About:    []evidence.Symptom{evidence.Receive, evidence.OneMessage},
	Requires: []*infer.Sign{hiddenMail},
	Proof:    []*infer.Sign{hiddenMail},
	Params: func(e *evidence.Evidence) []cause.Param {
		if boxes := hiddenBoxes(e); len(boxes) > 0 {
			return []cause.Param{cause.Text("mailbox", boxes[0].Name)}
		}
		return nil
	},
}

// hiddenMail: unread mail lies where the program does not show it.
var hiddenMail = &infer.Sign{Name: "hidden-mail", Of: func(e *evidence.Evidence) infer.Truth {
	if e.Complaint.Client == nil {
		return infer.Unknown
	}
	if beyondWindow(e) || len(hiddenBoxes(e)) > 0 {
		return infer.Yes
	}
	if len(evidence.All[evidence.Mailbox](e)) == 0 {
		return infer.Unknown
	}
	return infer.No
}}

// hiddenBoxes are the mailboxes with unread mail that the mail program does not show. Junk and Trash are left out:
// what lies there has other reasons.
func hiddenBoxes(e *evidence.Evidence) []evidence.Mailbox {
	folders := shown(e).Folders
	if folders == nil {
		return nil
	}
	return evidence.Where(e, func(m evidence.Mailbox) bool {
		hidden := slices.Contains(folders.Hidden, m.Name) || len(folders.Subscribed) > 0 && !m.Subscribed && !slices.Contains(folders.Subscribed, m.Name)
		return hidden && m.Unseen > 0 && m.Role != "junk" && m.Role != "trash" && m.Role != "inbox"
	})
}

// beyondWindow reports whether the message that is asked about is older than what the program fetches.
func beyondWindow(e *evidence.Evidence) bool {
	l, ok := evidence.First[evidence.Letter](e)
	days := shown(e).SyncWindowDays
	if !ok || days == nil || *days <= 0 || l.Date.IsZero() {
		return false
	}
	return newestFact(e).Sub(l.Date) > time.Duration(*days)*24*time.Hour
}

// newestFact is the time at which the newest fact was found.
func newestFact(e *evidence.Evidence) time.Time {
	facts := e.Facts()
	if len(facts) == 0 {
		return time.Time{}
	}
	return facts[len(facts)-1].At
}
