package rules

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/phrases"
	"github.com/postiljon/postiljon/internal/sieve"
)

// Settings are the simple rules of an account, for people who do not write scripts. They become a
// script (Script) that carries them along in a comment, so that they can be read back (Read).
type Settings struct {
	// Rules are tried in order. One that stops ends them, unless it does not apply.
	Rules []Rule `json:"rules"`
	// Vacation answers senders; nil for no answer.
	Vacation *Vacation `json:"vacation,omitempty"`
	// Forward sends all mail on; nil for none.
	Forward *Forward `json:"forward,omitempty"`
	// Then is the name of a script that runs after the rules, "" for none.
	Then string `json:"then,omitempty"`
}

// Rule is one simple rule: if the conditions hold, the actions are done.
type Rule struct {
	Name string `json:"name"`
	Off  bool   `json:"off,omitempty"`
	// Any tells that one condition is enough; else all must hold. Without conditions, the rule always applies.
	Any        bool        `json:"any,omitempty"`
	Conditions []Condition `json:"if"`
	// Move is a folder, made if it does not exist; with Copy the message stays where it is, too.
	Move string `json:"move,omitempty"`
	Copy bool   `json:"copy,omitempty"`
	// Star and Read set the flags of these names; Label is a keyword of IMAP.
	Star  bool   `json:"star,omitempty"`
	Read  bool   `json:"read,omitempty"`
	Label string `json:"label,omitempty"`
	// Forward is an address that gets the message, too.
	Forward string `json:"forward,omitempty"`
	// Delete puts the message in the trash.
	Delete bool `json:"delete,omitempty"`
	// Stop tells that no further rule is tried.
	Stop bool `json:"stop,omitempty"`
}

// Condition compares something of the message.
type Condition struct {
	// Field is from, to (with Cc), subject, list, body, size, or the name of a header field and a colon ("X-Spam:").
	Field string `json:"field"`
	// Op is contains (or ""), is, matches (with * and ?), not (does not contain), over or under (of size, in octets).
	Op string `json:"op,omitempty"`
	// Values are compared in turn; one is enough.
	Values []string `json:"values,omitempty"`
	Size   int64    `json:"size,omitempty"`
}

// Vacation is an answer to absence.
type Vacation struct {
	Off     bool   `json:"off,omitempty"`
	Subject string `json:"subject,omitempty"` // "" for "Auto: " and the message's
	Text    string `json:"text"`
	HTML    string `json:"html,omitempty"` // the same for programs that show it, "" for none
	// Usual tells that Text is what the service says for whom says nothing.
	Usual bool `json:"usual,omitempty"`
	// From and Until are the first and the last day, as "2026-07-01", or moments as "2026-07-01T08:00:00Z"; "" for no bound.
	From  string `json:"from,omitempty"`
	Until string `json:"until,omitempty"`
	// Days is after how many days a sender is answered again; 0 for 7.
	Days int `json:"days,omitempty"`
}

// Forward sends all mail on.
type Forward struct {
	Off  bool     `json:"off,omitempty"`
	To   []string `json:"to"`
	Keep bool     `json:"keep,omitempty"` // a copy stays here
}

// Limits of simple rules.
const (
	MaxRules    = 500
	MaxForwards = 10
)

// SettingsScript is the name of the script that simple rules become.
const SettingsScript = "postiljon"

// settingsMarker begins the first line of such a script; the settings follow in one line of JSON.
const settingsMarker = "# postiljon-rules: "

// ErrByHand is returned for a script that simple rules became and that was changed by hand afterwards.
var ErrByHand = errors.New("rules: the script was changed by hand")

// Read returns the simple rules that a script came from, and false for a script that was written
// otherwise. The error is ErrByHand.
func Read(text string) (s Settings, ok bool, err error) {
	rest, ok := strings.CutPrefix(text, settingsMarker)
	if !ok {
		return s, false, nil
	}
	line, _, _ := strings.Cut(rest, "\n")
	if err := json.Unmarshal([]byte(line), &s); err != nil {
		return s, true, ErrByHand
	}
	script, err := s.Script()
	if err != nil || script != text {
		return s, true, ErrByHand
	}
	return s, true, nil
}

// Invalid is an error of settings. Code names the text that says what is wrong; Rule is the rule it is
// about, "" for none.
type Invalid struct {
	Rule, Code, Value string
}

// Error says it in English.
func (e *Invalid) Error() string { return e.Say(cause.English) }

// Say says it in a language.
func (e *Invalid) Say(lang cause.Lang) string {
	set, err := Texts(lang)
	if err != nil {
		return e.Code + " " + e.Value
	}
	text := set.Say("invalid."+e.Code, "value", e.Value)
	if e.Rule != "" {
		return set.Say("word.in-rule", "rule", e.Rule, "text", text)
	}
	return text
}

//go:embed texts/*.toml
var textFiles embed.FS

// Texts are what is said of rules to people: "step." and the kind of a step, "reason.", "invalid.".
func Texts(lang cause.Lang) (*phrases.Set, error) { return phrases.Load(textFiles, lang) }

