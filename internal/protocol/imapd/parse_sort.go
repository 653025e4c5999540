package imapd

import "strconv"

// sortKey is one criterion of SORT.
type sortKey struct {
	by      sortBy
	reverse bool
}

type sortBy uint8

const (
	byArrival sortBy = iota
	byCc
	byDate
	byDisplayFrom
	byDisplayTo
	byFrom
	bySize
	bySubject
	byTo
)

// sortNames are the sort keys of RFC 5256 section 5 and RFC 5957 section 5.
var sortNames = map[string]sortBy{
	"ARRIVAL": byArrival, "CC": byCc, "DATE": byDate, "FROM": byFrom, "SIZE": bySize,
	"SUBJECT": bySubject, "TO": byTo, "DISPLAYFROM": byDisplayFrom, "DISPLAYTO": byDisplayTo,
}

// maxSortKeys is how many criteria one SORT can have.
const maxSortKeys = 16

// sort reads SORT with RETURN (RFC 5256 section 5, RFC 5267 section 5).
func (p *parser) sort(uid bool) any {
	c := &searchCommand{uid: uid}
	s := &searchParser{parser: p}
	s.returnOptions(c)
	p.list(func() {
		if len(c.order) == maxSortKeys {
			p.tooMany(maxSortKeys)
			return
		}
		c.order = append(c.order, p.sortKey())
	})
	if len(c.order) == 0 {
		p.fail("want sort criteria")
	}
	s.criteria(c)
	return c
}

func (p *parser) sortKey() (k sortKey) {
	name := p.word()
	if name == "REVERSE" {
		k.reverse = true
		p.sp()
		name = p.word()
	}
	var ok bool
	if k.by, ok = sortNames[name]; !ok {
		p.fail("sort key %q", name)
	}
	return k
}

// criteria reads search-criteria of RFC 5256 section 5: a charset, which is not optional, and a
// search program.
func (p *searchParser) criteria(c *searchCommand) {
	p.sp()
	p.charset(string(p.astring()))
	p.sp()
	c.key = p.program(0, func() bool { return len(p.b) > 0 })
}

// resultRange asks for some of the results by their place in the order of all (RFC 9394 section
// 3.1): from first to last, counted from 1, or from the end.
type resultRange struct {
	first, last uint32 // first is not greater than last
	fromEnd     bool
	text        string // as the client wrote it
}

func (p *parser) resultRange() *resultRange {
	r := &resultRange{}
	before := p.b
	r.fromEnd = p.accept('-')
	a := p.nzNumber()
	p.expect(':')
	if r.fromEnd {
		p.expect('-')
	}
	b := p.nzNumber()
	r.first, r.last = min(a, b), max(a, b)
	if p.err == nil {
		r.text = string(before[:len(before)-len(p.b)])
	}
	return r
}

// of returns the range as it cuts a list of n results.
func (r *resultRange) of(n int) (start, end int) {
	first, last := min(int(r.first)-1, n), min(int(r.last), n)
	if r.fromEnd {
		return n - last, n - first
	}
	return first, last
}

// cancelCommand is CANCELUPDATE (RFC 5267 section 4.3.5).
type cancelCommand struct{ tags []string }

func (p *parser) cancelUpdate() any {
	c := &cancelCommand{}
	for p.err == nil {
		c.tags = append(c.tags, string(p.quoted()))
		if !p.accept(' ') {
			break
		}
	}
	return c
}

// within reads the interval of OLDER and YOUNGER in seconds (RFC 5032 section 3).
func (p *searchParser) within(op searchOp) searchKey {
	return searchKey{op: op, n: uint64(p.nzNumber())}
}

// quotedTag writes a tag as response codes and ESEARCH name it.
func quotedTag(tag string) string { return strconv.Quote(tag) }
