package imapd

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// sortRow is a message with its place in an order: what all criteria make of it, as octets that
// compare like the criteria one after the other.
type sortRow struct {
	head uint64 // the first octets of key, which mostly decide
	key  []byte
	uid  uid.UID
}

// compare orders messages; what is equal keeps the order of the mailbox (RFC 5256 section 3).
func (r *sortRow) compare(o *sortRow) int {
	if c := cmp.Compare(r.head, o.head); c != 0 {
		return c
	}
	if c := bytes.Compare(r.key, o.key); c != 0 {
		return c
	}
	return cmp.Compare(r.uid, o.uid)
}

// maxSortOctets bounds what the keys of one SORT can take: a million messages with some hundred
// octets of subject each.
const maxSortOctets = 128 << 20

// errTooMuch is that a result would need more memory than one command can have.
var errTooMuch = errors.New("imapd: too much to sort")

// read reads messages and brings them into an order. Those that are gone meanwhile are left out.
func (q *query) read(hits uid.Set, order []sortKey) ([]sortRow, error) {
	rows := make([]sortRow, 0, hits.Len())
	var keys arena
	var scratch []byte
	err := q.each(hits, func(m *store.Message) error {
		scratch = appendSortKeys(scratch[:0], m, order)
		key, err := keys.keep(scratch)
		rows = append(rows, newSortRow(m.UID, key))
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(rows, func(a, b sortRow) int { return a.compare(&b) })
	return rows, nil
}

func newSortRow(u uid.UID, key []byte) sortRow {
	var head [8]byte
	copy(head[:], key)
	return sortRow{head: binary.BigEndian.Uint64(head[:]), key: key, uid: u}
}

// arena keeps many short keys in few pieces of memory.
type arena struct {
	piece []byte
	total int
}

const arenaPiece = 64 << 10

func (a *arena) keep(key []byte) ([]byte, error) {
	if a.total += len(key); a.total > maxSortOctets {
		return nil, errTooMuch
	}
	if cap(a.piece)-len(a.piece) < len(key) {
		a.piece = make([]byte, 0, max(arenaPiece, len(key)))
	}
	start := len(a.piece)
	a.piece = append(a.piece, key...)
	return a.piece[start:len(a.piece):len(a.piece)], nil
}

// appendSortKeys writes what the criteria make of a message.
func appendSortKeys(b []byte, m *store.Message, order []sortKey) []byte {
	for _, k := range order {
		start := len(b)
		b = appendSortKey(b, m, k.by)
		if k.reverse {
			for i := start; i < len(b); i++ {
				b[i] = ^b[i]
			}
		}
	}
	return b
}

// appendSortKey writes what one criterion makes of a message (RFC 5256 section 3).
func appendSortKey(b []byte, m *store.Message, by sortBy) []byte {
	e := &m.Email
	switch by {
	case byArrival:
		return appendSortNumber(b, e.Received.Unix())
	case byDate:
		return appendSortNumber(b, sentDate(e))
	case bySize:
		return appendSortNumber(b, m.Size)
	case bySubject:
		base, _ := message.BaseSubject(string(e.Summary.Subject()))
		return appendSortText(b, []byte(base))
	case byDisplayFrom:
		return appendSortText(b, firstAddress(e, envelopeFrom).display())
	case byDisplayTo:
		return appendSortText(b, firstAddress(e, envelopeTo).display())
	case byFrom:
		return appendSortText(b, firstAddress(e, envelopeFrom).mailbox)
	case byTo:
		return appendSortText(b, firstAddress(e, envelopeTo).mailbox)
	}
	return appendSortText(b, firstAddress(e, envelopeCc).mailbox)
}

// sentDate is the sent date of RFC 5256 section 2.2: that of the Date field, else of arrival.
func sentDate(e *store.Email) int64 {
	if unix, ok := e.Summary.DateUnix(); ok {
		return unix
	}
	return e.Received.Unix()
}

func appendSortNumber(b []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(n)^1<<63)
}

// appendSortText writes text so that its end sorts before any octet that could follow.
func appendSortText(b, text []byte) []byte {
	start := len(b)
	b = appendCasemap(b, text)
	for i := start; i < len(b); i++ {
		if b[i] == 0 {
			i++
			b = slices.Insert(b, i, 0xff)
		}
	}
	return append(b, 0, 0)
}

// appendCasemap writes text as the collation i;unicode-casemap compares it (RFC 5051 section 2):
// each character in title case and decomposed.
func appendCasemap(b, text []byte) []byte {
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			if 'a' <= c && c <= 'z' {
				c -= 0x20
			}
			b = append(b, c)
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		i += size
		start := len(b)
		b = utf8.AppendRune(b, unicode.ToTitle(r))
		if d := norm.NFKD.Properties(b[start:]).Decomposition(); d != nil {
			b = append(b[:start], d...)
		}
	}
	return b
}

// The address fields by their place in ENVELOPE (RFC 9051 section 7.5.2).
const (
	envelopeFrom = 2
	envelopeTo   = 5
	envelopeCc   = 6
)

// envelopeAddress is an address structure of ENVELOPE; nil stands for NIL.
type envelopeAddress struct{ name, mailbox, host []byte }

// firstAddress reads the first address of a field from the stored ENVELOPE, where the start of a
// group is one, too. All is nil if there is none.
func firstAddress(e *store.Email, field int) (a envelopeAddress) {
	p := parser{b: e.Summary.Envelope()}
	p.expect('(')
	for i := range field {
		if i < envelopeFrom {
			p.envelopeString()
		} else {
			p.skipAddresses()
		}
		p.sp()
	}
	if !p.accept('(') {
		return a
	}
	a = p.envelopeAddress()
	if p.err != nil {
		return envelopeAddress{}
	}
	return a
}

func (p *parser) envelopeAddress() (a envelopeAddress) {
	p.expect('(')
	a.name = p.envelopeString()
	p.sp()
	p.envelopeString() // the source route
	p.sp()
	a.mailbox = p.envelopeString()
	p.sp()
	a.host = p.envelopeString()
	p.expect(')')
	return a
}

func (p *parser) skipAddresses() {
	if !p.accept('(') {
		p.envelopeString() // NIL
		return
	}
	for p.err == nil && p.peek() == '(' {
		p.envelopeAddress()
	}
	p.expect(')')
}

// envelopeString reads an nstring; NIL is nil.
func (p *parser) envelopeString() []byte {
	if rest, ok := bytes.CutPrefix(p.b, []byte("NIL")); ok {
		p.b = rest
		return nil
	}
	return p.string()
}

// display is the sort value of RFC 5957 section 3.
func (a envelopeAddress) display() []byte {
	if name := message.DecodeHeader(string(a.name)); name != "" {
		return []byte(name)
	}
	if a.mailbox == nil || a.host == nil {
		return a.mailbox
	}
	return slices.Concat(a.mailbox, []byte("@"), a.host)
}
