package peer

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// selected runs the commands that need a mailbox.
func (x *imapSession) selected(cmd *imapCommand) {
	byUID := strings.HasPrefix(cmd.verb, "UID ")
	switch verb := strings.TrimPrefix(cmd.verb, "UID "); verb {
	case "FETCH":
		x.fetch(cmd, byUID)
	case "STORE":
		x.store(cmd, byUID)
	case "SEARCH":
		x.search(cmd, byUID)
	case "COPY", "MOVE":
		x.copyTo(cmd, byUID, verb == "MOVE")
	case "EXPUNGE":
		x.expunge()
		x.news()
		x.ok("done")
	case "CLOSE":
		x.expunge()
		x.box = nil
		x.ok("done")
	case "UNSELECT":
		x.box = nil
		x.ok("done")
	default:
		x.bad("Command unknown")
	}
}

// picked is a message with its sequence number.
type picked struct {
	number int
	m      *Message
}

// pick returns the messages of a set that the client knows and that still are.
// Mail.mu is held.
func (x *imapSession) pick(set string, byUID bool) ([]picked, error) {
	last := uint32(len(x.shown))
	if byUID && len(x.shown) > 0 {
		last = x.shown[len(x.shown)-1]
	}
	has, err := numbers(set, last)
	if err != nil {
		return nil, err
	}
	var out []picked
	for i, uid := range x.shown {
		n := uint32(i + 1)
		if byUID {
			n = uid
		}
		if m := x.box.byUID(uid); m != nil && has(n) {
			out = append(out, picked{i + 1, m})
		}
	}
	return out, nil
}

func (b *Mailbox) byUID(uid uint32) *Message {
	for _, m := range b.Messages {
		if m.UID == uid {
			return m
		}
	}
	return nil
}

func (x *imapSession) fetch(cmd *imapCommand, byUID bool) {
	if len(cmd.args) < 2 {
		x.bad("FETCH wants a set and items")
		return
	}
	items := fetchItems(cmd.args[1:], byUID)
	x.s.Mail.mu.Lock()
	found, err := x.pick(cmd.arg(0), byUID)
	var lines []string
	for _, p := range found {
		var values []string
		for _, item := range items {
			values = append(values, itemName(item)+" "+x.value(p.m, item))
		}
		lines = append(lines, fmt.Sprintf("* %d FETCH (%s)", p.number, strings.Join(values, " ")))
	}
	x.s.Mail.mu.Unlock()
	if err != nil {
		x.bad("Malformed set")
		return
	}
	x.data(lines...)
	x.ok("done")
}

// itemName is how an item is called in the answer: without PEEK and the count of octets.
func itemName(item string) string {
	item = strings.Replace(item, ".PEEK[", "[", 1)
	if name, partial, ok := strings.Cut(item, "]<"); ok {
		from, _, _ := strings.Cut(partial, ".")
		return name + "]<" + from + ">"
	}
	return item
}

// fetchItems lists what to say of each message, macros taken apart (RFC 9051 section 6.4.5).
func fetchItems(args []token, byUID bool) []string {
	var items []string
	for _, a := range args {
		for _, t := range append([]token{{text: a.text}}, a.list...) {
			switch item := strings.ToUpper(t.text); item {
			case "":
			case "ALL", "FAST", "FULL":
				items = append(items, "FLAGS", "INTERNALDATE", "RFC822.SIZE")
			default:
				items = append(items, item)
			}
		}
	}
	if byUID && !slices.Contains(items, "UID") {
		items = append(items, "UID")
	}
	return items
}

// value renders one item of a message. Reading the body sets \Seen, peeking does not.
func (x *imapSession) value(m *Message, item string) string {
	switch item {
	case "UID":
		return strconv.Itoa(int(m.UID))
	case "FLAGS":
		return "(" + strings.Join(m.Flags, " ") + ")"
	case "INTERNALDATE":
		return m.Date.Format(`"_2-Jan-2006 15:04:05 -0700"`)
	case "RFC822.SIZE":
		return strconv.Itoa(len(m.Data))
	case "ENVELOPE":
		return m.envelope()
	}
	section, ok := strings.CutPrefix(item, "BODY")
	if !ok && item != "RFC822" {
		return "NIL"
	}
	peek, isPeek := strings.CutPrefix(section, ".PEEK")
	if isPeek {
		section = peek
	} else if !x.readOnly && !m.has(`\Seen`) {
		m.Flags = append(m.Flags, `\Seen`)
	}
	return literal(m.section(section))
}

func literal(b []byte) string { return fmt.Sprintf("{%d}\r\n%s", len(b), b) }

