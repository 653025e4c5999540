package imapd

import (
	"bytes"
	"math"
	"strings"

	"github.com/postiljon/postiljon/internal/store"
)

// parseCommand reads a command that has arrived whole, without its last CRLF. With an error the
// command has as much of its tag and name as could be read. utf8 says how the session writes the
// names of mailboxes. An APPEND ends with the octet count of its message.
func parseCommand(b []byte, utf8 bool) (command, error) {
	p := parser{b: b, utf8: utf8}
	var c command
	c.tag = string(p.run(isTag))
	if c.tag == "" {
		p.fail("want a tag")
		return c, p.err
	}
	p.sp()
	c.name = p.word()
	if c.name == "UID" {
		p.sp()
		c.name = "UID " + p.word()
	}
	if p.err != nil {
		return c, p.err
	}
	parse, ok := grammar[c.name]
	if !ok {
		return c, errUnknown
	}
	if parse != nil {
		p.sp()
		c.args = parse(&p)
		switch args := c.args.(type) {
		case *searchCommand:
			args.tag = c.tag // ESEARCH names it
		case *threadCommand:
			args.search.tag = c.tag
		case *compressCommand:
			args.tag = c.tag
		}
	}
	p.end()
	return c, p.err
}

// grammar has the arguments of every command, nil for none.
var grammar = map[string]func(*parser) any{
	"CAPABILITY": nil,
	"NOOP":       nil,
	"LOGOUT":     nil,
	"STARTTLS":   nil,
	"CHECK":      nil,
	"CLOSE":      nil,
	"UNSELECT":   nil,
	"NAMESPACE":  nil,
	"IDLE":       nil,
	"EXPUNGE":    nil,

	"UNAUTHENTICATE": nil,
	"GETJMAPACCESS":  nil,

	"ID":           (*parser).id,
	"ENABLE":       (*parser).enable,
	"AUTHENTICATE": (*parser).authenticate,
	"LOGIN":        (*parser).login,
	"SELECT":       func(p *parser) any { return p.selectMailbox(false) },
	"EXAMINE":      func(p *parser) any { return p.selectMailbox(true) },
	"CREATE":       (*parser).create,
	"DELETE":       (*parser).oneMailbox,
	"SUBSCRIBE":    (*parser).oneMailbox,
	"UNSUBSCRIBE":  (*parser).oneMailbox,
	"RENAME":       (*parser).rename,
	"LIST":         (*parser).listMailboxes,
	"LSUB":         (*parser).lsub,
	"STATUS":       (*parser).status,
	"APPEND":       (*parser).appendMessage,
	"SEARCH":       func(p *parser) any { return p.search(false) },
	"UID SEARCH":   func(p *parser) any { return p.search(true) },
	"SORT":         func(p *parser) any { return p.sort(false) },
	"UID SORT":     func(p *parser) any { return p.sort(true) },
	"THREAD":       func(p *parser) any { return p.thread(false) },
	"UID THREAD":   func(p *parser) any { return p.thread(true) },
	"ESEARCH":      (*parser).esearch,
	"CANCELUPDATE": (*parser).cancelUpdate,
	"FETCH":        func(p *parser) any { return p.fetch(false) },
	"UID FETCH":    func(p *parser) any { return p.fetch(true) },
	"STORE":        func(p *parser) any { return p.store(false) },
	"UID STORE":    func(p *parser) any { return p.store(true) },
	"COPY":         func(p *parser) any { return p.copyTo(false, false) },
	"UID COPY":     func(p *parser) any { return p.copyTo(true, false) },
	"MOVE":         func(p *parser) any { return p.copyTo(false, true) },
	"UID MOVE":     func(p *parser) any { return p.copyTo(true, true) },
	"UID EXPUNGE":  (*parser).uidExpunge,
	"REPLACE":      func(p *parser) any { return p.replace(false) },
	"UID REPLACE":  func(p *parser) any { return p.replace(true) },
	"COMPRESS":     func(p *parser) any { return &compressCommand{mechanism: p.word()} },
	"GETQUOTA":     (*parser).getQuota,
	"GETQUOTAROOT": (*parser).oneMailbox,
	"SETQUOTA":     (*parser).setQuota,
	"GETMETADATA":  (*parser).getMetadata,
	"NOTIFY":       (*parser).notify,
	"SETMETADATA":  (*parser).setMetadata,
	"SETACL":       (*parser).setACL,
	"DELETEACL":    (*parser).aclOf,
	"GETACL":       (*parser).oneMailbox,
	"LISTRIGHTS":   (*parser).aclOf,
	"MYRIGHTS":     (*parser).oneMailbox,
}

// maxIDFields bounds ID (RFC 2971 section 3.3: at most 30 pairs, names of 30 octets, values of 1024).
const maxIDFields = 30

