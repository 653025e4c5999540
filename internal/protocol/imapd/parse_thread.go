package imapd

// threadCommand is THREAD or UID THREAD.
type threadCommand struct {
	search     searchCommand
	references bool // REFERENCES, else ORDEREDSUBJECT
}

// thread reads THREAD (RFC 5256 section 5).
func (p *parser) thread(uid bool) any {
	c := &threadCommand{search: searchCommand{uid: uid}}
	switch name := p.word(); name {
	case "REFERENCES":
		c.references = true
	case "ORDEREDSUBJECT":
	default:
		p.fail("threading algorithm %q", name)
	}
	s := &searchParser{parser: p}
	s.criteria(&c.search)
	return c
}
