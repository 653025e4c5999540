package dialect

import "github.com/postiljon/postiljon/internal/cause"

// Kind names what a reply can mean. It is close to a cause but no verdict: a cause needs more
// evidence than one reply.
type Kind string

// What replies mean.
const (
	Accepted Kind = "accepted" // no refusal at all
	Unknown  Kind = "unknown"  // the reply says nothing that is known

	// Signing in.
	CredentialsRefused   Kind = "credentials-refused"   // name or password is wrong, or so it says
	AppPasswordNeeded    Kind = "app-password-needed"   // the account's own password does not do in programs
	OAuthNeeded          Kind = "oauth-needed"          // passwords are not taken any more
	TokenRefused         Kind = "token-refused"         // the OAuth token is expired or revoked
	WebStepNeeded        Kind = "web-step-needed"       // something is to be confirmed on the web first
	UsernameForm         Kind = "username-form"         // the user name is to be written in another form
	PasswordExpired      Kind = "password-expired"      // the password ran out
	AccountLocked        Kind = "account-locked"        // too many wrong passwords, for the account
	ClientBanned         Kind = "client-banned"         // too many wrong passwords, from this address
	AccountDisabled      Kind = "account-disabled"      // the account or its mail is switched off
	AccountSuspended     Kind = "account-suspended"     // the account is suspended, say unpaid
	AccountUnknown       Kind = "account-unknown"       // the account does not exist
	ProtocolDisabled     Kind = "protocol-disabled"     // the protocol is off for this account
	LocationRefused      Kind = "location-refused"      // not from this place or address
	AuthBackendDown      Kind = "auth-backend-down"     // sign-ins cannot be checked right now
	EncryptionNeeded     Kind = "encryption-needed"     // not without TLS
	AuthRequired         Kind = "auth-required"         // sign in first
	MechanismUnsupported Kind = "mechanism-unsupported" // not by this way of signing in

	// The server.
	ServerUnavailable Kind = "server-unavailable" // it shuts down or does not work
	Overloaded        Kind = "overloaded"         // too busy
	Maintenance       Kind = "maintenance"        // being worked at, the server or the account
	StorageFailed     Kind = "storage-failed"     // it cannot write or read what it keeps
	TLSUnavailable    Kind = "tls-unavailable"    // STARTTLS fails or is not there
	IdleTimeout       Kind = "idle-timeout"       // the session was silent too long
	ProtocolError     Kind = "protocol-error"     // a command is unknown, out of order or not well formed

	// Limits.
	ConnectionsLimit  Kind = "connections-limit"   // too many connections at once
	BandwidthLimit    Kind = "bandwidth-limit"     // a daily volume is used up, or too many commands
	RateLimited       Kind = "rate-limited"        // the sender sent too much; it is not told in what time
	RateLimitedHourly Kind = "rate-limited-hourly" // in an hour
	RateLimitedDaily  Kind = "rate-limited-daily"  // in a day
	RateLimitedDomain Kind = "rate-limited-domain" // the sender's domain sent too much
	TooManyRecipients Kind = "too-many-recipients" // in one message
	ReceiverThrottles Kind = "receiver-throttles"  // the recipient's side slows this server or sender down
	MailboxFull       Kind = "mailbox-full"        // the own mailbox is full
	QuotaSoon         Kind = "quota-soon"          // the own mailbox will soon be full
	MessageTooLarge   Kind = "message-too-large"   // for the server that replies
	LockedMailbox     Kind = "locked-mailbox"      // another session holds the mailbox
	MailboxNotFound   Kind = "mailbox-not-found"   // the IMAP mailbox is not there
	NoPermission      Kind = "no-permission"       // not for this account

	// Sending.
	RelayDenied         Kind = "relay-denied"          // the server does not send for this client
	FromNotOwned        Kind = "from-not-owned"        // the sender's address belongs to somebody else
	SenderRefused       Kind = "sender-refused"        // the sender or its domain is blocked or not valid
	SenderDomainUnknown Kind = "sender-domain-unknown" // the sender's domain does not exist
	AbuseBlocked        Kind = "abuse-blocked"         // sending is locked because of abuse
	HeloRefused         Kind = "helo-refused"          // the name in EHLO is not liked

	// The recipient.
	RecipientUnknown       Kind = "recipient-unknown"
	RecipientDomainUnknown Kind = "recipient-domain-unknown"
	RecipientFull          Kind = "recipient-full"
	RecipientRefuses       Kind = "recipient-refuses"   // the account is off, or takes mail only from some
	RecipientTooLarge      Kind = "recipient-too-large" // the message is, for this recipient
	RecipientMoved         Kind = "recipient-moved"     // another address is to be used
	AddressInvalid         Kind = "address-invalid"     // no address is written so
	NullMX                 Kind = "null-mx"             // the domain takes no mail (RFC 7505)
	NoRecipients           Kind = "no-recipients"       // none of the message was accepted
	HostUnreachable        Kind = "host-unreachable"    // the recipient's server does not answer
	DNSFailed              Kind = "dns-failed"          // names could not be looked up
	Expired                Kind = "expired"             // given up after days
	Loop                   Kind = "loop"
	Greylisted             Kind = "greylisted"

	// The message and where it comes from.
	SpamRefused       Kind = "spam-refused"
	VirusRefused      Kind = "virus-refused"
	AttachmentRefused Kind = "attachment-refused"
	Malformed         Kind = "malformed"
	UTF8Unsupported   Kind = "utf8-unsupported" // the recipient's server does not know SMTPUTF8
	IPListed          Kind = "ip-listed"        // the sending server is on a blocklist or of bad repute
	OwnIPListed       Kind = "own-ip-listed"    // the user's own address is checked on submission
	PTRMissing        Kind = "ptr-missing"
	SPFRefused        Kind = "spf-refused"
	DKIMRefused       Kind = "dkim-refused"
	DMARCRefused      Kind = "dmarc-refused"  // From and what sent it do not belong together
	PolicyTLS         Kind = "policy-tls"     // DANE, MTA-STS or REQUIRETLS is not fulfilled
	PolicyRefused     Kind = "policy-refused" // a rule of the server that it does not tell
)

