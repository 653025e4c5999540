package imapd

import (
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/ianaindex"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/index"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// searchKey is a node of what SEARCH asks for.
type searchKey struct {
	op    searchOp
	keys  []searchKey // of opAnd, opOr (two) and opNot (one)
	set   seqSet
	flag  store.Flags // of opFlag
	n     uint64      // octets, mod-sequence
	day   time.Time   // midnight UTC
	field string      // of opHeader, in lower case; "" with opText and opBody
	text  string      // what to find, in UTF-8; a keyword, an object id
	// What query.prepare makes of it.
	uids   uid.Set
	needle index.Needle
	// resolved says that uids stays, whatever comes into the mailbox, or that there is the keyword.
	resolved bool
	// What query.ask learns of it from the index, nil for nothing, and whether that says more than
	// where it is not.
	matches  *index.Matches
	decisive bool
}

type searchOp uint8

const (
	opAll searchOp = iota
	opNone
	opAnd
	opOr
	opNot
	opSeq
	opUID
	opFlag
	opKeyword
	opModSeq
	opEmailID
	opThreadID
	opLarger
	opSmaller
	opOlder // INTERNALDATE, at least so many seconds ago
	opYounger
	opBefore // INTERNALDATE, disregarding time and zone
	opOn
	opSince
	opSavedBefore
	opSavedOn
	opSavedSince
	opSentBefore // Date field
	opSentOn
	opSentSince
	opHeader
	opBody
	opText
)

// Bounds on what one SEARCH can ask for.
const (
	maxSearchDepth = 50
	maxSearchKeys  = 1000
)

// searchParser reads a search program.
type searchParser struct {
	*parser
	decoder *encoding.Decoder // nil: strings are UTF-8
	keys    int
}

// search reads SEARCH with RETURN (RFC 9051 section 6.4.4) and CHARSET.
func (p *parser) search(uid bool) any {
	c := &searchCommand{uid: uid}
	s := &searchParser{parser: p}
	s.returnOptions(c)
	s.searchProgram(c)
	return c
}

// returnOptions reads RETURN if it is next.
func (p *searchParser) returnOptions(c *searchCommand) {
	if !p.keyword("RETURN") {
		return
	}
	c.extended = true
	p.sp()
	p.list(func() { p.searchReturn(c) })
	if c.ret == 0 {
		c.ret = returnAll
	}
	if c.ret&returnAll != 0 && c.ret&returnPartial != 0 { // RFC 9394 section 3.1
		p.fail("both ALL and PARTIAL")
	}
	p.sp()
}

// searchProgram reads search-program of RFC 9051 section 9: keys, perhaps with a charset.
func (p *searchParser) searchProgram(c *searchCommand) {
	if p.keyword("CHARSET") {
		c.charset = true
		p.sp()
		p.charset(string(p.astring()))
		p.sp()
	}
	c.key = p.program(0, func() bool { return len(p.b) > 0 })
}

// keyword reads the word if it is next.
func (p *searchParser) keyword(word string) bool {
	if len(p.b) <= len(word) || p.b[len(word)] != ' ' || !strings.EqualFold(string(p.b[:len(word)]), word) {
		return false
	}
	p.b = p.b[len(word):]
	return true
}

func (p *parser) searchReturn(c *searchCommand) {
	switch name := p.word(); name {
	case "MIN":
		c.ret |= returnMin
	case "MAX":
		c.ret |= returnMax
	case "ALL":
		c.ret |= returnAll
	case "COUNT":
		c.ret |= returnCount
	case "SAVE":
		c.ret |= returnSave
	case "CONTEXT": // a hint to keep the result, which we need not (RFC 5267 section 4.2)
		c.ret |= returnContext
	case "UPDATE":
		c.ret |= returnUpdate
		c.update = p.newItems()
	case "PARTIAL":
		if c.ret&returnPartial != 0 {
			p.fail("PARTIAL twice")
		}
		c.ret |= returnPartial
		p.sp()
		c.partial = p.resultRange()
	default:
		p.fail("SEARCH return option %q", name)
	}
}

func (p *searchParser) charset(name string) {
	switch strings.ToUpper(name) {
	case "UTF-8", "US-ASCII", "ASCII":
		return
	}
	e, err := ianaindex.MIME.Encoding(name)
	if err != nil || e == nil {
		p.failAs(errCharset)
		return
	}
	p.decoder = e.NewDecoder()
}

// text reads a string of the search program and returns it in UTF-8.
func (p *searchParser) text() string {
	s := p.astring()
	if p.decoder != nil {
		decoded, err := p.decoder.Bytes(s)
		if err != nil {
			p.fail("string not in its charset")
		}
		return string(decoded)
	}
	if !utf8.Valid(s) {
		p.fail("string not in its charset")
	}
	return string(s)
}

// program reads keys, which must all match, while more is true.
func (p *searchParser) program(depth int, more func() bool) searchKey {
	all := searchKey{op: opAnd}
	for p.err == nil {
		all.keys = append(all.keys, p.key(depth))
		if !more() {
			break
		}
		p.sp()
	}
	if len(all.keys) == 1 {
		return all.keys[0]
	}
	return all
}

// key reads one search-key.
func (p *searchParser) key(depth int) searchKey {
	if depth > maxSearchDepth {
		p.tooMany(maxSearchDepth)
		return searchKey{}
	}
	if p.keys++; p.keys > maxSearchKeys {
		p.tooMany(maxSearchKeys)
		return searchKey{}
	}
	switch c := p.peek(); {
	case c == '(':
		p.expect('(')
		k := p.program(depth+1, func() bool { return p.peek() != ')' })
		p.expect(')')
		return k
	case c == '*', c == '$', classes[c]&isDigit != 0:
		return searchKey{op: opSeq, set: p.sequenceSet()}
	}
	name := p.word()
	if k, ok := plainKeys[name]; ok {
		return k
	}
	p.sp()
	return p.keyWithArguments(name, depth)
}

// plainKeys have no arguments. No message is ever \Recent (RFC 9051 appendix E).
var plainKeys = map[string]searchKey{
	"ALL":               {op: opAll},
	"ANSWERED":          {op: opFlag, flag: store.FlagAnswered},
	"DELETED":           {op: opFlag, flag: store.FlagDeleted},
	"DRAFT":             {op: opFlag, flag: store.FlagDraft},
	"FLAGGED":           {op: opFlag, flag: store.FlagFlagged},
	"SEEN":              {op: opFlag, flag: store.FlagSeen},
	"UNANSWERED":        not(searchKey{op: opFlag, flag: store.FlagAnswered}),
	"UNDELETED":         not(searchKey{op: opFlag, flag: store.FlagDeleted}),
	"UNDRAFT":           not(searchKey{op: opFlag, flag: store.FlagDraft}),
	"UNFLAGGED":         not(searchKey{op: opFlag, flag: store.FlagFlagged}),
	"UNSEEN":            not(searchKey{op: opFlag, flag: store.FlagSeen}),
	"NEW":               {op: opNone},
	"OLD":               {op: opAll},
	"RECENT":            {op: opNone},
	"SAVEDATESUPPORTED": {op: opAll}, // RFC 8514 section 4.3
}

func not(k searchKey) searchKey { return searchKey{op: opNot, keys: []searchKey{k}} }

// fieldKeys search one field of the header.
var fieldKeys = map[string]bool{"BCC": true, "CC": true, "FROM": true, "SUBJECT": true, "TO": true}

var dateKeys = map[string]searchOp{
	"BEFORE": opBefore, "ON": opOn, "SINCE": opSince,
	"SENTBEFORE": opSentBefore, "SENTON": opSentOn, "SENTSINCE": opSentSince,
	"SAVEDBEFORE": opSavedBefore, "SAVEDON": opSavedOn, "SAVEDSINCE": opSavedSince,
}

func (p *searchParser) keyWithArguments(name string, depth int) searchKey {
	if op, ok := dateKeys[name]; ok {
		return searchKey{op: op, day: p.date()}
	}
	if fieldKeys[name] {
		return searchKey{op: opHeader, field: strings.ToLower(name), text: p.text()}
	}
	switch name {
	case "NOT":
		return not(p.key(depth + 1))
	case "OR":
		a := p.key(depth + 1)
		p.sp()
		return searchKey{op: opOr, keys: []searchKey{a, p.key(depth + 1)}}
	case "UID":
		return searchKey{op: opUID, set: p.sequenceSet()}
	case "UIDAFTER", "UIDBEFORE": // RFC 9738 section 3.2
		return p.besideUID(name == "UIDAFTER")
	case "KEYWORD":
		return searchKey{op: opKeyword, text: string(p.atom())}
	case "UNKEYWORD":
		return not(searchKey{op: opKeyword, text: string(p.atom())})
	case "LARGER":
		return searchKey{op: opLarger, n: p.number64()}
	case "SMALLER":
		return searchKey{op: opSmaller, n: p.number64()}
	case "OLDER":
		return p.within(opOlder)
	case "YOUNGER":
		return p.within(opYounger)
	case "BODY":
		return searchKey{op: opBody, text: p.text()}
	case "TEXT":
		return searchKey{op: opText, text: p.text()}
	case "HEADER":
		return p.headerKey()
	case "MODSEQ":
		return p.modSeqKey()
	case "EMAILID":
		return searchKey{op: opEmailID, text: string(p.astring())}
	case "THREADID":
		return searchKey{op: opThreadID, text: string(p.astring())}
	}
	p.fail("search key %q", name)
	return searchKey{}
}

// besideUID reads the UID of UIDAFTER or UIDBEFORE. Unlike "n:*" it means no message where none is.
func (p *searchParser) besideUID(after bool) searchKey {
	n := uid.UID(p.nzNumber())
	k := searchKey{op: opUID, resolved: true}
	switch {
	case after && n < math.MaxUint32:
		k.uids = uid.Set{{First: n + 1, Last: math.MaxUint32}}
	case !after && n > 1:
		k.uids = uid.Set{{First: 1, Last: n - 1}}
	}
	return k
}

func (p *searchParser) headerKey() searchKey {
	field := p.astring()
	if !isFieldName(field) || len(field) == 0 {
		p.fail("header field name")
	}
	p.sp()
	return searchKey{op: opHeader, field: strings.ToLower(string(field)), text: p.text()}
}

// modSeqKey reads "MODSEQ" ["/flags/..." "priv"|"shared"|"all"] n (RFC 7162 section 3.1.5). We keep
// one mod-sequence a message, so that the entry makes no difference.
func (p *searchParser) modSeqKey() searchKey {
	if p.peek() == '"' {
		if entry := p.quoted(); !strings.HasPrefix(string(entry), "/flags/") {
			p.fail("metadata entry")
		}
		p.sp()
		switch p.word() {
		case "PRIV", "SHARED", "ALL":
		default:
			p.fail("metadata entry type")
		}
		p.sp()
	}
	return searchKey{op: opModSeq, n: p.number64()}
}

// has reports whether the key or one below it is of a kind.
func (k *searchKey) has(op searchOp) bool {
	if k.op == op {
		return true
	}
	for i := range k.keys {
		if k.keys[i].has(op) {
			return true
		}
	}
	return false
}
