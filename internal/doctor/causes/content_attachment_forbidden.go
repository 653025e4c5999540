package causes

import (
	"path"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// content.attachment-forbidden: a server does not take files of that kind. It
// speaks of the attachment; a filter that judges the whole message speaks of spam or a virus.
var contentAttachmentForbidden = &infer.Cause{
	ID:       cause.ContentAttachmentForbidden,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{toldAttachment},
	Explains: []infer.Link{
		{Sign: messageRefused, P: infer.Always},
		{Sign: toldSpam, P: infer.Sometimes},
	},
	Proof: []*infer.Sign{toldAttachment},
	Params: func(e *evidence.Evidence) []cause.Param {
		for _, l := range letters(e) {
			for _, a := range l.Attachments {
				if slices.Contains(executable, strings.ToLower(path.Ext(a.Name))) {
					return textParam("file", a.Name)
				}
			}
		}
		return nil
	},
}

// executable are ends of names of files that run as programs or hold others, which servers refuse.
var executable = []string{".exe", ".com", ".scr", ".pif", ".bat", ".cmd", ".js", ".jse", ".vbs", ".vbe", ".wsf", ".msi", ".jar", ".hta", ".cpl", ".lnk", ".iso", ".img", ".ps1", ".zip", ".rar", ".7z", ".docm", ".xlsm"}