// kindInfo is what is known of a kind.
type kindInfo struct {
	// sent and received are the causes it speaks for when the own provider replies (submission,
	// IMAP, POP3) and when the recipient's server does, the likeliest first.
	sent, received []cause.ID
	// temporary tells that it passes by itself, whatever the class of the reply.
	temporary bool
}

func same(ids ...cause.ID) kindInfo    { return kindInfo{sent: ids, received: ids} }
func passing(ids ...cause.ID) kindInfo { return kindInfo{sent: ids, received: ids, temporary: true} }
func either(sent, rcvd cause.ID) kindInfo {
	return kindInfo{sent: []cause.ID{sent}, received: []cause.ID{rcvd}}
}

// kinds holds every Kind; the Book refuses others.
var kinds = map[Kind]kindInfo{
	Accepted: same(cause.Healthy),
	Unknown:  same(cause.Unknown),

	CredentialsRefused:   same(cause.AuthPasswordWrong, cause.AuthUsernameForm, cause.AuthAppPasswordRequired, cause.AuthInvisibleCharacter, cause.AccountGone),
	AppPasswordNeeded:    same(cause.AuthAppPasswordRequired),
	OAuthNeeded:          same(cause.AuthOAuthRequired),
	TokenRefused:         same(cause.AuthTokenRevoked),
	WebStepNeeded:        same(cause.AccountWebStepRequired),
	UsernameForm:         same(cause.AuthUsernameForm),
	PasswordExpired:      same(cause.AccountPasswordExpired),
	AccountLocked:        passing(cause.AccountLockedOut),
	ClientBanned:         passing(cause.NetworkClientBanned),
	AccountDisabled:      same(cause.AccountMailDisabled, cause.AccountAccessDenied),
	AccountSuspended:     same(cause.AccountSuspendedUnpaid, cause.AccountBlockedAbuse),
	AccountUnknown:       same(cause.AccountGone, cause.AuthUsernameForm),
	ProtocolDisabled:     same(cause.AccountProtocolDisabled),
	LocationRefused:      same(cause.AccountLocationPolicy),
	AuthBackendDown:      passing(cause.ProviderAuthBackendDown),
	EncryptionNeeded:     same(cause.AuthPlaintextRefused),
	AuthRequired:         same(cause.ClientSMTPAuthOff),
	MechanismUnsupported: same(cause.AuthMechanismMismatch, cause.AuthOAuthRequired),

	ServerUnavailable: passing(cause.ProviderOutage),
	Overloaded:        passing(cause.ProviderOverloaded),
	Maintenance:       passing(cause.ProviderMaintenanceStop, cause.AccountMaintenance),
	StorageFailed:     passing(cause.ProviderStorageFailed),
	TLSUnavailable:    same(cause.TLSStarttlsMissing),
	IdleTimeout:       passing(cause.ClientIdleTimeout),
	ProtocolError:     same(cause.ClientProtocolError),

	ConnectionsLimit:  passing(cause.LimitConnections),
	BandwidthLimit:    passing(cause.LimitBandwidth),
	RateLimited:       {sent: []cause.ID{cause.LimitAddressHourly, cause.LimitDomainHourly}, received: []cause.ID{cause.LimitReceiverThrottles}, temporary: true},
	RateLimitedHourly: passing(cause.LimitAddressHourly),
	RateLimitedDaily:  passing(cause.LimitAddressHourly),
	RateLimitedDomain: passing(cause.LimitDomainHourly),
	TooManyRecipients: same(cause.LimitRecipients),
	ReceiverThrottles: passing(cause.LimitReceiverThrottles),
	MailboxFull:       same(cause.QuotaMailboxFull, cause.QuotaStorageSharedFull, cause.QuotaDomainFull),
	QuotaSoon:         same(cause.QuotaMailboxFull),
	MessageTooLarge:   either(cause.ContentTooLargeOwn, cause.ContentTooLargeRecipient),
	LockedMailbox:     {sent: []cause.ID{cause.POP3Locked, cause.MailboxInUse}, received: []cause.ID{cause.QuotaRecipientFull}, temporary: true},
	MailboxNotFound:   same(cause.MailboxNotFound),
	NoPermission:      same(cause.AccountAccessDenied),

	RelayDenied:         either(cause.ClientSMTPAuthOff, cause.DNSMXMissing),
	FromNotOwned:        same(cause.ClientFromNotOwned),
	SenderRefused:       same(cause.SenderAddressInvalid, cause.RecipientRefuses),
	SenderDomainUnknown: same(cause.SenderDomainMissing),
	AbuseBlocked:        same(cause.AccountBlockedAbuse),
	HeloRefused:         same(cause.SenderPTRMissing),

	RecipientUnknown:       same(cause.RecipientUnknown, cause.RecipientStaleSuggestion),
	RecipientDomainUnknown: same(cause.RecipientDomainTypo, cause.DNSMXMissing, cause.DNSDomainExpired),
	RecipientFull:          same(cause.QuotaRecipientFull),
	RecipientRefuses:       same(cause.RecipientRefuses),
	RecipientTooLarge:      same(cause.ContentTooLargeRecipient),
	RecipientMoved:         same(cause.RecipientStaleSuggestion, cause.RecipientUnknown),
	AddressInvalid:         same(cause.RecipientAddressInvalid),
	NullMX:                 same(cause.DNSMXNull),
	NoRecipients:           same(cause.RecipientNone),
	HostUnreachable:        same(cause.RecipientServerUnreachable),
	DNSFailed:              passing(cause.DNSResolverDead, cause.DNSMXUnusable),
	Expired:                same(cause.OutboxExpired),
	Loop:                   same(cause.RulesLoop),
	Greylisted:             passing(cause.ReputationGreylisted),

	SpamRefused:       same(cause.ContentLooksLikeSpam),
	VirusRefused:      same(cause.ContentLooksLikeSpam),
	AttachmentRefused: same(cause.ContentAttachmentForbidden),
	Malformed:         same(cause.ContentMalformed),
	UTF8Unsupported:   same(cause.ClientUTF8Required),
	IPListed:          same(cause.ReputationIPListed, cause.ReputationDNSBLDead),
	OwnIPListed:       same(cause.ReputationHomeIPListed),
	PTRMissing:        same(cause.SenderPTRMissing),
	SPFRefused:        same(cause.SenderSPFFail, cause.SenderSPFBroken, cause.SenderForwardingBreaksSPF),
	DKIMRefused:       same(cause.SenderDKIMBroken),
	DMARCRefused:      same(cause.SenderNotAligned),
	PolicyTLS:         same(cause.TLSPolicyMismatch, cause.TLSRequiredBySender),
	PolicyRefused:     either(cause.AccountAccessDenied, cause.RecipientRefuses),
}

