package cause

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
)

// Client is the program and the device that a person uses, as far as they are
// known; the zero Client is unknown. The parts are taken as a client state, an
// IMAP ID (RFC 2971) or a User-Agent or X-Mailer field tells them.
type Client struct {
	Name    string // "Thunderbird", "iPhone Mail", or a whole User-Agent
	Version string // "128.3.1", or a build such as "22B83"; may stand in Name
	System  string // "Windows 11", "iOS 18.1", "android"
}

// edition is a mail program in a range of versions that have the same menus.
type edition struct {
	ID     string   `toml:"id"`
	Base   string   `toml:"base"`   // the edition whose steps hold where this has none of its own
	System string   `toml:"system"` // "" if it runs on several
	From   int      `toml:"from"`   // the first version
	Before int      `toml:"before"` // the first version that is none any more; 0 for no end
	Names  []string `toml:"names"`  // how programs call themselves, in lower case
	Own    bool     `toml:"own"`    // our webmail: shown to those who use it
}

// holds reports whether a version is one of the edition; what has none that
// can be read is taken for the newest.
func (e *edition) holds(version int) bool {
	if version == 0 {
		return e.Before == 0
	}
	return version >= e.From && (e.Before == 0 || version < e.Before)
}

// maxClientName bounds what is read of a program's name, which strangers write.
const maxClientName = 300

// editionOf finds the edition of a client: the one with the longest name that
// the client's name contains. It returns nil if none fits.
func (t *remedyTable) editionOf(client Client) *edition {
	name := strings.ToLower(client.Name)
	if len(name) > maxClientName {
		name = name[:maxClientName]
	}
	var best *edition
	length := 0
	for i := range t.Editions {
		e := &t.Editions[i]
		if !e.runsOn(client) {
			continue
		}
		for _, n := range e.Names {
			after, ok := afterName(name, n)
			if ok && len(n) > length && e.holds(e.version(client, after)) {
				best, length = e, len(n)
			}
		}
	}
	return best
}

// afterName finds a program's name in what a client calls itself, and returns
// what follows it. A name that begins with = must be all there is.
func afterName(client, name string) (string, bool) {
	if exact, ok := strings.CutPrefix(name, "="); ok {
		return "", client == exact
	}
	_, after, ok := strings.Cut(client, name)
	return after, ok
}

// runsOn reports whether the edition can be what a client has: Outlook is
// another program on each system.
func (e *edition) runsOn(client Client) bool {
	system := systemOf(client)
	switch {
	case e.System == "" || system == "":
		return true
	case e.System == mobile:
		return system == "ios" || system == "android"
	case e.System == desktop:
		return system != "ios" && system != "android"
	}
	return e.System == system
}

// The systems of editions that are the same on telephones, or on computers, of any kind.
const (
	mobile  = "mobile"
	desktop = "desktop"
)

// version reads the main number of a version: that given apart, or what
// follows the name in a User-Agent. With Apple's Mail it is that of the system.
func (e *edition) version(client Client, after string) int {
	text := client.Version
	if text == "" {
		text = strings.TrimLeft(after, "/ (")
	}
	switch e.System {
	case "ios":
		return cmp.Or(number(client.System), iOS(text))
	case "macos":
		return cmp.Or(number(client.System), macOS(text))
	}
	return leading(text)
}

// number returns the first whole number in a text, 0 if there is none.
func number(text string) int {
	at := strings.IndexAny(text, "0123456789")
	if at < 0 {
		return 0
	}
	return leading(text[at:])
}

// leading returns the whole number that a text begins with, 0 if it begins with none.
func leading(text string) int {
	const enough = 6
	n := 0
	for i := 0; i < len(text) && i < enough && text[i] >= '0' && text[i] <= '9'; i++ {
		n = n*10 + int(text[i]-'0')
	}
	return n
}

// iOS finds the version of iOS in that of its Mail: a version, or a build,
// which begins with a number four above it. 20A362 is of iOS 16.
func iOS(text string) int {
	const behind = 4
	n := leading(text)
	rest := strings.TrimLeft(text, "0123456789")
	if n > behind && rest != "" && unicode.IsLetter(rune(rest[0])) {
		return n - behind
	}
	return n
}

// macOS finds the version of macOS in that of its Mail: "16.0
// (3774.300.61)" came with macOS 14.
func macOS(text string) int {
	build := text
	if _, inBrackets, ok := strings.Cut(text, "("); ok {
		build = inBrackets
	}
	switch mail := leading(build); {
	case mail < firstMail:
		return leading(text)
	case mail < mailOf13:
		return 12
	case mail < mailOf14:
		return 13
	}
	return 14
}

// Builds of Mail for macOS: none is below the first, and those of macOS 13 and 14 begin with these.
const (
	firstMail = 3000
	mailOf13  = 3731
	mailOf14  = 3774
)

// systemOf names the system that a client runs on: ios, android, windows,
// macos or linux; "" if that is not known.
func systemOf(client Client) string {
	for _, text := range []string{client.System, client.Name} {
		text = strings.ToLower(text)
		for _, s := range systems {
			if slices.ContainsFunc(s.words, func(w string) bool { return strings.Contains(text, w) }) {
				return s.name
			}
		}
	}
	return ""
}

// system is a system that programs run on.
type system struct {
	name  string
	words []string // what tells it
}

// systems are in order: an iPhone says "like Mac OS X", too.
var systems = []system{
	{"ios", []string{"iphone", "ipad", "ios"}},
	{"android", []string{"android"}},
	{"windows", []string{"windows", "win32", "win64"}},
	{"macos", []string{"macos", "mac os", "macintosh", "darwin", "apple mail"}},
	{"linux", []string{"linux", "ubuntu", "debian", "fedora"}},
}

// isSystem reports whether a name is that of a system.
func isSystem(name string) bool {
	return slices.ContainsFunc(systems, func(s system) bool { return s.name == name })
}
