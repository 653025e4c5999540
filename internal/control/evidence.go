package control

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/outbound"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/rules"
	"github.com/postiljon/postiljon/internal/store"
)

// Evidence is what the service knows of one account, for whoever has to find
// out what is wrong with it. Nothing in it is a secret of the account.
type Evidence struct {
	Address string          `json:"address"`
	Exists  bool            `json:"exists"`          // whether the address belongs to this service
	State   string          `json:"state,omitempty"` // active, suspended, maintenance, or gone where no account has the address
	Reason  cause.ID        `json:"reason,omitempty"`
	Off     []string        `json:"off,omitempty"` // protocols that are switched off
	MailOff bool            `json:"mail_off,omitempty"`
	Until   *time.Time      `json:"until,omitempty"` // when the account opens again by itself
	Usage   *EvidenceUsage  `json:"usage,omitempty"`
	Limits  []EvidenceLimit `json:"limits,omitempty"`
	// Sessions are those that are open now.
	Sessions []EvidenceSession `json:"sessions,omitempty"`
	Queue    []EvidenceQueued  `json:"queue,omitempty"`
	Events   []EvidenceEvent   `json:"events,omitempty"` // at most 300, and 50 of a kind, the newest last
	Bans     []EvidenceBan     `json:"bans,omitempty"`
	Rules    []rules.Effect    `json:"rules,omitempty"` // what the script that runs can do to mail
}

// EvidenceUsage is storage in octets; a limit of 0 is none.
type EvidenceUsage struct{ Mail, Limit int64 }

// EvidenceLimit is what was sent within the hour, and what may be.
type EvidenceLimit struct {
	Cause cause.ID   `json:"cause"`
	Used  int64      `json:"used"`
	Max   int64      `json:"max"`
	Until *time.Time `json:"until,omitempty"` // when one more message may be sent, if none may now
}

// EvidenceSession is a connection on which the account is signed in.
type EvidenceSession struct {
	Protocol string `json:"protocol"` // imap, pop3 or submission
	Client   string `json:"client"`   // its IP address
	// Program is what the client says it is (RFC 2971), else the name of the app password that it signed in with.
	Program string    `json:"program,omitempty"`
	Since   time.Time `json:"since"`          // it signed in
	LastIO  time.Time `json:"last_io"`        // it said something
	Idle    bool      `json:"idle,omitempty"` // it waits for news (RFC 2177)
	Open    bool      `json:"open"`

	// Credential is the id of the app password, for whoever makes the evidence.
	Credential string `json:"-"`
}

// EvidenceQueued is a message on its way to one recipient.
type EvidenceQueued struct {
	Trace     string     `json:"trace"`
	MessageID string     `json:"message_id,omitempty"`
	To        string     `json:"to"`
	Subject   string     `json:"subject,omitempty"`
	State     string     `json:"state"` // queued, deferred, failed or delivered
	Cause     cause.ID   `json:"cause,omitempty"`
	Reply     string     `json:"reply,omitempty"`
	Tries     int        `json:"tries"`
	Next      *time.Time `json:"next,omitempty"`
	Since     time.Time  `json:"since"`
}

// EvidenceEvent is an event of the journal; its kind is one of package journal.
type EvidenceEvent struct {
	At        time.Time         `json:"at"`
	Kind      string            `json:"kind"`
	Cause     cause.ID          `json:"cause,omitempty"`
	Trace     string            `json:"trace,omitempty"`
	MessageID string            `json:"message_id,omitempty"`
	Text      map[string]string `json:"text,omitempty"`
}

// EvidenceBan is an address, or a block, that may not connect and from which the
// account was used: those of strangers who guess are not its owner's trouble.
type EvidenceBan struct {
	Client string    `json:"client"`
	Until  time.Time `json:"until"`
}

// What is told at most.
const (
	maxEvidenceEvents = 300
	maxEvidenceOfKind = 50 // of events of one kind
	maxEvidenceQueue  = 50
)

// Evidence tells what the service knows of an account. An address of a domain
// that is not kept here is no error: it does not exist.
func (c *Client) Evidence(ctx context.Context, address string) (Evidence, error) {
	return call[Evidence](ctx, c, "evidence", Name{address})
}

