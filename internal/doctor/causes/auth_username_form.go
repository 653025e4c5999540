package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
	"github.com/postiljon/postiljon/internal/settings"
)

// auth.username-form: the user name needs another form. The same password signs in
// with the whole address where the part before the @ fails, or the reverse; without
// such a try, the server or the provider's settings say so.
var authUsernameForm = &infer.Cause{
	ID:       cause.AuthUsernameForm,
	About:    []evidence.Symptom{evidence.Send, evidence.Receive, evidence.SignsIn},
	Requires: []*infer.Sign{otherNameForm},
	Explains: append(refusesSignIns(infer.Usually), infer.Link{Sign: credentialsRefused, P: infer.Usually}, infer.Link{Sign: otherFormAccepted, P: infer.Usually}),
	Proof:    []*infer.Sign{otherNameForm},
	Params: func(e *evidence.Evidence) []cause.Param {
		if name := rightName(e); name != "" {
			return []cause.Param{cause.Text("username", name)}
		}
		return nil
	},
}

// otherFormAccepted: the sign-in failed with the name as given, and succeeded with it in another form.
var otherFormAccepted = &infer.Sign{Name: "other-form-accepted", Of: func(e *evidence.Evidence) infer.Truth {
	return anyOf(evidence.Where(e, func(s evidence.SignIn) bool {
		return (s.Form == evidence.WholeAddress || s.Form == evidence.LocalPart) && s.Outcome == evidence.OK
	}), func(s evidence.SignIn) bool { return s.Accepted })
}}

// otherNameForm: a try, the server or the provider's settings show that the name needs another form.
var otherNameForm = &infer.Sign{Name: "other-name-form", Of: func(e *evidence.Evidence) infer.Truth {
	if otherFormAccepted.Of(e) == infer.Yes {
		return infer.Yes
	}
	if anyAccepted(e) == infer.Yes && clientMeans(e, dialect.UsernameForm) != infer.Yes {
		return infer.No
	}
	return either(signInMeans(e, dialect.UsernameForm), clientMeans(e, dialect.UsernameForm), settingWrong(e, string(cause.AuthUsernameForm)))
}}

// rightName is the user name that works, or that the provider says is right.
func rightName(e *evidence.Evidence) string {
	for _, s := range evidence.All[evidence.SignIn](e) {
		switch {
		case s.Accepted && s.Form == evidence.WholeAddress:
			return e.Complaint.Address
		case s.Accepted && s.Form == evidence.LocalPart:
			return e.Complaint.LocalPart()
		}
	}
	for _, g := range evidence.All[evidence.GivenSetting](e) {
		if g.Field == settings.FieldUsername && g.Right != "" {
			return g.Right
		}
	}
	return ""
}
