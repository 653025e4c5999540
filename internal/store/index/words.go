package index

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/postiljon/postiljon/internal/store"
)

// Grams tell which emails can have a needle, words which have it for certain: an email has a
// needle that is a word, or the beginning of one. A search for a word that most emails have would
// otherwise read most of them, although grams narrow it to those. Only words that are common in
// their batch are kept; what no word tells of is read.
//
// Words are kept apart for each field, and what is said of the words of Subject, From and To is
// about the values of these fields of the message, which is what searches in them ask for; the
// names of the fields are words of Header. Names and addresses are words, too, from end to end,
// and so are the domains of addresses, and two to four words of a subject with what is between them.

// ofWords is set in the field of a word.
const ofWords Field = 1 << (gramBits - 24)

const (
	minWord  = gramSize
	maxWord  = 40
	maxWhole = 64 // of an address, a name, or some words of a subject
	maxTied  = 4  // how many words of a subject are one
	// commonShare is one of how many emails of a batch have a word that is kept, leastCommon how
	// many at least.
	commonShare = 128
	leastCommon = 2
	// maxWords is how many different words of a batch are noted.
	maxWords = 1 << 17
)

// inWord are the octets of folded text that words are made of: ASCII letters and digits, and
// whatever is not ASCII.
var inWord = func() (t [256]bool) {
	for c := range t {
		t[c] = 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c >= 0x80
	}
	return t
}()

// wordsOf returns in which fields words can tell of a needle.
func (n Needle) wordsOf(where Fields) Fields {
	switch {
	case n.Len() < minWord || n.Len() > maxWhole:
		return 0
	case n.Len() > maxWord, slices.ContainsFunc(n.folded, func(c byte) bool { return !inWord[c] }):
		return where & In(Subject, From, To, Copies)
	}
	return where
}

// vocabulary is the words of a batch.
type vocabulary struct {
	limit int      // how many different words are noted
	slots []uint32 // a hash table with the positions in words, plus one
	words []noted
	text  []byte
	pairs []uint64 // position in words and email, those of one email together
}

// noted is one word of a vocabulary.
type noted struct {
	hash   uint32
	at     uint32 // where its octets are in text
	size   uint8
	field  Field
	emails int32
	last   int32 // the last email that has it, -1 for none
}

func (v *vocabulary) begin(limit int) {
	v.limit = limit
	if v.slots == nil {
		v.slots = make([]uint32, 2*maxWords)
	}
	clear(v.slots)
	v.words, v.text, v.pairs = v.words[:0], v.text[:0], v.pairs[:0]
}

// takeText notes the words of a text that Texts visits.
func (v *vocabulary) takeText(f Field, text []byte, is form, email uint32) {
	v.take(Header, text[:is.name], email)
	v.take(f, text[is.name:], email)
	if f == Subject {
		v.takeTied(f, text[is.name:], email)
		return
	}
	if !is.whole {
		return
	}
	if n := len(text); n >= minWord && n <= maxWhole {
		v.add(f|ofWords, text, email)
	}
	if at := bytes.LastIndexByte(text, '@'); at >= 0 && len(text)-at > minWord && len(text)-at <= maxWhole {
		v.add(f|ofWords, text[at:], email)
		v.add(f|ofWords, text[at+1:], email)
	}
}

// takeTied notes what words that follow each other are together.
func (v *vocabulary) takeTied(f Field, text []byte, email uint32) {
	var starts [maxTied]int // of the last words
	n := 0
	for i := 0; i < len(text); i++ {
		if !inWord[text[i]] {
			continue
		}
		starts[n%maxTied] = i
		n++
		for i < len(text) && inWord[text[i]] {
			i++
		}
		for back := 2; back <= min(n, maxTied); back++ {
			if from := starts[(n-back)%maxTied]; i-from <= maxWhole {
				v.add(f|ofWords, text[from:i], email)
			}
		}
	}
}

// take notes the words of a text.
func (v *vocabulary) take(f Field, text []byte, email uint32) {
	for i := 0; i < len(text); i++ {
		if !inWord[text[i]] {
			continue
		}
		start := i
		for i < len(text) && inWord[text[i]] {
			i++
		}
		if n := i - start; n >= minWord && n <= maxWord {
			v.add(f|ofWords, text[start:i], email)
		}
	}
}

