package inbound

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/inbound/genuine"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/protocol/smtpd"
	"github.com/postiljon/postiljon/internal/sasl"
	"github.com/postiljon/postiljon/internal/store"
)

// session is one SMTP connection.
type session struct {
	b       *Backend
	c       *smtpd.Conn
	release func()
	account *store.Account // who signed in, nil if nobody did
	envelope
}

// envelope is one mail transaction.
type envelope struct {
	trace      store.TraceID
	mail       smtpd.Mail
	from       string // reverse-path as text, "" for the null path
	local      []localRecipient
	remote     []store.SubmissionRecipient
	forward    forwards
	recipients int
	early      *early          // what is being found out about the sender, nil for submissions and trusted clients
	checked    *genuine.Result // what was found out about the message
	about      store.AccountID // whose mail the last refused recipient would have been
	handed     *handed         // of a message that did not come over SMTP, nil otherwise
	queued     *queued         // of a message that comes from the queue, nil otherwise
}

// localRecipient is a recipient whose mail is kept here; one address may be the
// mail of several accounts.
type localRecipient struct {
	address  string
	to       address.Address
	notify   smtpd.Notify
	orcpt    string
	accounts []store.Account
	mailbox  store.Mailbox // that the address names for this sender; zero: INBOX
}

// Verifier offers AUTH on submission only.
func (s *session) Verifier() sasl.Verifier {
	if !s.c.Submission {
		return nil
	}
	return s.b.Policy.Verifier(s.c)
}

// SignedIn notes whose connection it is.
func (s *session) SignedIn(ctx context.Context, id sasl.Identity) cause.Decision {
	a, err := s.b.Store.AccountByAddress(ctx, id.Name)
	if err != nil {
		s.b.Log.Error("find account that signed in", "error", err)
		return cause.Wait(cause.ProviderAuthBackendDown, time.Time{})
	}
	s.account = &a
	return cause.Allow()
}

// Mail decides on the sender.
func (s *session) Mail(ctx context.Context, m *smtpd.Mail) cause.Decision {
	s.Reset()
	s.envelope = envelope{trace: store.NewTraceID(s.b.Store.Now()), mail: *m, local: s.local[:0], remote: nil}
	if !m.From.IsNull() {
		s.from = m.From.String()
	}
	d := s.decideMail(ctx, m)
	if !d.Allowed() {
		s.refused(journal.SenderRefused, "", d)
	} else if s.account == nil {
		s.b.Journal.Visit(s.c.Remote.Addr().String(), s.c.Helo, m.From.Domain)
		s.early = s.b.lookAt(ctx, genuine.Envelope{Remote: s.c.Remote.Addr(), HELO: s.c.Helo, From: s.from})
	}
	return d
}

func (s *session) decideMail(ctx context.Context, m *smtpd.Mail) cause.Decision {
	if m.Size > s.b.MaxSize {
		return s.b.tooLarge(m.Size)
	}
	if s.account == nil {
		return cause.Allow()
	}
	// How much was sent is asked at each recipient: so the journal knows who has not got what.
	if d := s.b.Policy.Sending(ctx, s.account, 0); !d.Allowed() {
		return d
	}
	// Mail from the null path is for reports; a person's program has no use for
	// it, but some send read receipts with it (RFC 8098 section 3).
	if m.From.IsNull() {
		return cause.Allow()
	}
	return s.owns(ctx, s.from)
}

// owns decides whether the account that signed in may send from an address.
func (s *session) owns(ctx context.Context, addr string) cause.Decision {
	res, err := s.b.Store.Resolve(ctx, addr)
	if err != nil && store.KindOf(err) != store.KindNotFound {
		return s.b.storeTrouble("resolve sender", err)
	}
	if slices.ContainsFunc(res.Accounts, func(a store.Account) bool { return a.ID == s.account.ID }) {
		return cause.Allow()
	}
	return cause.Refuse(cause.ClientFromNotOwned, cause.Text("address", addr))
}

func (b *Backend) tooLarge(size int64) cause.Decision {
	return cause.Refuse(cause.ContentTooLargeOwn, cause.Size("size", size), cause.Size("limit", b.MaxSize))
}

