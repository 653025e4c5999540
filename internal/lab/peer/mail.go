package peer

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// Mail is the accounts of a provider, which its servers share.
type Mail struct {
	mu       sync.Mutex
	accounts map[string]*Account
	domains  map[string]bool
	changed  chan struct{} // closed at the next change, for IDLE
}

// Account is one of them. Its fields are changed through Mail.Change.
type Account struct {
	Address      string
	Password     string
	AppPasswords []string
	Tokens       []string // for OAUTHBEARER and XOAUTH2
	Names        []string // names to sign in with; empty is the address alone
	Quota        int64    // in octets; 0 is none
	OtherUsed    int64    // octets of the quota that other data than mail takes
	// Refuse holds, by protocol or "" for all, the occasion of a refusal that is told
	// after the right password: "suspended", "disabled", "locked".
	Refuse map[Protocol]string
	// NoPassword is the occasion told when the account's own password is right but does
	// not do: "app-password", "oauth".
	NoPassword string

	boxes []*Mailbox
}

// Mailbox is an IMAP mailbox.
type Mailbox struct {
	Name       string
	Role       string // "\\Sent" and the like (RFC 6154)
	Validity   uint32
	Next       uint32
	Subscribed bool
	Messages   []*Message
}

// Message is a message in a mailbox.
type Message struct {
	UID   uint32
	Flags []string
	Date  time.Time
	Data  []byte
}

// NewMail returns a provider without accounts that takes mail for domains.
func NewMail(domains ...string) *Mail {
	m := &Mail{accounts: make(map[string]*Account), domains: make(map[string]bool), changed: make(chan struct{})}
	for _, d := range domains {
		m.domains[strings.ToLower(d)] = true
	}
	return m
}

// Add adds an account with the usual mailboxes.
func (m *Mail) Add(address, password string) *Account {
	a := &Account{Address: strings.ToLower(address), Password: password, Refuse: make(map[Protocol]string)}
	for _, b := range [][2]string{{"INBOX", ""}, {"Sent", `\Sent`}, {"Drafts", `\Drafts`}, {"Junk", `\Junk`}, {"Trash", `\Trash`}, {"Archive", `\Archive`}} {
		a.boxes = append(a.boxes, &Mailbox{Name: b[0], Role: b[1], Validity: 1, Next: 1, Subscribed: true})
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.accounts[a.Address] = a
	if _, domain, ok := strings.Cut(a.Address, "@"); ok {
		m.domains[domain] = true
	}
	return a
}

// Change changes an account, which sessions that are open notice.
func (m *Mail) Change(address string, change func(a *Account)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a := m.accounts[strings.ToLower(address)]; a != nil {
		change(a)
	}
	m.tell()
}

// Remove takes an account away.
func (m *Mail) Remove(address string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.accounts, strings.ToLower(address))
}

// Put puts a message in a mailbox ("INBOX") of an account.
func (m *Mail) Put(address, mailbox, text string, flags ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a := m.accounts[strings.ToLower(address)]; a != nil {
		if b := a.Mailbox(mailbox); b != nil {
			b.put([]byte(strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n")), flags, time.Now())
			m.tell()
		}
	}
}

// Messages returns the texts of the messages in a mailbox.
func (m *Mail) Messages(address, mailbox string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var texts []string
	if a := m.accounts[strings.ToLower(address)]; a != nil {
		if b := a.Mailbox(mailbox); b != nil {
			for _, msg := range b.Messages {
				texts = append(texts, string(msg.Data))
			}
		}
	}
	return texts
}

// tell wakes who waits for a change. m.mu is held.
func (m *Mail) tell() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// next returns a channel that is closed at the next change.
func (m *Mail) next() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}

// local tells whether mail for an address ends here.
func (m *Mail) local(address string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, domain, _ := strings.Cut(strings.ToLower(address), "@")
	return m.domains[domain]
}

// account returns the account of an address, or nil.
func (m *Mail) account(address string) *Account {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.accounts[strings.ToLower(address)]
}

// deliver puts a message in an account's INBOX, or says why not.
func (m *Mail) deliver(a *Account, mailbox string, data []byte, flags []string, date time.Time) (uid, validity uint32, occasion string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := a.Mailbox(mailbox)
	if b == nil {
		return 0, 0, "no-mailbox"
	}
	if a.Quota > 0 && a.used()+int64(len(data)) > a.Quota {
		return 0, 0, "mailbox-full"
	}
	uid = b.put(data, flags, date)
	m.tell()
	return uid, b.Validity, ""
}

// signIn checks a name with a password or token.
func (m *Mail) signIn(proto Protocol, name, secret string, token bool) (*Account, string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.named(name)
	if a == nil {
		return nil, "bad-password"
	}
	switch {
	case token && slices.Contains(a.Tokens, secret):
	case token:
		return nil, "bad-token"
	case slices.Contains(a.AppPasswords, secret):
	case secret != a.Password:
		return nil, "bad-password"
	case a.NoPassword != "":
		return nil, a.NoPassword
	}
	for _, p := range []Protocol{proto, ""} {
		if why := a.Refuse[p]; why != "" {
			return nil, why
		}
	}
	return a, ""
}

func (m *Mail) named(name string) *Account {
	name = strings.ToLower(name)
	if a := m.accounts[name]; a != nil && len(a.Names) == 0 {
		return a
	}
	for _, a := range m.accounts {
		if slices.ContainsFunc(a.Names, func(n string) bool { return strings.EqualFold(n, name) }) {
			return a
		}
	}
	return nil
}

// Mailbox returns a mailbox by its name, nil where there is none. It belongs into
// Mail.Change.
func (a *Account) Mailbox(name string) *Mailbox {
	for _, b := range a.boxes {
		if b.Name == name || strings.EqualFold(name, "INBOX") && b.Name == "INBOX" {
			return b
		}
	}
	return nil
}

// AddMailbox adds an empty mailbox. It belongs into Mail.Change.
func (a *Account) AddMailbox(name string, subscribed bool) {
	a.boxes = append(a.boxes, &Mailbox{Name: name, Validity: 1, Next: 1, Subscribed: subscribed})
}

func (a *Account) used() int64 {
	n := a.OtherUsed
	for _, b := range a.boxes {
		for _, m := range b.Messages {
			n += int64(len(m.Data))
		}
	}
	return n
}

func (b *Mailbox) put(data []byte, flags []string, date time.Time) uint32 {
	m := &Message{UID: b.Next, Flags: slices.Clone(flags), Date: date, Data: data}
	b.Next++
	b.Messages = append(b.Messages, m)
	return m.UID
}