func (v *vocabulary) add(field Field, text []byte, email uint32) {
	hash := hashOf(field, text)
	at := v.find(field, text, hash)
	if v.slots[at] == 0 {
		if len(v.words) >= v.limit {
			return
		}
		v.words = append(v.words, noted{hash: hash, at: uint32(len(v.text)), size: uint8(len(text)), field: field, last: -1})
		v.text = append(v.text, text...)
		v.slots[at] = uint32(len(v.words))
		if 2*len(v.words) > len(v.slots) {
			v.grow()
			at = v.find(field, text, hash)
		}
	}
	i := v.slots[at] - 1
	w := &v.words[i]
	if w.last == int32(email) {
		return
	}
	w.last = int32(email)
	w.emails++
	v.pairs = append(v.pairs, uint64(i)<<spanBits|uint64(email))
}

// hashOf is FNV-1a of a word.
func hashOf(field Field, text []byte) uint32 {
	hash := 2166136261 ^ uint32(field)
	for _, c := range text {
		hash = (hash ^ uint32(c)) * 16777619
	}
	return hash
}

// find returns the slot where a word is or belongs.
func (v *vocabulary) find(field Field, text []byte, hash uint32) uint32 {
	mask := uint32(len(v.slots) - 1)
	for at := (hash ^ hash>>15) & mask; ; at = (at + 1) & mask {
		if v.slots[at] == 0 {
			return at
		}
		if w := &v.words[v.slots[at]-1]; w.hash == hash && w.field == field && string(v.textOf(w)) == string(text) {
			return at
		}
	}
}

func (v *vocabulary) grow() {
	v.slots = make([]uint32, 2*len(v.slots))
	for i := range v.words {
		w := &v.words[i]
		v.slots[v.find(w.field, v.textOf(w), w.hash)] = uint32(i + 1)
	}
}

func (v *vocabulary) textOf(w *noted) []byte { return v.text[w.at : w.at+uint32(w.size)] }

// forget takes the words of the last email back; pairs had so many entries before it.
func (v *vocabulary) forget(pairs int) {
	for _, p := range v.pairs[pairs:] {
		v.words[p>>spanBits].emails--
	}
	v.pairs = v.pairs[:pairs]
}

// group returns the emails of all words: those of the i-th from starts[i] to before starts[i+1].
func (v *vocabulary) group() (starts []int, emails []uint16) {
	starts = make([]int, len(v.words)+1)
	for i := range v.words {
		starts[i+1] = starts[i] + int(v.words[i].emails)
	}
	emails = make([]uint16, len(v.pairs))
	next := slices.Clone(starts)
	for _, p := range v.pairs {
		i := p >> spanBits
		emails[next[i]] = uint16(p & (bigSpan - 1))
		next[i]++
	}
	return starts, emails
}

// finish writes the common words of a batch of emails.
func (v *vocabulary) finish(w *blockWriter, batch int64) {
	starts, emails := v.group()
	var common []uint32
	for i := range v.words {
		if n := v.words[i].emails; n >= leastCommon && int64(n)*commonShare >= batch {
			common = append(common, uint32(i))
		}
	}
	slices.SortFunc(common, func(a, b uint32) int {
		x, y := &v.words[a], &v.words[b]
		return cmp.Or(cmp.Compare(x.field, y.field), bytes.Compare(v.textOf(x), v.textOf(y)))
	})
	for _, i := range common {
		text := v.textOf(&v.words[i])
		w.add(gramAt(v.words[i].field, text), text[gramSize:], emails[starts[i]:starts[i+1]])
	}
}

// checker returns whether all emails of a set have a word; it is for Verify.
func (v *vocabulary) checker() func(g gram, suffix []byte, set span) bool {
	starts, emails := v.group()
	return func(g gram, suffix []byte, set span) bool {
		text := append([]byte{byte(g >> 16), byte(g >> 8), byte(g)}, suffix...)
		field := Field(g >> 24)
		have := make(span, len(set))
		if i := v.slots[v.find(field, text, hashOf(field, text))]; i > 0 {
			for _, e := range emails[starts[i-1]:starts[i]] {
				have.add(uint32(e))
			}
		}
		return have.holds(set)
	}
}

// findWords returns the emails of a run that have a needle for certain in a field, nil for none.
func findWords(p *store.PostingReader, run *store.PostingRun, f Field, n Needle) (span, error) {
	g := gramAt(f|ofWords, n.folded)
	b, err := p.Block(run.ID, uint32(g))
	if err != nil {
		return nil, err
	}
	var found span
	e := readBlock(b)
	for e.next() && e.gram <= g {
		if e.gram < g || !bytes.HasPrefix(e.suffix, n.folded[gramSize:]) {
			continue
		}
		if found == nil {
			found = newSpan(run.First, run.End)
		}
		if err := e.emails(found); err != nil {
			return nil, err
		}
	}
	if e.bad {
		return nil, errDamaged
	}
	return found, nil
}
