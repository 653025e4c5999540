package settings

import (
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/postiljon/postiljon/internal/cause"
)

// Verdict is what a given setting is worth.
type Verdict string

// The verdicts.
const (
	Right     Verdict = "right"
	Wrong     Verdict = "wrong"
	WorksToo  Verdict = "works-too" // not what is recommended, but known to work
	Uncertain Verdict = "unknown"   // nothing is known against it or for it
)

// Field names a setting in a row of a comparison.
type Field string

// The fields.
const (
	FieldServer   Field = "server" // whether there is one at all
	FieldHost     Field = "host"
	FieldPort     Field = "port"
	FieldSecurity Field = "security"
	FieldUsername Field = "username"
	FieldAuth     Field = "auth"
)

// Row is one given setting beside the right one.
type Row struct {
	Protocol Protocol `json:"protocol"`
	Field    Field    `json:"field"`
	Given    string   `json:"given,omitempty"`
	Right    string   `json:"right,omitempty"` // empty if it is not known
	Verdict  Verdict  `json:"verdict"`
	// Decision is the cause of a wrong setting, with what its texts need.
	Decision cause.Decision `json:"-"`
	Cause    cause.ID       `json:"cause,omitempty"`
}

// Compare sets given settings beside those that a lookup found. There are rows
// only for what is given, and for an outgoing server that is known to be missing.
// Nothing is asked of the network.
func Compare(t *Table, right *Result, given *Given) []Row {
	var rows []Row
	for _, p := range Protocols() {
		if s := given.server(p); s != nil {
			c := comparison{table: t, result: right, protocol: p, given: s, address: right.Address}
			if c.address == "" {
				c.address = given.Address
			}
			rows = append(rows, c.rows()...)
		}
	}
	if given.NoSMTP {
		if choice, ok := right.Server(SMTP); ok {
			rows = append(rows, wrong(Row{Protocol: SMTP, Field: FieldServer, Right: choice.String()},
				cause.ClientOutgoingServerMissing, cause.Text("suggestion", choice.Host)))
		}
	}
	return rows
}

func wrong(r Row, id cause.ID, params ...cause.Param) Row {
	r.Verdict, r.Cause, r.Decision = Wrong, id, cause.Refuse(id, params...)
	return r
}

// comparison is that of one protocol.
type comparison struct {
	table    *Table
	result   *Result
	protocol Protocol
	given    *GivenServer
	address  string

	choice Choice
	known  []Server // all encrypted ones found for this protocol, the chosen one first
	match  *Server  // that of the known which the given settings mean
}

func (c *comparison) rows() []Row {
	choice, ok := c.result.Server(c.protocol)
	if !ok {
		return c.withoutServer()
	}
	c.choice = choice
	c.known = []Server{choice.Server}
	for _, candidate := range c.result.Candidates {
		for _, s := range candidate.Servers {
			if s.Protocol == c.protocol && s.Security != Plain && !slices.ContainsFunc(c.known, s.samePlace) {
				c.known = append(c.known, s)
			}
		}
	}
	c.match = c.meant()
	rows := []Row{c.host(), c.port(), c.security()}
	if c.given.Username != "" {
		rows = append(rows, c.username())
	}
	if c.given.Auth != "" {
		rows = append(rows, c.auth())
	}
	return rows
}

// withoutServer judges settings of a protocol for which no server was found.
func (c *comparison) withoutServer() []Row {
	given := Server{Protocol: c.protocol, Host: c.given.Host, Port: c.given.Port, Security: c.given.Security}
	row := Row{Protocol: c.protocol, Field: FieldServer, Given: given.String(), Verdict: Uncertain}
	if !slices.Contains(c.result.NotOffered, c.protocol) {
		return []Row{row}
	}
	if c.protocol == POP3 {
		return []Row{wrong(row, cause.POP3Unsupported)}
	}
	return []Row{wrong(row, cause.AccountProtocolDisabled, cause.Text("protocol", strings.ToUpper(string(c.protocol))))}
}

// meant returns the known server that the given settings come nearest to: same host
// and port, then same host, then same port, then the chosen one.
func (c *comparison) meant() *Server {
	best, most := &c.known[0], -1
	for i, s := range c.known {
		score := 0
		if s.Host == c.given.Host {
			score += 2
		}
		if s.Port == c.given.Port {
			score++
		}
		if score > most {
			best, most = &c.known[i], score
		}
	}
	return best
}

func (c *comparison) row(field Field, given, right string) Row {
	r := Row{Protocol: c.protocol, Field: field, Given: given, Right: right, Verdict: Right}
	if given != right {
		r.Verdict = Uncertain
	}
	return r
}

// sure tells whether somebody says how it is; a guess is only one way that works.
func (c *comparison) sure() bool { return c.choice.Origin != FromGuess }

