package cause

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"golang.org/x/text/language"
)

//go:embed causes.tsv wire.toml remedies.toml texts/*.toml texts/paths/*.toml
var files embed.FS

// readTable reads causes.tsv, the facts: one row a cause.
func (c *Catalogue) readTable(fsys fs.FS) error {
	raw, err := fs.ReadFile(fsys, "causes.tsv")
	if err != nil {
		return err
	}
	c.entries = make(map[ID]*entry)
	header, rows, _ := strings.Cut(strings.TrimSuffix(string(raw), "\n"), "\n")
	if header != "id\tactor\tseed\tmeaning\tevidence\tremedy" {
		return fmt.Errorf("causes.tsv: unexpected columns %q", header)
	}
	for n, row := range strings.Split(rows, "\n") {
		cols := strings.Split(row, "\t")
		if len(cols) != 6 {
			return fmt.Errorf("causes.tsv: row %d has %d columns", n+2, len(cols))
		}
		e := &entry{
			Cause: Cause{
				ID: ID(cols[0]), Actor: Actor(cols[1]), Seeds: strings.Fields(cols[2]),
				Meaning: cols[3], Evidence: cols[4], Remedy: cols[5],
			},
			said: make(map[Lang]*said),
		}
		if c.entries[e.ID] != nil {
			return fmt.Errorf("causes.tsv: %s stands twice", e.ID)
		}
		c.entries[e.ID] = e
		c.causes = append(c.causes, e.Cause)
	}
	if c.entries[Unknown] == nil {
		return fmt.Errorf("causes.tsv: no row %q", Unknown)
	}
	return nil
}

// said is a cause in one language.
type said struct {
	title              string
	passedOn           bool // the owner's next step is the holder's
	body, next         [audiences]template
	remote, nextRemote template
	variants           map[string]template
}

// textFile is a file of texts/.
type textFile struct {
	Format speech               `toml:"format"`
	Group  map[string]string    `toml:"group"` // headings of causes by the first part of their id
	Actor  map[Actor]actorNames `toml:"actor"`
	Cause  map[ID]causeText     `toml:"cause"`
}

// causeText is a cause in a text file. Next stands for every audience that
// has none of its own; the owner is asked to pass it on.
type causeText struct {
	Title        string            `toml:"title"`
	Holder       string            `toml:"holder"`
	Owner        string            `toml:"owner"`
	Operator     string            `toml:"operator"`
	Remote       string            `toml:"remote"`
	Next         string            `toml:"next"`
	NextOwner    string            `toml:"next_owner"`
	NextOperator string            `toml:"next_operator"`
	NextRemote   string            `toml:"next_remote"`
	Variant      map[string]string `toml:"variant"` // remote texts of wire variants, English only
}

// readSpeech reads the text files.
func (c *Catalogue) readSpeech(fsys fs.FS) error {
	c.speech = make(map[Lang]*speech)
	for _, lang := range Languages() {
		name := "texts/" + string(lang) + ".toml"
		var f textFile
		if err := readTOML(fsys, name, &f); err != nil {
			return err
		}
		f.Format.actors, f.Format.groups, f.Format.lang = f.Actor, f.Group, language.Make(string(lang))
		c.speech[lang] = &f.Format
		for id, text := range f.Cause {
			e := c.entries[id]
			if e == nil {
				return fmt.Errorf("%s: %s is no row of causes.tsv", name, id)
			}
			s, err := text.parse()
			if err != nil {
				return fmt.Errorf("%s: %s: %w", name, id, err)
			}
			e.said[lang] = s
		}
		for _, row := range c.causes {
			if c.entries[row.ID].said[lang] == nil {
				return fmt.Errorf("%s: no texts for %s", name, row.ID)
			}
		}
	}
	return nil
}

// parse compiles the templates of a cause.
func (ct causeText) parse() (*said, error) {
	s := &said{title: ct.Title, passedOn: ct.NextOwner == "", variants: make(map[string]template, len(ct.Variant))}
	for _, t := range []struct {
		to   *template
		text string
	}{
		{&s.body[Holder], ct.Holder}, {&s.body[Owner], ct.Owner}, {&s.body[Operator], ct.Operator},
		{&s.next[Holder], ct.Next}, {&s.next[Owner], either(ct.NextOwner, ct.Next)},
		{&s.next[Operator], either(ct.NextOperator, ct.Next)},
		{&s.remote, ct.Remote}, {&s.nextRemote, either(ct.NextRemote, ct.Next)},
	} {
		parsed, err := parseTemplate(t.text)
		if err != nil {
			return nil, err
		}
		*t.to = parsed
	}
	for name, text := range ct.Variant {
		parsed, err := parseTemplate(text)
		if err != nil {
			return nil, err
		}
		s.variants[name] = parsed
	}
	return s, nil
}