// EvidenceOf tells what the service knows of an account, as Client.Evidence does. Who asks must have been let to.
func (s *Server) EvidenceOf(ctx context.Context, address string) (Evidence, error) {
	return s.evidence(ctx, Name{address})
}

// DoctorReport returns what the doctor found on the web, under the reference that people were told, in the form in which
// the web keeps it.
func (c *Client) DoctorReport(ctx context.Context, reference string) ([]byte, error) {
	return call[[]byte](ctx, c, "doctor-report", Name{reference})
}

func (s *Server) doctorReport(ctx context.Context, r Name) ([]byte, error) {
	id, err := store.ParseTraceID(strings.NewReplacer("-", "", " ", "").Replace(r.Name))
	if err != nil {
		return nil, invalid("%q is no reference", r.Name)
	}
	return s.Store.FindReport(ctx, id)
}

func (s *Server) evidence(ctx context.Context, r Name) (Evidence, error) {
	a, err := s.Store.AccountByAddress(ctx, r.Name)
	switch {
	case store.KindOf(err) == store.KindNotFound:
		return s.evidenceOfNone(ctx, r.Name)
	case err != nil:
		return Evidence{}, err
	}
	e := Evidence{Address: a.Address, Exists: true, Off: protocolNames(store.AllProtocols &^ a.Protocols)}
	if s.Sessions != nil {
		e.Sessions = s.Sessions(a.ID)
		if err := s.nameSessions(ctx, e.Sessions, a.ID); err != nil {
			return Evidence{}, err
		}
	}
	for _, part := range []func(context.Context, *Evidence, *store.Account) error{
		s.stateOf, s.usageOf, s.limitsOf, s.eventsOf, s.bansOf, s.queueOf, s.effectsOf,
	} {
		if err := part(ctx, &e, &a); err != nil {
			return Evidence{}, err
		}
	}
	return e, nil
}

// nameSessions gives sessions whose client does not say what it is the name of their app password.
func (s *Server) nameSessions(ctx context.Context, all []EvidenceSession, a store.AccountID) error {
	named := slices.ContainsFunc(all, func(one EvidenceSession) bool { return one.Credential != "" && one.Program == "" })
	if !named {
		return nil
	}
	credentials, err := s.Store.Credentials(ctx, a)
	if err != nil {
		return err
	}
	for i, one := range all {
		for _, c := range credentials {
			if one.Program == "" && one.Credential == c.ID {
				all[i].Program = c.Name
			}
		}
	}
	return nil
}

// evidenceOfNone is about an address that no account has: an alias, one that is
// gone or never was, or one of another service.
func (s *Server) evidenceOfNone(ctx context.Context, address string) (Evidence, error) {
	e := Evidence{Address: address}
	local, err := s.Store.LocalDomain(ctx, domainOf(address))
	if err != nil || !local {
		return e, err
	}
	e.Exists = true
	to, err := s.Store.Resolve(ctx, address)
	switch {
	case err != nil && store.KindOf(err) != store.KindNotFound:
		return Evidence{}, err
	case err != nil || len(to.Accounts) == 0:
		e.State = "gone"
	default:
		e.State = "active"
	}
	return e, nil
}

func (s *Server) stateOf(ctx context.Context, e *Evidence, a *store.Account) error {
	d, err := s.Store.Domain(ctx, a.Domain())
	if err != nil {
		return err
	}
	e.MailOff = a.Disabled || d.Disabled
	e.Reason = a.Suspended
	switch a.Suspended {
	case "":
		e.State = "active"
	case cause.AccountMaintenance:
		e.State = "maintenance"
	default:
		e.State = "suspended"
	}
	return nil
}

func (s *Server) usageOf(ctx context.Context, e *Evidence, a *store.Account) error {
	u, err := s.Store.Usage(ctx, a.ID)
	e.Usage = &EvidenceUsage{Mail: u.Size, Limit: a.Quota}
	return err
}

