package imapd

import "github.com/postiljon/postiljon/internal/store/uid"

// catchUp tells what changed before a command that names UIDs beyond those that the client heard of in
// this session: it knows them from another one, and would take no answer for the answer that there are
// none. New messages can be told at any time (RFC 9051 section 5.2), and where messages are named by
// UID no number is at stake.
func (s *session) catchUp(c *command) outcome {
	sel := s.selected
	if sel == nil || !c.namesFrom(sel.view.Mailbox.UIDNext) {
		return done()
	}
	if err := s.sync(true); err != nil {
		return s.failed(err, sel.view.Mailbox.Name)
	}
	return done()
}

// namesFrom reports whether a command names UIDs from next on.
func (c *command) namesFrom(next uid.UID) bool {
	var byUID bool
	var set seqSet
	switch args := c.args.(type) {
	case *fetchCommand:
		byUID, set = args.uid, args.set
	case *storeCommand:
		byUID, set = args.uid, args.set
	case *copyCommand:
		byUID, set = args.uid, args.set
	case *expungeCommand:
		byUID, set = args.uid, args.set
	case *appendCommand:
		byUID, set = args.replace && args.uid, seqSet{ranges: []seqRange{{args.number, args.number}}}
	}
	for _, r := range set.ranges {
		if byUID && (r.from != star && r.from >= uint32(next) || r.to != star && r.to >= uint32(next)) {
			return true
		}
	}
	return false
}
