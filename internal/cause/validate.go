package cause

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/text/feature/plural"
)

// validate checks what only shows when all files are read: that every cause
// is complete, that the languages agree, and that the wire can carry it.
func (c *Catalogue) validate() error {
	for _, lang := range Languages() {
		if err := c.speech[lang].validate(); err != nil {
			return fmt.Errorf("texts/%s.toml: %w", lang, err)
		}
	}
	if !c.speech[English].printable() {
		return fmt.Errorf("texts/en.toml: format is not US-ASCII, and English is the wire's")
	}
	for _, lang := range Languages() {
		for _, row := range c.causes {
			if kind, _, ok := strings.Cut(string(row.ID), "."); ok && c.speech[lang].groups[kind] == "" {
				return fmt.Errorf("texts/%s.toml: group %s has no name", lang, kind)
			}
		}
	}
	for _, row := range c.causes {
		e := c.entries[row.ID]
		checks := []func() error{
			e.validateFacts, e.validateTexts, e.validatePlaceholders, func() error { return e.validateForms(c.speech) }, e.validateWire,
		}
		for _, check := range checks {
			if err := check(); err != nil {
				return fmt.Errorf("%s: %w", e.ID, err)
			}
		}
		if err := c.validateStranger(e); err != nil {
			return fmt.Errorf("%s: %w", e.ID, err)
		}
	}
	return c.validateRemedies()
}

// validate checks that a language can write every kind of value and names
// every actor to every audience.
func (s *speech) validate() error {
	if s.Group == "" || s.Decimal == "" || s.UnitSpace == "" || s.ClockSep == "" || s.BeforeClock == "" || s.Today == "" || s.Advise == "" {
		return fmt.Errorf("format lacks a separator")
	}
	for n := range int64(200) { // every category that the language has occurs among these
		if c := categories[plural.Cardinal.MatchPlural(s.lang, int(n), 0, 0, 0, 0)]; !slices.Contains(s.Plural, c) {
			return fmt.Errorf("format: plural lacks the category %q of %d", c, n)
		}
	}
	for name, words := range map[string][]string{
		"byte": s.Byte, "second": s.Second, "minute": s.Minute, "hour": s.Hour, "day": s.Day,
	} {
		if len(words) != len(s.Plural) {
			return fmt.Errorf("format: %s needs a form for each of %q", name, s.Plural)
		}
	}
	if len(s.Months) != 12 || len(s.Sizes) != 4 {
		return fmt.Errorf("format needs 12 months and 4 sizes")
	}
	actors := []Actor{ActorUser, ActorAdmin, ActorProvider, ActorNetwork, ActorRecipient, ActorNobody}
	for _, a := range actors {
		n := s.actors[a]
		if n.Holder == "" || n.Owner == "" || n.Operator == "" || n.Anyone == "" {
			return fmt.Errorf("actor %s is not named to every audience", a)
		}
	}
	if len(s.actors) != len(actors) {
		return fmt.Errorf("a name for an actor that does not exist")
	}
	return nil
}

// printable reports whether values are written in US-ASCII only.
func (s *speech) printable() bool {
	words := []string{s.Group, s.Decimal, s.UnitSpace, s.ClockSep, s.DaySuffix, s.BeforeClock}
	for _, list := range [][]string{s.Months, s.Byte, s.Sizes, s.Second, s.Minute, s.Hour, s.Day} {
		words = append(words, list...)
	}
	return printable(strings.Join(words, ""))
}

// validateFacts checks the row of the table.
func (e *entry) validateFacts() error {
	switch e.Actor {
	case ActorUser, ActorAdmin, ActorProvider, ActorNetwork, ActorRecipient, ActorNobody:
	default:
		return fmt.Errorf("actor %q does not exist", e.Actor)
	}
	if e.Meaning == "" || e.Evidence == "" || e.Remedy == "" {
		return fmt.Errorf("an empty column in causes.tsv")
	}
	for _, r := range e.ID { // it stands in links
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.' && r != '-' {
			return fmt.Errorf("an id has lower case letters, figures, dots and hyphens only")
		}
	}
	return nil
}

// texts returns the templates of a cause in a language by the names they have
// in a text file.
func (s *said) texts() map[string]*template {
	return map[string]*template{
		"holder": &s.body[Holder], "owner": &s.body[Owner], "operator": &s.body[Operator],
		"next": &s.next[Holder], "next_owner": &s.next[Owner], "next_operator": &s.next[Operator],
		"remote": &s.remote, "next_remote": &s.nextRemote,
	}
}

// validateTexts checks that nothing is missing and that sentences end as they
// must: those for people in a full stop, remote texts in none, because a link
// follows.
func (e *entry) validateTexts() error {
	for _, lang := range Languages() {
		s := e.said[lang]
		if s.title == "" || strings.HasSuffix(s.title, ".") || strings.ContainsAny(s.title, "[]{}") {
			return fmt.Errorf("%s: title %q must be short and plain", lang, s.title)
		}
		for name, t := range s.texts() {
			plain := t.plain()
			stop := strings.HasSuffix(plain, ".")
			switch {
			case plain == "":
				return fmt.Errorf("%s: no text %q", lang, name)
			case plain != strings.TrimSpace(plain) || strings.Contains(plain, "  "):
				return fmt.Errorf("%s: stray space in %q", lang, name)
			case stop == (name == "remote"):
				return fmt.Errorf("%s: wrong end of %q", lang, name)
			}
		}
		if lang != English && len(s.variants) > 0 {
			return fmt.Errorf("%s: variants are for the wire, which speaks English", lang)
		}
	}
	return nil
}

