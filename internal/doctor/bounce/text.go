package bounce

import (
	"regexp"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/message"
)

// maxLines is how many lines of a text are looked through.
const maxLines = 1000

// text reads a report that has words only. It is false where the message seems to be none.
func (b *Bounce) text(eml []byte, sum *message.Summary) bool {
	b.Text = textOf(eml, sum)
	b.Form = formOf(b.Text)
	header := headerOf(eml, sum)
	mailer := b.Form != FormText || isFromMailer(header, sum)
	if !mailer && !saysUndelivered(header, sum) {
		return false
	}
	said, original := splitOriginal(b.Text)
	if b.Original.MessageID == "" && original != "" {
		b.Original.header([]byte(strings.ReplaceAll(original, "\n", "\r\n")))
	}
	if b.Form == FormText && !isReport(header, sum.Subject, said) {
		return false
	}
	b.Text = said
	b.Recipients = recipientsIn(said, sum)
	if len(b.Recipients) == 0 && mailer {
		b.Recipients = failedRecipients(header, said)
	}
	if len(b.Recipients) == 0 {
		return false
	}
	action := message.ActionFailed
	if isDelay(sum.Subject, said) {
		action = message.ActionDelayed
	}
	for i := range b.Recipients {
		b.Recipients[i].Action = action
	}
	b.Reporter = reporterOf(said, sum)
	return true
}

func headerOf(eml []byte, sum *message.Summary) []byte {
	return eml[:min(int64(len(eml)), sum.HeaderSize, maxHeader)]
}

// forms are the words by which the texts of servers are known, in lower case.
var forms = []struct {
	form  Form
	words []string
}{
	{FormQmail, []string{"this is the qmail-send program", "i wasn't able to deliver your message to the following addresses", "i'm afraid i wasn't able to deliver"}},
	{FormExim, []string{"this message was created automatically by mail delivery software", "could not be delivered to one or more of its\nrecipients. this is a permanent error"}},
	{FormPostfix, []string{"this is the mail system at host", "this is the postfix program at host"}},
	{FormExchange, []string{
		"diagnostic information for administrators", "did not reach some or all of the intended recipients", "did not reach the following recipient(s)", "generating server:",
		"diagnosinformation för administratörer", "genererande server",
		"diagnoseinformasjon for administratorer", "diagnostikkinformasjon for administratorer", "genererer server", "genererende server",
		"diagnoseinformationen für administratoren", "diagnoseinformation für administratoren", "generierender server", "hat einige oder alle empfänger nicht erreicht",
		"informations de diagnostic pour les administrateurs", "serveur de génération", "información de diagnóstico para administradores",
	}},
}

func formOf(text string) Form {
	lower := strings.ToLower(cut(text, 4<<10)) + strings.ToLower(tail(text, 2<<10))
	for _, f := range forms {
		if slices.ContainsFunc(f.words, func(w string) bool { return strings.Contains(lower, w) }) {
			return f.form
		}
	}
	return FormText
}

func tail(s string, n int) string { return strings.ToValidUTF8(s[max(0, len(s)-n):], "") }

// isFromMailer tells whether the header is that of a report: a mailer sent it, or it names recipients
// that failed.
func isFromMailer(header []byte, sum *message.Summary) bool {
	if _, ok := message.DecodedField(header, "X-Failed-Recipients"); ok {
		return true
	}
	for _, a := range sum.From {
		who := strings.ToLower(a.Email + " " + a.Name)
		for _, w := range []string{"mailer-daemon", "postmaster@", "mail delivery", "maildelivery", "mail administrator", "mailsystem"} {
			if strings.Contains(who, w) {
				return true
			}
		}
	}
	return false
}

// saysUndelivered tells whether a message without a sender to answer has the subject of a report.
func saysUndelivered(header []byte, sum *message.Summary) bool {
	path, ok := message.DecodedField(header, "Return-Path")
	null := ok && strings.TrimSpace(path) == "<>"
	subject := strings.ToLower(sum.Subject)
	return null && slices.ContainsFunc(subjects, func(w string) bool { return strings.Contains(subject, w) })
}

// isReport tells whether a text of a mailer says that something was not delivered.
func isReport(header []byte, subject, said string) bool {
	if _, ok := message.DecodedField(header, "X-Failed-Recipients"); ok {
		return true
	}
	text := strings.ToLower(subject + "\n" + cut(said, 4<<10))
	has := func(w string) bool { return strings.Contains(text, w) }
	return slices.ContainsFunc(subjects, has) || slices.ContainsFunc(undelivered, has)
}

