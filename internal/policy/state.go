package policy

import (
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
)

// StateForSignIn tells what the state of an account says to somebody who signs in with a protocol
// and has given the right password: nobody else may hear it.
func StateForSignIn(a store.Account, p store.Protocol) cause.Decision {
	switch {
	case a.Disabled:
		return cause.Refuse(cause.AccountMailDisabled)
	case a.Suspended == cause.AccountMaintenance:
		return cause.Wait(a.Suspended, time.Time{}).As("sign-in")
	case a.Suspended != "" && a.Suspended != cause.AccountBlockedAbuse: // which blocks sending alone
		return cause.Refuse(a.Suspended)
	case a.Protocols&p == 0:
		return cause.Refuse(cause.AccountProtocolDisabled, cause.Text("protocol", protocolName(p)))
	}
	return cause.Allow()
}

// StateForSending tells whether the state of an account lets it send.
func StateForSending(a store.Account) cause.Decision {
	switch {
	case a.Disabled:
		return cause.Refuse(cause.AccountMailDisabled)
	case a.Suspended == cause.AccountMaintenance:
		return cause.Wait(a.Suspended, time.Time{})
	case a.Suspended != "":
		return cause.Refuse(a.Suspended)
	}
	return cause.Allow()
}

// protocolName is a protocol as people and the journal know it; the names are no prose.
func protocolName(p store.Protocol) string {
	switch p {
	case store.ProtocolIMAP:
		return "IMAP"
	case store.ProtocolPOP3:
		return "POP3"
	case store.ProtocolSubmission:
		return "SMTP"
	case store.ProtocolJMAP:
		return "JMAP"
	case store.ProtocolWeb:
		return "webmail"
	}
	return ""
}