// either returns a, or b if a is empty.
func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// wireCause is a cause in wire.toml.
type wireCause struct {
	Params   map[string]Kind     `toml:"params"`
	Stranger ID                  `toml:"stranger"` // see ToStranger
	Wait     string              `toml:"wait"`     // "450 4.7.1"
	Refuse   string              `toml:"refuse"`   // "550 5.4.5"
	IMAP     string              `toml:"imap"`
	POP3     string              `toml:"pop3"`
	Variant  map[string]wireForm `toml:"variant"`
}

// wireForm is what a variant changes of the usual form.
type wireForm struct {
	Wait   string `toml:"wait"`
	Refuse string `toml:"refuse"`
	IMAP   string `toml:"imap"`
	POP3   string `toml:"pop3"`
}

// readWire reads wire.toml. A cause that is not in it, because it does not
// occur on our own wire, gets the codes that say nothing (RFC 3463 section
// 3.1): should it ever be sent, the reply is still sane.
func (c *Catalogue) readWire(fsys fs.FS) error {
	wire := make(map[ID]wireCause)
	if err := readTOML(fsys, "wire.toml", &wire); err != nil {
		return err
	}
	for id := range wire {
		if c.entries[id] == nil {
			return fmt.Errorf("wire.toml: %s is no row of causes.tsv", id)
		}
	}
	for i, row := range c.causes {
		e := c.entries[row.ID]
		if err := e.readWire(wire[row.ID]); err != nil {
			return fmt.Errorf("wire.toml: %s: %w", row.ID, err)
		}
		c.causes[i] = e.Cause
	}
	return nil
}

func (e *entry) readWire(w wireCause) error {
	e.kinds = w.Params
	e.onWire = w.Wait+w.Refuse+w.IMAP+w.POP3 != "" || len(w.Variant) > 0
	e.stranger = w.Stranger
	for _, name := range slices.Sorted(maps.Keys(w.Params)) {
		e.Params = append(e.Params, Placeholder{Name: name, Kind: w.Params[name]})
	}
	english := e.said[English]
	var err error
	if e.usual, err = newForm(wireForm{w.Wait, w.Refuse, w.IMAP, w.POP3}, english.remote); err != nil {
		return err
	}
	e.Variants = slices.Sorted(maps.Keys(w.Variant))
	e.variants = make(map[string]*form, len(w.Variant))
	for _, name := range e.Variants {
		text, ok := english.variants[name]
		if !ok {
			text = english.remote
		}
		v := w.Variant[name].over(w)
		f, err := newForm(v, text)
		if err != nil {
			return fmt.Errorf("variant %s: %w", name, err)
		}
		e.variants[name] = &f
	}
	return nil
}

// over fills what the variant does not say from the usual form. The SMTP
// codes are one matter: a variant that gives one of them gives all it has.
func (v wireForm) over(usual wireCause) wireForm {
	if v.Wait == "" && v.Refuse == "" {
		v.Wait, v.Refuse = usual.Wait, usual.Refuse
	}
	v.IMAP = either(v.IMAP, usual.IMAP)
	v.POP3 = either(v.POP3, usual.POP3)
	return v
}

// newForm compiles a form. Of wait and refuse the one that is missing follows
// from the other: the same enhanced code in its class, with the general code.
func newForm(w wireForm, text template) (form, error) {
	f := form{imap: w.IMAP, pop3: w.POP3, text: text}
	switch {
	case w.Wait == "" && w.Refuse == "":
		w.Wait, w.Refuse = "451 4.0.0", "554 5.0.0"
	case w.Wait == "":
		w.Wait = "451 4" + enhancedTail(w.Refuse)
	case w.Refuse == "":
		w.Refuse = "554 5" + enhancedTail(w.Wait)
	}
	var err error
	if f.wait, err = parseSMTPCode(w.Wait, '4'); err != nil {
		return form{}, err
	}
	f.refuse, err = parseSMTPCode(w.Refuse, '5')
	return f, err
}

// enhancedTail returns ".7.1" of "450 4.7.1".
func enhancedTail(s string) string {
	_, tail, _ := strings.Cut(s, ".")
	return "." + tail
}

// parseSMTPCode reads "450 4.7.1", whose two codes are of one class.
func parseSMTPCode(s string, class byte) (smtpCode, error) {
	bad := fmt.Errorf("%q is no SMTP code and enhanced code of class %c", s, class)
	code, enhanced, ok := strings.Cut(s, " ")
	n, err := strconv.Atoi(code)
	if !ok || err != nil || len(code) != 3 || code[0] != class || code[1] > '5' {
		return smtpCode{}, bad
	}
	numbers := strings.Split(enhanced, ".")
	if len(numbers) != 3 || numbers[0] != string(class) {
		return smtpCode{}, bad
	}
	for _, number := range numbers {
		if v, err := strconv.Atoi(number); err != nil || v < 0 || v > 999 || strconv.Itoa(v) != number {
			return smtpCode{}, bad
		}
	}
	return smtpCode{code: n, enhanced: enhanced}, nil
}

// readTOML reads a file; a key that the type does not know is an error.
func readTOML(fsys fs.FS, name string, to any) error {
	raw, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	if err := toml.NewDecoder(bytes.NewReader(raw)).DisallowUnknownFields().Decode(to); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
