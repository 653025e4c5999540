package sieve

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/phrases"
)

// testEnv is a message with surroundings that tests set.
type testEnv struct {
	*Message
	from, to    string
	now         time.Time
	mailboxes   []string
	uses        map[string]string // special use by mailbox
	seen        map[string]bool
	environment map[string]string
}

func newEnv(t testing.TB, text string) *testEnv {
	t.Helper()
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n")
	m := NewMessage(strings.NewReader(text), message.Summarize([]byte(text)))
	if err := m.Load(); err != nil {
		t.Fatal(err)
	}
	return &testEnv{
		Message: m, from: "tim@example.com", to: "me+box@example.org",
		now:       time.Date(2026, 3, 1, 8, 5, 7, 0, time.FixedZone("", 3600)),
		mailboxes: []string{"INBOX", "Junk", "Work"}, uses: map[string]string{"Junk": `\Junk`},
		environment: map[string]string{"domain": "example.org", "location": "MDA"},
	}
}

func (e *testEnv) Envelope(part string) []string {
	return map[string][]string{"from": {e.from}, "to": {e.to}}[part]
}
func (e *testEnv) Now() time.Time { return e.now }
func (e *testEnv) MailboxExists(name string) (bool, error) {
	for _, m := range e.mailboxes {
		if m == name {
			return true, nil
		}
	}
	return false, nil
}
func (e *testEnv) SpecialUse(mailbox, use string) (bool, error) {
	for m, u := range e.uses {
		if (mailbox == "" || mailbox == m) && strings.EqualFold(u, use) {
			return true, nil
		}
	}
	return false, nil
}
func (e *testEnv) Environment(name string) (string, bool) {
	v, ok := e.environment[name]
	return v, ok
}
func (e *testEnv) Duplicate(handle, id string) (bool, error) { return e.seen[handle+"/"+id], nil }

// outcome is a result in short.
func outcome(r *Result) string {
	var words []string
	for _, a := range r.Actions {
		w := ""
		switch a := a.(type) {
		case Keep:
			w = "keep" + flagsOf(a.Flags)
			if a.Implicit {
				w = "implicit" + flagsOf(a.Flags)
			}
		case FileInto:
			w = "into " + a.Mailbox + flagsOf(a.Flags)
			if a.SpecialUse != "" {
				w += " use " + a.SpecialUse
			}
			if a.Create {
				w += " create"
			}
		case Redirect:
			w = "to " + a.Address
		case Discard:
			w = "discard"
		case Reject:
			w = "reject " + a.Reason
		case Vacation:
			w = fmt.Sprintf("vacation %s %q", a.Every, a.Reason)
		}
		words = append(words, w)
	}
	if r.Err != nil {
		words = append(words, "error "+r.Err.Wrong.Code)
	}
	return strings.Join(words, "; ")
}

func flagsOf(flags []string) string {
	if len(flags) == 0 {
		return ""
	}
	return " (" + strings.Join(flags, " ") + ")"
}

func run(t testing.TB, env Env, script string, o Options) string {
	t.Helper()
	s, err := Parse(script, o)
	if err != nil {
		t.Fatalf("%s\n%v", script, err)
	}
	r, err := s.Run(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	return outcome(&r)
}

const all = `require ["body", "copy", "date", "duplicate", "encoded-character", "envelope", "environment", "ereject", "fileinto", "imap4flags",
 "include", "index", "mailbox", "regex", "reject", "relational", "special-use", "subaddress", "vacation", "vacation-seconds", "variables",
 "comparator-i;ascii-numeric"];
`

// TestExamples runs the examples of the standards and what lies beside them.
func TestExamples(t *testing.T) {
	for _, tt := range examples {
		t.Run(tt.name, func(t *testing.T) {
			text := tt.message
			if text == "" {
				text = letter
			}
			env := newEnv(t, text)
			if tt.env != nil {
				tt.env(env)
			}
			if got := run(t, env, all+tt.script, Options{Include: func(name string) (string, bool) {
				text, ok := tt.scripts[name]
				return all + text, ok
			}}); got != tt.want {
				t.Errorf("%s\ngives %s\nnot   %s", tt.script, got, tt.want)
			}
		})
	}
}

// TestTextsAgree holds the three languages together.
func TestTextsAgree(t *testing.T) {
	english, err := phrases.Load(textFiles, cause.English)
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range cause.Languages() {
		set, err := phrases.Load(textFiles, lang)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := strings.Join(set.Keys(), " "), strings.Join(english.Keys(), " "); got != want {
			t.Errorf("%s has %s\nEnglish %s", lang, got, want)
		}
		for _, key := range set.Keys() {
			for _, name := range []string{"after", "command", "count", "extension", "found", "most", "name", "other", "reason", "tag", "text", "what"} {
				if strings.Contains(set.Say(key), "{"+name+"}") != strings.Contains(english.Say(key), "{"+name+"}") {
					t.Errorf("%s: {%s} of %s", lang, name, key)
				}
			}
		}
	}
}
