package message

import (
	"time"
)

// Summary is what is known of a message after reading it once: enough to list it, to answer the
// questions of IMAP and JMAP about its structure, and to find any of its parts by offset without
// parsing again. It is made by Scanner and by Summarize, and kept by the store in the form that
// AppendBinary gives.
//
// Everything in it is bounded by the Limits of the scan, however large or hostile the message.
type Summary struct {
	// Size is the length of the message in octets.
	Size int64
	// HeaderSize is the length of the header in octets, with the empty line that ends it.
	HeaderSize int64
	// MaxLine is the length of the longest line in octets, without its line end.
	MaxLine int64

	// EightBit tells whether any octet is above 127, HeaderEightBit whether one is in the header
	// of the message or of a part, so that RFC 6532 is needed to send it on.
	EightBit, HeaderEightBit bool
	// BareLF and BareCR tell whether a line feed came without its carriage return, and the reverse.
	BareLF, BareCR bool
	// NUL tells whether the message has NUL octets, which RFC 9051 forbids in literals.
	NUL bool
	// HasAttachment tells whether a reader should show a paper clip: a part has the disposition
	// "attachment" or a file name, or is neither text nor a picture shown inside the text.
	HasAttachment bool
	// Degraded tells that a limit was met, so that the structure says less than the message holds:
	// what lies deeper is an opaque leaf, what was longer is cut.
	Degraded bool

	// Parts holds the message and all parts in it, depth first. Parts[0] is the message itself
	// and is always there.
	Parts []Part

	// Envelope is the value of ENVELOPE exactly as IMAP sends it (RFC 9051 section 7.5.2).
	Envelope []byte
	// BodyStructure is the value of BODYSTRUCTURE exactly as IMAP sends it; Body makes BODY of it.
	BodyStructure []byte

	// Overview is the part of the header that lists of messages are made of, as it stands there and in its order, with the empty line
	// that ends it: the fields of each set that InOverview. Nil where it is not kept.
	Overview []byte

	// Subject is the decoded subject (RFC 2047); see BaseSubject for sorting and threading.
	Subject string
	// From, Sender, ReplyTo, To, Cc and Bcc are the decoded addresses of the header, without
	// groups. Unlike ENVELOPE they are empty where the field is missing.
	From, Sender, ReplyTo, To, Cc, Bcc []Address
	// Date is the value of the Date field in its own zone, zero if it is missing or unreadable.
	Date time.Time
	// MessageID is the message identifier without its angle brackets; so are those of InReplyTo
	// and References, which are in the order of the header.
	MessageID             string
	InReplyTo, References []string
	// Preview is the beginning of the text as a reader sees it, at most 200 characters (RFC 8970 section 3.3).
	Preview string
}

// Part is one MIME entity: the message itself, a part of a multipart, or the message inside a
// message/rfc822 part. Offsets count octets from the start of the whole message.
type Part struct {
	// HeaderStart is where the header of the entity begins and BodyStart where its body does,
	// after the empty line. End is where the body ends; the line end before a boundary belongs to
	// the boundary (RFC 2046 section 5.1.1).
	HeaderStart, BodyStart, End int64
	// Lines is the number of line ends in the body.
	Lines int64
	// Parent is the index of the enclosing part in Summary.Parts, -1 for the message itself.
	Parent int

	// Type and Subtype are the media type in lower case as it is treated here: "text" and "plain"
	// where the field is missing or unreadable (RFC 2045 section 5.2), and
	// "application" and "octet-stream" for a structure too deep, too wide or too broken to enter.
	Type, Subtype string
	// Encoding is the content transfer encoding in lower case, "7bit" where none is given.
	Encoding string
	// Charset is the charset parameter in lower case, empty where none is given.
	Charset string
	// Boundary is the boundary parameter of a multipart.
	Boundary string
	// Name is the name parameter of Content-Type, Filename the filename parameter of
	// Content-Disposition, both decoded (RFC 2231, RFC 2047). They are what the sender wrote and
	// not safe as names of files.
	Name, Filename string
	// Disposition is the content disposition in lower case, empty where none is given.
	Disposition string
	// ContentID is the content identifier without its angle brackets.
	ContentID string
}