// storeTrouble turns an error of the store into the cause that the other side
// hears; operators read the log.
func (b *Backend) storeTrouble(op string, err error) cause.Decision {
	switch kind := store.KindOf(err); {
	case kind == store.KindNoSpace || errors.Is(err, syscall.ENOSPC): // the latter of the spool
		b.Log.Warn(op, "error", err)
		return cause.Wait(cause.ProviderStorageFailed, time.Time{})
	case kind == store.KindOverQuota: // a message to oneself
		return cause.Wait(cause.QuotaMailboxFull, time.Time{})
	}
	b.Log.Error(op, "error", err)
	return cause.Wait(cause.ProviderBackendBroken, time.Time{})
}

// Rcpt decides on a recipient.
func (s *session) Rcpt(ctx context.Context, r *smtpd.Rcpt) cause.Decision {
	to := r.To.String()
	d := s.decideRcpt(ctx, r, to)
	if !d.Allowed() {
		s.refused(journal.RecipientRefused, to, d)
	}
	return d
}

// ofThisServer reports an address of whoever looks after this server: <Postmaster> needs no domain (RFC 5321
// section 4.1.1.3), and by its host name it is written to also where that is no domain of mail (RFC 2142, RFC 9116).
func (s *session) ofThisServer(r *smtpd.Rcpt) bool {
	local := strings.ToLower(r.To.Local)
	return (local == "postmaster" || local == "abuse") && strings.EqualFold(r.To.Domain, s.b.Hostname)
}

// hostDomain is the domain of mail whose postmaster looks after this server: that of its host name or the next above that
// is kept here, else the first. Without any it is the host name.
func (s *session) hostDomain(ctx context.Context) (string, error) {
	domains, err := s.b.Store.Domains(ctx)
	if err != nil || len(domains) == 0 {
		return s.b.Hostname, err
	}
	host := strings.ToLower(s.b.Hostname)
	for name := host; name != ""; _, name, _ = strings.Cut(name, ".") {
		if slices.ContainsFunc(domains, func(d store.Domain) bool { return d.Name == name && !d.Disabled }) {
			return name, nil
		}
	}
	return domains[0].Name, nil
}

func (s *session) decideRcpt(ctx context.Context, r *smtpd.Rcpt, to string) cause.Decision {
	if s.recipients >= s.b.MaxRecipients {
		return cause.Wait(cause.LimitRecipients, time.Time{}, cause.Count("limit", int64(s.b.MaxRecipients)))
	}
	if r.To.Domain == "" || s.ofThisServer(r) {
		own, err := s.hostDomain(ctx)
		if err != nil {
			return s.b.storeTrouble("list domains", err)
		}
		to = cmp.Or(strings.ToLower(r.To.Local), "postmaster") + "@" + own
	}
	res, err := s.b.Store.Resolve(ctx, to)
	switch {
	case err == nil:
		return s.addLocal(ctx, r, to, &res)
	case store.KindOf(err) == store.KindLimit:
		return cause.Refuse(cause.RulesLoop)
	case store.KindOf(err) != store.KindNotFound:
		return s.b.storeTrouble("resolve recipient", err)
	}
	if !res.Local { // it can be ours all the same: switched off, or not looked up for a local part that nobody can have
		domain, err := s.b.Store.Domain(ctx, r.To.Domain)
		switch {
		case err == nil && domain.Disabled:
			return cause.Refuse(cause.AccountMailDisabled)
		case err != nil && store.KindOf(err) != store.KindNotFound:
			return s.b.storeTrouble("look up domain of recipient", err)
		}
		res.Local = err == nil
	}
	if original, ok := s.bounced(r, res.Local); ok {
		return s.addBounce(ctx, r, to, original)
	}
	switch {
	case res.Local:
		return cause.Refuse(cause.RecipientUnknown, cause.Text("address", to))
	case s.account == nil:
		// Mail for other servers is taken from those who signed in only.
		return cause.Refuse(cause.ClientSMTPAuthOff).As("relay")
	}
	return s.addRemote(ctx, r, to)
}

func (s *session) addLocal(ctx context.Context, r *smtpd.Rcpt, to string, res *store.Resolution) cause.Decision {
	accounts := res.Accounts
	if d := s.maySend(ctx); !d.Allowed() {
		return d
	}
	for i := range accounts {
		if accounts[i].Disabled {
			if len(accounts) == 1 {
				return cause.Refuse(cause.AccountMailDisabled)
			}
			continue
		}
		if d := s.b.Policy.Receiving(ctx, &accounts[i], s.mail.Size); !d.Allowed() {
			s.about = accounts[i].ID
			return d
		}
	}
	if d := s.fromNowhere(ctx, to, accounts); !d.Allowed() {
		return d
	}
	if d := s.addForwards(r, to, res.Forward); !d.Allowed() || len(accounts) == 0 {
		return d
	}
	mailbox, err := s.postTarget(ctx, res)
	if err != nil {
		return s.b.storeTrouble("find mailbox of recipient", err)
	}
	s.recipients++
	s.local = append(s.local, localRecipient{address: to, to: r.To, notify: r.Notify, orcpt: r.ORcpt, accounts: accounts, mailbox: mailbox})
	return cause.Allow()
}

