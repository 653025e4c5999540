package index

import (
	"bytes"
	"context"
	"io"

	"github.com/postiljon/postiljon/internal/store"
)

// Bounds of a batch: how many emails one transaction adds to an index, and how many pairs of gram
// and email are in memory at once, 16 octets each.
const (
	maxBatch = 1024
	maxPairs = 1 << 20
)

// maxGrams is how many grams are kept of one message. One that has more (a text as long as a
// library, or random octets) is always looked at.
const maxGrams = 128 << 10

// builder makes a run of emails.
type builder struct {
	store *store.Store
	texts Texts
	raw   []byte
	seen  []uint64 // a bit for each gram of the message at hand
	pairs []uint64 // gram and email, those of one email together
	spare []uint64
	words vocabulary
	limit int // of words
	run   store.PostingRun
}

func newBuilder(s *store.Store) *builder {
	return &builder{store: s, limit: maxWords}
}

// begin starts a run.
func (b *builder) begin(first store.EmailID) {
	if b.seen == nil {
		b.seen = make([]uint64, gram(fields)<<24/64) // 12 MiB, of which mail touches little
	}
	b.pairs = b.pairs[:0]
	b.words.begin(b.limit)
	b.run = store.PostingRun{First: first, End: first}
}

// fits reports whether an email can be added.
func (b *builder) fits(e *store.Email) bool {
	return b.run.Emails < maxBatch && len(b.pairs)+maxGrams/8 < maxPairs && e.ID-b.run.First < maxSpan
}

// add takes an email's grams. A message that cannot be read, or has too many, is always looked at.
func (b *builder) add(ctx context.Context, e *store.Email) error {
	from, words := len(b.pairs), len(b.words.pairs)
	number := uint64(e.ID - b.run.First)
	many := false
	err := b.read(ctx, e, func(f Field, text []byte, is form) bool {
		b.run.Text += int64(len(text))
		many = b.take(f, text, number, from+maxGrams)
		if f != Header { // where the words of the names are kept
			many = b.take(Header, text[:is.name], number, from+maxGrams) || many
		}
		b.words.takeText(f, text, is, uint32(number))
		return many
	})
	for _, p := range b.pairs[from:] {
		g := p >> spanBits
		b.seen[g/64] &^= 1 << (g % 64)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil || many {
		b.pairs = b.pairs[:from]
		b.words.forget(words)
		b.run.Always = append(b.run.Always, e.ID)
	}
	b.run.Emails++
	b.run.End = e.ID + 1
	return nil
}

// take notes the grams of a text that are new, and reports whether there are too many.
func (b *builder) take(f Field, text []byte, number uint64, limit int) (many bool) {
	if len(text) < gramSize {
		return false
	}
	g := uint32(gramAt(f, text))>>8 | uint32(f)<<24
	high := uint32(f) << 24
	for _, c := range text[gramSize-1:] {
		g = high | (g<<8|uint32(c))&0xffffff
		if bit := uint64(1) << (g % 64); b.seen[g/64]&bit == 0 {
			if len(b.pairs) >= limit {
				return true
			}
			b.seen[g/64] |= bit
			b.pairs = append(b.pairs, uint64(g)<<spanBits|number)
		}
	}
	return false
}

// wholeUpTo is the size up to which a message is read at once, in octets.
const wholeUpTo = 256 << 10

func (b *builder) read(ctx context.Context, e *store.Email, visit func(Field, []byte, form) bool) (err error) {
	var body io.ReaderAt
	if e.Size <= wholeUpTo {
		if b.raw, err = b.store.ReadBody(ctx, b.raw[:0], e, 0, e.Size); err != nil {
			return err
		}
		body = bytes.NewReader(b.raw)
	} else {
		blob, err := b.store.Body(ctx, e)
		if err != nil {
			return err
		}
		defer blob.Close()
		body = blob
	}
	_, err = b.texts.message(&e.Summary, body, gramSize-1, visit)
	return err
}

// finish returns the run and its blocks.
func (b *builder) finish() (store.PostingRun, []store.PostingBlock) {
	w := blockWriter{}
	b.sort()
	var emails []uint16
	for i, p := range b.pairs {
		emails = append(emails, uint16(p&(bigSpan-1)))
		if i+1 == len(b.pairs) || b.pairs[i+1]>>spanBits != p>>spanBits {
			w.add(gram(p>>spanBits), nil, emails)
			emails = emails[:0]
		}
	}
	b.words.finish(&w, b.run.Emails)
	w.flush()
	b.run.Size = w.size
	return b.run, w.blocks
}

// sort orders the pairs by gram. They come in the order of the emails and radix sort keeps it.
func (b *builder) sort() {
	const digit = (gramBits + 1) / 2
	if cap(b.spare) < len(b.pairs) {
		b.spare = make([]uint64, cap(b.pairs))
	}
	from, to := b.pairs, b.spare[:len(b.pairs)]
	for shift := spanBits; shift < spanBits+gramBits; shift += digit {
		var start [1 << digit]int
		for _, p := range from {
			start[p>>shift&(1<<digit-1)]++
		}
		sum := 0
		for i, n := range start {
			start[i], sum = sum, sum+n
		}
		for _, p := range from {
			d := p >> shift & (1<<digit - 1)
			to[start[d]] = p
			start[d]++
		}
		from, to = to, from
	}
	b.pairs = from // after two passes where it was
}
