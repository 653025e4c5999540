package internet

import (
	"bufio"
	"context"
	"fmt"
	"html"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/control"
	"github.com/postiljon/postiljon/internal/doctor/fixtures"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/lab/peer"
)

// languages are those that everything is said in.
var languages = []cause.Lang{cause.Swedish, cause.Norwegian, cause.English}

// scene brings a cause about and looks whether it is told.
type scene func(t *testing.T, w *world, id cause.ID)

// TestEveryCause meets every cause of mail on its way: on the wire and in the journal; where a mail program has a part in it, in what the doctor
// says who looks at the service.
func TestEveryCause(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	scenes := allScenes()
	for _, c := range w.catalogue.All() {
		group, _, _ := strings.Cut(string(c.ID), ".")
		if !slices.Contains([]string{"recipient", "sender", "reputation", "limit", "quota", "outbox", "content", "junk", "rules"}, group) {
			continue
		}
		t.Run(string(c.ID), func(t *testing.T) {
			play, ok := scenes[c.ID]
			if !ok {
				t.Fatal("no scene brings it about")
			}
			play(t, w, c.ID)
			w.explained(t, c.ID)
		})
	}
}

// explained looks whether the service's own page explains a cause in each language.
func (w *world) explained(t *testing.T, id cause.ID) {
	t.Helper()
	for _, lang := range languages {
		page, want := w.why(t, id, lang), w.catalogue.Why(id, lang)
		for _, text := range []string{want.Title, want.Text, want.NextStep} {
			if text == "" || !strings.Contains(html.UnescapeString(page), text) {
				t.Errorf("/why/%s in %s lacks %q", id, lang, text)
			}
		}
	}
}

