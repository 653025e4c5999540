package store

import "strings"

// Rights are what somebody may do with a mailbox: the letters of RFC 4314 section 2.1 as a set.
type Rights uint16

// The rights.
const (
	RightLookup  Rights = 1 << iota // l: see the mailbox in lists
	RightRead                       // r: read its messages
	RightSeen                       // s: change \Seen, which all that share the mailbox have in common
	RightWrite                      // w: change other flags than \Seen and \Deleted
	RightInsert                     // i: put messages in
	RightPost                       // p: send mail to its address, see PostTarget
	RightCreate                     // k: make mailboxes below it
	RightDelete                     // x: delete or rename it
	RightTrash                      // t: change \Deleted
	RightExpunge                    // e: remove messages for good
	RightAdmin                      // a: say who has which rights

	AllRights Rights = 1<<iota - 1
)

// rightLetters are the letters of the rights in the order of their bits.
const rightLetters = "lrswipkxtea"

// The rights of RFC 2086 that stand for several now (RFC 4314 section 2.1.1).
const (
	obsoleteCreate = RightCreate | RightDelete // c
	obsoleteDelete = RightTrash | RightExpunge // d
)

// levels are the rights that people give, by the names they know them by.
var levels = [...]struct {
	name   string
	rights Rights
}{
	{"read", RightLookup | RightRead | RightSeen},
	{"write", AllRights &^ (RightDelete | RightAdmin)},
	{"post", RightPost},
	{"owner", AllRights},
}

// Has reports whether all rights of q are in r.
func (r Rights) Has(q Rights) bool { return r&q == q }

// Any reports whether one of the rights of q is in r.
func (r Rights) Any(q Rights) bool { return r&q != 0 }

// String writes the letters of RFC 4314, without those of RFC 2086.
func (r Rights) String() string {
	var b [len(rightLetters)]byte
	n := 0
	for i := range len(rightLetters) {
		if r&(1<<i) != 0 {
			b[n] = rightLetters[i]
			n++
		}
	}
	return string(b[:n])
}

// Compatible is String with c and d where one of the rights is there that they stand for, as ACL
// and MYRIGHTS responses show rights (RFC 4314 section 2.1.1).
func (r Rights) Compatible() string {
	text := r.String()
	if r.Any(obsoleteCreate) {
		text += "c"
	}
	if r.Any(obsoleteDelete) {
		text += "d"
	}
	return text
}

// Level is the name of the rights among people: read, write, post, owner; "" for others.
func (r Rights) Level() string {
	for _, l := range levels {
		if l.rights == r {
			return l.name
		}
	}
	return ""
}

// ParseRights reads letters of RFC 4314 and RFC 2086. Kind: KindInvalid.
func ParseRights(letters string) (r Rights, err error) {
	for i := range len(letters) {
		switch c := letters[i]; c {
		case 'c':
			r |= obsoleteCreate
		case 'd':
			r |= obsoleteDelete
		default:
			bit := strings.IndexByte(rightLetters, c)
			if bit < 0 {
				return 0, fail("read rights", KindInvalid, "%q is no right", c)
			}
			r |= 1 << bit
		}
	}
	return r, nil
}

// ParseLevel reads the name of a level or letters. Kind: KindInvalid.
func ParseLevel(text string) (Rights, error) {
	for _, l := range levels {
		if l.name == text {
			return l.rights, nil
		}
	}
	return ParseRights(text)
}

// Fixed are the flags that somebody with these rights cannot change, keywords included (RFC 4314
// section 4).
func (r Rights) Fixed() (f Flags) {
	if !r.Has(RightWrite) {
		f = everyFlag.Without(FlagSeen).Without(FlagDeleted)
	}
	if !r.Has(RightSeen) {
		f = f.With(FlagSeen)
	}
	if !r.Has(RightTrash) {
		f = f.With(FlagDeleted)
	}
	return f
}

// everyFlag is all flags and keywords that there can be.
var everyFlag = Flags{^uint64(0), ^uint64(0)}
