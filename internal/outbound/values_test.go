package outbound

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/outbound/smtpc"
	"github.com/postiljon/postiljon/internal/store"
)

func TestClassify(t *testing.T) {
	tests := []struct {
		stage smtpc.Stage
		reply string
		want  cause.ID
	}{
		{smtpc.StageRcpt, "550 5.1.1 <x@y>: Recipient address rejected: User unknown in local recipient table", cause.RecipientUnknown},
		{smtpc.StageRcpt, "550 5.1.10 RESOLVER.ADR.RecipientNotFound", cause.RecipientUnknown},
		{smtpc.StageRcpt, "550 No such user here", cause.RecipientUnknown},
		{smtpc.StageRcpt, "550 Requested action not taken", cause.RecipientUnknown},
		{smtpc.StageRcpt, "551 user not local", cause.RecipientUnknown},
		{smtpc.StageRcpt, "556 5.1.10 no mail", cause.DNSMXNull},
		{smtpc.StageRcpt, "550 5.1.2 no domain", cause.RecipientDomainTypo},
		{smtpc.StageRcpt, "553 5.1.3 bad syntax", cause.RecipientAddressInvalid},
		{smtpc.StageRcpt, "553 sorry", cause.RecipientAddressInvalid},
		{smtpc.StageRcpt, "552 5.2.2 Over quota", cause.QuotaRecipientFull},
		{smtpc.StageRcpt, "452 4.2.2 The email account is over quota", cause.QuotaRecipientFull},
		{smtpc.StageRcpt, "552 mailbox problem", cause.QuotaRecipientFull},
		{smtpc.StageRcpt, "450 the mailbox is full right now", cause.QuotaRecipientFull},
		{smtpc.StageMail, "552 5.3.4 Message size exceeds fixed limit", cause.ContentTooLargeRecipient},
		{smtpc.StageMessage, "552 5.2.3 too long", cause.ContentTooLargeRecipient},
		{smtpc.StageMessage, "552 sorry", cause.ContentTooLargeRecipient},
		{smtpc.StageRcpt, "450 4.2.1 The user you are trying to contact is receiving mail at a rate", cause.LimitReceiverThrottles},
		{smtpc.StageMail, "421 4.7.28 Gmail has detected an unusual rate", cause.LimitReceiverThrottles},
		{smtpc.StageMail, "432 4.3.2 STOREDRV concurrent connections", cause.LimitReceiverThrottles},
		{smtpc.StageRcpt, "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", cause.ReputationIPListed},
		{smtpc.StageBanner, "554 your address has a poor reputation", cause.ReputationIPListed},
		{smtpc.StageRcpt, "450 4.2.0 <x@y>: Recipient address rejected: Greylisted", cause.ReputationGreylisted},
		{smtpc.StageRcpt, "451 4.7.1 Greylisting in action, please come back later", cause.ReputationGreylisted},
		{smtpc.StageMail, "550 5.7.23 SPF validation failed", cause.SenderSPFFail},
		{smtpc.StageMail, "550 SPF check failed", cause.SenderSPFFail},
		{smtpc.StageMessage, "550 5.7.20 no passing DKIM signature", cause.SenderDKIMBroken},
		{smtpc.StageMessage, "550 5.7.26 This message fails to pass checks", cause.SenderNotAligned},
		{smtpc.StageMessage, "550 5.7.509 Access denied, sending domain does not pass DMARC", cause.SenderNotAligned},
		{smtpc.StageMessage, "554 rejected by DMARC policy", cause.SenderNotAligned},
		{smtpc.StageBanner, "550 5.7.25 no reverse name", cause.SenderPTRMissing},
		{smtpc.StageMail, "550 5.1.8 domain of sender does not exist", cause.SenderDomainMissing},
		{smtpc.StageMail, "550 5.7.30 REQUIRETLS support required", cause.TLSRequiredBySender},
		{smtpc.StageRcpt, "550 5.2.1 The account is disabled", cause.RecipientRefuses},
		{smtpc.StageRcpt, "550 5.7.133 sender not allowed", cause.RecipientRefuses},
		{smtpc.StageRcpt, "554 5.7.1 <x@y>: Relay access denied", cause.DNSMXMissing},
		{smtpc.StageRcpt, "554 5.4.6 loop", cause.RulesLoop},
		{smtpc.StageMessage, "554 5.7.1 rejected", cause.ContentLooksLikeSpam},
		{smtpc.StageMessage, "552 5.7.0 this attachment is not allowed", cause.ContentAttachmentForbidden},
		{smtpc.StageMessage, "554 virus found", cause.ContentLooksLikeSpam},
		{smtpc.StageMessage, "554 5.6.0 malformed", cause.ContentMalformed},
		{smtpc.StageMail, "553 5.6.7 needs SMTPUTF8", cause.ClientUTF8Required},
		{smtpc.StageBanner, "421 busy", cause.ProviderOverloaded},
		{smtpc.StageMail, "451 4.4.5 congestion", cause.ProviderOverloaded},
		{smtpc.StageMail, "421 4.3.2 shutting down", cause.OutboxDeferred},
		{smtpc.StageRcpt, "451 4.3.0 internal error", cause.OutboxDeferred},
		{smtpc.StageRcpt, "554 5.0.0 no", cause.RecipientRefuses},
	}
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		t.Run(test.reply, func(t *testing.T) {
			r := parseReply(test.reply)
			d := classify(test.stage, &r)
			if d.Cause != test.want {
				t.Errorf("%s", d.Cause)
			}
			if wait := d.Action == cause.ActionWait; wait != r.Transient() {
				t.Errorf("action %d", d.Action)
			}
			if err := catalogue.Check(d); err != nil {
				t.Error(err)
			}
		})
	}
	for i := range rules {
		if _, ok := catalogue.Cause(rules[i].cause); !ok {
			t.Errorf("rule %d names %q", i, rules[i].cause)
		}
	}
}