func (s *Server) limitsOf(ctx context.Context, e *Evidence, a *store.Account) error {
	meters, err := s.Sending.Meters(ctx, a)
	if err != nil {
		return err
	}
	causes := map[policy.Counted]cause.ID{
		policy.MessagesOfAddress: cause.LimitAddressHourly, policy.RecipientsOfAddress: cause.LimitRecipients, policy.MessagesOfDomain: cause.LimitDomainHourly,
	}
	for _, m := range meters {
		l := EvidenceLimit{Cause: causes[m.Counted], Used: m.Used, Max: m.Limit}
		if m.Closed || m.Used >= m.Limit {
			l.Until = &m.Resets
		}
		e.Limits = append(e.Limits, l)
	}
	return nil
}

// bansOf tells of a lock of the account itself, and of bans of addresses that it
// signed in from.
func (s *Server) bansOf(ctx context.Context, e *Evidence, a *store.Account) error {
	for _, b := range s.Guard.Bans(ctx) {
		switch {
		case b.Key == a.Address:
			e.Until = &b.Until
			if e.Reason == "" {
				e.Reason = b.Cause
			}
		case e.usedFrom(b.Key):
			e.Bans = append(e.Bans, EvidenceBan{Client: b.Key, Until: b.Until})
		}
	}
	return nil
}

// usedFrom tells whether the account signed in lately from an address or a block.
func (e *Evidence) usedFrom(key string) bool {
	block, err := netip.ParsePrefix(key)
	if err != nil {
		ip, err := netip.ParseAddr(key)
		if err != nil {
			return false
		}
		block = netip.PrefixFrom(ip, ip.BitLen())
	}
	return slices.ContainsFunc(e.Events, func(event EvidenceEvent) bool {
		if event.Kind != journal.SignInOK {
			return false
		}
		remote, err := netip.ParseAddr(event.Text["remote"])
		return err == nil && block.Contains(remote.Unmap().WithZone(""))
	})
}

// eventsOf tells the newest events.
func (s *Server) eventsOf(ctx context.Context, e *Evidence, a *store.Account) error {
	// What happened a moment ago may still wait to be kept.
	if err := s.Journal.Flush(ctx); err != nil {
		return err
	}
	list, err := s.Store.LastEvents(ctx, a.ID, maxEvidenceEvents, maxEvidenceOfKind)
	for i := range list {
		e.Events = append(e.Events, evidenceEvent(&list[i]))
	}
	return err
}

func evidenceEvent(event *store.Event) EvidenceEvent {
	told := EvidenceEvent{
		At: event.Time, Kind: event.Kind, Cause: event.Cause, Trace: event.Trace.String(),
		MessageID: event.Field("message-id"), Text: make(map[string]string, len(event.Fields)+1),
	}
	for _, f := range event.Fields {
		if _, known := told.Text[f.Name]; !known && f.Name != "message-id" {
			told.Text[f.Name] = f.Value
		}
	}
	return told
}

// queueOf tells what is on its way, with the subjects that the journal knows.
func (s *Server) queueOf(ctx context.Context, e *Evidence, a *store.Account) error {
	subjects := map[string]string{}
	for _, event := range e.Events {
		if event.Kind == journal.MessageQueued {
			subjects[event.Trace] = event.Text["subject"]
		}
	}
	list, err := s.Queue.List(ctx, outbound.Filter{Account: &a.ID, Limit: maxEvidenceQueue})
	for i := range list {
		for j := range list[i].Recipients {
			q := evidenceQueued(&list[i], &list[i].Recipients[j])
			q.Subject = subjects[q.Trace]
			e.Queue = append(e.Queue, q)
		}
	}
	e.Queue = e.Queue[:min(len(e.Queue), maxEvidenceQueue)]
	return err
}

func evidenceQueued(sub *store.Submission, r *store.SubmissionRecipient) EvidenceQueued {
	q := EvidenceQueued{
		Trace: sub.ID.String(), MessageID: sub.MessageID, To: r.Address, State: "failed",
		Cause: r.Cause, Reply: r.Reply, Tries: r.Attempts, Since: sub.Created,
	}
	switch r.State {
	case store.Placed, store.Relayed:
		q.State = "delivered"
	case store.Held:
		q.State = "queued"
	case store.Queued:
		if q.State = "queued"; r.Attempts > 0 {
			q.State = "deferred"
		}
		if !r.Next.IsZero() {
			q.Next = &r.Next
		}
	}
	return q
}
