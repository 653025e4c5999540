package peer

import (
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestDialects reads every reply there is, with and without codes, in every language.
func TestDialects(t *testing.T) {
	names, err := DialectNames()
	if err != nil {
		t.Fatal(err)
	}
	shapes := map[Protocol]*regexp.Regexp{
		ProtoSMTP: regexp.MustCompile(`^[245]\d\d[ -] ?\S`),
		ProtoIMAP: regexp.MustCompile(`^(\* )?(OK|NO|BAD|BYE) .*\S$`),
		ProtoPOP3: regexp.MustCompile(`^(\+OK|-ERR)`),
	}
	for _, name := range names {
		d, err := Speak(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, occasion := range d.Occasions() {
			for key := range d.words[occasion] {
				proto, _, _ := strings.Cut(key, ".")
				if shapes[Protocol(proto)] == nil {
					t.Errorf("%s %s: no protocol %q", name, occasion, key)
				}
			}
			for proto, shape := range shapes {
				for _, lang := range []string{"", "sv", "nb", "de"} {
					for _, enhanced := range []bool{true, false} {
						d.Lang, d.Enhanced = lang, enhanced
						checkReply(t, d, proto, occasion, shape)
					}
				}
			}
		}
	}
}

func checkReply(t *testing.T, d Dialect, proto Protocol, occasion string, shape *regexp.Regexp) {
	t.Helper()
	fill := map[string]string{"host": "h", "client": "c", "user": "u", "id": "i", "capability": "IMAP4rev1"}
	lines := d.reply(proto, occasion, fill)
	for i, l := range lines {
		if !shape.MatchString(l) || strings.ContainsAny(l, "{}\r\n") {
			t.Errorf("%s %s %s: %q", d.Name, proto, occasion, l)
		}
		if proto == ProtoSMTP && (l[3] == '-') != (i < len(lines)-1) {
			t.Errorf("%s %s: %q is line %d of %d", d.Name, occasion, l, i+1, len(lines))
		}
		if !d.Enhanced && regexp.MustCompile(`^\d\d\d[ -]\d\.\d+\.\d+ |(NO|ERR) \[[A-Z/]+\]`).MatchString(l) {
			t.Errorf("%s %s %s without codes has one: %q", d.Name, proto, occasion, l)
		}
	}
}