// parseReply reads a reply as Reply.String writes it.
func parseReply(s string) (r smtpc.Reply) {
	code, text, _ := strings.Cut(s, " ")
	for _, c := range code {
		r.Code = 10*r.Code + int(c-'0')
	}
	if r.Enhanced = enhancedOf(s); r.Enhanced != "" {
		_, text, _ = strings.Cut(text, " ")
	}
	r.Lines = []string{text}
	return r
}

// TestNextTry: waits grow, those of what failed together differ a little, and there
// is an attempt right before a delay is reported and before all is given up.
func TestNextTry(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	q := &Queue{}
	q.opt.Limits.setDefaults()
	for _, tt := range []struct {
		attempts         int
		age              time.Duration
		until            time.Duration
		earliest, latest time.Duration
	}{
		{1, 0, 0, 5 * time.Minute, 330 * time.Second},
		{2, 5 * time.Minute, 0, 15 * time.Minute, 990 * time.Second},
		{5, 5 * time.Hour, 0, 2 * time.Hour, 132 * time.Minute},
		{50, 5 * time.Hour, 0, 4 * time.Hour, 264 * time.Minute},
		{1, 0, time.Hour, time.Hour, time.Hour},                                  // as the other side says
		{5, 3*time.Hour + 30*time.Minute, 0, 30 * time.Minute, 30 * time.Minute}, // the report of the delay
		{50, 119 * time.Hour, 0, time.Hour, time.Hour},                           // the end
	} {
		sub := &store.Submission{Created: now.Add(-tt.age)}
		o := &outcome{}
		if tt.until > 0 {
			o.decision.Until = now.Add(tt.until)
		}
		seen := map[time.Duration]bool{}
		for range 100 {
			wait := q.nextTry(sub, &store.SubmissionRecipient{Attempts: tt.attempts}, o, now).Sub(now)
			seen[wait] = true
			if wait < tt.earliest || wait > tt.latest {
				t.Errorf("after %d attempts in %v it waits %v, want %v to %v", tt.attempts, tt.age, wait, tt.earliest, tt.latest)
			}
		}
		if tt.latest > tt.earliest && len(seen) < 10 {
			t.Errorf("after %d attempts there are %d different waits", tt.attempts, len(seen))
		}
	}
}

func TestTexts(t *testing.T) {
	texts, err := loadTexts()
	if err != nil {
		t.Fatal(err)
	}
	places := func(s string) (list []string) {
		for {
			_, after, ok := strings.Cut(s, "{")
			if !ok {
				slices.Sort(list)
				return list
			}
			name, rest, _ := strings.Cut(after, "}")
			list, s = append(list, name), rest
		}
	}
	english := texts.in(cause.English)
	for _, lang := range cause.Languages() {
		have := texts.in(lang)
		pairs := [][2]string{{have.Titled, english.Titled}, {have.Untitled, english.Untitled}, {have.Recipient, english.Recipient},
			{have.Expired, english.Expired}, {have.Answer, english.Answer}, {have.Signature, english.Signature}}
		for actor, who := range english.Who {
			pairs = append(pairs, [2]string{have.Who[actor], who})
		}
		for kind, k := range english.Kinds {
			h := have.Kinds[kind]
			pairs = append(pairs, [2]string{h.Subject, k.Subject}, [2]string{h.Several, k.Several}, [2]string{h.One, k.One},
				[2]string{h.Many, k.Many}, [2]string{h.Rest, k.Rest})
		}
		for _, p := range pairs {
			if !slices.Equal(places(p[0]), places(p[1])) {
				t.Errorf("%s: %q has other places than %q", lang, p[0], p[1])
			}
		}
	}
	if texts.in("xx") != english {
		t.Error("an unknown language is not told in English")
	}
}
