package rules

import (
	"bytes"
	"fmt"
	"mime/quotedprintable"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/sieve"
	"github.com/postiljon/postiljon/internal/store"
)

// Reply is an answer to be sent, with the null return path (RFC 3834 section 3.3): to one recipient.
type Reply struct {
	To      string // envelope recipient
	Message []byte // header and body, lines ending in CRLF
}

// answer is vacation (RFC 5230): it makes the answer, unless RFC 3834 speaks against it or the sender
// had one lately.
func (o *outcome) answer(a *sieve.Vacation) error {
	why, err := o.notAnswered(a)
	if err != nil {
		return err
	}
	rule := o.script.rule(a.Where)
	if why != "" {
		o.step(Step{Kind: StepNoAnswer, To: o.in.From, Reason: why}, a.Where)
		o.event(journal.RulesNotAnswered, rule, store.Field{Name: "reason", Value: why})
		return nil
	}
	from, err := o.answersAs(a.Sender)
	if err != nil {
		return err
	}
	o.Vacation = &Reply{To: o.in.From, Message: o.compose(a, from)}
	o.step(Step{Kind: StepAnswer, To: o.in.From}, a.Where)
	o.event(journal.RulesAnswered, rule)
	return nil
}

// notAnswered says why a message gets no answer, "" if it does: "null-sender", "junk", "self", "list",
// "automatic", "role", "not-addressed", "answered" or "limit".
func (o *outcome) notAnswered(a *sieve.Vacation) (string, error) {
	switch {
	case plain(o.in.From) == "":
		return "null-sender", nil
	case o.in.Junk:
		return "junk", nil
	case o.own(o.in.From):
		return "self", nil
	case o.isList():
		return "list", nil
	case o.isAutomatic():
		return "automatic", nil
	case isRole(o.in.From):
		return "role", nil
	case !o.addressed(a.Addresses):
		return "not-addressed", nil
	}
	key := memoryKey("answered", a.Key, plain(o.in.From))
	_, before, err := o.e.Store.Remembered(o.ctx, o.in.Account.ID, key)
	if err != nil {
		return "", err
	}
	if before || !o.in.Dry && !o.e.answers.claim(fmt.Sprint(o.in.Account.ID, key), o.now) {
		return "answered", nil
	}
	why, err := o.overLimit("answers", o.e.Answers, 0)
	if why == "" {
		o.Remember = append(o.Remember, store.Memory{Key: key, Until: o.now.Add(a.Every)})
	}
	return why, err
}

// isList tells whether a message came over a mailing list or to many (RFC 3834 section 2, RFC 2369).
func (o *outcome) isList() bool {
	for _, name := range []string{"List-Id", "List-Help", "List-Subscribe", "List-Unsubscribe", "List-Post", "List-Owner", "List-Archive"} {
		if len(o.env.Header(name)) > 0 {
			return true
		}
	}
	return slices.ContainsFunc(o.env.Header("Precedence"), func(v string) bool {
		return slices.Contains([]string{"bulk", "list", "junk"}, strings.ToLower(v))
	})
}

// isAutomatic tells whether a program wrote the message, or wants no answer of one (RFC 3834 section 5).
func (o *outcome) isAutomatic() bool {
	automatic := slices.ContainsFunc(o.env.Header("Auto-Submitted"), func(v string) bool {
		v, _, _ = strings.Cut(v, ";")
		return !strings.EqualFold(strings.TrimSpace(v), "no")
	})
	suppressed := slices.ContainsFunc(o.env.Header("X-Auto-Response-Suppress"), func(v string) bool {
		v = strings.ToLower(v)
		return strings.Contains(v, "all") || strings.Contains(v, "oof") || strings.Contains(v, "autoreply")
	})
	return automatic || suppressed || len(o.env.Header("X-Autoreply")) > 0 || len(o.env.Header("X-Autorespond")) > 0
}