// IsMultipart tells whether the parts of p follow it in Summary.Parts.
func (p *Part) IsMultipart() bool { return p.Type == "multipart" }

// IsMessage tells whether p is a message of its own, which follows it in Summary.Parts.
func (p *Part) IsMessage() bool {
	return p.Type == "message" && (p.Subtype == "rfc822" || p.Subtype == "global")
}

// Title returns the name to show for p: Filename, else Name.
func (p *Part) Title() string {
	if p.Filename != "" {
		return p.Filename
	}
	return p.Name
}

// Size returns the length of the body in octets, as it is transferred.
func (p *Part) Size() int64 { return p.End - p.BodyStart }

// Address is one mailbox of a header field, decoded for showing.
type Address struct {
	// Name is the display name, decoded; empty where there is none.
	Name string
	// Email is the address, "local@domain", the local part quoted only where it must be. It may
	// lack the domain, or be any text, where the sender wrote nothing better.
	Email string
}

// SectionSpec names what of a part is wanted (RFC 9051 section 6.4.5.1, section-text).
type SectionSpec int

const (
	// SectionBody is the body of the part, BODY[1.2]; for the empty path the whole message, BODY[].
	SectionBody SectionSpec = iota
	// SectionHeader is the header of the message, BODY[HEADER], or of the message inside a
	// message/rfc822 part, BODY[2.HEADER].
	SectionHeader
	// SectionText is what follows that header: BODY[TEXT], BODY[2.TEXT].
	SectionText
	// SectionMIME is the header of the part itself, BODY[1.2.MIME]; it needs a path.
	SectionMIME
)

// PartAt returns the index in Parts of the part with an IMAP part number, such as [1 2] for "1.2".
// The empty path is the message itself. A message that is no multipart has one part, number 1.
func (s *Summary) PartAt(path []int) (index int, ok bool) { return partAt(s.Parts, path) }

// Section returns the octets [start, end) of the message that make up a section (RFC 9051
// section 6.4.5.1). It is false where the message has no such part, or the part no such section.
// BINARY sections (RFC 3516) are those of SectionBody, decoded.
func (s *Summary) Section(path []int, spec SectionSpec) (start, end int64, ok bool) {
	return section(s.Parts, path, spec)
}

func section(parts []Part, path []int, spec SectionSpec) (start, end int64, ok bool) {
	i, ok := partAt(parts, path)
	if !ok {
		return 0, 0, false
	}
	switch spec {
	case SectionBody:
		if len(path) == 0 {
			return 0, parts[0].End, true
		}
		return parts[i].BodyStart, parts[i].End, true
	case SectionMIME:
		return parts[i].HeaderStart, parts[i].BodyStart, len(path) > 0
	}
	if len(path) > 0 {
		// HEADER and TEXT of a part are those of the message within it.
		if !parts[i].IsMessage() || i+1 >= len(parts) {
			return 0, 0, false
		}
		i++
	}
	switch spec {
	case SectionHeader:
		return parts[i].HeaderStart, parts[i].BodyStart, true
	case SectionText:
		return parts[i].BodyStart, parts[i].End, true
	}
	return 0, 0, false
}

// partAt walks down from the message. At each number it stands either at a multipart, whose
// children are counted, or at a message that is none, whose only part 1 is itself.
func partAt(parts []Part, path []int) (int, bool) {
	if len(parts) == 0 {
		return 0, false
	}
	at, isMessage := 0, true // isMessage: at is the root of a message, not a part of one
	for _, number := range path {
		if !isMessage && parts[at].IsMessage() && at+1 < len(parts) {
			at, isMessage = at+1, true
		}
		switch {
		case parts[at].IsMultipart():
			child, ok := childAt(parts, at, number)
			if !ok {
				return 0, false
			}
			at = child
		case !isMessage || number != 1:
			return 0, false
		}
		isMessage = false
	}
	return at, true
}

// childAt finds the numbered child of a part; children lie behind it, in order.
func childAt(parts []Part, parent, number int) (int, bool) {
	for i := parent + 1; i < len(parts) && parts[i].Parent >= parent; i++ {
		if parts[i].Parent == parent {
			if number--; number == 0 {
				return i, true
			}
		}
	}
	return 0, false
}
