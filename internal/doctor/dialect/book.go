package dialect

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/postiljon/postiljon/internal/cause"
)

//go:embed book/*.toml
var files embed.FS

// ErrBook is wrapped by every error of Load: the embedded files are not well formed.
var ErrBook = errors.New("dialect: bad book")

// Book is all that is known of replies. It is immutable and safe for concurrent use.
type Book struct {
	now       func() time.Time
	providers []*dialect
	software  []*dialect
	// Tables are looked through from the top, the first rule that fits counts; of words, all count.
	enhanced, responses, codes []*rule
	words                      []*rule
	lists                      []blocklist
}

// dialect is how one provider or one server software speaks.
type dialect struct {
	ID string `toml:"id"`
	// Names are other ids for the same provider.
	Names []string `toml:"names"`
	// Hosts are the ends of its servers' names, Marks phrases by which its greetings and replies are
	// known, Capabilities words that nobody else announces.
	Hosts        []string `toml:"hosts"`
	Marks        []string `toml:"marks"`
	Capabilities []string `toml:"capabilities"`
	// Uses is the software that it runs, where that is known and not hidden.
	Uses string `toml:"uses"`
	// Source and Date tell where the rules come from and when they were checked.
	Source string  `toml:"source"`
	Date   string  `toml:"date"`
	Rules  []*rule `toml:"rules"`

	marks []phrase
}

// The usual weights. What is known of a provider is surest, a bare code says least.
const (
	weightCause    = 0.98
	weightProvider = 0.95
	weightSoftware = 0.9
	weightResponse = 0.85
	weightEnhanced = 0.8
	weightWords    = 0.8
	weightCode     = 0.35
)

// Load reads the embedded files. Now is the clock by which times in replies are understood; nil is
// the clock of the machine. It is called once at start; an error means that the program was built
// wrong.
func Load(now func() time.Time) (*Book, error) {
	if now == nil {
		now = time.Now
	}
	b := &Book{now: now}
	var providers struct {
		Provider []*dialect `toml:"provider"`
	}
	var software struct {
		Software []*dialect `toml:"software"`
	}
	var words map[string][]*rule
	var codes struct{ Enhanced, Response, Code []*rule }
	var lists struct {
		List []blocklist `toml:"list"`
	}
	err := errors.Join(
		read("dialects.toml", &providers), read("software.toml", &software),
		read("words.toml", &words), read("codes.toml", &codes), read("lists.toml", &lists))
	if err != nil {
		return nil, err
	}
	b.providers, b.software = providers.Provider, software.Software
	b.enhanced, b.responses, b.codes, b.lists = codes.Enhanced, codes.Response, codes.Code, lists.List
	for _, rules := range words {
		b.words = append(b.words, rules...)
	}
	return b, b.compile()
}

func read(name string, to any) error {
	raw, err := files.ReadFile("book/" + name)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBook, err)
	}
	dec := toml.NewDecoder(bytes.NewReader(raw)).DisallowUnknownFields()
	if err := dec.Decode(to); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrBook, name, err)
	}
	return nil
}

func (b *Book) compile() error {
	for _, d := range b.providers {
		if err := d.compile(BasisProvider, weightProvider); err != nil {
			return err
		}
	}
	for _, d := range b.software {
		if err := d.compile(BasisSoftware, weightSoftware); err != nil {
			return err
		}
	}
	return errors.Join(
		compileRules(b.responses, BasisResponse, weightResponse), compileRules(b.enhanced, BasisEnhanced, weightEnhanced),
		compileRules(b.words, BasisWords, weightWords), compileRules(b.codes, BasisCode, weightCode))
}

func (d *dialect) compile(basis Basis, weight float64) error {
	for _, m := range d.Marks {
		d.marks = append(d.marks, newPhrase(m))
	}
	if err := compileRules(d.Rules, basis, weight); err != nil {
		return fmt.Errorf("%s: %w", d.ID, err)
	}
	return nil
}

func compileRules(rules []*rule, basis Basis, weight float64) error {
	for _, r := range rules {
		if err := r.compile(basis, weight); err != nil {
			return fmt.Errorf("%w: %w", ErrBook, err)
		}
	}
	return nil
}

// Providers returns the ids of the providers whose dialect the book has.
func (b *Book) Providers() []string {
	ids := make([]string, len(b.providers))
	for i, d := range b.providers {
		ids[i] = d.ID
	}
	return ids
}

// Read tells what a reply means. Provider is the id of the provider whose server replied, empty or
// any other word where it is none of Providers: then it is read off the reply, if it shows. The reply is as
// it came, with all its lines, codes and line ends; one that was put on one line, as bounces have it, does as
// well. Reading never fails: what is not understood is Unknown.
func (b *Book) Read(provider string, protocol Protocol, stage Stage, reply string) Reading {
	q := &question{parsed: parse(protocol, reply), protocol: protocol, stage: stage}
	q.folded = fold(q.text)
	r := Reading{
		Class: q.class, Code: q.code, Enhanced: q.enhanced, Text: q.text, URL: q.url,
	}
	if len(q.responses) > 0 {
		r.ResponseCode = q.responses[0]
	}
	own := b.provider(provider)
	soft := b.marked(b.software, q.folded, reply)
	if own == nil {
		own = b.marked(b.providers, q.folded, reply)
	}
	if own != nil {
		r.Provider = own.ID
	}
	if soft == nil && own != nil && own.Uses != "" {
		soft = find(b.software, own.Uses)
	}
	if soft != nil {
		r.Software = soft.ID
	}
	r.Cause = namedCause(q.url)
	r.List, r.Address = b.listed(q)
	r.RetryAfter, r.Until = b.waits(q.folded, q.text)
	r.Meanings = b.weigh(q, own, soft, r.Cause)
	return r
}

