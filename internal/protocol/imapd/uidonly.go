package imapd

import "slices"

// This file is UIDONLY (RFC 9586): a client that asked for it neither sends message numbers nor
// hears of any.

// byNumber are the commands whose arguments or answers are message numbers.
var byNumber = map[string]bool{
	"FETCH": true, "STORE": true, "SEARCH": true, "COPY": true, "MOVE": true, "SORT": true,
	"THREAD": true, "REPLACE": true,
}

// usesNumbers reports whether a command has message numbers in it, or would have in its answer.
func (c *command) usesNumbers() bool {
	if byNumber[c.name] {
		return true
	}
	switch args := c.args.(type) {
	case *searchCommand:
		return args.key.hasNumbers()
	case *threadCommand:
		return args.search.key.hasNumbers()
	case *selectCommand: // RFC 7162 section 3.2.5.2: sequence match data
		return args.qresync != nil && !args.qresync.seqs.Empty()
	}
	return false
}

// hasNumbers reports whether the key or one below it is about message numbers. "$" has none.
func (k *searchKey) hasNumbers() bool {
	return k.op == opSeq && !k.set.saved ||
		slices.ContainsFunc(k.keys, func(k searchKey) bool { return k.hasNumbers() })
}

// uidRequired refuses a command with message numbers (RFC 9586 section 3).
func uidRequired(s *session, c *command) outcome {
	o := refuseProtocol("sequence")
	o.code = "UIDREQUIRED"
	if args, ok := c.args.(*appendCommand); ok {
		return s.skip(args.rest, o)
	}
	return o
}