// undelivered are words of reports for people.
var undelivered = []string{
	"not be delivered", "could not deliver", "couldn't be delivered", "unable to deliver", "delivery to the following", "cannot be delivered", "can't be delivered", "wasn't delivered", "failure", "failed", "returned to you", "was returned", "was rejected", "invalid final delivery", "invalid user address", "an error has occurred while attempting to deliver",
	"inte levereras", "inte leverera", "ikke leveres", "ikke levere", "nicht zugestellt", "nicht ausgeliefert", "n'a pas pu être", "n'a pas été remis", "no se ha podido entregar", "no pudo ser entregado", "non è stato possibile", "niet worden afgeleverd", "niet bezorgd", "не может быть доставлено", "не было доставлено", "не можем доставить",
}

// subjects are words of the subjects of reports.
var subjects = []string{
	"undeliver", "delivery status", "delivery failure", "delivery failed", "returned mail", "returned to sender", "failure notice", "non-delivery", "delivery has failed", "delayed", "not delivered",
	"olevererbart", "ej levererat", "kunde inte levereras", "oleverer", "kan ikke leveres", "ikke levert", "returnert", "unzustellbar", "nicht zugestellt", "zustellung", "non remis", "échec de la remise", "no se puede entregar", "no entregado", "onbestelbaar", "не доставлено", "недоставленное",
}

// separators begin the message that came back, in lower case.
var separators = []string{
	"--- below this line is a copy of the message", "------ this is a copy of", "----- original message", "--- original message", "original message headers:", "----- message header follows", "----- unsent message follows",
	"--- the header of the original message", "--- below the next line is a copy", "ursprungliga meddelanderubriker:", "ursprungliga meddelandehuvuden:", "opprinnelige meldingshoder:", "opprinnelige meldingsoverskrifter:",
	"ursprüngliche nachrichtenkopfzeilen:", "ursprüngliche nachrichtenköpfe:", "en-têtes de message d'origine", "-------- original message", "the original message was:", "header of the original message",
	"----- ursprungligt meddelande", "---------- forwarded message", "copy of the original message:", "original message follows", "------- returned message", "----- returned message",
}

// headerStart finds a header that begins without a word before it.
var headerStart = regexp.MustCompile(`(?m)^(?:Received|Return-Path|Message-ID|DKIM-Signature|X-Received) ?:.*\n(?:[ \t].*\n)*[A-Za-z][A-Za-z\-]{1,40}:`)

// splitOriginal parts what a report says from the header that it returns below.
func splitOriginal(text string) (said, original string) {
	lower := strings.ToLower(text)
	for _, s := range separators {
		i := strings.Index(lower, s)
		if i < 0 || i >= len(text) {
			continue
		}
		_, after, _ := strings.Cut(text[i:], "\n")
		return strings.ToValidUTF8(strings.TrimSpace(text[:i]), ""), strings.TrimLeft(after, "\n \t")
	}
	if at := headerStart.FindStringIndex(text); at != nil && at[0] > 0 {
		return strings.TrimSpace(text[:at[0]]), text[at[0]:]
	}
	return text, ""
}

const addressForm = `[^\s<>()\[\]:;,"'=]{1,64}@[A-Za-z0-9\pL][A-Za-z0-9\pL.\-]{0,253}[A-Za-z0-9\pL]`

var (
	// headLine is a line that names a recipient and what follows is about it.
	headLine   = regexp.MustCompile(`^(?:To:|Till:|Til:|An:|RCPT TO:|Recipient:|Recipient address:|Invalid final delivery userid:|Mottagare:|Mottaker:|Empfänger:|\*|•|-)?\s*["'<]*(` + addressForm + `)["'>]*(?:\s*<mailto:[^>]*>|\s*\(` + addressForm + `\))*\s*(?:\([^)]*\)\s*)?(?::|\.\.\.)?\s*(.*)$`)
	anyAddress = regexp.MustCompile(addressForm)
)