// postTarget returns the mailbox that the detail of a recipient's address names, if who signed in
// has the right to post there (RFC 4314 section 2.1, RFC 5233); else it is only a subaddress.
func (s *session) postTarget(ctx context.Context, res *store.Resolution) (store.Mailbox, error) {
	if s.account == nil || res.Detail == "" || len(res.Accounts) != 1 {
		return store.Mailbox{}, nil
	}
	m, ok, err := s.b.Store.PostTarget(ctx, res.Accounts[0].ID, res.Detail, s.account.ID)
	if err != nil || !ok {
		return store.Mailbox{}, err
	}
	return m, nil
}

func (s *session) addRemote(ctx context.Context, r *smtpd.Rcpt, to string) cause.Decision {
	if r.To.IsLiteral() {
		return cause.Refuse(cause.RecipientAddressInvalid, cause.Text("address", to))
	}
	if d := s.precheckRcpt(ctx, r, to); !d.Allowed() {
		return d
	}
	if d := s.maySend(ctx); !d.Allowed() {
		return d
	}
	s.recipients++
	s.remote = append(s.remote, store.SubmissionRecipient{
		Address: to, Notify: notifyText(r.Notify), ORcpt: r.ORcpt, State: store.Queued,
	})
	return cause.Allow()
}

// maySend asks whether one recipient more is within the sender's limits.
func (s *session) maySend(ctx context.Context) cause.Decision {
	if s.account == nil || s.handed != nil && s.handed.asked {
		return cause.Allow()
	}
	return s.b.Policy.Sending(ctx, s.account, s.recipients+1)
}

// notifyText writes NOTIFY as RFC 3461 section 4.1 does.
func notifyText(n smtpd.Notify) string {
	var words []string
	for _, w := range []struct {
		bit  smtpd.Notify
		word string
	}{
		{smtpd.NotifyNever, "NEVER"}, {smtpd.NotifySuccess, "SUCCESS"},
		{smtpd.NotifyFailure, "FAILURE"}, {smtpd.NotifyDelay, "DELAY"},
	} {
		if n&w.bit != 0 {
			words = append(words, w.word)
		}
	}
	return strings.Join(words, ",")
}

// refused leaves the event of a refusal: with the account that wanted to send,
// and with the one that would have received.
func (s *session) refused(kind, to string, d cause.Decision, more ...store.Field) {
	e := store.Event{Time: s.b.Store.Now(), Trace: s.trace, Kind: kind, Fields: []store.Field{
		{Name: "from", Value: s.from}, {Name: "to", Value: to},
	}}
	if s.handed == nil && s.queued == nil {
		e.Fields = append(e.Fields, store.Field{Name: "remote", Value: s.c.Remote.Addr().String()}, store.Field{Name: "helo", Value: s.c.Helo})
	}
	if s.checked != nil && s.checked.Author != "" && !strings.EqualFold(s.checked.Author, s.from) {
		e.Fields = append(e.Fields, store.Field{Name: "author", Value: s.checked.Author})
	}
	e.Fields = append(e.Fields, more...)
	e.SetDecision(d)
	e.Account, s.about = s.about, 0
	if s.account != nil {
		e.Account = s.account.ID
		e.Fields = append(e.Fields, store.Field{Name: "by", Value: s.account.Address})
	}
	s.b.Journal.Record(e)
}

// Trace is the id by which what happens in the transaction is found.
func (s *session) Trace() string {
	if s.trace.IsZero() {
		return ""
	}
	return s.trace.String()
}

// Reset ends the transaction.
func (s *session) Reset() {
	s.early.close()
	s.envelope = envelope{local: s.local[:0]}
}

// Close gives the connection's place free.
func (s *session) Close(smtpd.Reason) {
	s.Reset()
	s.release()
}

// bodyText writes BODY as RFC 6152 and RFC 3030 do.
func bodyText(b smtpd.Body) string {
	switch b {
	case smtpd.Body8BitMIME:
		return "8BITMIME"
	case smtpd.BodyBinaryMIME:
		return "BINARYMIME"
	}
	return "7BIT"
}
