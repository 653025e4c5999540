package control

import (
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/certs"
	"github.com/postiljon/postiljon/internal/outbound"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/store"
)

// None is the request or the answer of a method that has none.
type None struct{}

// Reloaded tells what a reload left for the next start.
type Reloaded struct {
	Restart []string `json:"restart,omitempty"` // settings that were changed and need a restart, as "section.key"
}

// Status is how the service is.
type Status struct {
	Version     string     `json:"version"`
	Hostname    string     `json:"hostname"`
	PID         int        `json:"pid"`
	Started     time.Time  `json:"started"`
	Data        string     `json:"data"`
	Listeners   []Listener `json:"listeners"`
	Certificate struct {
		Names   []string  `json:"names"`
		Until   time.Time `json:"until"`
		Private bool      `json:"private"` // of the installation's own authority
		// Trouble are certificates that the public authority does not give at present.
		Trouble []certs.Trouble `json:"trouble,omitempty"`
	} `json:"certificate"`
	Connections int64 `json:"connections"`
	Queue       struct {
		Waiting int `json:"waiting"`
		Ready   int `json:"ready"`
		Active  int `json:"active"`
	} `json:"queue"`
	Domains       int    `json:"domains"`
	Accounts      int    `json:"accounts"`
	Bans          int    `json:"bans"`
	EventsDropped uint64 `json:"events_dropped"`
	Memory        uint64 `json:"memory"`     // octets that the process takes
	FreeSpace     uint64 `json:"free_space"` // octets of the data folder's volume
	Trouble       string `json:"trouble,omitempty"`
}

// Listener is one open socket.
type Listener struct {
	Service string `json:"service"`
	Address string `json:"address"`
}

// Name names a domain, an account or an alias.
type Name struct {
	Name string `json:"name"`
}

// Domain is a domain and what it holds.
type Domain struct {
	Name       string              `json:"name"`
	Created    time.Time           `json:"created"`
	Disabled   bool                `json:"disabled,omitempty"`
	Postmaster string              `json:"postmaster,omitempty"`
	Accounts   int                 `json:"accounts"`
	Aliases    int                 `json:"aliases"`
	Sent       int64               `json:"sent"`       // messages within the hour
	SentLimit  int64               `json:"sent_limit"` // of them allowed
	Quota      int64               `json:"quota"`      // octets of all accounts together, 0 for no bound
	Used       int64               `json:"used"`       // of domain.show
	Plan       string              `json:"plan,omitempty"`
	Sending    store.SendingLimits `json:"sending,omitzero"` // as far as they were set
}

// Account is an account and what it uses.
type Account struct {
	Address   string              `json:"address"`
	Name      string              `json:"name,omitempty"`
	Created   time.Time           `json:"created"`
	Disabled  bool                `json:"disabled,omitempty"`
	Suspended cause.ID            `json:"suspended,omitempty"`
	Protocols []string            `json:"protocols"`
	Language  string              `json:"language,omitempty"`
	Quota     int64               `json:"quota"` // octets, 0 for no bound
	Used      int64               `json:"used"`
	Emails    int64               `json:"emails"`
	Sent      int64               `json:"sent"`
	SentLimit int64               `json:"sent_limit"`
	Plan      string              `json:"plan,omitempty"`
	Sending   store.SendingLimits `json:"sending,omitzero"` // as far as they were set
	Meters    []Meter             `json:"meters"`
	Mailboxes []Mailbox           `json:"mailboxes,omitempty"` // of account.show
	Passwords []Secret            `json:"passwords,omitempty"` // of account.show, without what is secret
	TwoStep   bool                `json:"two_step,omitempty"`  // signing in on the web has a second step
	Passkeys  int                 `json:"passkeys,omitempty"`  // of account.show
	Browsers  int                 `json:"browsers,omitempty"`  // of account.show: signed in on the web
	Recovery  *Recovery           `json:"recovery,omitempty"`  // of account.show: where links for a forgotten password go
}

// Recovery is the address elsewhere that a link goes to when the password of an account is forgotten.
type Recovery struct {
	Address string    `json:"address"` // as much of it as tells which one it is: "a…@example.net"
	Proven  time.Time `json:"proven"`  // when somebody showed that he reads its mail
}

