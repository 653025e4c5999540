package dialect

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
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

// WithClock returns the same book with another clock by which times in replies are understood.
func (b *Book) WithClock(now func() time.Time) *Book {
	other := *b
	other.now = now
	return &other
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
	// Like is a dialect of the same list whose rules hold as well.
	Like string `toml:"like"`
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
	for _, language := range slices.Sorted(maps.Keys(words)) {
		for _, r := range words[language] {
			r.german = language == "german"
		}
		b.words = append(b.words, words[language]...)
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
	return errors.Join(
		compileAll(b.providers, BasisProvider, weightProvider), compileAll(b.software, BasisSoftware, weightSoftware),
		compileRules(b.responses, BasisResponse, weightResponse), compileRules(b.enhanced, BasisEnhanced, weightEnhanced),
		compileRules(b.words, BasisWords, weightWords), compileRules(b.codes, BasisCode, weightCode))
}

// compileAll makes dialects ready and lets those that are like another one share its rules.
func compileAll(list []*dialect, basis Basis, weight float64) error {
	for _, d := range list {
		for _, m := range d.Marks {
			d.marks = append(d.marks, newPhrase(m))
		}
		if err := compileRules(d.Rules, basis, weight); err != nil {
			return fmt.Errorf("%s: %w", d.ID, err)
		}
	}
	for _, d := range list {
		if d.Like == "" {
			continue
		}
		model := find(list, d.Like)
		if model == nil || model.Like != "" {
			return fmt.Errorf("%w: %s is like %q, which is none or like another", ErrBook, d.ID, d.Like)
		}
		d.Rules = append(slices.Clip(d.Rules), model.Rules...)
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

// Read tells what a reply means. Provider is the id of the provider whose server replied, or of its
// software as Identify told it, or both with a space between; where it is empty or not known, it is
// read off the reply, if it shows. The reply is as it came, with all its lines, codes and line ends; one that
// was put on one line, as bounces have it, does as well. Reading never fails: what is not
// understood is Unknown.
//
// Text of the Reading is what the server said: where it may have echoed a secret, give Read what Strip
// returned.
func (b *Book) Read(provider string, protocol Protocol, stage Stage, reply string) Reading {
	q := &question{parsed: parse(protocol, reply), protocol: protocol, stage: stage}
	q.folded = fold(q.text)
	q.transcribed = transcribed(q.folded)
	r := Reading{Class: q.class, Code: q.code, Enhanced: q.enhanced, Text: q.text, URL: q.url}
	if len(q.responses) > 0 {
		r.ResponseCode = q.responses[0]
	}
	own, soft := b.whose(provider, q, reply)
	if own != nil {
		r.Provider = own.ID
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

// whose finds the dialects of a reply: those that are told, or else those that it shows.
func (b *Book) whose(provider string, q *question, reply string) (own, soft *dialect) {
	for id := range strings.FieldsSeq(provider) {
		if d := find(b.providers, id); d != nil {
			own = d
		} else if d := find(b.software, id); d != nil {
			soft = d
		}
	}
	if own == nil {
		own = b.marked(b.providers, q.folded, reply)
	}
	if soft == nil {
		soft = b.marked(b.software, q.folded, reply)
	}
	if soft == nil && own != nil {
		soft = find(b.software, own.Uses)
	}
	return own, soft
}

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

// weigh puts the evidence together, from the surest on. Evidence for one meaning adds up as
// independent evidence does (one minus the product of the doubts), but what surer evidence has told
// leaves less for weaker evidence to tell: words decide over codes, and a provider's own words over
// words that anybody may use.
func (b *Book) weigh(q *question, own, soft *dialect, named cause.ID) []Meaning {
	if q.class == Positive && !q.warns {
		return []Meaning{{Kind: Accepted, Weight: weightCause, Basis: BasisCode, Fragment: firstWord(q)}}
	}
	s := &scale{}
	if kind := kindOf(named); kind != "" {
		s.layer([]Meaning{{Kind: kind, Weight: weightCause, Basis: BasisCause, Fragment: string(named)}}, fadeCause)
	}
	if own != nil {
		s.layer(inOrder(own.Rules, q), fadeDialect)
	}
	if soft != nil {
		s.layer(inOrder(soft.Rules, q), fadeDialect)
	}
	s.layer(heaviest(b.words, q), fadeWords)
	s.layer(first(b.responses, q), fadeCodes)
	s.layer(first(b.enhanced, q), fadeCodes)
	s.layer(first(b.codes, q), fadeCodes)
	return s.ranked(q)
}

func firstWord(q *question) string {
	if q.code != 0 {
		return strconv.Itoa(q.code)
	}
	return "OK"
}

// inOrder returns the meanings of all rules that fit; of each kind the first one counts, so that whoever
// writes a dialect puts the precise rule before the general one.
func inOrder(rules []*rule, q *question) []Meaning {
	return collect(rules, q, func(Meaning, Meaning) bool { return false })
}

// heaviest returns the meanings of all rules that fit, of each kind the weightiest.
func heaviest(rules []*rule, q *question) []Meaning {
	return collect(rules, q, func(old, m Meaning) bool { return old.Weight < m.Weight })
}

func collect(rules []*rule, q *question, better func(old, m Meaning) bool) []Meaning {
	var found []Meaning
	for _, r := range rules {
		fragment, ok := r.fits(q)
		if !ok {
			continue
		}
		for _, m := range r.means {
			m.Fragment = fragment
			i := indexOf(found, m.Kind)
			switch {
			case i < 0:
				found = append(found, m)
			case better(found[i], m):
				found[i] = m
			}
		}
	}
	return found
}

func indexOf(list []Meaning, kind Kind) int {
	return slices.IndexFunc(list, func(m Meaning) bool { return m.Kind == kind })
}

// first returns the meanings of the first rule that fits.
func first(rules []*rule, q *question) []Meaning {
	for _, r := range rules {
		if _, ok := r.fits(q); ok {
			return inOrder([]*rule{r}, q)
		}
	}
	return nil
}

// scale weighs the layers of evidence.
type scale struct {
	found []Meaning
	fade  float64 // how much of what follows is taken away
}

// The bounds of a weight, and how strongly each kind of evidence fades what follows it.
const (
	maxWeight   = 0.99
	minWeight   = 0.05
	fadeCause   = 0.95
	fadeDialect = 0.85
	fadeWords   = 0.7
	fadeCodes   = 0.3
)

// layer adds evidence.
func (s *scale) layer(meanings []Meaning, fading float64) {
	top := 0.0
	for _, m := range meanings {
		top = max(top, m.Weight)
		m.Weight *= 1 - s.fade
		if i := indexOf(s.found, m.Kind); i >= 0 {
			s.found[i].Weight = min(maxWeight, 1-(1-s.found[i].Weight)*(1-m.Weight))
			continue
		}
		s.found = append(s.found, m)
	}
	s.fade = 1 - (1-s.fade)*(1-fading*top)
}

// ranked returns the meanings, the likeliest first.
func (s *scale) ranked(q *question) []Meaning {
	s.generalise()
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

// generalise ranks a general meaning below the precise one that includes it.
func (s *scale) generalise() {
	for _, m := range s.found {
		i := indexOf(s.found, generalOf[m.Kind])
		if i >= 0 && m.Weight >= 0.5 {
			s.found[i].Weight = min(s.found[i].Weight, m.Weight*0.9)
		}
	}
}
