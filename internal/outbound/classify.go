package outbound

import (
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/outbound/smtpc"
)

// rule reads one kind of reply. All conditions that it names must hold.
type rule struct {
	class    int           // 4 or 5
	stages   []smtpc.Stage // where the reply came
	codes    []int
	enhanced []string // "1.1" is 4.1.1 and 5.1.1
	words    []string // any of them is in the text; in lower case
	cause    cause.ID
}

// rules are what replies of other servers mean; the first that fits counts.
// The precise enhanced codes come first, because whoever sends them means them;
// then words, because 5.7.1 and the bare codes stand for anything; then what
// codes mean where nothing else is said. Codes are those of RFC 5248's registry
// and of the large providers.
var rules = []rule{
	// Precise codes.
	{codes: []int{556}, cause: cause.DNSMXNull}, // RFC 7505 section 4.2
	{class: 5, enhanced: []string{"1.1", "1.6", "1.10"}, cause: cause.RecipientUnknown},
	{class: 4, enhanced: []string{"1.1"}, cause: cause.RecipientUnknown},
	{enhanced: []string{"1.2"}, cause: cause.RecipientDomainTypo},
	{enhanced: []string{"1.3"}, cause: cause.RecipientAddressInvalid},
	{enhanced: []string{"1.7"}, cause: cause.SenderAddressInvalid},
	{enhanced: []string{"1.8", "7.27"}, cause: cause.SenderDomainMissing}, // RFC 7505 section 4.2
	{enhanced: []string{"2.2"}, cause: cause.QuotaRecipientFull},
	{enhanced: []string{"2.3", "3.4"}, cause: cause.ContentTooLargeRecipient},
	{enhanced: []string{"4.6"}, cause: cause.RulesLoop},
	{enhanced: []string{"5.3"}, cause: cause.LimitRecipients},
	{enhanced: []string{"6.7", "6.9"}, cause: cause.ClientUTF8Required}, // RFC 6531 section 3.5
	{enhanced: []string{"7.20", "7.21", "7.22"}, cause: cause.SenderDKIMBroken},
	{enhanced: []string{"7.23"}, cause: cause.SenderSPFFail},
	{enhanced: []string{"7.24"}, cause: cause.SenderSPFBroken},
	{enhanced: []string{"7.25"}, cause: cause.SenderPTRMissing},
	{enhanced: []string{"7.26", "7.509"}, cause: cause.SenderNotAligned},
	{enhanced: []string{"7.28"}, cause: cause.LimitReceiverThrottles},
	{enhanced: []string{"7.30"}, cause: cause.TLSRequiredBySender}, // RFC 8689 section 4.2.1
	{enhanced: []string{"7.124", "7.133"}, cause: cause.RecipientRefuses},
	{enhanced: []string{"7.511", "7.606"}, cause: cause.ReputationIPListed},
	{class: 4, codes: []int{432}, cause: cause.LimitReceiverThrottles},

	// Words.
	{class: 4, words: []string{"greylist", "graylist", "grey-list", "gray-list", "grey list"}, cause: cause.ReputationGreylisted},
	{words: []string{"dmarc"}, cause: cause.SenderNotAligned},
	{words: []string{"dkim"}, cause: cause.SenderDKIMBroken},
	{words: []string{"spf "}, cause: cause.SenderSPFFail},
	{words: []string{"reverse dns", "reverse hostname", "rdns", "ptr record", "reverse lookup"}, cause: cause.SenderPTRMissing},
	{words: []string{"rate limit", "ratelimit", "throttl", "unusual rate", "too many messages", "too many connections",
		"too fast", "at a rate"}, cause: cause.LimitReceiverThrottles},
	{words: []string{"blocked using", "blocklist", "block list", "blacklist", "black list", "dnsbl", "spamhaus", "is listed",
		"poor reputation", "bad reputation", "low reputation", "banned"}, cause: cause.ReputationIPListed},
	{words: []string{"too many hops", "mail loop", "loops back", "routing loop"}, cause: cause.RulesLoop},
	{words: []string{"over quota", "overquota", "quota exceeded", "exceeded quota", "exceeded storage", "mailbox full",
		"mailbox is full", "out of storage"}, cause: cause.QuotaRecipientFull},
	{words: []string{"too large", "too big", "size limit", "exceeds size", "maximum message size", "message size exceeds"},
		cause: cause.ContentTooLargeRecipient},
	{class: 5, words: []string{"relay access", "relaying denied", "relay denied", "not permitted to relay", "unable to relay",
		"relay not permitted"}, cause: cause.DNSMXMissing},
	{class: 5, stages: []smtpc.Stage{smtpc.StageRcpt}, words: []string{"user unknown", "unknown user", "no such user",
		"no such recipient", "no such mailbox", "user not found", "recipient not found", "does not exist", "doesn't exist",
		"unknown recipient", "recipient unknown", "no mailbox here", "address unknown", "unknown address",
		"not a known user", "invalid mailbox", "invalid recipient"}, cause: cause.RecipientUnknown},
	{class: 5, words: []string{"account disabled", "account is disabled", "mailbox disabled", "inactive", "not accepting mail"},
		cause: cause.RecipientRefuses},
	{stages: []smtpc.Stage{smtpc.StageData, smtpc.StageMessage}, words: []string{"attachment", "file type", "executable"},
		cause: cause.ContentAttachmentForbidden},
	{stages: []smtpc.Stage{smtpc.StageData, smtpc.StageMessage}, words: []string{"spam", "virus", "malware", "phish", "content rejected"},
		cause: cause.ContentLooksLikeSpam},

	// Codes that say less.
	{stages: []smtpc.Stage{smtpc.StageBanner, smtpc.StageHello}, class: 4, cause: cause.ProviderOverloaded},
	{class: 4, enhanced: []string{"4.5"}, cause: cause.ProviderOverloaded},
	{class: 4, enhanced: []string{"2.1"}, cause: cause.LimitReceiverThrottles},
	{class: 5, enhanced: []string{"2.1"}, cause: cause.RecipientRefuses},
	{class: 5, stages: []smtpc.Stage{smtpc.StageMessage, smtpc.StageData}, enhanced: []string{"7.0", "7.1"}, cause: cause.ContentLooksLikeSpam},
	{class: 5, enhanced: []string{"6.0", "6.1", "6.2", "6.3", "6.5", "6.6"}, cause: cause.ContentMalformed},
	{stages: []smtpc.Stage{smtpc.StageRcpt}, codes: []int{552}, cause: cause.QuotaRecipientFull},
	{codes: []int{552}, cause: cause.ContentTooLargeRecipient},
	{stages: []smtpc.Stage{smtpc.StageRcpt}, codes: []int{550, 551}, enhanced: []string{"", "0.0", "1.0"}, cause: cause.RecipientUnknown},
	{stages: []smtpc.Stage{smtpc.StageRcpt}, codes: []int{553}, enhanced: []string{"", "0.0", "1.0"}, cause: cause.RecipientAddressInvalid},
	{class: 5, cause: cause.RecipientRefuses},
}

// classify reads a refusal of another server: 4xx waits, 5xx is final. What no
// rule knows waits as outbox.deferred, whose text shows the reply itself.
func classify(stage smtpc.Stage, r *smtpc.Reply) cause.Decision {
	id := cause.OutboxDeferred
	text := strings.ToLower(r.Text()) + " "
	for i := range rules {
		if rules[i].fits(stage, r, text) {
			id = rules[i].cause
			break
		}
	}
	if r.Permanent() {
		return cause.Refuse(id)
	}
	return cause.Wait(id, time.Time{})
}

func (l *rule) fits(stage smtpc.Stage, r *smtpc.Reply, text string) bool {
	if l.class != 0 && l.class != r.Code/100 ||
		len(l.stages) > 0 && !slices.Contains(l.stages, stage) ||
		len(l.codes) > 0 && !slices.Contains(l.codes, r.Code) {
		return false
	}
	if len(l.enhanced) > 0 {
		_, detail, _ := strings.Cut(r.Enhanced, ".")
		if !slices.Contains(l.enhanced, detail) {
			return false
		}
	}
	has := func(word string) bool { return strings.Contains(text, word) }
	return len(l.words) == 0 || slices.ContainsFunc(l.words, has)
}
