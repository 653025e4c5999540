package sieve

import "time"

// Result is what a script wants done with a message.
type Result struct {
	// Actions are in the order of the script. The implicit keep, if it holds, is the last one.
	Actions []Action
	// Tracked is to be remembered for later duplicate tests, once the message is placed.
	Tracked []Tracked
	// Err is set when the run failed; then Actions is the implicit keep alone (RFC 5228 section 2.10.6).
	Err *RunError
	// Steps is how much work it was; see Limits.
	Steps int
}

// Tracked is a value of a duplicate test (RFC 7352 section 3.1).
type Tracked struct {
	Handle, ID string
	Keep       time.Duration
}

// Where is what an action comes from: the line of its command, in an included script its name, and
// the condition under which it stands, if any. The implicit keep has line 0.
type Where struct {
	Script    string
	Line      int
	Condition string
}

// From returns w itself: it makes every action tell.
func (w Where) From() Where { return w }

// Action is one of Keep, FileInto, Redirect, Discard, Reject, Vacation.
type Action interface{ From() Where }

// Keep places the message where it would be without a script (RFC 5228 section 4.3).
type Keep struct {
	Where
	Flags    []string
	Implicit bool
}

// FileInto places the message in a mailbox (RFC 5228 section 4.1), by its special use where that is
// set and a mailbox has it (RFC 8579).
type FileInto struct {
	Where
	Mailbox    string
	SpecialUse string
	Create     bool // the mailbox, if it does not exist (RFC 5490)
	Copy       bool // the implicit keep stays (RFC 3894)
	Flags      []string
}

// Redirect sends the message on (RFC 5228 section 4.2).
type Redirect struct {
	Where
	Address string
	Copy    bool
}

// Discard drops the message without telling anybody (RFC 5228 section 4.4).
type Discard struct{ Where }

// Reject refuses the message; Early says while SMTP still asks: ereject (RFC 5429).
type Reject struct {
	Where
	Reason string
	Early  bool
}

// Vacation answers the sender (RFC 5230).
type Vacation struct {
	Where
	Every     time.Duration // one answer to each sender in that time
	Subject   string        // "" for one made of the message's
	Sender    string        // of :from, "" for the account's own
	Addresses []string      // further ones of the account
	MIME      bool          // Reason is a MIME entity
	Key       string        // what answers are counted under: the handle, or all that makes the answer, without variables filled in
	Reason    string
}