func allScenes() map[cause.ID]scene {
	all := map[cause.ID]scene{
		// What is said on our own wire.
		cause.RecipientUnknown:        strangers("550 5.1.1 ", "MAIL FROM:<bo@far.example>", "RCPT TO:<nobody@own.example>"),
		cause.RecipientDomainTypo:     submitters("550 5.1.2 ", "MAIL FROM:<anna@own.example>", "RCPT TO:<bo@gmial.com>"),
		cause.RecipientAddressInvalid: submitters("553 5.1.3 ", "MAIL FROM:<anna@own.example>", "RCPT TO:<bo@@far.example>"),
		cause.RecipientNone:           strangers("554 5.5.1 ", "MAIL FROM:<bo@far.example>", "RCPT TO:<nobody@own.example>", "DATA"),
		cause.SenderAddressInvalid:    strangers("553 5.1.7 ", "MAIL FROM:<bo@@far.example>"),
		cause.SenderNotAligned:        content("550 5.7.26 ", "bo@strict.example", letter("bo@strict.example", "anna@own.example")),
		cause.SenderSPFBroken:         content("550 5.7.24 ", "bo@wrong.example", letter("bo@wrong.example", "anna@own.example")),
		cause.SenderSPFFail:           content("550 5.7.23 ", "bo@plain.example", letter("bo@plain.example", "anna@own.example")),
		cause.SenderForwardingBreaksSPF: content("550 5.7.23 ", "bo@strict.example",
			"Delivered-To: list@list.example\r\n"+letter("bo@strict.example", "anna@own.example")),
		cause.SenderDKIMBroken: content("550 5.7.20 ", "bo@strict.example",
			"DKIM-Signature: v=1; a=rsa-sha256; d=strict.example; s=s; h=from; bh=AAAA; b=AAAA\r\n"+letter("bo@strict.example", "anna@own.example")),
		cause.ContentTooLargeOwn: submitters("552 5.3.4 ", "MAIL FROM:<anna@own.example> SIZE=9000000"),
		cause.ContentMalformed:   content("554 5.6.0 ", "bo@far.example", "Subject: Hej\n\nHej"),
		cause.RulesLoop: content("554 5.4.6 ", "bo@far.example",
			strings.Repeat("Received: from a by b; Mon, 2 Nov 2026 10:00:00 +0100\r\n", 12)+letter("bo@far.example", "anna@own.example")),
		cause.LimitRecipients:      tooManyRecipients,
		cause.LimitConnections:     tooManyConnections,
		cause.LimitAddressHourly:   addressLimit,
		cause.LimitDomainHourly:    domainLimit,
		cause.OutboxRefusedInLimit: refusedInLimit,
		cause.LimitRequest:         imap("[TOOBIG]", "b LOGIN {999999}", "b NO"),
		cause.ContentUnreadable:    imap("[BADCHARSET", "b SEARCH CHARSET klingon TEXT x", "b NO"),
		cause.QuotaMailboxFull:     full,
		cause.QuotaDomainFull:      domainFull,
		cause.JunkFiled:            filed,
		cause.RulesMoved:           moved,
		cause.ReputationDNSBLDead:  deadList,

		// What other servers say to us.
		cause.QuotaRecipientFull:         replied("RCPT", "552 5.2.2 The mailbox is full"),
		cause.LimitReceiverThrottles:     replied("RCPT", "450 4.7.28 We see an unusual rate of mail from you"),
		cause.OutboxDeferred:             replied("RCPT", "451 4.3.0 Try again later"),
		cause.OutboxAcceptedUnconfirmed:  replied("MESSAGE", ""),
		cause.ContentTooLargeRecipient:   replied("MESSAGE", "552 5.3.4 The message is larger than we take"),
		cause.ContentAttachmentForbidden: replied("MESSAGE", "552 5.7.0 We do not take attachments of that kind"),
		cause.ContentLooksLikeSpam:       replied("MESSAGE", "554 5.7.1 This looks like spam"),
		cause.RecipientRefuses:           replied("RCPT", "550 5.7.133 The recipient takes no mail from outside"),
		cause.SenderPTRMissing:           replied("RCPT", "550 5.7.25 Your address has no reverse name"),
		cause.SenderDomainMissing:        fromNowhere,
		cause.ReputationIPListed:         replied("RCPT", "554 5.7.1 Service unavailable; client blocked using bl.example"),
		cause.ReputationGreylisted:       replied("RCPT", "450 4.2.0 Greylisted, come back in a minute"),
		cause.LimitBandwidth:             fetchedTooMuch,
		cause.ReputationHomeIPListed:     relayChecks,
		cause.RecipientServerUnreachable: unreachable(cause.RecipientServerUnreachable),
		cause.OutboxExpired:              unreachable(cause.OutboxExpired),

		// What is between the service and a mail program.
		cause.QuotaSentCopyFailed:      copyRefused,
		cause.OutboxDraftOnly:          onlyDraft,
		cause.OutboxStuck:              stuck,
		cause.OutboxPoison:             poison,
		cause.RecipientStaleSuggestion: stale,
	}
	// What by its nature is only elsewhere: storage that mail shares with other things, which is none here; and what another
	// provider did with a message behind its doors, half an hour after it took it.
	for _, id := range []cause.ID{cause.QuotaStorageSharedFull, cause.JunkDropped} {
		all[id] = inTheLab
	}
	return all
}

// fromNowhere is mail from domains that do not exist or take no mail, refused here as soon as that is known, and by others.
func fromNowhere(t *testing.T, w *world, id cause.ID) {
	w.in.Zone("known.org") // so the resolver can be believed
	w.in.Zone("silent.example").Add("@ MX 0 .")
	defer w.in.Drop("org")
	defer w.in.Drop("known.org")
	for domain, want := range map[string]string{"missing.example": "550 5.1.8 ", "silent.example": "550 5.7.27 "} {
		// Until the DNS has answered, recipients are taken; who comes again at once too often is cut off.
		got := ""
		for end := time.Now().Add(20 * time.Second); !strings.HasPrefix(got, want) && time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
			got = w.strange(t, "MAIL FROM:<bo@"+domain+">", "RCPT TO:<anna@own.example>")
		}
		refusal(t, got, want, id)
	}
	w.told(t, "bo@missing.example", id)
	if got := w.strange(t, "MAIL FROM:<>", "RCPT TO:<anna@own.example>"); !strings.HasPrefix(got, "250 ") {
		t.Errorf("a report: %s", got)
	}
	replied("RCPT", "553 5.1.8 The sender's domain does not exist")(t, w, id)
}