func (p *parser) id() any {
	c := &idCommand{}
	if p.peek() != '(' {
		p.nstring()
		return c
	}
	p.list(func() {
		name := p.string()
		p.sp()
		value, _ := p.nstring()
		if len(c.fields) == maxIDFields || len(name) > 30 || len(value) > 1024 {
			p.fail("ID beyond its limits")
			return
		}
		c.fields = append(c.fields, [2]string{string(name), string(value)})
	})
	return c
}

func (p *parser) enable() any {
	c := &enableCommand{}
	for p.err == nil {
		c.capabilities = append(c.capabilities, p.word())
		if !p.accept(' ') {
			return c
		}
	}
	return c
}

func (p *parser) authenticate() any {
	c := &authenticateCommand{mechanism: p.word()}
	if p.accept(' ') {
		c.initial = p.b
		p.b = nil
		if len(c.initial) == 0 || bytes.IndexByte(c.initial, ' ') >= 0 {
			p.fail("initial response")
		}
	}
	return c
}

func (p *parser) login() any {
	c := &loginCommand{user: string(p.astring())}
	p.sp()
	c.password = string(p.astring())
	return c
}

func (p *parser) oneMailbox() any { return &mailboxCommand{p.mailbox()} }

func (p *parser) rename() any {
	c := &renameCommand{from: p.mailbox()}
	p.sp()
	c.to = p.mailbox()
	return c
}

// create reads CREATE with the parameter USE (RFC 6154 section 3).
func (p *parser) create() any {
	c := &createCommand{mailbox: p.mailbox()}
	if !p.accept(' ') {
		return c
	}
	p.list(func() {
		if name := p.word(); name != "USE" {
			p.fail("CREATE parameter %q", name)
			return
		}
		p.sp()
		p.list(func() {
			p.expect('\\')
			c.use = append(c.use, p.word())
		})
	})
	return c
}

// selectMailbox reads SELECT and EXAMINE with the parameters of RFC 7162.
func (p *parser) selectMailbox(readOnly bool) any {
	c := &selectCommand{mailbox: p.mailbox(), readOnly: readOnly}
	if !p.accept(' ') {
		return c
	}
	p.list(func() {
		switch name := p.word(); name {
		case "CONDSTORE":
			c.condstore = true
		case "QRESYNC":
			p.sp()
			c.qresync = p.qresync()
		default:
			p.fail("SELECT parameter %q", name)
		}
	})
	return c
}

// qresync reads `"(" uidvalidity SP mod-sequence [SP known-uids] [SP seq-match-data] ")"`.
func (p *parser) qresync() *qresyncParams {
	q := &qresyncParams{}
	p.expect('(')
	q.uidValidity = p.nzNumber()
	p.sp()
	q.modSeq = store.ModSeq(p.number64())
	if p.accept(' ') && p.peek() != '(' {
		q.known = p.uidSet()
		if p.peek() == ' ' {
			p.sp()
		}
	}
	if p.accept('(') {
		q.seqs = p.uidSet()
		p.sp()
		q.uids = p.uidSet()
		p.expect(')')
		if q.seqs.Len() != q.uids.Len() {
			p.fail("sequence match data of two lengths")
		}
	}
	p.expect(')')
	return q
}

// maxPatterns is how many patterns one LIST can have.
const maxPatterns = 64

func (p *parser) lsub() any {
	c := &listCommand{lsub: true, subscribed: true}
	c.reference = p.mailbox()
	p.sp()
	c.patterns = []string{p.listMailbox()}
	return c
}

func (p *parser) listMailboxes() any {
	c := &listCommand{}
	if p.peek() == '(' {
		c.extended = true
		p.list(func() { p.listSelection(c) })
		p.sp()
		if c.recursiveMatch && !c.subscribed {
			p.fail("RECURSIVEMATCH alone") // RFC 5258 section 3.1
		}
	}
	c.reference = p.mailbox()
	p.sp()
	if p.peek() == '(' {
		c.extended = true
		p.list(func() {
			c.patterns = append(c.patterns, p.listMailbox())
			if len(c.patterns) > maxPatterns {
				p.tooMany(maxPatterns)
			}
		})
	} else {
		c.patterns = []string{p.listMailbox()}
	}
	if p.accept(' ') {
		c.extended = true
		if p.word() != "RETURN" {
			p.fail("want RETURN")
		}
		p.sp()
		p.list(func() { p.listReturn(c) })
	}
	return c
}

func (p *parser) listSelection(c *listCommand) {
	switch name := p.word(); name {
	case "SUBSCRIBED":
		c.subscribed = true
	case "REMOTE":
		c.remote = true
	case "RECURSIVEMATCH":
		c.recursiveMatch = true
	case "SPECIAL-USE":
		c.specialUse = true
	default:
		p.fail("LIST selection option %q", name)
	}
}