func (c *comparison) host() Row {
	r := c.row(FieldHost, c.given.Host, c.choice.Host)
	misspelt := func(meant string) Row {
		r.Right = meant
		return wrong(r, cause.DNSHostMisspelt, cause.Text("host", c.given.Host), cause.Text("suggestion", meant))
	}
	whose := c.table.ByHost(c.given.Host)
	meant := nearest(c.given.Host, c.hosts())
	switch {
	case r.Verdict == Right:
	case c.match.Host == c.given.Host:
		r.Verdict = WorksToo
	case whose != nil && whose == c.result.Provider: // its server for another protocol
		return misspelt(c.choice.Host)
	case whose == nil && meant != "":
		return misspelt(meant)
	case whose == nil && c.related():
		// It may be an older name, or an alias, of the right server.
	case whose != nil || c.sure():
		return wrong(r, cause.ClientWrongHost, cause.Text("host", c.given.Host), cause.Text("suggestion", c.choice.Host))
	}
	return r
}

// related tells whether the given host is of the same house as the right ones, or
// of the account's own domain.
func (c *comparison) related() bool {
	if within(c.given.Host, c.result.Domain) {
		return true
	}
	for _, host := range c.hosts() {
		if d := registered(host); d != "" && within(c.given.Host, d) {
			return true
		}
	}
	return false
}

func (c *comparison) hosts() []string {
	var all []string
	for _, s := range c.known {
		all = append(all, s.Host)
	}
	return all
}

func (c *comparison) port() Row {
	number := strconv.Itoa(c.given.Port)
	r := c.row(FieldPort, number, strconv.Itoa(c.choice.Port))
	protocol, _, usual := usualPort(c.given.Port)
	switch {
	case r.Verdict == Right:
	case c.match.Port == c.given.Port:
		r.Verdict = WorksToo
	case usual && protocol != c.protocol || c.given.Port == 25 || c.sure() && !usual:
		r = wrong(r, cause.ClientWrongPort, cause.Text("port", number), cause.Text("suggestion", r.Right))
	}
	return r
}

// security compares with what the given port wants, which need not be the chosen one.
func (c *comparison) security() Row {
	want := c.choice.Security
	protocol, usual, known := usualPort(c.given.Port)
	switch {
	case c.match.Port == c.given.Port:
		want = c.match.Security
	case known && protocol == c.protocol:
		want = usual
	}
	r := c.row(FieldSecurity, string(c.given.Security), string(want))
	switch {
	case r.Verdict == Right && c.match.Port != c.given.Port:
		r.Verdict = WorksToo // as good as can be at this port
	case r.Verdict == Right:
	case c.given.Security == Plain:
		r = wrong(r, cause.AuthPlaintextRefused)
	default:
		r = wrong(r, cause.TLSModeSwapped, cause.Text("port", strconv.Itoa(c.given.Port)), cause.Text("suggestion", strings.ToUpper(string(want))))
	}
	return r
}

func (c *comparison) username() Row {
	forms := c.match.Usernames
	if len(forms) == 0 {
		forms = c.choice.Usernames
	}
	var names []string
	for _, f := range forms {
		if name := f.For(c.address); name != "" {
			names = append(names, name)
		}
	}
	r := Row{Protocol: c.protocol, Field: FieldUsername, Given: c.given.Username, Verdict: Uncertain}
	if len(names) > 0 {
		r.Right = names[0]
	}
	same := func(name string) bool { return strings.EqualFold(name, c.given.Username) }
	switch {
	case strings.ContainsFunc(c.given.Username, invisible):
		return wrong(r, cause.AuthInvisibleCharacter)
	case len(names) == 0:
	case same(names[0]):
		r.Verdict = Right
	case c.choice.Origin == FromSRV || !c.sure():
		// Nobody said which form it is; these are the usual ones.
	case slices.ContainsFunc(names, same):
		r.Verdict = WorksToo
	default:
		return wrong(r, cause.AuthUsernameForm, cause.Text("username", names[0]))
	}
	return r
}

// invisible tells characters that are in a user name by mistake.
func invisible(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}

func (c *comparison) auth() Row {
	accepted := c.match.Methods
	if len(accepted) == 0 {
		accepted = c.choice.Methods
	}
	r := Row{Protocol: c.protocol, Field: FieldAuth, Given: string(c.given.Auth), Verdict: Uncertain}
	if len(accepted) > 0 {
		r.Right = string(accepted[0])
	}
	switch {
	case len(accepted) == 0:
	case c.given.Auth == accepted[0]:
		r.Verdict = Right
	case slices.Contains(accepted, c.given.Auth):
		r.Verdict = WorksToo
	case c.given.Auth == None && c.protocol == SMTP:
		r = wrong(r, cause.ClientSMTPAuthOff)
	case c.given.Auth == Password && slices.Contains(accepted, AppPassword):
		r = wrong(r, cause.AuthAppPasswordRequired)
		r.Right = string(AppPassword)
	case (c.given.Auth == Password || c.given.Auth == AppPassword) && slices.Equal(accepted, []Method{OAuth2}):
		r = wrong(r, cause.AuthOAuthRequired)
	case c.given.Auth == AppPassword && slices.Contains(accepted, Password):
		// To the server it is a password like another; whether the provider
		// makes such ones is not known.
	default:
		r = wrong(r, cause.AuthMechanismMismatch, cause.Text("mechanism", strings.ToUpper(string(c.given.Auth))))
	}
	return r
}
