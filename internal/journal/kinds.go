package journal

// The kinds of events. They are stored, so they are never renamed. What each says to people stands
// in texts/, under the same name.
const (
	// A message on its way in.
	MessageAccepted   = "message.accepted"   // taken from another server or a client: from, to, message-id, subject, size, remote
	MessageRefused    = "message.refused"    // refused or delayed at the end of its data: from, to, message-id, subject, remote; author, if From names another address; by: the account that wanted to send it
	MessageDelivered  = "message.delivered"  // placed in a mailbox: from, to, message-id, mailbox, score, reasons
	MessageFiledJunk  = "message.filed-junk" // placed in Junk: from, to, message-id, score, reasons, instead
	MessageForwarded  = "message.forwarded"  // sent on by a rule or an alias: from, to
	RecipientRefused  = "recipient.refused"  // one recipient refused or delayed: from, to, remote; by as above
	SenderRefused     = "sender.refused"     // the sender refused or delayed: from, remote
	ConnectionRefused = "connection.refused" // a connection turned away: remote, protocol
	MessageDuplicate  = "message.duplicate"  // came again and was kept once: from, to, message-id

	// A message on its way out that waits for more than its turn.
	MessageScheduled   = "message.scheduled"   // handed in, to go at a time of its sender's choosing: from, to, message-id, subject, size
	MessageHeld        = "message.held"        // kept until it is released: to
	MessageReleased    = "message.released"    // no longer kept: to
	MessageUnconfirmed = "message.unconfirmed" // may have gone, though nobody heard a yes: to, host

	// What the rules of the account did with a message; beside the fields here, each has from, to and
	// rule. A message that is placed has the event of its delivery as well.
	RulesMoved        = "rules.moved"         // placed it in a folder: mailbox
	RulesKept         = "rules.kept"          // left it where it goes without rules
	RulesForwarded    = "rules.forwarded"     // sent it on: address
	RulesNotForwarded = "rules.not-forwarded" // wanted to, and it was not done: address, reason
	RulesDiscarded    = "rules.discarded"     // dropped it
	RulesRejected     = "rules.rejected"      // refused it
	RulesAnswered     = "rules.answered"      // told the sender of the absence
	RulesNotAnswered  = "rules.not-answered"  // wanted to, and it was not done: reason
	RulesNoFolder     = "rules.no-folder"     // wanted it in a folder that does not exist: mailbox
	RulesFailed       = "rules.failed"        // cannot be run: error
	RulesChanged      = "rules.changed"       // other rules from now on: script, client, remote

	// A message on its way out.
	MessageQueued     = "message.queued"     // a submission is kept: from, to, message-id, subject, size
	MessageRelayed    = "message.relayed"    // another server took it: to, host, reply, ip, tls, tls-version, policy
	MessageDeferred   = "message.deferred"   // could not go yet: to, host, reply, and as for relayed; trouble: why it could not be encrypted as it must
	MessageBounced    = "message.bounced"    // cannot go: as for deferred
	MessageExpired    = "message.expired"    // was tried too long: to, host, reply
	MessageCancelled  = "message.cancelled"  // taken back by its sender: to
	MessageCorrected  = "message.corrected"  // could not go, and went to another address: to, address
	MessageComplained = "message.complained" // who got it told its server that it was not wanted: to, host, type
	MessageDisplayed  = "message.displayed"  // a receipt says that its recipient opened it: to, report
	MessageReceipt    = "message.receipt"    // a receipt says something else: to, disposition, report
	ReportSent        = "report.sent"        // a report about delivery went to the sender: to
	NoticeSent        = "notice.sent"        // the service wrote to an account holder: to, subject, mailbox

	// A message that lies in a mailbox. by is who did it, if that is another than the owner; message-id are those of the first messages
	// that were moved, removed or fetched.
	MessageAppended    = "message.appended"     // put there by a client: mailbox, message-id, client, by
	MessageMoved       = "message.moved"        // from one mailbox to another: from-mailbox, mailbox, count, client, by
	MessageExpunged    = "message.expunged"     // removed for good: mailbox, count, client, by
	MessageListLeft    = "message.list-left"    // its reader left the list that sent it: from, message-id, host
	MailboxShared      = "mailbox.shared"       // gives other rights to somebody: mailbox, with, rights, by, client
	MailboxUnshared    = "mailbox.unshared"     // gives nothing any more: mailbox, with, by, client
	MessageAnnounced   = "message.announced"    // a device was told of it: count, host
	MessageFetchedIMAP = "message.fetched-imap" // its text was fetched over IMAP: mailbox, count, client, remote, by
	MessageFetchedPOP3 = "message.fetched-pop3" // fetched over POP3: mailbox, count, client, remote
	MessageFetchedJMAP = "message.fetched-jmap" // its text was fetched over JMAP by a program, for the first time in its session: count, client, by
	MessageOpened      = "message.opened"       // shown in the webmail, for the first time in the browser's session: count, client, by

	// Signing in.
	SignInOK      = "signin.ok"      // protocol, client, remote, credential
	SignInRefused = "signin.refused" // protocol, client, remote
	// On the web: the password was right and the second step is still to come; somebody who is signed in proved again who he is.
	SignInHalf      = "signin.half"      // protocol, client, remote, credential
	SignInConfirmed = "signin.confirmed" // protocol, client, remote, credential
	BanSet          = "ban.set"          // key, last, count
	BanLifted       = "ban.lifted"       // key

	// Accounts.
	AccountCreated    = "account.created"  // to
	AccountChanged    = "account.changed"  // to
	AccountDeleted    = "account.deleted"  // to
	PasswordChanged   = "password.changed" // credential
	SecondStepOn      = "second-step.on"
	SecondStepOff     = "second-step.off"
	RecoveryRenewed   = "recovery.renewed"   // new recovery codes
	RecoverySet       = "recovery.set"       // an address for the day when the password is forgotten: to
	RecoveryRemoved   = "recovery.removed"   // no such address any more: to
	PasswordForgotten = "password.forgotten" // somebody asked for a way to a new password: to, if it went anywhere; remote, client
	PasskeyCreated    = "passkey.created"    // credential
	PasskeyDeleted    = "passkey.deleted"    // credential
	SessionEnded      = "session.ended"      // a browser was signed out from elsewhere: count, client
	CredentialCreated = "credential.created" // credential
	CredentialDeleted = "credential.deleted" // credential
	TokenCreated      = "token.created"      // credential
	TokenRevoked      = "token.revoked"      // credential
	FileLinked        = "file.linked"        // file, until
	FileUnlinked      = "file.unlinked"      // file

	// What others make of messages from a domain here.
	SenderUnproven = "sender.unproven" // neither DKIM nor SPF proves them: domain

	// The keys that messages are signed with.
	KeyWaiting = "dkim.waiting" // made, waits to be published: domain, selector
	KeySigning = "dkim.signing" // signs from now on: domain, selector
	KeyOld     = "dkim.old"     // signs no more: domain, selector
	KeyRetired = "dkim.retired" // its private part was removed: domain, selector

	// The service.
	ServiceStarted = "service.started" // version
	ServiceStopped = "service.stopped"
	ServerVisited  = "server.visited" // another server brought mail: remote, helo, domain, count, first
	BlockListDead  = "blocklist.dead" // a block list that is asked does not say what is so: list
)