// generalOf are the meanings that include a more precise one.
var generalOf = map[Kind]Kind{
	RateLimitedHourly: RateLimited,
	RateLimitedDaily:  RateLimited,
	RateLimitedDomain: RateLimited,
	RecipientTooLarge: MessageTooLarge,
	AccountSuspended:  AccountDisabled,
}

// Known tells whether k is one of the kinds above.
func (k Kind) Known() bool {
	_, ok := kinds[k]
	return ok
}

// Causes returns the causes that a meaning speaks for, the likeliest first, when it was a server
// of this protocol that replied.
func (k Kind) Causes(p Protocol) []cause.ID {
	info := kinds[k]
	if p == SMTP {
		return info.received
	}
	return info.sent
}

// Passes tells whether a meaning is of a kind that goes away by itself.
func (k Kind) Passes() bool { return kinds[k].temporary }

// kindOf returns the meaning that a cause has as a reply; empty where no Kind stands for it.
func kindOf(id cause.ID) Kind {
	if kind, ok := kindsOfCauses[id]; ok {
		return kind
	}
	return ""
}

// kindsOfCauses are the causes that a Postiljon server names on the wire.
var kindsOfCauses = map[cause.ID]Kind{
	cause.NetworkClientBanned:     ClientBanned,
	cause.DNSResolverDead:         DNSFailed,
	cause.DNSMXNull:               NullMX,
	cause.DNSMXMissing:            RecipientDomainUnknown,
	cause.DNSDomainExpired:        RecipientDomainUnknown,
	cause.DNSMXUnusable:           DNSFailed,
	cause.TLSStarttlsMissing:      TLSUnavailable,
	cause.TLSPolicyMismatch:       PolicyTLS,
	cause.TLSRequiredBySender:     PolicyTLS,
	cause.ProviderOutage:          ServerUnavailable,
	cause.ProviderSMTPDown:        ServerUnavailable,
	cause.ProviderIMAPDown:        ServerUnavailable,
	cause.ProviderBackendBroken:   ServerUnavailable,
	cause.ProviderAuthBackendDown: AuthBackendDown,
	cause.ProviderOverloaded:      Overloaded,
	cause.ProviderStorageFailed:   StorageFailed,
	cause.ProviderMaintenanceStop: Maintenance,

	cause.AccountMailDisabled:     AccountDisabled,
	cause.AccountSuspendedUnpaid:  AccountSuspended,
	cause.AccountMaintenance:      Maintenance,
	cause.AccountBlockedAbuse:     AbuseBlocked,
	cause.AccountLockedOut:        AccountLocked,
	cause.AccountGone:             AccountUnknown,
	cause.AccountPasswordExpired:  PasswordExpired,
	cause.AccountLocationPolicy:   LocationRefused,
	cause.AccountProtocolDisabled: ProtocolDisabled,
	cause.AccountWebStepRequired:  WebStepNeeded,
	cause.AccountAccessDenied:     NoPermission,

	cause.AuthPasswordWrong:       CredentialsRefused,
	cause.AuthUsernameForm:        UsernameForm,
	cause.AuthAppPasswordRequired: AppPasswordNeeded,
	cause.AuthOAuthRequired:       OAuthNeeded,
	cause.AuthTokenRevoked:        TokenRefused,
	cause.AuthMechanismMismatch:   MechanismUnsupported,
	cause.AuthPlaintextRefused:    EncryptionNeeded,

	cause.ClientSMTPAuthOff:   AuthRequired,
	cause.ClientFromNotOwned:  FromNotOwned,
	cause.ClientProtocolError: ProtocolError,
	cause.ClientIdleTimeout:   IdleTimeout,
	cause.ClientUTF8Required:  UTF8Unsupported,

	cause.QuotaMailboxFull:       MailboxFull,
	cause.QuotaStorageSharedFull: MailboxFull,
	cause.QuotaDomainFull:        MailboxFull,
	cause.QuotaRecipientFull:     RecipientFull,

	cause.LimitAddressHourly:     RateLimitedHourly,
	cause.LimitDomainHourly:      RateLimitedDomain,
	cause.LimitRecipients:        TooManyRecipients,
	cause.LimitConnections:       ConnectionsLimit,
	cause.LimitBandwidth:         BandwidthLimit,
	cause.LimitReceiverThrottles: ReceiverThrottles,
	cause.OutboxExpired:          Expired,

	cause.ContentTooLargeOwn:         MessageTooLarge,
	cause.ContentTooLargeRecipient:   RecipientTooLarge,
	cause.ContentAttachmentForbidden: AttachmentRefused,
	cause.ContentLooksLikeSpam:       SpamRefused,
	cause.ContentMalformed:           Malformed,

	cause.RecipientUnknown:           RecipientUnknown,
	cause.RecipientDomainTypo:        RecipientDomainUnknown,
	cause.RecipientRefuses:           RecipientRefuses,
	cause.RecipientAddressInvalid:    AddressInvalid,
	cause.RecipientServerUnreachable: HostUnreachable,
	cause.RecipientNone:              NoRecipients,

	cause.SenderSPFFail:        SPFRefused,
	cause.SenderSPFBroken:      SPFRefused,
	cause.SenderDKIMBroken:     DKIMRefused,
	cause.SenderNotAligned:     DMARCRefused,
	cause.SenderPTRMissing:     PTRMissing,
	cause.SenderAddressInvalid: SenderRefused,
	cause.SenderDomainMissing:  SenderDomainUnknown,

	cause.ReputationIPListed:     IPListed,
	cause.ReputationHomeIPListed: OwnIPListed,
	cause.ReputationGreylisted:   Greylisted,

	cause.MailboxNotFound: MailboxNotFound,
	cause.MailboxInUse:    LockedMailbox,
	cause.POP3Locked:      LockedMailbox,
	cause.RulesLoop:       Loop,
}