// Meter is how much of a sending limit is used up within the hour.
type Meter struct {
	Counted policy.Counted `json:"counted"`
	Of      string         `json:"of"` // the address or the domain
	Used    int64          `json:"used"`
	Limit   int64          `json:"limit"`
	Closed  bool           `json:"closed,omitempty"` // nothing may be sent before Resets
	Resets  time.Time      `json:"resets,omitzero"`  // when there is more room
}

// Refusal is what an account tried to send, a limit refused, and it has not sent since.
type Refusal struct {
	From  string    `json:"from"`
	To    string    `json:"to"`
	Cause cause.ID  `json:"cause"`
	Until time.Time `json:"until,omitzero"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	Times int       `json:"times"`
}

// Limits are the sending limits of an account, how far they are used up, and what they kept back.
type Limits struct {
	Address string    `json:"address"`
	Meters  []Meter   `json:"meters"`
	Refused []Refusal `json:"refused"`
}

// Mailbox is a mailbox of an account.
type Mailbox struct {
	Name     string `json:"name"`
	Role     string `json:"role,omitempty"`
	Messages uint32 `json:"messages"`
	Unseen   uint32 `json:"unseen"`
	Size     int64  `json:"size"`
}

// Secret describes a password without telling it.
type Secret struct {
	ID        string    `json:"id"`
	Name      string    `json:"name,omitempty"`
	App       bool      `json:"app,omitempty"`
	Token     bool      `json:"token,omitempty"` // no password but a bearer token
	Protocols []string  `json:"protocols"`
	Created   time.Time `json:"created"`
	LastUsed  time.Time `json:"last_used,omitzero"`
	Expires   time.Time `json:"expires,omitzero"`
	Revoked   time.Time `json:"revoked,omitzero"`
}

// NewAccount asks for an account. Without a password one is made.
type NewAccount struct {
	Address  string `json:"address"`
	Name     string `json:"name,omitempty"`
	Password string `json:"password,omitempty"`
	Quota    int64  `json:"quota,omitempty"`
	Language string `json:"language,omitempty"`
}

// Password answers where one was made: it is told once and kept nowhere.
type Password struct {
	Address  string `json:"address"`
	Password string `json:"password,omitempty"`
	ID       string `json:"id,omitempty"`
	Recovery string `json:"recovery,omitempty"` // the address that links for a forgotten password went to until now
}

// ChangeAccount changes what is not nil.
type ChangeAccount struct {
	Address   string    `json:"address"`
	Disabled  *bool     `json:"disabled,omitempty"`
	Suspended *cause.ID `json:"suspended,omitempty"`
	Quota     *int64    `json:"quota,omitempty"`
	Name      *string   `json:"name,omitempty"`
	Language  *string   `json:"language,omitempty"`
	Protocols *[]string `json:"protocols,omitempty"`
	// NoSecondStep switches the second step off, for a holder who has neither app nor recovery codes any more.
	NoSecondStep bool `json:"no_second_step,omitempty"`
	// NoRecovery removes the address for a forgotten password: no link goes there any more, and those that went there lead nowhere.
	NoRecovery bool `json:"no_recovery,omitempty"`
	ChangeLimits
}

// ChangeLimits changes what may be sent, as far as it is not nil; 0 is what the plan says.
type ChangeLimits struct {
	Plan             *string `json:"plan,omitempty"`
	AddressHourly    *int64  `json:"address_hourly,omitempty"`
	DomainHourly     *int64  `json:"domain_hourly,omitempty"`
	RecipientsHourly *int64  `json:"recipients_hourly,omitempty"`
}

// ChangeDomain changes what is not nil.
type ChangeDomain struct {
	Name       string  `json:"name"`
	Disabled   *bool   `json:"disabled,omitempty"`
	Postmaster *string `json:"postmaster,omitempty"`
	Quota      *int64  `json:"quota,omitempty"`
	ChangeLimits
}

// SetPassword asks for a new password of an account. Without one it is made.
type SetPassword struct {
	Address  string `json:"address"`
	Password string `json:"password,omitempty"`
	Change   bool   `json:"change,omitempty"` // its holder must choose another at the first sign-in, on the web
}

// NewAppPassword asks for a password for one program.
type NewAppPassword struct {
	Address   string   `json:"address"`
	Name      string   `json:"name"`
	Protocols []string `json:"protocols,omitempty"` // empty for all
}

// AppPassword names a password of an account, by id or by name.
type AppPassword struct {
	Address string `json:"address"`
	Which   string `json:"which"`
}

// NewToken asks for a bearer token for one program.
type NewToken struct {
	Address   string    `json:"address"`
	Name      string    `json:"name"`
	Protocols []string  `json:"protocols,omitempty"` // empty for all
	Expires   time.Time `json:"expires,omitzero"`    // zero: never
}

// Token answers NewToken: it is told once and kept nowhere.
type Token struct {
	Address string    `json:"address"`
	Token   string    `json:"token"`
	ID      string    `json:"id"`
	Expires time.Time `json:"expires,omitzero"`
	Off     bool      `json:"off,omitempty"` // the service takes no tokens
}

// Alias is an address whose mail goes to others, here and elsewhere.
type Alias struct {
	Address string    `json:"address"`
	Targets []string  `json:"targets"`
	Forward []string  `json:"forward,omitempty"`
	Created time.Time `json:"created,omitzero"`
}

// Ban is a ban that holds.
type Ban struct {
	Key      string    `json:"key"`
	Cause    cause.ID  `json:"cause"`
	Since    time.Time `json:"since"`
	Until    time.Time `json:"until"`
	Failures int       `json:"failures"`
	Last     string    `json:"last"`
}

// QueueFilter chooses messages of the queue.
type QueueFilter struct {
	Account string `json:"account,omitempty"`
	Domain  string `json:"domain,omitempty"` // of a recipient
	Limit   int    `json:"limit,omitempty"`
}

// Queued is a message in the queue.
type Queued struct {
	ID         string            `json:"id"`
	Account    string            `json:"account,omitempty"` // "" for reports of the service
	From       string            `json:"from"`
	Subject    string            `json:"subject,omitempty"`    // only of one that was asked for
	MessageID  string            `json:"message_id,omitempty"` // likewise
	Size       int64             `json:"size"`
	Created    time.Time         `json:"created"`
	Expires    time.Time         `json:"expires"` // when it is given up
	Recipients []QueuedRecipient `json:"recipients"`
}

// QueuedRecipient is a recipient of a message in the queue.
type QueuedRecipient struct {
	Address string `json:"address"`
	// State is waiting, sending, delayed, held, delivered, bounced or cancelled.
	State    string    `json:"state"`
	Attempts int       `json:"attempts"`
	Last     time.Time `json:"last,omitzero"` // try
	Next     time.Time `json:"next,omitzero"` // try
	Reply    string    `json:"reply,omitempty"`
	Host     string    `json:"host,omitempty"`
	Cause    cause.ID  `json:"cause,omitempty"`
	Why      string    `json:"why,omitempty"`       // the cause told to the operator, in some words
	Text     string    `json:"text,omitempty"`      // and in full
	Actor    string    `json:"actor,omitempty"`     // who must act
	NextStep string    `json:"next_step,omitempty"` // and how
}

// QueueItem names a message of the queue, and one recipient of it or all.
type QueueItem struct {
	ID        string `json:"id"`
	Recipient string `json:"recipient,omitempty"`
}

// LedgerQuery asks what mail for an account was turned away.
type LedgerQuery struct {
	Address string    `json:"address"`
	Since   time.Time `json:"since,omitzero"` // all that is kept, if zero
	Lang    string    `json:"lang,omitempty"`
}

// TurnedAway is mail for an account that was refused or told to come later.
type TurnedAway struct {
	From      string    `json:"from"`
	Author    string    `json:"author,omitempty"` // the address in From, if it is another
	To        string    `json:"to"`
	Remote    string    `json:"remote,omitempty"`
	AfterData bool      `json:"after_data,omitempty"` // it was judged by its text
	Refused   bool      `json:"refused"`              // else it was told to come later
	Cause     cause.ID  `json:"cause"`
	Why       string    `json:"why"`
	Trace     string    `json:"trace"`
	First     time.Time `json:"first"`
	Last      time.Time `json:"last"`
	Times     int       `json:"times"`
	Came      time.Time `json:"came,omitzero"` // when the sender came through later
}

// AllowSender asks to let mail of a sender, an address or a domain, through to an account.
type AllowSender struct {
	Address string `json:"address"`
	Sender  string `json:"sender"`
	Not     bool   `json:"not,omitempty"` // any more
}

// AllowedSender is an address, or a domain with an @ before it, whose mail is let through.
type AllowedSender struct {
	Sender string    `json:"sender"`
	Since  time.Time `json:"since"`
}

// TraceQuery asks what became of something.
type TraceQuery struct {
	Text  string    `json:"text"`
	With  string    `json:"with,omitempty"` // the other side of the message
	From  time.Time `json:"from,omitzero"`
	To    time.Time `json:"to,omitzero"`
	Lang  string    `json:"lang,omitempty"`
	Limit int       `json:"limit,omitempty"`
	JSON  bool      `json:"json,omitempty"`
	Zone  string    `json:"zone,omitempty"` // whose clock the text shows; UTC if unknown
}

// Trace is the answer, as text or as JSON.
type Trace struct {
	Text  string `json:"text,omitempty"`
	JSON  any    `json:"json,omitempty"`
	Found int    `json:"found"`
}

// routes is every method, by name.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for name, h := range map[string]http.Handler{
		"status":             method(s, s.status),
		"reload":             method(s, s.reload),
		"domain.add":         method(s, s.addDomain),
		"domain.list":        method(s, s.listDomains),
		"domain.show":        method(s, s.showDomain),
		"domain.change":      method(s, s.changeDomain),
		"domain.remove":      method(s, s.removeDomain),
		"account.add":        method(s, s.addAccount),
		"account.list":       method(s, s.listAccounts),
		"account.show":       method(s, s.showAccount),
		"account.change":     method(s, s.changeAccount),
		"route":              method(s, s.route),
		"limits.show":        method(s, s.showLimits),
		"ledger":             method(s, s.ledger),
		"sender.allow":       method(s, s.allowSender),
		"sender.allowed":     method(s, s.allowedSenders),
		"limits.reopen":      method(s, s.reopen),
		"account.remove":     method(s, s.removeAccount),
		"account.sign-out":   method(s, s.signOut),
		"alias.add":          method(s, s.addAlias),
		"alias.list":         method(s, s.listAliases),
		"alias.remove":       method(s, s.removeAlias),
		"dkim.list":          method(s, s.listKeys),
		"dkim.rotate":        method(s, s.rotateKeys),
		"dkim.use":           method(s, s.useKeys),
		"dkim.retire":        method(s, s.retireKeys),
		"dkim.switch":        method(s, s.switchSigning),
		"share.change":       method(s, s.changeShare),
		"share.list":         method(s, s.listShares),
		"rules.show":         method(s, s.showRules),
		"rules.change":       method(s, s.changeRules),
		"rules.script":       method(s, s.showScript),
		"rules.store":        method(s, s.storeScript),
		"rules.remove":       method(s, s.removeScript),
		"rules.use":          method(s, s.useScript),
		"rules.test":         method(s, s.testRules),
		"password.set":       method(s, s.setPassword),
		"apppassword.add":    method(s, s.addAppPassword),
		"apppassword.remove": method(s, s.removeAppPassword),
		"token.add":          method(s, s.addToken),
		"token.revoke":       method(s, s.revokeToken),
		"file.list":          method(s, s.listFiles),
		"file.revoke":        method(s, s.revokeFile),
		"ban.list":           method(s, s.listBans),
		"ban.lift":           method(s, s.liftBan),
		"queue.list":         method(s, s.listQueue),
		"queue.show":         method(s, s.showQueued),
		"queue.retry":        method(s, s.retry),
		"queue.hold":         method(s, s.change((*outbound.Queue).Hold)),
		"queue.release":      method(s, s.change((*outbound.Queue).Release)),
		"queue.cancel":       method(s, s.change((*outbound.Queue).Cancel)),
		"trace":              method(s, s.trace),
		"evidence":           method(s, s.evidence),
		"doctor-report":      method(s, s.doctorReport),
		"verify":             stream(s, s.verify),
		"backup":             stream(s, s.backup),
		"backup.prune":       stream(s, s.prune),
		"collect":            stream(s, s.collect),
		"index.status":       method(s, s.indexStatus),
		"index.rebuild":      stream(s, s.rebuildIndex),
		"export":             s.long(s.export),
		"import":             s.long(s.importMail),
	} {
		mux.Handle("POST /v1/"+name, h)
	}
	// Where the time goes, for operators: go tool pprof over the socket.
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}
