package cause

// The causes in table order, which is the order of causes.tsv: one constant
// for every row, held together by a test. What each means, who must act and
// what proves it stands there; how it is said stands in texts/.
const (
	// network: the way between the device and the servers.
	NetworkOffline               ID = "network.offline"
	NetworkCaptivePortal         ID = "network.captive-portal"
	NetworkSubmissionPortBlocked ID = "network.submission-port-blocked"
	NetworkProviderBlocked       ID = "network.provider-blocked"
	NetworkSMTPIntercepted       ID = "network.smtp-intercepted"
	NetworkTLSInspected          ID = "network.tls-inspected"
	NetworkIPv6Broken            ID = "network.ipv6-broken"
	NetworkMTUBlackhole          ID = "network.mtu-blackhole"
	NetworkLossy                 ID = "network.lossy"
	NetworkLocalFirewall         ID = "network.local-firewall"
	NetworkClientBanned          ID = "network.client-banned"
	NetworkIdleDropped           ID = "network.idle-dropped"

	// dns: names and records.
	DNSResolverDead    ID = "dns.resolver-dead"
	DNSHostMisspelt    ID = "dns.host-misspelt"
	DNSDNSSECBogus     ID = "dns.dnssec-bogus"
	DNSFiltered        ID = "dns.filtered"
	DNSRecordStale     ID = "dns.record-stale"
	DNSMXMissing       ID = "dns.mx-missing"
	DNSMXNull          ID = "dns.mx-null"
	DNSMXUnusable      ID = "dns.mx-unusable"
	DNSDomainExpired   ID = "dns.domain-expired"
	DNSAutoconfigWrong ID = "dns.autoconfig-wrong"

	// tls: encryption and certificates.
	TLSExpired          ID = "tls.expired"
	TLSNameMismatch     ID = "tls.name-mismatch"
	TLSUntrusted        ID = "tls.untrusted"
	TLSClockWrong       ID = "tls.clock-wrong"
	TLSTooOld           ID = "tls.too-old"
	TLSModeSwapped      ID = "tls.mode-swapped"
	TLSStarttlsMissing  ID = "tls.starttls-missing"
	TLSPolicyMismatch   ID = "tls.policy-mismatch"
	TLSRequiredBySender ID = "tls.required-by-sender"

	// provider: the service itself.
	ProviderOutage          ID = "provider.outage"
	ProviderSMTPDown        ID = "provider.smtp-down"
	ProviderIMAPDown        ID = "provider.imap-down"
	ProviderAuthBackendDown ID = "provider.auth-backend-down"
	ProviderOverloaded      ID = "provider.overloaded"
	ProviderBackendBroken   ID = "provider.backend-broken"
	ProviderStorageFailed   ID = "provider.storage-failed"
	ProviderMaintenanceStop ID = "provider.maintenance-stop"

	// account: the state and rights of an account.
	AccountMailDisabled     ID = "account.mail-disabled"
	AccountSuspendedUnpaid  ID = "account.suspended-unpaid"
	AccountMaintenance      ID = "account.maintenance"
	AccountBlockedAbuse     ID = "account.blocked-abuse"
	AccountLockedOut        ID = "account.locked-out"
	AccountGone             ID = "account.gone"
	AccountPasswordExpired  ID = "account.password-expired"
	AccountLocationPolicy   ID = "account.location-policy"
	AccountProtocolDisabled ID = "account.protocol-disabled"
	AccountWebStepRequired  ID = "account.web-step-required"
	AccountAccessDenied     ID = "account.access-denied"

	// auth: sign-in.
	AuthPasswordWrong        ID = "auth.password-wrong"
	AuthPasswordStaleOneSide ID = "auth.password-stale-one-side"
	AuthUsernameForm         ID = "auth.username-form"
	AuthAppPasswordRequired  ID = "auth.app-password-required"
	AuthOAuthRequired        ID = "auth.oauth-required"
	AuthTokenRevoked         ID = "auth.token-revoked"
	AuthMechanismMismatch    ID = "auth.mechanism-mismatch"
	AuthSignedOut            ID = "auth.signed-out"
	AuthSessionEnded         ID = "auth.session-ended"
	AuthSecondStep           ID = "auth.second-step"
	AuthPasskey              ID = "auth.passkey"
	AuthConfirmFirst         ID = "auth.confirm-first"
	AuthPlaintextRefused     ID = "auth.plaintext-refused"
	AuthInvisibleCharacter   ID = "auth.invisible-character"

	// client: the program that connects and its settings.
	ClientWrongHost             ID = "client.wrong-host"
	ClientWrongPort             ID = "client.wrong-port"
	ClientOutgoingServerMissing ID = "client.outgoing-server-missing"
	ClientSMTPAuthOff           ID = "client.smtp-auth-off"
	ClientAccountOffline        ID = "client.account-offline"
	ClientFromNotOwned          ID = "client.from-not-owned"
	ClientFolderHidden          ID = "client.folder-hidden"
	ClientProtocolError         ID = "client.protocol-error"
	ClientIdleTimeout           ID = "client.idle-timeout"
	ClientUTF8Required          ID = "client.utf8-required"

	// quota: storage.
	QuotaMailboxFull       ID = "quota.mailbox-full"
	QuotaStorageSharedFull ID = "quota.storage-shared-full"
	QuotaSentCopyFailed    ID = "quota.sent-copy-failed"
	QuotaDomainFull        ID = "quota.domain-full"
	QuotaRecipientFull     ID = "quota.recipient-full"

	// limit: how much in how short a time.
	LimitAddressHourly     ID = "limit.address-hourly"
	LimitDomainHourly      ID = "limit.domain-hourly"
	LimitRecipients        ID = "limit.recipients"
	LimitConnections       ID = "limit.connections"
	LimitBandwidth         ID = "limit.bandwidth"
	LimitReceiverThrottles ID = "limit.receiver-throttles"
	LimitRequest           ID = "limit.request"

	// outbox: mail on its way out.
	OutboxStuck               ID = "outbox.stuck"
	OutboxDraftOnly           ID = "outbox.draft-only"
	OutboxPoison              ID = "outbox.poison"
	OutboxRefusedInLimit      ID = "outbox.refused-in-limit"
	OutboxDeferred            ID = "outbox.deferred"
	OutboxAcceptedUnconfirmed ID = "outbox.accepted-unconfirmed"
	OutboxExpired             ID = "outbox.expired"

	// content: the message itself.
	ContentTooLargeOwn         ID = "content.too-large-own"
	ContentTooLargeRecipient   ID = "content.too-large-recipient"
	ContentAttachmentForbidden ID = "content.attachment-forbidden"
	ContentLooksLikeSpam       ID = "content.looks-like-spam"
	ContentMalformed           ID = "content.malformed"
	ContentUnreadable          ID = "content.unreadable"

	// recipient: who the mail is for.
	RecipientUnknown           ID = "recipient.unknown"
	RecipientDomainTypo        ID = "recipient.domain-typo"
	RecipientStaleSuggestion   ID = "recipient.stale-suggestion"
	RecipientRefuses           ID = "recipient.refuses"
	RecipientAddressInvalid    ID = "recipient.address-invalid"
	RecipientNone              ID = "recipient.none"
	RecipientServerUnreachable ID = "recipient.server-unreachable"

	// sender: who the mail says it is from.
	SenderSPFFail             ID = "sender.spf-fail"
	SenderSPFBroken           ID = "sender.spf-broken"
	SenderDKIMBroken          ID = "sender.dkim-broken"
	SenderNotAligned          ID = "sender.not-aligned"
	SenderForwardingBreaksSPF ID = "sender.forwarding-breaks-spf"
	SenderPTRMissing          ID = "sender.ptr-missing"
	SenderAddressInvalid      ID = "sender.address-invalid"
	SenderDomainMissing       ID = "sender.domain-missing"

	// reputation: what others think of an address.
	ReputationIPListed     ID = "reputation.ip-listed"
	ReputationHomeIPListed ID = "reputation.home-ip-listed"
	ReputationDNSBLDead    ID = "reputation.dnsbl-dead"
	ReputationGreylisted   ID = "reputation.greylisted"

	// junk: the junk filter.
	JunkFiled   ID = "junk.filed"
	JunkDropped ID = "junk.dropped"

	// mailbox: mailboxes, which people call folders.
	MailboxNotFound    ID = "mailbox.not-found"
	MailboxExists      ID = "mailbox.exists"
	MailboxNameInvalid ID = "mailbox.name-invalid"
	MailboxLimit       ID = "mailbox.limit"
	MailboxInUse       ID = "mailbox.in-use"
	MailboxHasChildren ID = "mailbox.has-children"
	MailboxSpecialUse  ID = "mailbox.special-use"

	// message: one stored message.
	MessageNotFound ID = "message.not-found"

	// rules: rules and forwarding.
	RulesMoved ID = "rules.moved"
	RulesLoop  ID = "rules.loop"

	// pop3: POP3.
	POP3Locked           ID = "pop3.locked"
	POP3DeletedElsewhere ID = "pop3.deleted-elsewhere"
	POP3Unsupported      ID = "pop3.unsupported"

	// push: how fast new mail shows.
	PushOff              ID = "push.off"
	PushUnsupported      ID = "push.unsupported"
	PushFetchManual      ID = "push.fetch-manual"
	PushNotificationsOff ID = "push.notifications-off"

	// file: large files, sent as a link or brought to be imported.
	FileTooLarge    ID = "file.too-large"
	FileStorageFull ID = "file.storage-full"
	FileIncomplete  ID = "file.incomplete"
	FileGone        ID = "file.gone"
	FileNotMail     ID = "file.not-mail"
	FileDamaged     ID = "file.damaged"

	// web: webmail.
	WebBrowserOutdated ID = "web.browser-outdated"
	WebCacheBroken     ID = "web.cache-broken"
	WebNetworkBlocks   ID = "web.network-blocks"

	// device: the phone or computer.
	DeviceRestart        ID = "device.restart"
	DeviceAccountDamaged ID = "device.account-damaged"

	// The two answers that name no fault.
	Healthy ID = "healthy"
	Unknown ID = "unknown"
)