// refusal looks at an answer, and that it leads to the cause.
func refusal(t *testing.T, got, want string, id cause.ID) {
	t.Helper()
	if !strings.HasPrefix(got, want) || !strings.Contains(got, "https://mx.own.example/why/"+string(id)) {
		t.Errorf("answered %q, want %q and the link to %s", got, want, id)
	}
}

// strangers is what another server is told at the last of its lines.
func strangers(want string, lines ...string) scene {
	return func(t *testing.T, w *world, id cause.ID) { refusal(t, w.strange(t, lines...), want, id) }
}

// submitters is what anna is told at the last of her lines.
func submitters(want string, lines ...string) scene {
	return func(t *testing.T, w *world, id cause.ID) {
		refusal(t, w.signedIn(t, "anna@own.example", lines...), want, id)
	}
}

// content is a message to anna that is refused; she finds it in her journal.
func content(want, from, text string) scene {
	return func(t *testing.T, w *world, id cause.ID) {
		refusal(t, w.strange(t, "MAIL FROM:<"+from+">", "RCPT TO:<anna@own.example>", "DATA", text), want, id)
		w.told(t, "anna@own.example", id)
	}
}

// replied is what a server of another domain says at a step; nothing is that it hangs up.
func replied(step, reply string) scene {
	return func(t *testing.T, w *world, id cause.ID) {
		to := strings.ReplaceAll(string(id), ".", "-") + "@far.example"
		action := peer.Close()
		if reply != "" {
			action = peer.Refuse(reply)
		}
		if step == "RCPT" {
			step += " TO:<" + to + ">"
		}
		w.mail.Add(to, password)
		defer w.far.On(step, action).Remove()
		w.told(t, w.submit(t, "anna@own.example", to), id)
	}
}

// unreachable is that a message waits for a server that is not there, and is given up at last.
func unreachable(id cause.ID) scene {
	return func(t *testing.T, w *world, _ cause.ID) {
		trace := w.submit(t, "carl@own.example", "bo@dead.example")
		if id == cause.OutboxExpired {
			t.Parallel() // the others are looked at while it waits
		}
		w.told(t, trace, id)
	}
}

// told waits until the journal has a cause, and looks that it is told in three languages.
func (w *world) told(t *testing.T, what string, id cause.ID) {
	t.Helper()
	w.until(t, what, func(l line) bool { return l.Cause == id })
	seen := map[string]bool{}
	for _, lang := range languages {
		text := w.said(t, what, lang)
		seen[text] = true
		if strings.ContainsAny(text, "{}") || !w.nextStepIn(text, id, lang) {
			t.Errorf("%s in %s: %s", id, lang, text)
		}
	}
	if len(seen) != len(languages) {
		t.Errorf("%s: %d texts in %d languages", id, len(seen), len(languages))
	}
}

// nextStepIn tells whether a trace says what can be done about a cause, to whoever must act.
func (w *world) nextStepIn(trace string, id cause.ID, lang cause.Lang) bool {
	return slices.ContainsFunc([]cause.Audience{cause.Holder, cause.Owner, cause.Operator}, func(reader cause.Audience) bool {
		step := w.catalogue.Explain(cause.Refuse(id), lang, reader).NextStep
		return step != "" && strings.Contains(trace, step)
	})
}

