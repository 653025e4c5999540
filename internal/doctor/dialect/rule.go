package dialect

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// rule reads one kind of reply: all conditions that it names must hold.
//
// In a file, lists are words with spaces between. "On" holds protocols, stages, or both as in
// "submission/mail". "Code" holds reply codes such as "550" and "5xx", "enhanced" enhanced codes such
// as "5.1.1" and "x.1.1". Of "text", phrases, one must be in the reply, of "not" none. "Means"
// holds kinds, each with a weight where it is not the usual one: "recipient-full recipient-unknown:0.3".
type rule struct {
	On       string   `toml:"on"`
	Class    Class    `toml:"class"`
	Code     string   `toml:"code"`
	Enhanced string   `toml:"enhanced"`
	Response string   `toml:"response"`
	Text     []string `toml:"text"`
	Not      []string `toml:"not"`
	Means    string   `toml:"means"`

	places    []place
	codes     []string
	enhanced  []string
	responses []string
	text, not []phrase
	means     []Meaning
	german    bool // its words may be written without umlauts
}

// place is a protocol, a stage or both.
type place struct {
	protocol Protocol
	stage    Stage
}

// question is a reply and where it came, as rules look at it.
type question struct {
	parsed
	protocol Protocol
	stage    Stage
	folded   string
	// transcribed is folded with "ae" as "a" and so on.
	transcribed string
}

// compile makes the rule ready. Weight is the usual one of its kind of evidence.
func (r *rule) compile(basis Basis, weight float64) error {
	if err := r.compilePlaces(); err != nil {
		return err
	}
	r.codes, r.enhanced, r.responses = strings.Fields(r.Code), strings.Fields(r.Enhanced), strings.Fields(r.Response)
	for _, t := range r.Text {
		r.text = append(r.text, newPhrase(t))
	}
	for _, t := range r.Not {
		r.not = append(r.not, newPhrase(t))
	}
	if len(r.text)+len(r.codes)+len(r.enhanced)+len(r.responses) == 0 && r.Class == NoClass {
		return fmt.Errorf("rule for %q has no condition", r.Means)
	}
	return r.compileMeans(basis, weight)
}

func (r *rule) compilePlaces() error {
	for item := range strings.FieldsSeq(r.On) {
		protocol, stage, both := strings.Cut(item, "/")
		if !both && !slices.Contains(protocols, Protocol(protocol)) {
			protocol, stage = "", item
		}
		if protocol != "" && !slices.Contains(protocols, Protocol(protocol)) || stage != "" && !slices.Contains(stages, Stage(stage)) {
			return fmt.Errorf("rule for %q: no place %q", r.Means, item)
		}
		r.places = append(r.places, place{Protocol(protocol), Stage(stage)})
	}
	return nil
}

var (
	protocols = []Protocol{SMTP, Submission, IMAP, POP3}
	stages    = []Stage{StageGreeting, StageCapability, StageStartTLS, StageAuth, StageMail, StageRcpt,
		StageData, StageEndOfData, StageAppend, StageSelect, StageNoop, StageOther}
)

func (r *rule) compileMeans(basis Basis, usual float64) error {
	for item := range strings.FieldsSeq(r.Means) {
		kind, weight := item, usual
		if name, number, ok := strings.Cut(item, ":"); ok {
			w, err := strconv.ParseFloat(number, 64)
			if err != nil || w <= 0 || w >= 1 {
				return fmt.Errorf("rule for %q: weight %q is not between 0 and 1", r.Means, number)
			}
			kind, weight = name, w
		}
		if !Kind(kind).Known() {
			return fmt.Errorf("rule: no meaning %q", kind)
		}
		r.means = append(r.means, Meaning{Kind: Kind(kind), Weight: weight, Basis: basis})
	}
	if len(r.means) == 0 {
		return fmt.Errorf("rule %q means nothing", r.Text)
	}
	return nil
}

// fits tells whether the rule reads the reply, and by which fragment.
func (r *rule) fits(q *question) (fragment string, ok bool) {
	if !r.here(q) || r.Class != NoClass && r.Class != q.class {
		return "", false
	}
	if len(r.codes) > 0 {
		code := strconv.Itoa(q.code)
		if !slices.ContainsFunc(r.codes, func(c string) bool { return code == c || strings.HasSuffix(c, "xx") && c[0] == code[0] }) {
			return "", false
		}
		fragment = code
	}
	if len(r.enhanced) > 0 {
		if !slices.ContainsFunc(r.enhanced, q.hasEnhanced) {
			return "", false
		}
		fragment = q.enhanced
	}
	if len(r.responses) > 0 {
		i := slices.IndexFunc(r.responses, func(c string) bool { return slices.Contains(q.responses, c) })
		if i < 0 {
			return "", false
		}
		fragment = r.responses[i]
	}
	return r.inText(q, fragment)
}

func (r *rule) here(q *question) bool {
	return len(r.places) == 0 || slices.ContainsFunc(r.places, func(p place) bool {
		return (p.protocol == "" || p.protocol == q.protocol) && (p.stage == "" || p.stage == q.stage)
	})
}

func (q *question) hasEnhanced(want string) bool {
	if detail, ok := strings.CutPrefix(want, "x"); ok {
		return len(q.enhanced) > 1 && q.enhanced[1:] == detail
	}
	return q.enhanced == want
}

func (r *rule) inText(q *question, fragment string) (string, bool) {
	for i := range r.not {
		if r.not[i].in(q.folded) {
			return "", false
		}
	}
	for i := range r.text {
		if r.text[i].in(q.folded) || r.german && r.text[i].in(q.transcribed) {
			return r.text[i].written, true
		}
	}
	return fragment, len(r.text) == 0
}
