package peer

import (
	"regexp"
	"slices"
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

func TestAnyDialect(t *testing.T) {
	seen := make(map[string]bool)
	for seed := range uint64(40) {
		a, err := AnyDialect(seed)
		if err != nil {
			t.Fatal(err)
		}
		b, err := AnyDialect(seed)
		if err != nil {
			t.Fatal(err)
		}
		if a.Name != b.Name || a.Lang != b.Lang || a.Enhanced != b.Enhanced {
			t.Errorf("seed %d gives %v and %v", seed, a, b)
		}
		seen[a.Name] = true
	}
	if len(seen) < 5 {
		t.Errorf("40 seeds give only %v", seen)
	}
	s := NewIMAP("imap.gmail.test", mail())
	d, err := Speak("gmail")
	if err != nil {
		t.Fatal(err)
	}
	s.SetDialect(d)
	play(t, start(t, s), `
		S: * OK Gimap ready for requests from…
		C: a CAPABILITY
		S: * CAPABILITY IMAP4rev1 IDLE NAMESPACE UIDPLUS MOVE QUOTA SPECIAL-USE ID LITERAL+ UNSELECT SASL-IR XLIST CHILDREN X-GM-EXT-1 XYZZY LOGINDISABLED
		S: a OK done
		C: b ID NIL
		S: * ID ("name" "GImap"…
		S: b OK done`)
	if _, err := Speak("klingon"); err == nil {
		t.Error("an unknown dialect is spoken")
	}
	if got := d.reply(ProtoSMTP, "relay-denied", nil); !slices.Equal(got, []string{"554 5.7.1 Relay access denied"}) {
		t.Errorf("what gmail has no words for: %v", got)
	}
}