// section returns the octets of BODY[section]<from.count>.
func (m *Message) section(section string) []byte {
	name, partial, _ := strings.Cut(strings.TrimPrefix(section, "["), "]")
	header, body := m.Data, []byte(nil)
	if i := bytes.Index(m.Data, []byte("\r\n\r\n")); i >= 0 {
		header, body = m.Data[:i+4], m.Data[i+4:]
	}
	octets := m.Data
	switch {
	case name == "HEADER":
		octets = header
	case strings.HasPrefix(name, "HEADER.FIELDS"):
		octets = fields(header, name)
	case name == "TEXT", name == "1":
		octets = body
	}
	from, count, ok := strings.Cut(strings.Trim(partial, "<>"), ".")
	start, err := strconv.Atoi(from)
	n, countErr := strconv.Atoi(count)
	if !ok || err != nil || countErr != nil {
		return octets
	}
	start = min(start, len(octets))
	return octets[start:min(start+n, len(octets))]
}

// fields picks the lines of a header that are asked for, unfolded ones only.
func fields(header []byte, spec string) []byte {
	var out bytes.Buffer
	for _, line := range bytes.SplitAfter(header, []byte("\r\n")) {
		name, _, ok := strings.Cut(string(line), ":")
		if ok && slices.Contains(strings.FieldsFunc(spec, func(r rune) bool { return strings.ContainsRune(" ()", r) }), strings.ToUpper(name)) {
			out.Write(line)
		}
	}
	out.WriteString("\r\n")
	return out.Bytes()
}

// envelope gives date, subject and Message-ID; addresses are left out.
func (m *Message) envelope() string {
	return fmt.Sprintf("(%s %s NIL NIL NIL NIL NIL NIL NIL %s)", m.headerString("Date"), m.headerString("Subject"), m.headerString("Message-ID"))
}

func (m *Message) headerString(name string) string {
	v := strings.TrimSpace(m.header(name))
	if v == "" {
		return "NIL"
	}
	return strconv.Quote(v)
}

func (m *Message) header(name string) string {
	for _, line := range strings.Split(string(m.section("[HEADER]")), "\r\n") {
		if n, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(n, name) {
			return v
		}
	}
	return ""
}

func (x *imapSession) store(cmd *imapCommand, byUID bool) {
	if len(cmd.args) < 3 || x.readOnly {
		x.bad("STORE wants a set, an item and flags, in a mailbox that is not read-only")
		return
	}
	item := strings.ToUpper(cmd.arg(1))
	flags := cmd.args[2].list
	if !cmd.args[2].isList {
		flags = cmd.args[2:]
	}
	x.s.Mail.mu.Lock()
	found, err := x.pick(cmd.arg(0), byUID)
	var lines []string
	for _, p := range found {
		p.m.change(item, flags)
		if !strings.HasSuffix(item, ".SILENT") {
			lines = append(lines, fmt.Sprintf("* %d FETCH (UID %d FLAGS (%s))", p.number, p.m.UID, strings.Join(p.m.Flags, " ")))
		}
	}
	x.s.Mail.mu.Unlock()
	if err != nil {
		x.bad("Malformed set")
		return
	}
	x.data(lines...)
	x.ok("done")
}

func (m *Message) change(item string, flags []token) {
	if strings.HasPrefix(item, "FLAGS") {
		m.Flags = nil
	}
	for _, f := range flags {
		m.Flags = slices.DeleteFunc(m.Flags, func(have string) bool { return strings.EqualFold(have, f.text) })
		if !strings.HasPrefix(item, "-") {
			m.Flags = append(m.Flags, f.text)
		}
	}
}

func (x *imapSession) copyTo(cmd *imapCommand, byUID, move bool) {
	x.s.Mail.mu.Lock()
	to := x.account.Mailbox(cmd.arg(1))
	found, err := x.pick(cmd.arg(0), byUID)
	if to != nil && err == nil {
		for _, p := range found {
			to.put(p.m.Data, p.m.Flags, p.m.Date)
			if move {
				x.box.Messages = slices.DeleteFunc(x.box.Messages, func(m *Message) bool { return m == p.m })
			}
		}
		x.s.Mail.tell()
	}
	x.s.Mail.mu.Unlock()
	switch {
	case err != nil:
		x.bad("Malformed set")
	case to == nil:
		x.final(x.tag + " NO [TRYCREATE] No such mailbox")
	default:
		x.news()
		x.ok("done")
	}
}

func (x *imapSession) expunge() {
	if x.readOnly {
		return
	}
	x.s.Mail.mu.Lock()
	defer x.s.Mail.mu.Unlock()
	x.box.Messages = slices.DeleteFunc(x.box.Messages, func(m *Message) bool { return m.has(`\Deleted`) })
	x.s.Mail.tell()
}