func (b *Book) provider(id string) *dialect { return find(b.providers, id) }

func find(list []*dialect, id string) *dialect {
	if id == "" {
		return nil
	}
	i := slices.IndexFunc(list, func(d *dialect) bool { return d.ID == id || slices.Contains(d.Names, id) })
	if i < 0 {
		return nil
	}
	return list[i]
}

// namedCause reads the link at the end of a Postiljon server's replies.
func namedCause(url string) cause.ID {
	i := strings.LastIndex(url, "/why/")
	if i < 0 {
		return ""
	}
	id, _, _ := strings.Cut(url[i+len("/why/"):], "?")
	if !causeID.MatchString(id) {
		return ""
	}
	return cause.ID(id)
}

var causeID = regexp.MustCompile(`^[a-z0-9]{2,20}\.[a-z0-9\-]{2,40}$`)

// weigh puts the evidence together. Evidence for one meaning adds up as independent evidence does
// (one minus the product of the doubts). What a known server says in its own words fades what general
// codes and words would say otherwise.
func (b *Book) weigh(q *question, own, soft *dialect, named cause.ID) []Meaning {
	if q.class == Positive && len(q.responses) == 0 {
		return []Meaning{{Kind: Accepted, Weight: weightCause, Basis: BasisCode, Fragment: firstWord(q)}}
	}
	s := &scale{}
	if kind := kindOf(named); kind != "" {
		s.layer([]Meaning{{Kind: kind, Weight: weightCause, Basis: BasisCause, Fragment: string(named)}}, true)
	}
	if own != nil {
		s.layer(all(own.Rules, q), true)
	}
	if soft != nil {
		s.layer(all(soft.Rules, q), true)
	}
	s.layer(first(b.responses, q), false)
	s.layer(first(b.enhanced, q), false)
	s.layer(all(b.words, q), false)
	s.layer(first(b.codes, q), false)
	return s.ranked(q)
}

func firstWord(q *question) string {
	if q.code != 0 {
		return fmt.Sprint(q.code)
	}
	return "OK"
}

// all returns the meanings of all rules that fit, of each kind the weightiest.
func all(rules []*rule, q *question) []Meaning {
	var found []Meaning
	for _, r := range rules {
		fragment, ok := r.fits(q)
		if !ok {
			continue
		}
		for _, m := range r.means {
			m.Fragment = fragment
			i := slices.IndexFunc(found, func(f Meaning) bool { return f.Kind == m.Kind })
			switch {
			case i < 0:
				found = append(found, m)
			case found[i].Weight < m.Weight:
				found[i] = m
			}
		}
	}
	return found
}

// first returns the meanings of the first rule that fits.
func first(rules []*rule, q *question) []Meaning {
	for _, r := range rules {
		if _, ok := r.fits(q); ok {
			return all([]*rule{r}, q)
		}
	}
	return nil
}

// scale weighs the layers of evidence, from the surest on.
type scale struct {
	found []Meaning
	fade  float64 // how much of what disagrees with surer evidence is taken away
}

// The bounds of a weight, and how strongly surer evidence fades what disagrees with it.
const (
	maxWeight = 0.99
	minWeight = 0.05
	fading    = 0.85
)

// layer adds evidence. Sure evidence fades the layers after it.
func (s *scale) layer(meanings []Meaning, sure bool) {
	top := 0.0
	before := len(s.found)
	for _, m := range meanings {
		top = max(top, m.Weight)
		i := slices.IndexFunc(s.found, func(f Meaning) bool { return f.Kind == m.Kind })
		if i >= 0 && i < before {
			s.found[i].Weight = min(maxWeight, 1-(1-s.found[i].Weight)*(1-m.Weight))
			continue
		}
		m.Weight *= 1 - s.fade
		s.found = append(s.found, m)
	}
	if sure {
		s.fade = 1 - (1-s.fade)*(1-fading*top)
	}
}

// ranked returns the meanings, the likeliest first.
func (s *scale) ranked(q *question) []Meaning {
	slices.SortStableFunc(s.found, func(a, b Meaning) int { return cmp.Compare(b.Weight, a.Weight) })
	s.found = slices.DeleteFunc(s.found, func(m Meaning) bool { return m.Weight < minWeight })
	switch {
	case len(s.found) > 0:
		return s.found
	case q.class == Positive:
		return []Meaning{{Kind: Accepted, Weight: weightCode, Basis: BasisCode, Fragment: firstWord(q)}}
	}
	return []Meaning{{Kind: Unknown, Weight: minWeight, Basis: BasisCode}}
}
