package causes

import (
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// client.smtp-auth-off: the mail program does not sign in to send. The setting says so,
// or the server answered it as one that had not signed in, and answers us the same without
// a sign-in. Where sign-ins are not offered, it is not the program.
var clientSMTPAuthOff = &infer.Cause{
	ID:       cause.ClientSMTPAuthOff,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{sendsUnsigned},
	Explains: []infer.Link{{Sign: toldToSignIn, P: infer.Usually}},
	Excludes: []*infer.Sign{unsignedTaken},
	Proof:    []*infer.Sign{sendsUnsigned},
}

// sendsUnsigned: the mail program sends without having signed in.
var sendsUnsigned = &infer.Sign{Name: "sends-unsigned", Of: func(e *evidence.Evidence) infer.Truth {
	return either(isSet(shownAccount(e).SMTPAuth, false), toldToSignIn.Of(e))
}}

// toldToSignIn: the error that the mail program shows is that of a server to which nobody signed in.
var toldToSignIn = &infer.Sign{Name: "told-to-sign-in", Of: func(e *evidence.Evidence) infer.Truth {
	return either(clientMeans(e, dialect.AuthRequired), clientMeans(e, dialect.RelayDenied))
}}

// unsignedTaken: the server takes mail for other domains from somebody who has not signed in.
var unsignedTaken = &infer.Sign{Name: "unsigned-taken", Normal: true, Leak: 0.05, Of: func(e *evidence.Evidence) infer.Truth {
	return anyOf(evidence.Where(e, func(c evidence.Command) bool {
		return c.Endpoint.Protocol == evidence.Submission && !c.SignedIn && c.Outcome == evidence.OK &&
			strings.HasPrefix(c.Command, "RCPT ") && !strings.HasSuffix(strings.ToLower(c.Command), "@"+e.Complaint.Domain()+">")
	}), func(c evidence.Command) bool { return c.Positive })
}}