func (p *parser) listReturn(c *listCommand) {
	switch name := p.word(); name {
	case "SUBSCRIBED":
		c.returnSubscribed = true
	case "CHILDREN":
		c.returnChildren = true
	case "SPECIAL-USE":
		c.returnSpecialUse = true
	case "STATUS":
		p.sp()
		c.returnStatus = p.statusItems()
	case "MYRIGHTS": // RFC 8440 section 3
		c.returnMyRights = true
	case "METADATA": // RFC 9590 section 3
		p.sp()
		c.returnMetadata = &getMetadataCommand{maxSize: math.MaxUint32, entries: p.metadataEntries()}
	default:
		p.fail("LIST return option %q", name)
	}
}

// listMailbox reads a pattern: a string, or atom characters with wildcards.
func (p *parser) listMailbox() string {
	var s []byte
	if classes[p.peek()]&isList != 0 {
		s = p.run(isList)
	} else {
		s = p.string()
	}
	if p.err != nil {
		return ""
	}
	return p.mailboxName(string(s))
}

var statusNames = map[string]statusItems{
	"MESSAGES":      statusMessages,
	"UIDNEXT":       statusUIDNext,
	"UIDVALIDITY":   statusUIDValidity,
	"UNSEEN":        statusUnseen,
	"DELETED":       statusDeleted,
	"SIZE":          statusSize,
	"RECENT":        statusRecent,
	"HIGHESTMODSEQ": statusHighestModSeq,
	"APPENDLIMIT":   statusAppendLimit,
	"MAILBOXID":     statusMailboxID,

	"DELETED-STORAGE": statusDeletedStorage,
}

func (p *parser) statusItems() (items statusItems) {
	p.list(func() {
		name := p.word()
		bit, ok := statusNames[name]
		if !ok {
			p.fail("STATUS item %q", name)
		}
		items |= bit
	})
	if items == 0 {
		p.fail("want STATUS items")
	}
	return items
}

func (p *parser) status() any {
	c := &statusCommand{mailbox: p.mailbox()}
	p.sp()
	c.items = p.statusItems()
	return c
}

// appendMessage reads APPEND up to the mailbox: the rest is read with the messages.
func (p *parser) appendMessage() any {
	c := &appendCommand{mailbox: p.mailbox()}
	p.messages(c)
	return c
}

// replace reads REPLACE (RFC 8508 section 3.1) in the same way.
func (p *parser) replace(uid bool) any {
	c := &appendCommand{replace: true, uid: uid, number: p.seqNumber()}
	p.sp()
	c.mailbox = p.mailbox()
	p.messages(c)
	return c
}

func (p *parser) messages(c *appendCommand) {
	p.sp()
	if c.rest = p.b; len(c.rest) == 0 {
		p.fail("want a message")
	}
	p.b = nil
}

func (p *parser) getQuota() any { return &quotaCommand{root: string(p.astring())} }

// setQuota reads SETQUOTA (RFC 9208 section 4.1.3).
func (p *parser) setQuota() any {
	c := &quotaCommand{root: string(p.astring())}
	p.sp()
	p.list(func() {
		l := quotaLimit{resource: p.word()}
		p.sp()
		l.limit = p.number64()
		c.limits = append(c.limits, l)
	})
	return c
}

func (p *parser) uidExpunge() any { return &expungeCommand{uid: true, set: p.sequenceSet()} }

func (p *parser) copyTo(uid, move bool) any {
	c := &copyCommand{uid: uid, move: move, set: p.sequenceSet()}
	p.sp()
	c.mailbox = p.mailbox()
	return c
}

// store reads STORE with UNCHANGEDSINCE (RFC 7162 section 3.1.3).
func (p *parser) store(uid bool) any {
	c := &storeCommand{uid: uid, set: p.sequenceSet()}
	p.sp()
	if p.peek() == '(' {
		p.list(func() {
			if p.word() != "UNCHANGEDSINCE" || c.unchangedSince != nil {
				p.fail("STORE modifier")
			}
			p.sp()
			since := store.ModSeq(p.number64())
			c.unchangedSince = &since
		})
		p.sp()
	}
	c.op = store.FlagsReplace
	switch {
	case p.accept('+'):
		c.op = store.FlagsAdd
	case p.accept('-'):
		c.op = store.FlagsRemove
	}
	name, silent := strings.CutSuffix(p.word(), ".SILENT")
	if c.silent = silent; name != "FLAGS" {
		p.fail("want FLAGS")
	}
	p.sp()
	if p.peek() == '(' {
		c.flags = p.flagList()
		return c
	}
	for p.err == nil {
		p.flag(&c.flags)
		if !p.accept(' ') {
			break
		}
	}
	return c
}
