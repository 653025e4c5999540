package evidence

import "time"

// Inside is what the server itself knows of an account that it hosts.
type Inside struct {
	Address  string          `json:"address"`
	Exists   bool            `json:"exists"`
	State    string          `json:"state,omitempty"`  // active, suspended, maintenance, gone
	Reason   string          `json:"reason,omitempty"` // the cause id of the state
	Invoice  string          `json:"invoice,omitempty"`
	Off      []string        `json:"off,omitempty"` // protocols that are switched off
	MailOff  bool            `json:"mail_off,omitempty"`
	Until    *time.Time      `json:"until,omitempty"`
	Usage    *Usage          `json:"usage,omitempty"`
	Limits   []Limit         `json:"limits,omitempty"`
	Sessions []InsideSession `json:"sessions,omitempty"`
	Queue    []Queued        `json:"queue,omitempty"`
	Events   []Event         `json:"events,omitempty"` // the newest last
	Bans     []Ban           `json:"bans,omitempty"`
	Rules    []ClientRule    `json:"rules,omitempty"`
}

// FactName implements Value.
func (*Inside) FactName() string { return "inside" }

// Usage is storage in octets.
type Usage struct {
	Mail, Other, Limit      int64
	DomainUsed, DomainLimit int64
}

// Limit is a counter and where it stands.
type Limit struct {
	Cause string     `json:"cause"` // limit.address-hourly, limit.domain-hourly, …
	Used  int64      `json:"used"`
	Max   int64      `json:"max"`
	Until *time.Time `json:"until,omitempty"` // when it opens again
}

// InsideSession is a connection of the account that is open now, or was lately.
type InsideSession struct {
	Protocol string    `json:"protocol"`
	Client   string    `json:"client"` // IP address
	Program  string    `json:"program,omitempty"`
	Since    time.Time `json:"since"`
	LastIO   time.Time `json:"last_io"`
	Idle     bool      `json:"idle,omitempty"`
	Open     bool      `json:"open"`
}

// Queued is a message on its way out, for one recipient.
type Queued struct {
	Trace     string     `json:"trace"`
	MessageID string     `json:"message_id,omitempty"`
	To        string     `json:"to"`
	Subject   string     `json:"subject,omitempty"`
	State     string     `json:"state"` // queued, deferred, failed, delivered, refused
	Cause     string     `json:"cause,omitempty"`
	Reply     string     `json:"reply,omitempty"`
	Tries     int        `json:"tries"`
	Next      *time.Time `json:"next,omitempty"`
	Since     time.Time  `json:"since"`
}

// Event is one event of the journal.
type Event struct {
	At        time.Time         `json:"at"`
	Kind      string            `json:"kind"`
	Cause     string            `json:"cause,omitempty"`
	Trace     string            `json:"trace,omitempty"`
	MessageID string            `json:"message_id,omitempty"`
	Text      map[string]string `json:"text,omitempty"`
}

// Ban is an address that may not connect.
type Ban struct {
	Client string    `json:"client"`
	Until  time.Time `json:"until"`
}
