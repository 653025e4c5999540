package rules

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/sieve"
	"github.com/postiljon/postiljon/internal/store"
)

// outcome is an Outcome that is being made.
type outcome struct {
	Outcome
	e      *Engine
	ctx    context.Context
	in     *Input
	script *compiled
	env    *env
	now    time.Time
	lost   bool // something that the script wanted was not done, so the message must be kept
}

// take goes through what the script wants.
func (o *outcome) take(r *sieve.Result) error {
	if r.Err != nil {
		o.failed(r.Err.Error())
	}
	for _, action := range r.Actions {
		if err := o.do(action); err != nil {
			return err
		}
	}
	if o.lost && o.Reject == nil && len(o.Places) == 0 {
		o.keep(&sieve.Keep{Implicit: true})
	}
	for _, t := range r.Tracked {
		o.Remember = append(o.Remember, store.Memory{Key: memoryKey("seen", t.Handle, t.ID), Until: o.now.Add(t.Keep)})
	}
	if len(o.Events) == 0 {
		o.event(journal.RulesKept, "")
	}
	return nil
}

func (o *outcome) do(action sieve.Action) error {
	switch a := action.(type) {
	case sieve.Keep:
		o.keep(&a)
	case sieve.FileInto:
		return o.move(&a)
	case sieve.Redirect:
		return o.redirect(&a)
	case sieve.Discard:
		o.step(Step{Kind: StepDiscard}, a.Where)
		o.event(journal.RulesDiscarded, o.script.rule(a.Where))
	case sieve.Reject:
		if o.in.MustKeep {
			o.lost = true
			return nil
		}
		d := cause.Refuse(cause.RecipientRefuses, cause.Text("address", o.in.To), cause.Text("reason", oneLine(a.Reason))).As("rule")
		o.Reject, o.RejectText = &d, a.Reason
		o.step(Step{Kind: StepReject, To: o.in.From}, a.Where)
		o.event(journal.RulesRejected, o.script.rule(a.Where))
	case sieve.Vacation:
		return o.answer(&a)
	}
	return nil
}

// oneLine makes a text fit into a reply: replies are ASCII, and letters without their marks are read
// more easily than escapes (RFC 5429 section 2.1.1 leaves the form to us).
func oneLine(text string) string {
	const most = 200
	var b strings.Builder
	for _, r := range norm.NFD.String(strings.Join(strings.Fields(text), " ")) {
		switch {
		case r <= unicode.MaxASCII:
			b.WriteRune(r)
		case unicode.Is(unicode.Mn, r):
		case unlike[r] != "":
			b.WriteString(unlike[r])
		default:
			b.WriteByte('?')
		}
		if b.Len() > most {
			return b.String() + "..."
		}
	}
	return b.String()
}

// unlike are letters and marks that are none of ASCII with something added.
var unlike = map[rune]string{
	'æ': "ae", 'Æ': "AE", 'ø': "o", 'Ø': "O", 'ß': "ss", 'đ': "d", 'Đ': "D", 'ł': "l", 'Ł': "L", 'þ': "th", 'ð': "d",
	'’': "'", '‘': "'", '“': `"`, '”': `"`, '„': `"`, '«': `"`, '»': `"`, '–': "-", '—': "-", '…': "...", '€': "EUR",
}

// step notes what was done, for people.
func (o *outcome) step(s Step, w sieve.Where) {
	s.Rule, s.Condition = o.script.rule(w), w.Condition
	o.Steps = append(o.Steps, s)
}

// event notes what was done, for the journal.
func (o *outcome) event(kind, rule string, fields ...store.Field) {
	all := []store.Field{{Name: "from", Value: o.in.From}, {Name: "to", Value: o.in.To}}
	if rule != "" {
		all = append(all, store.Field{Name: "rule", Value: rule})
	}
	o.Events = append(o.Events, store.Event{
		Time: o.now, Trace: o.in.Trace, Account: o.in.Account.ID, Kind: kind, Fields: append(all, fields...),
	})
}

// failed notes that the script cannot be run; the message is kept.
func (o *outcome) failed(reason string) {
	o.Steps = append(o.Steps, Step{Kind: StepFailed, Rule: o.script.name, Reason: reason})
	o.event(journal.RulesFailed, o.script.name, store.Field{Name: "error", Value: reason})
}

// keep places the message where it goes without rules.
func (o *outcome) keep(k *sieve.Keep) {
	o.step(Step{Kind: StepKeep, To: o.in.kept(nil).Name, Flags: k.Flags}, k.Where)
	o.place(o.in.kept(k.Flags))
}

// place adds a place, once for each mailbox: the flags named last hold (RFC 5232 section 3).
func (o *outcome) place(p Place) {
	same := func(q Place) bool {
		return p.Mailbox != 0 && q.Mailbox == p.Mailbox || p.Role != store.RoleNone && q.Role == p.Role
	}
	if i := slices.IndexFunc(o.Places, same); i >= 0 {
		o.Places[i] = p
		return
	}
	o.Places = append(o.Places, p)
}

