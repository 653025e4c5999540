package journal

import (
	"embed"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/postiljon/postiljon/internal/cause"
)

//go:embed texts/*.toml
var textFiles embed.FS

// texts say events in every language.
type texts map[cause.Lang]*language

// language is one file of texts/.
type language struct {
	// Events are phrases by kind of event.
	Events map[string]string `toml:"events"`
	// Words are the phrases around them.
	Words map[string]string `toml:"words"`
	// Reasons are what speaks for or against a message, by the names that stand in the fields reasons and instead;
	// with rule- before them, why rules did not do what they wanted, by the field reason.
	Reasons map[string]string `toml:"reasons"`
	// Mailboxes are what people call those that every account has, by their names in the store.
	Mailboxes map[string]string `toml:"mailboxes"`

	events, words map[string]phrase
}

// The words that a language must have, with their placeholders.
var wordNames = map[string][]string{
	"heading":     {"query", "zone"},
	"about":       {"subject"},
	"account":     {"address"},
	"again":       {"time"},
	"near":        {"addresses"},
	"offered":     {"count", "domain"},
	"repeated":    {"count", "last"},
	"next":        {"step"},
	"next-by":     {"actor", "step"},
	"nothing":     {"query"},
	"looked":      {"accounts", "events", "from", "to"},
	"looked-back": {"from"},
	"ask-there":   {},
	"truncated":   {"count"},
	"other":       {"kind"},
	"never":       {"domain", "count", "last", "servers"},
	"came":        {"domain"},
	"absent":      {"domain"},
	"because":     {"reasons"},
	"instead":     {"reasons"},
}

// loadTexts reads all languages and checks that they say the same things.
func loadTexts() (texts, error) {
	t := texts{}
	for _, lang := range cause.Languages() {
		l, err := loadLanguage(lang)
		if err != nil {
			return nil, fmt.Errorf("journal: texts in %s: %w", lang, err)
		}
		t[lang] = l
	}
	english := t[cause.English]
	for lang, l := range t {
		for kind, p := range english.events {
			if !slices.Equal(p.placeholders(), l.events[kind].placeholders()) {
				return nil, fmt.Errorf("journal: texts in %s: %s has the placeholders %v, in English %v", lang, kind, l.events[kind].placeholders(), p.placeholders())
			}
		}
		if len(l.events) != len(english.events) {
			return nil, fmt.Errorf("journal: texts in %s: %d events, in English %d", lang, len(l.events), len(english.events))
		}
		for name := range english.Mailboxes {
			if l.Mailboxes[name] == "" || len(l.Mailboxes) != len(english.Mailboxes) {
				return nil, fmt.Errorf("journal: texts in %s: other mailboxes than in English, %s", lang, name)
			}
		}
		for name := range english.Reasons {
			if l.Reasons[name] == "" || len(l.Reasons) != len(english.Reasons) {
				return nil, fmt.Errorf("journal: texts in %s: other reasons than in English, %s", lang, name)
			}
		}
	}
	return t, nil
}

// Reasons are what speaks for or against a message in words, by language and by the names that stand in the fields reasons
// and instead of events.
func Reasons() (map[cause.Lang]map[string]string, error) {
	t, err := loadTexts()
	if err != nil {
		return nil, err
	}
	all := map[cause.Lang]map[string]string{}
	for lang, l := range t {
		all[lang] = l.Reasons
	}
	return all, nil
}

func loadLanguage(lang cause.Lang) (*language, error) {
	raw, err := textFiles.Open("texts/" + string(lang) + ".toml")
	if err != nil {
		return nil, err
	}
	defer raw.Close()
	var l language
	if err := toml.NewDecoder(raw).DisallowUnknownFields().Decode(&l); err != nil {
		return nil, err
	}
	if l.events, err = parsePhrases(l.Events, lang); err != nil {
		return nil, err
	}
	if l.words, err = parsePhrases(l.Words, lang); err != nil {
		return nil, err
	}
	if len(l.words) != len(wordNames) {
		return nil, fmt.Errorf("%d words, not %d", len(l.words), len(wordNames))
	}
	for name, placeholders := range wordNames {
		if got := l.words[name].placeholders(); !slices.Equal(got, slices.Sorted(slices.Values(placeholders))) {
			return nil, fmt.Errorf("word %s has the placeholders %v, not %v", name, got, placeholders)
		}
	}
	return &l, nil
}

func parsePhrases(raw map[string]string, lang cause.Lang) (map[string]phrase, error) {
	phrases := make(map[string]phrase, len(raw))
	for name, text := range raw {
		p, err := parsePhrase(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for i := range p {
			p[i].lang = lang
		}
		phrases[name] = p
	}
	return phrases, nil
}

// phrase is a text with placeholders. A part in brackets is left out when a value in it is missing.
// A word that depends on a count has its forms there:
//
//	Accepted[ from {from}][ for {to}]
//	Moved[: {count} {count:message|messages}]
type phrase []segment

// segment is the text around at most one placeholder; one of an optional part belongs to a group.
type segment struct {
	text  string // before the placeholder
	name  string // "" for none
	forms []string
	lang  cause.Lang // whose forms they are
	group int        // 0: not optional
}

func parsePhrase(text string) (p phrase, err error) {
	group, inside := 0, false
	for rest := text; rest != ""; {
		i := strings.IndexAny(rest, "[]{}")
		if i < 0 {
			p = append(p, segment{text: rest})
			break
		}
		s := segment{text: rest[:i]}
		if inside {
			s.group = group
		}
		switch c := rest[i]; {
		case c == '[' && !inside:
			group, inside = group+1, true
		case c == ']' && inside:
			inside = false
		case c == '{':
			end := strings.IndexByte(rest, '}')
			if end < i+2 {
				return nil, fmt.Errorf("placeholder without end in %q", text)
			}
			name, forms, counted := strings.Cut(rest[i+1:end], ":")
			if s.name, i = name, end; counted {
				s.forms = strings.Split(forms, "|")
			}
		default:
			return nil, fmt.Errorf("stray %q in %q", c, text)
		}
		p = append(p, s)
		rest = rest[i+1:]
	}
	if inside || len(p) == 0 {
		return nil, fmt.Errorf("open bracket or nothing at all in %q", text)
	}
	return p, nil
}

func (p phrase) placeholders() []string {
	names := map[string]bool{}
	for _, s := range p {
		if s.name != "" {
			names[s.name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// fill returns the text with values; value returns "" for what is not known.
func (p phrase) fill(value func(name string) string) string {
	missing := map[int]bool{}
	for _, s := range p {
		if s.group > 0 && s.name != "" && value(s.name) == "" {
			missing[s.group] = true
		}
	}
	var b strings.Builder
	for _, s := range p {
		if s.group > 0 && missing[s.group] {
			continue
		}
		b.WriteString(s.text)
		switch {
		case s.forms != nil:
			n, _ := strconv.ParseInt(value(s.name), 10, 64) // what is no number is as many as 0
			b.WriteString(s.lang.Form(n, s.forms))
		case s.name != "":
			b.WriteString(value(s.name))
		}
	}
	return b.String()
}