// until waits for a line of a trace.
func (w *world) until(t *testing.T, what string, is func(line) bool) {
	t.Helper()
	end := time.Now().Add(20 * time.Second)
	for !slices.ContainsFunc(w.lines(t, what), is) {
		if time.Now().After(end) {
			t.Fatalf("the trace of %s has only %v", what, w.lines(t, what))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func tooManyRecipients(t *testing.T, w *world, id cause.ID) {
	lines := []string{"MAIL FROM:<anna@own.example>"}
	for i := range 101 {
		lines = append(lines, fmt.Sprintf("RCPT TO:<bo%d@far.example>", i))
	}
	refusal(t, w.signedIn(t, "anna@own.example", lines...), "452 4.5.3 ", id)
}

func tooManyConnections(t *testing.T, w *world, id cause.ID) {
	got := ""
	for range 20 {
		if got = talk(t, w.from(t, crowdAddress, "smtp")); !strings.HasPrefix(got, "220 ") {
			break
		}
	}
	refusal(t, got, "421 4.7.0 ", id)
}

// addressLimit sends one message more than an account may.
func addressLimit(t *testing.T, w *world, id cause.ID) {
	one := int64(1)
	change := control.ChangeAccount{Address: "busy@own.example", ChangeLimits: control.ChangeLimits{AddressHourly: &one}}
	if _, err := w.client.ChangeAccount(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	w.submit(t, "busy@own.example", "bo@far.example")
	got := w.signedIn(t, "busy@own.example", "MAIL FROM:<busy@own.example>", "RCPT TO:<bo@far.example>")
	refusal(t, got, "450 4.7.1 ", id)
	w.told(t, "busy@own.example", id)
}

// domainLimit sends one message more than the accounts of a domain may together.
func domainLimit(t *testing.T, w *world, id cause.ID) {
	one := int64(1)
	change := control.ChangeDomain{Name: "limited.example", ChangeLimits: control.ChangeLimits{DomainHourly: &one}}
	if _, err := w.client.ChangeDomain(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	w.submit(t, "eager@limited.example", "bo@far.example")
	got := w.signedIn(t, "other@limited.example", "MAIL FROM:<other@limited.example>", "RCPT TO:<bo@far.example>")
	refusal(t, got, "450 4.7.1 ", id)
	w.told(t, "other@limited.example", id)
}

// refusedInLimit looks at the list of what a limit kept back and nobody has sent again.
func refusedInLimit(t *testing.T, w *world, _ cause.ID) {
	limits, err := w.client.Limits(t.Context(), "busy@own.example")
	if err != nil {
		t.Fatal(err)
	}
	var overTheWeb control.Limits
	w.asks(t, "busy@own.example", "GET", "/api/limits", "", cause.English, &overTheWeb)
	for _, list := range [][]control.Refusal{limits.Refused, overTheWeb.Refused} {
		if len(list) != 1 || list[0].To != "bo@far.example" || list[0].Cause != cause.LimitAddressHourly {
			t.Errorf("the list has %+v", list)
		}
	}
}

// imap is what a command of IMAP is answered.
func imap(code, command, want string) scene {
	return func(t *testing.T, w *world, id cause.ID) {
		c := w.from(t, ownAddress, "imaps")
		r := bufio.NewReader(c)
		io.WriteString(c, "a LOGIN anna@own.example "+password+"\r\na2 SELECT INBOX\r\n"+command+"\r\n")
		for {
			got, err := r.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(got, want) {
				continue
			}
			if !strings.Contains(got, code) || !strings.Contains(got, "https://mx.own.example/why/"+string(id)) {
				t.Errorf("answered %q, want %s and the link to %s", got, code, id)
			}
			return
		}
	}
}

// full fills a mailbox and sends to it.
func full(t *testing.T, w *world, id cause.ID) {
	quota := int64(4000)
	if _, err := w.client.ChangeAccount(t.Context(), control.ChangeAccount{Address: "full@own.example", Quota: &quota}); err != nil {
		t.Fatal(err)
	}
	text := letter("bo@far.example", "full@own.example") + strings.Repeat("\r\nHej hej hej hej hej hej hej hej hej hej", 50)
	send := []string{"MAIL FROM:<bo@far.example>", "RCPT TO:<full@own.example>", "DATA", text}
	if got := w.strange(t, send...); !strings.HasPrefix(got, "250 ") {
		t.Fatal(got)
	}
	refusal(t, w.strange(t, send...), "452 4.2.2 ", id)
	w.told(t, "full@own.example", id)
}

// domainFull sends to a domain whose accounts together have used up their room. A stranger hears of a mailbox.
func domainFull(t *testing.T, w *world, id cause.ID) {
	send := []string{"MAIL FROM:<bo@far.example>", "RCPT TO:<anna@own.example>", "DATA", letter("bo@far.example", "anna@own.example")}
	if got := w.strange(t, send...); !strings.HasPrefix(got, "250 ") {
		t.Fatal(got)
	}
	for _, quota := range []int64{10, 0} {
		if _, err := w.client.ChangeDomain(t.Context(), control.ChangeDomain{Name: "own.example", Quota: &quota}); err != nil {
			t.Fatal(err)
		}
		if quota > 0 {
			refusal(t, w.strange(t, send[:2]...), "452 4.2.2 ", cause.QuotaMailboxFull)
		}
	}
	w.told(t, "anna@own.example", id)
}

// filed sends from a server that stands on a block list.
func filed(t *testing.T, w *world, _ cause.ID) {
	got := talk(t, w.from(t, listedAddress, "smtp"), "EHLO mx.far.example", "MAIL FROM:<bo@far.example>", "RCPT TO:<berit@own.example>", "DATA", letter("bo@far.example", "berit@own.example"))
	if !strings.HasPrefix(got, "250 ") {
		t.Fatal(got)
	}
	w.until(t, "berit@own.example", func(l line) bool { return l.Kind == journal.MessageFiledJunk })
	w.inThree(t, "berit@own.example", "skräppost", "søppelpost", "Junk")
}

// deadList has a block list that says of everybody that he is on it: nobody suffers, and the operator hears of it.
func deadList(t *testing.T, w *world, id cause.ID) {
	if got := w.strange(t, "MAIL FROM:<bo@far.example>", "RCPT TO:<berit@own.example>", "DATA", letter("bo@far.example", "berit@own.example")); !strings.HasPrefix(got, "250 ") {
		t.Fatal(got)
	}
	w.told(t, "dead-bl.example", id)
}

// moved sends to an account with a rule.
func moved(t *testing.T, w *world, _ cause.ID) {
	script := control.RulesScript{Account: "carl@own.example", Name: "mine", Text: "require \"fileinto\";\r\nfileinto \"Archive\";\r\n"}
	if _, err := w.client.StoreScript(t.Context(), script); err != nil {
		t.Fatal(err)
	}
	if _, err := w.client.UseScript(t.Context(), script); err != nil {
		t.Fatal(err)
	}
	if got := w.strange(t, "MAIL FROM:<bo@far.example>", "RCPT TO:<carl@own.example>", "DATA", letter("bo@far.example", "carl@own.example")); !strings.HasPrefix(got, "250 ") {
		t.Fatal(got)
	}
	w.until(t, "carl@own.example", func(l line) bool { return l.Kind == "rules.moved" })
	w.inThree(t, "carl@own.example", "regel", "regel", "rule")
}

// inThree looks for a word of each language in a trace.
func (w *world) inThree(t *testing.T, what string, words ...string) {
	t.Helper()
	for i, lang := range languages {
		if text := w.said(t, what, lang); !strings.Contains(strings.ToLower(text), strings.ToLower(words[i])) {
			t.Errorf("in %s without %q: %s", lang, words[i], text)
		}
	}
}

// inTheLab lets the doctor look at the cause's own scene of the lab.
func inTheLab(t *testing.T, w *world, id cause.ID) {
	all := fixtures.All()
	i := slices.IndexFunc(all, func(f fixtures.Fixture) bool { return f.Of == id && f.Kind == fixtures.Single })
	if i < 0 {
		t.Fatal("no scene of the lab brings it about")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	report, _, err := fixtures.Run(ctx, all[i].Plain())
	if err != nil {
		t.Fatal(err)
	}
	if found := report.Verdict.Causes; len(found) == 0 || found[0].ID != id {
		t.Errorf("the doctor finds %+v", found)
	}
}
