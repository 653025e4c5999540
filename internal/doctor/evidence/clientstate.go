package evidence

import "time"

// ClientState is what a mail program or device shows, in the public schema
// postiljon.client-state/1. Every field is optional: nil is not known.
type ClientState struct {
	Schema               string           `json:"schema,omitempty"`
	Account              *ClientAccount   `json:"account,omitempty"`
	Network              *ClientNetwork   `json:"network,omitempty"`
	Clock                *time.Time       `json:"clock,omitempty"`
	OS                   string           `json:"os,omitempty"`
	App                  *ClientApp       `json:"app,omitempty"`
	Browser              string           `json:"browser,omitempty"`
	Web                  *ClientWeb       `json:"web,omitempty"`
	Fetch                *ClientFetch     `json:"fetch,omitempty"`
	Notifications        *Notifications   `json:"notifications,omitempty"`
	Outbox               []OutboxMessage  `json:"outbox,omitempty"`
	Drafts               []ClientMessage  `json:"drafts,omitempty"`
	Sent                 []ClientMessage  `json:"sent,omitempty"`
	Folders              *ClientFolders   `json:"folders,omitempty"`
	SyncWindowDays       *int             `json:"sync_window_days,omitempty"`
	Recents              []string         `json:"recents,omitempty"`
	Contacts             []ClientContact  `json:"contacts,omitempty"`
	Rules                []ClientRule     `json:"rules,omitempty"`
	IMAPSessions         []ClientSession  `json:"imap_sessions,omitempty"`
	LastError            string           `json:"last_error,omitempty"`
	Billing              *ClientBilling   `json:"billing,omitempty"`
	WebLoginOK           *bool            `json:"web_login_ok,omitempty"`
	OnDeviceOnlyMessages *int             `json:"on_device_only_messages,omitempty"`
	Storage              map[string]int64 `json:"storage,omitempty"`
}

// FactName implements Value: the mail program's state is evidence too.
func (*ClientState) FactName() string { return "client-state" }

// ClientAccount is the account as the mail program has it.
type ClientAccount struct {
	Enabled          *bool  `json:"enabled,omitempty"`
	Online           *bool  `json:"online,omitempty"`
	Protocol         string `json:"protocol,omitempty"` // imap, pop3, exchange
	Username         string `json:"username,omitempty"`
	Incoming         string `json:"incoming,omitempty"` // HOST:PORT/tls|starttls|plain
	Outgoing         string `json:"outgoing,omitempty"` // the same; "" with OutgoingKnown is none
	OutgoingSelected *bool  `json:"outgoing_selected,omitempty"`
	SMTPAuth         *bool  `json:"smtp_auth,omitempty"`
	TLS              string `json:"tls,omitempty"`
	From             string `json:"from,omitempty"` // the From address in use
	LeaveOnServer    *bool  `json:"leave_on_server,omitempty"`
	AuthMethod       string `json:"auth_method,omitempty"`
	MailSwitch       *bool  `json:"mail_switch,omitempty"` // the provider's account page: mail on or off
}

// ClientNetwork is the device's network.
type ClientNetwork struct {
	DefaultRoute *bool  `json:"default_route,omitempty"`
	Link         string `json:"link,omitempty"` // wifi, mobile, cable, none
}

// ClientApp is the mail program.
type ClientApp struct {
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"`
}

// ClientWeb is what the webmail page says of itself.
type ClientWeb struct {
	AssetsVersion string `json:"assets_version,omitempty"`
	ServerVersion string `json:"server_version,omitempty"`
	StaticOK      *bool  `json:"static_ok,omitempty"`
	APIOK         *bool  `json:"api_ok,omitempty"`
}

// ClientFetch is how the device looks for new mail.
type ClientFetch struct {
	Push        *bool  `json:"push,omitempty"`
	PushAccount string `json:"push_account,omitempty"`
	Mode        string `json:"mode,omitempty"` // push, fetch, manual, automatic
	Charging    *bool  `json:"charging,omitempty"`
	WiFi        *bool  `json:"wifi,omitempty"`
}

// Notifications is what the device shows of new mail.
type Notifications struct {
	Allowed *bool `json:"allowed,omitempty"`
	Sound   *bool `json:"sound,omitempty"`
	Badge   *bool `json:"badge,omitempty"`
}

// OutboxMessage waits in the mail program.
type OutboxMessage struct {
	To        []string   `json:"to,omitempty"`
	Subject   string     `json:"subject,omitempty"`
	Size      int64      `json:"size,omitempty"`
	Since     *time.Time `json:"since,omitempty"`
	LastError string     `json:"last_error,omitempty"`
	Tries     int        `json:"tries,omitempty"`
}

// ClientMessage is a message in the program's Drafts or Sent.
type ClientMessage struct {
	To        []string   `json:"to,omitempty"`
	Subject   string     `json:"subject,omitempty"`
	MessageID string     `json:"message_id,omitempty"`
	Date      *time.Time `json:"date,omitempty"`
}

// ClientFolders is which folders the program shows.
type ClientFolders struct {
	Subscribed []string `json:"subscribed,omitempty"`
	Hidden     []string `json:"hidden,omitempty"`
}

// ClientContact is an entry of the address book.
type ClientContact struct {
	Name      string   `json:"name,omitempty"`
	Addresses []string `json:"addresses,omitempty"`
}

// ClientRule is a rule of the program.
type ClientRule struct {
	Name   string `json:"name,omitempty"`
	If     string `json:"if,omitempty"`
	Action string `json:"action,omitempty"` // move, delete, forward, mark
	Folder string `json:"folder,omitempty"`
	To     string `json:"to,omitempty"`
}

// ClientSession is one of the program's own IMAP connections.
type ClientSession struct {
	Since   *time.Time `json:"since,omitempty"`
	LastIO  *time.Time `json:"last_io,omitempty"`
	Idle    bool       `json:"idle,omitempty"`
	Mailbox string     `json:"mailbox,omitempty"`
	State   string     `json:"state,omitempty"` // open, half-open, closed
}

// ClientBilling is what the provider's account page says of payment.
type ClientBilling struct {
	State   string     `json:"state,omitempty"` // paid, unpaid, grace
	Due     *time.Time `json:"due,omitempty"`
	Invoice string     `json:"invoice,omitempty"`
}