// move is fileinto.
func (o *outcome) move(a *sieve.FileInto) error {
	m, ok, err := o.folder(a)
	if err != nil {
		return err
	}
	rule := o.script.rule(a.Where)
	if !ok {
		o.lost = true
		o.step(Step{Kind: StepNoFolder, To: a.Mailbox}, a.Where)
		o.event(journal.RulesNoFolder, rule, store.Field{Name: "mailbox", Value: a.Mailbox})
		return nil
	}
	p := Place{Mailbox: m.ID, Name: m.Name, Role: m.Role}
	p.Flags, p.Keywords = splitFlags(a.Flags)
	o.place(p)
	o.step(Step{Kind: StepMove, To: m.Name, Flags: a.Flags}, a.Where)
	o.event(journal.RulesMoved, rule, store.Field{Name: "mailbox", Value: m.Name})
	return nil
}

// folder finds the folder that a fileinto means, and makes it where the script wants that.
func (o *outcome) folder(a *sieve.FileInto) (m store.Mailbox, ok bool, err error) {
	account := o.in.Account.ID
	if role, known := uses[strings.ToLower(a.SpecialUse)]; known {
		m, err = o.e.Store.MailboxByRole(o.ctx, account, role)
		if ok, err = found(err); ok || err != nil {
			return m, ok, err
		}
	}
	m, err = o.e.Store.MailboxByName(o.ctx, account, a.Mailbox)
	if ok, err = found(err); ok || err != nil || !a.Create {
		return m, ok, err
	}
	if o.in.Dry {
		return store.Mailbox{Name: a.Mailbox}, true, nil
	}
	m, err = o.e.Store.CreateMailbox(o.ctx, account, a.Mailbox, uses[strings.ToLower(a.SpecialUse)]) // RFC 8579 section 4
	switch store.KindOf(err) {
	case store.KindInvalid, store.KindLimit, store.KindExists: // the last: made by another message just now
		if err != nil {
			m, err = o.e.Store.MailboxByName(o.ctx, account, a.Mailbox)
			ok, err = found(err)
			return m, ok, err
		}
	}
	if err != nil {
		return m, false, err
	}
	return m, true, o.e.Store.Subscribe(o.ctx, account, m.Name, true)
}

// redirect sends a message on, unless that is junk, would go in a circle, or is too much.
func (o *outcome) redirect(a *sieve.Redirect) error {
	why, err := o.notForwarded(a.Address)
	if err != nil {
		return err
	}
	rule := o.script.rule(a.Where)
	if why != "" {
		o.lost = true
		o.step(Step{Kind: StepNoForward, To: a.Address, Reason: why}, a.Where)
		o.event(journal.RulesNotForwarded, rule, store.Field{Name: "address", Value: a.Address}, store.Field{Name: "reason", Value: why})
		if why == "loop" {
			o.Events[len(o.Events)-1].Cause = cause.RulesLoop
		}
		return nil
	}
	o.Redirects = append(o.Redirects, a.Address)
	o.step(Step{Kind: StepForward, To: a.Address}, a.Where)
	o.event(journal.RulesForwarded, rule, store.Field{Name: "address", Value: a.Address})
	return nil
}

// notForwarded says why a message is not sent on: "junk", "loop" or "limit"; "" if it is.
func (o *outcome) notForwarded(to string) (why string, err error) {
	switch {
	case o.in.Junk:
		return "junk", nil
	case o.own(to) || o.wasHere():
		return "loop", nil
	}
	return o.overLimit("forwards", o.e.Redirects, int64(len(o.Redirects)))
}

// overLimit says "limit" where an account has done something as often as it may on one day, and else
// counts once more. Before is how often it was done for this message already.
func (o *outcome) overLimit(what string, most, before int64) (string, error) {
	day := o.now.UTC().Truncate(24 * time.Hour)
	m, _, err := o.e.Store.Remembered(o.ctx, o.in.Account.ID, what+":"+day.Format(time.DateOnly))
	if err != nil {
		return "", err
	}
	if m.Count+before >= most {
		return "limit", nil
	}
	m.Key, m.Until, m.Count = what+":"+day.Format(time.DateOnly), day.Add(24*time.Hour), m.Count+before+1
	o.Remember = append(slices.DeleteFunc(o.Remember, func(x store.Memory) bool { return x.Key == m.Key }), m)
	return "", nil
}

// own tells whether an address is the account's, as far as the message shows.
func (o *outcome) own(addr string) bool {
	addr = plain(addr)
	return addr != "" && (addr == plain(o.in.Account.Address) || addr == plain(o.in.To))
}

// plain is an address without its detail, in the form in which two spellings are equal; "" if it is none.
func plain(text string) string {
	a, err := address.Parse(text, address.Options{UTF8: true, LongLocal: true})
	if err != nil {
		return ""
	}
	a.Local, _, _ = address.SplitSubaddress(a.Local, store.SubaddressSeparator)
	return a.Normalize().String()
}

// wasHere tells whether the message was sent on from here before: forwards leave Delivered-To.
func (o *outcome) wasHere() bool {
	return slices.ContainsFunc(o.env.Header("Delivered-To"), o.own)
}