// Say tells a step to people, with the marks that the message gets.
func (s *Step) Say(set *phrases.Set) string {
	reason := s.Reason
	if s.Kind != StepFailed && reason != "" {
		reason = set.Say("reason." + s.Reason)
	}
	said := []string{set.Say("step."+string(s.Kind), "to", s.To, "reason", reason)}
	for _, flag := range s.Flags {
		said = append(said, sayFlag(set, flag))
	}
	return strings.Join(said, ", ")
}

// sayFlag tells a mark as a person knows it; what has no name of its own is a label.
func sayFlag(set *phrases.Set, flag string) string {
	if system, ok := strings.CutPrefix(flag, `\`); ok {
		return set.Say("mark." + strings.ToLower(system))
	}
	return set.Say("mark.label", "label", flag)
}

// Check tells what is wrong with settings. The error is an *Invalid.
func (s *Settings) Check() error {
	if len(s.Rules) > MaxRules {
		return &Invalid{Code: "too-many-rules"}
	}
	for i := range s.Rules {
		if err := s.Rules[i].check(); err != nil {
			return err
		}
	}
	if f := s.Forward; f != nil {
		if len(f.To) == 0 || len(f.To) > MaxForwards {
			return &Invalid{Code: "forwards"}
		}
		for _, to := range f.To {
			if !validAddress(to) {
				return &Invalid{Code: "address", Value: to}
			}
		}
	}
	return s.Vacation.check()
}

// CheckFor tells what is wrong with settings for one account: mail is not sent on to itself. The error is
// an *Invalid.
func (s *Settings) CheckFor(account string) error {
	if s.Forward != nil {
		for _, to := range s.Forward.To {
			if plain(to) == plain(account) {
				return &Invalid{Code: "itself", Value: to}
			}
		}
	}
	for i := range s.Rules {
		if r := &s.Rules[i]; r.Forward != "" && plain(r.Forward) == plain(account) {
			return &Invalid{Rule: r.Name, Code: "itself", Value: r.Forward}
		}
	}
	return nil
}

func (r *Rule) check() error {
	wrong := func(code, value string) error { return &Invalid{Rule: r.Name, Code: code, Value: value} }
	if r.Name == "" || len(r.Name) > 100 || strings.ContainsAny(r.Name, "]\r\n\x00") {
		return wrong("rule-name", r.Name)
	}
	if r.Move == "" && !r.Star && !r.Read && r.Label == "" && r.Forward == "" && !r.Delete && !r.Stop {
		return wrong("no-action", "")
	}
	if r.Forward != "" && !validAddress(r.Forward) {
		return wrong("address", r.Forward)
	}
	if r.Move != "" && r.Delete {
		return wrong("move-and-delete", "")
	}
	if strings.ContainsAny(r.Label, " \\(){%*\"]\r\n\t") {
		return wrong("label", r.Label)
	}
	for i := range r.Conditions {
		c := &r.Conditions[i]
		_, header := strings.CutSuffix(c.Field, ":")
		switch c.Field {
		case "from", "to", "subject", "list", "body", "size":
		default:
			if !header || len(c.Field) == 1 || strings.ContainsAny(c.Field, " \r\n\"\\") {
				return wrong("field", c.Field)
			}
		}
		switch c.Op {
		case "", "contains", "is", "matches", "not":
			if c.Field == "size" {
				return wrong("size", "")
			}
			if len(c.Values) == 0 || len(c.Values) > 100 {
				return wrong("values", c.Field)
			}
		case "over", "under":
			if c.Field != "size" || c.Size < 0 {
				return wrong("size", "")
			}
		default:
			return wrong("op", c.Op)
		}
	}
	return nil
}

func (v *Vacation) check() error {
	if v == nil {
		return nil
	}
	if strings.TrimSpace(v.Text) == "" {
		return &Invalid{Code: "vacation-text"}
	}
	for _, day := range []string{v.From, v.Until} {
		if day != "" && !isDay(day) && !isMoment(day) {
			return &Invalid{Code: "day", Value: day}
		}
	}
	if v.From != "" && v.Until != "" && v.Until < v.From {
		return &Invalid{Code: "days-order", Value: v.Until}
	}
	if v.Days < 0 || v.Days > 90 {
		return &Invalid{Code: "vacation-days"}
	}
	return nil
}

func validAddress(text string) bool {
	a, err := address.Parse(text, address.Options{UTF8: true, LongLocal: true})
	return err == nil && a.Domain != ""
}

// Script writes the script that does what the settings say. The error is an *Invalid, or, where the
// script would be too large, a sieve.Errors.
func (s *Settings) Script() (string, error) {
	if err := s.Check(); err != nil {
		return "", err
	}
	line, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("rules: write settings: %w", err)
	}
	w := &writer{}
	w.vacation(s.Vacation)
	w.forward(s.Forward)
	for i := range s.Rules {
		w.rule(&s.Rules[i])
	}
	if s.Then != "" {
		w.line("# rule:[]")
		w.need("include")
		w.line("include :personal :optional %s;", sieve.Quote(s.Then))
	}
	text := settingsMarker + string(line) + "\n# Made by Postiljon from simple rules. After changes by hand they cannot be changed as simple rules any more.\n" + w.String()
	return text, Check(text)
}