// recipientsIn finds the recipients that a text names at the beginning of lines, and what it says of
// each: the lines up to the next one, or if there are none all that stands before the first.
func recipientsIn(said string, sum *message.Summary) []Recipient {
	var list []Recipient
	var about strings.Builder
	flush := func() {
		if len(list) > 0 {
			r := &list[len(list)-1]
			r.Diagnostic = cut(strings.TrimSpace(r.Diagnostic+"\n"+about.String()), maxReply)
		}
		about.Reset()
	}
	n := 0
	for line := range strings.SplitSeq(said, "\n") {
		if n++; n > maxLines {
			break
		}
		line = strings.TrimSpace(line)
		m := headLine.FindStringSubmatch(line)
		if m == nil || isOurs(m[1], sum) || !isHead(m[2], line) {
			about.WriteString(line + "\n")
			continue
		}
		if i := slices.IndexFunc(list, func(r Recipient) bool { return strings.EqualFold(r.Address, m[1]) }); i >= 0 {
			// Named again, as Exchange does below: what follows is the precise part.
			flush()
			again := list[i]
			list = append(slices.Delete(list, i, i+1), again)
			about.WriteString(m[2] + "\n")
			continue
		}
		if len(list) == MaxRecipients {
			break
		}
		flush()
		list = append(list, Recipient{Address: m[1], Diagnostic: m[2]})
	}
	flush()
	return list
}

// isHead tells whether a line with an address at its start is about the address: nothing follows it, or
// words of a server do. A sentence that begins with an address is none.
func isHead(rest, line string) bool {
	return rest == "" || strings.HasPrefix(line, "<") || strings.Contains(line, ">:") || strings.Contains(line, ": ") ||
		strings.Contains(line, "...") || strings.HasPrefix(rest, "on ") || replyStart.MatchString(" "+rest)
}

// isOurs tells whether an address is whom the report is for, or a mailer.
func isOurs(address string, sum *message.Summary) bool {
	local, _, _ := strings.Cut(strings.ToLower(address), "@")
	if local == "postmaster" || local == "mailer-daemon" || local == "abuse" {
		return true
	}
	return slices.ContainsFunc(sum.To, func(a message.Address) bool { return strings.EqualFold(a.Email, address) })
}

// failedRecipients takes the recipients from the header that Exim and others add, or else the first
// address in the text.
func failedRecipients(header []byte, said string) []Recipient {
	var list []Recipient
	for text := range message.DecodedFields(header, "X-Failed-Recipients") {
		for _, a := range message.ParseAddressList(text) {
			if len(list) < MaxRecipients && strings.Contains(a.Email, "@") {
				list = append(list, Recipient{Address: a.Email})
			}
		}
	}
	if len(list) > 0 {
		return list
	}
	for _, address := range anyAddress.FindAllString(said, 20) {
		local, _, _ := strings.Cut(strings.ToLower(address), "@")
		if local != "postmaster" && local != "mailer-daemon" && local != "abuse" {
			return []Recipient{{Address: address, Diagnostic: cut(said, maxReply)}}
		}
	}
	return nil
}

// delays are words of reports that a message waits.
var delays = []string{
	"delayed", "delivery delayed", "this is a warning message only", "you do not need to resend", "warning: message", "still being retried", "will be retried", "will continue to try", "delivery attempts will continue", "no action is required on your part", "not yet been delivered", "will keep trying",
	"har fördröjts", "fördröjd", "fortsätter att försöka", "er forsinket", "forsinket", "vil fortsette", "verzögert", "verzögerung", "weitere zustellversuche", "retardé", "aplazado", "vertraagd", "задерж",
}

func isDelay(subject, said string) bool {
	text := strings.ToLower(subject + "\n" + cut(said, 4<<10))
	return slices.ContainsFunc(delays, func(w string) bool { return strings.Contains(text, w) }) &&
		!strings.Contains(text, "giving up") && !strings.Contains(text, "permanent error") && !strings.Contains(text, "failed permanently")
}

var reporterPattern = regexp.MustCompile(`(?i)(?:mail system at host|qmail-send program at|program at host|generating server:|genererande server:?|genererende server:?|generierender server:?|reporting-mta: dns;) *([a-z0-9\-]+(?:\.[a-z0-9\-]+)+)`)

// reporterOf finds the host that reports.
func reporterOf(said string, sum *message.Summary) string {
	if m := reporterPattern.FindStringSubmatch(said); m != nil {
		return strings.ToLower(strings.TrimSuffix(m[1], "."))
	}
	for _, a := range sum.From {
		if _, domain, ok := strings.Cut(a.Email, "@"); ok {
			return strings.ToLower(domain)
		}
	}
	return ""
}