// validatePlaceholders checks that every placeholder is declared with a kind
// and used, and that each text has the same ones in every language.
func (e *entry) validatePlaceholders() error {
	used := make(map[string]bool)
	for name, english := range e.said[English].texts() {
		want := sorted(english.names)
		for _, lang := range Languages() {
			if got := sorted(e.said[lang].texts()[name].names); !slices.Equal(got, want) {
				return fmt.Errorf("%s: %q has the placeholders %q, English has %q", lang, name, got, want)
			}
		}
		for _, n := range want {
			used[n] = true
		}
	}
	for _, t := range e.said[English].variants {
		for _, n := range t.names {
			used[n] = true
		}
	}
	for n := range used {
		if kind, ok := e.kinds[n]; !ok || !kind.valid() {
			return fmt.Errorf("placeholder %q has no kind in wire.toml", n)
		}
	}
	for n, kind := range e.kinds {
		if !used[n] {
			return fmt.Errorf("no text uses the parameter %q", n)
		}
		if n == until && kind != KindTime && kind != KindClock {
			return fmt.Errorf("%q must be a time or a clock", until)
		}
	}
	return nil
}

// validateForms checks that words depend on counts and dates only, and have as many
// forms as their language has plural categories.
func (e *entry) validateForms(speeches map[Lang]*speech) error {
	for _, lang := range Languages() {
		texts := e.said[lang].texts()
		for name, t := range e.said[lang].variants {
			texts["variant "+name] = &t
		}
		for name, t := range texts {
			for _, n := range t.dated() {
				if e.kinds[n] != KindTime {
					return fmt.Errorf("%s: %q has a word before the date %q, which is a %s", lang, name, n, e.kinds[n])
				}
			}
			for count, forms := range t.counted() {
				if e.kinds[count] != KindCount || forms != len(speeches[lang].Plural) {
					return fmt.Errorf("%s: %q has %d forms by %q, which is a %s", lang, name, forms, count, e.kinds[count])
				}
			}
		}
	}
	return nil
}

func sorted(names []string) []string {
	s := slices.Clone(names)
	slices.Sort(s)
	return s
}

// validateWire checks what goes on the wire: known response codes, US-ASCII,
// and room for the text in every reply.
func (e *entry) validateWire() error {
	for name := range e.said[English].variants {
		if _, ok := e.variants[name]; !ok {
			return fmt.Errorf("variant %q has a text but is not in wire.toml", name)
		}
	}
	forms := []*form{&e.usual}
	for _, name := range e.Variants {
		forms = append(forms, e.variants[name])
	}
	for _, f := range forms {
		if !slices.Contains(imapCodes, f.imap) {
			return fmt.Errorf("unknown IMAP response code %q", f.imap)
		}
		if !slices.Contains(pop3Codes, f.pop3) {
			return fmt.Errorf("unknown POP3 response code %q", f.pop3)
		}
		length := 0
		for _, p := range f.text.parts {
			length += p.fixed()
			for _, piece := range p {
				if !printable(piece.literal) {
					return fmt.Errorf("remote text %q is not printable US-ASCII", piece.literal)
				}
			}
		}
		if length == 0 || length > maxRemoteText {
			return fmt.Errorf("remote text of %d octets without its optional parts", length)
		}
	}
	return nil
}

// imapCodes are the response codes a refusal may carry: RFC 9051 section 7.1,
// RFC 5530, RFC 4469 (TOOBIG, BADURL), RFC 3516 (UNKNOWN-CTE), RFC 5182 (NOTSAVED),
// RFC 6154 (USEATTR), RFC 4978 (COMPRESSIONACTIVE), RFC 5464 (METADATA), RFC
// 5465 (BADEVENT).
var imapCodes = []string{
	"", "ALERT", "ALREADYEXISTS", "AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "BADCHARSET",
	"BADEVENT", "BADURL", "CANNOT", "CLIENTBUG", "COMPRESSIONACTIVE", "CONTACTADMIN", "CORRUPTION", "EXPIRED", "EXPUNGEISSUED",
	"HASCHILDREN", "INUSE", "LIMIT", "METADATA MAXSIZE", "METADATA TOOMANY", "NONEXISTENT", "NOPERM", "NOTSAVED", "OVERQUOTA", "PARSE",
	"PRIVACYREQUIRED", "SERVERBUG", "TOOBIG", "TRYCREATE", "UNAVAILABLE", "UNKNOWN-CTE",
	"USEATTR",
}

// pop3Codes are the response codes of RFC 2449 section 8.1 and RFC 3206.
var pop3Codes = []string{"", "LOGIN-DELAY", "IN-USE", "SYS/TEMP", "SYS/PERM", "AUTH"}

// printable reports whether s is printable US-ASCII.
func printable(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// validateStranger checks that what a stranger hears instead is itself fit for
// strangers.
func (c *Catalogue) validateStranger(e *entry) error {
	if e.stranger == "" {
		return nil
	}
	other, ok := c.entries[e.stranger]
	if !ok || other.stranger != "" {
		return fmt.Errorf("a stranger cannot be told %q", e.stranger)
	}
	return nil
}
