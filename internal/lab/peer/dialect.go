package peer

import (
	_ "embed"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/pelletier/go-toml/v2"
)

// Dialect is how a server speaks: its greetings and the words it has for occasions.
type Dialect struct {
	Name     string
	Lang     string // of the generic words: "" or "en", "sv", "nb", "de"
	Enhanced bool   // enhanced codes (RFC 3463) and response codes (RFC 5530, RFC 2449)
	words    map[string]map[string]string
	offers   map[string]string // by protocol: what it announces besides, a line each
}

// dialects.toml holds, for every dialect, a table of occasions with a reply per
// protocol, "smtp.sv" being one in another language.
//
//go:embed dialects.toml
var dialectFile string

// generic is the dialect that the others fall back to.
const generic = "generic"

// loadDialects reads the file once; what it returns is not changed.
var loadDialects = sync.OnceValues(func() (all map[string]map[string]map[string]string, err error) {
	if err := toml.Unmarshal([]byte(dialectFile), &all); err != nil {
		return nil, fmt.Errorf("peer: dialects: %w", err)
	}
	return all, nil
})

// DialectNames returns the dialects there are.
func DialectNames() ([]string, error) {
	all, err := loadDialects()
	return slices.Sorted(maps.Keys(all)), err
}

// Speak returns the dialect of that name, with codes.
func Speak(name string) (Dialect, error) {
	all, err := loadDialects()
	if err != nil {
		return Dialect{}, err
	}
	if all[name] == nil {
		return Dialect{}, fmt.Errorf("peer: no dialect %q", name)
	}
	words := maps.Clone(all[generic])
	for occasion, replies := range all[name] {
		if occasion != offers {
			words[occasion] = mergeReplies(words[occasion], replies)
		}
	}
	return Dialect{Name: name, Enhanced: true, words: words, offers: all[name][offers]}, nil
}

// offers is the table of what a dialect announces; it is no occasion. "imap-id" in it is
// the answer to ID (RFC 2971).
const offers = "offers"

// announces returns what the dialect announces besides what the server can do: lines of
// EHLO and CAPA, words of CAPABILITY.
func (d Dialect) announces(proto Protocol) []string {
	text := d.offers[string(proto)]
	if proto == ProtoIMAP {
		return strings.Fields(text)
	}
	return strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
}

func mergeReplies(base, own map[string]string) map[string]string {
	out := maps.Clone(own)
	for proto, reply := range base {
		if _, has := out[proto]; !has && !strings.Contains(proto, ".") {
			out[proto] = reply
		}
	}
	return out
}

// Generic returns the dialect that servers have at first.
func Generic() Dialect {
	d, err := Speak(generic)
	if err != nil {
		return Dialect{Enhanced: true} // the test of the table finds it
	}
	return d
}

// Occasions returns what the dialect has words for.
func (d Dialect) Occasions() []string { return slices.Sorted(maps.Keys(d.words)) }

var (
	enhancedCode = regexp.MustCompile(`(?m)^([245]\d\d[ -])[245]\.\d{1,3}\.\d{1,3} `)
	responseCode = regexp.MustCompile(`^(\* )?(NO|BAD|BYE|OK|-ERR|\+OK) \[[A-Z][^\]]*\] ?`)
)

// reply returns the lines for an occasion.
func (d Dialect) reply(proto Protocol, occasion string, fill map[string]string) []string {
	replies := d.words[occasion]
	text, ok := replies[string(proto)+"."+d.Lang]
	if !ok {
		text, ok = replies[string(proto)]
	}
	if !ok {
		text = map[Protocol]string{ProtoSMTP: "451 4.3.0 ", ProtoIMAP: "NO ", ProtoPOP3: "-ERR "}[proto] + occasion
	}
	for name, value := range fill {
		text = strings.ReplaceAll(text, "{"+name+"}", value)
	}
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if d.Enhanced {
		return lines
	}
	for i, l := range lines {
		l = enhancedCode.ReplaceAllString(l, "$1")
		if !strings.HasPrefix(l, "* OK [CAPABILITY") {
			l = responseCode.ReplaceAllString(l, "$1$2 ")
		}
		lines[i] = l
	}
	return lines
}

// say returns the lines of an occasion in this session.
func (c *conn) say(occasion string) []string {
	capability := ""
	if c.caps != nil {
		capability = c.caps()
	}
	return c.s.words().reply(c.s.proto, occasion, map[string]string{
		"capability": capability,
		"host":       c.s.Name, "client": c.client.String(), "user": c.user, "id": fmt.Sprintf("%08x", c.id*2654435761),
	})
}

// Says returns the lines for an occasion with its placeholders, none where it is of
// no concern to the protocol.
func (d Dialect) Says(proto Protocol, occasion string) []string {
	if _, ok := d.words[occasion][string(proto)]; !ok {
		return nil
	}
	return d.reply(proto, occasion, nil)
}