// isRole tells whether an address is one behind which nobody reads (RFC 5230 section 4.6).
func isRole(addr string) bool {
	local, _, _ := strings.Cut(plain(addr), "@")
	for _, name := range []string{
		"mailer-daemon", "listserv", "majordomo", "noreply", "no-reply", "donotreply", "do-not-reply",
	} {
		if local == name {
			return true
		}
	}
	return strings.HasPrefix(local, "owner-") || strings.HasSuffix(local, "-owner") ||
		strings.HasSuffix(local, "-request") || strings.HasPrefix(local, "bounce") || strings.HasPrefix(local, "srs0=") || strings.HasPrefix(local, "srs1=")
}

// addressed tells whether the message names an address of the account as recipient (RFC 5230 section 4.5).
func (o *outcome) addressed(others []string) bool {
	for _, name := range []string{"To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc"} {
		for _, field := range o.env.Addresses(name) {
			for _, a := range field {
				mine := func(other string) bool { return plain(other) != "" && plain(other) == plain(a.Email) }
				if o.own(a.Email) || slices.ContainsFunc(others, mine) {
					return true
				}
			}
		}
	}
	return false
}

// answersAs is the From of an answer: what the script wants, if that is an address of the account, or
// the one that the message was sent to.
func (o *outcome) answersAs(wanted string) (message.Address, error) {
	from := message.Address{Name: o.in.Account.Name, Email: o.in.To}
	if plain(from.Email) == "" {
		from.Email = o.in.Account.Address
	}
	list := message.ParseAddressList(wanted)
	if len(list) != 1 {
		return from, nil
	}
	if list[0].Name != "" {
		from.Name = list[0].Name
	}
	res, err := o.e.Store.Resolve(o.ctx, list[0].Email)
	if ok, err := found(err); !ok {
		return from, err
	}
	if slices.ContainsFunc(res.Accounts, func(a store.Account) bool { return a.ID == o.in.Account.ID }) {
		from.Email = list[0].Email
	}
	return from, nil
}

// compose writes the answer (RFC 5230 section 5, RFC 3834 section 3).
func (o *outcome) compose(a *sieve.Vacation, from message.Address) []byte {
	subject := a.Subject
	switch {
	case subject == "" && o.in.Summary.Subject == "":
		subject = "Automated reply"
	case subject == "":
		subject = "Auto: " + o.in.Summary.Subject
	}
	h := message.Header{}
	h.AddDate("Date", o.now)
	h.AddAddresses("From", []message.Address{from})
	h.AddAddresses("To", []message.Address{{Email: o.in.From}})
	h.AddText("Subject", subject)
	h.AddMessageIDs("Message-ID", message.NewMessageID(o.in.Account.Domain()))
	if id := o.in.Summary.MessageID; id != "" {
		h.AddMessageIDs("In-Reply-To", id)
		references := o.in.Summary.References
		if len(references) == 0 {
			references = o.in.Summary.InReplyTo
		}
		h.AddMessageIDs("References", append(slices.Clone(references[:min(len(references), 20)]), id)...)
	}
	h.AddStructured("Auto-Submitted", "auto-replied (vacation)")
	h.AddStructured("X-Auto-Response-Suppress", "All")
	h.AddStructured("MIME-Version", "1.0")
	b := bytes.NewBuffer(bytes.Clone(h.Bytes()))
	if a.MIME {
		b.WriteString(entity(a.Reason))
		return b.Bytes()
	}
	b.WriteString("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
	w := quotedprintable.NewWriter(b)
	w.Write([]byte(withCRLF(a.Reason))) // a buffer takes everything
	w.Close()
	if !bytes.HasSuffix(b.Bytes(), []byte("\r\n")) {
		b.WriteString("\r\n")
	}
	return b.Bytes()
}

// entity is the reason of :mime with those fields alone that belong to an entity: nobody adds others.
func entity(reason string) string {
	reason = withCRLF(reason)
	header, body, ok := strings.Cut(reason, "\r\n\r\n")
	if !ok {
		return "\r\n" + reason + "\r\n"
	}
	var b strings.Builder
	for f := range message.HeaderFields([]byte(header + "\r\n")) {
		if strings.HasPrefix(strings.ToLower(string(f.Name)), "content-") {
			b.Write(f.Raw)
		}
	}
	return b.String() + "\r\n" + body + "\r\n"
}

func withCRLF(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n")
}
