package message

import (
	"bytes"
	"strconv"
)

// appendEnvelope appends the ENVELOPE of a message (RFC 9051 section 7.5.2). For the root of all
// it also sets the address lists of sum, which is nil for messages within parts.
func (s *Scanner) appendEnvelope(dst []byte, e *entity, sum *Summary) []byte {
	dst = append(dst, '(')
	dst = s.appendField(dst, e, fieldDate)
	dst = append(dst, ' ')
	dst = s.appendField(dst, e, fieldSubject)
	dst = append(dst, ' ')

	var decoded [fieldBcc - fieldFrom + 1][]Address
	var from []byte
	for id := fieldFrom; id <= fieldBcc; id++ {
		s.mailboxes = s.fieldMailboxes(s.mailboxes[:0], e, id)
		start := len(dst)
		if len(s.mailboxes) == 0 && (id == fieldSender || id == fieldReplyTo) {
			// RFC 9051: without Sender or Reply-To, or with an empty one, From stands in.
			dst = append(dst, from...)
		} else {
			dst = appendMailboxes(dst, s.mailboxes)
		}
		if id == fieldFrom {
			from = dst[start:]
		}
		if sum != nil {
			decoded[id-fieldFrom] = s.addresses(s.mailboxes)
		}
		dst = append(dst, ' ')
	}
	if sum != nil {
		sum.From, sum.Sender, sum.ReplyTo = decoded[0], decoded[1], decoded[2]
		sum.To, sum.Cc, sum.Bcc = decoded[3], decoded[4], decoded[5]
	}
	dst = s.appendField(dst, e, fieldInReplyTo)
	dst = append(dst, ' ')
	dst = s.appendField(dst, e, fieldMessageID)
	return append(dst, ')')
}

// fieldMailboxes reads all fields of an entity with the same id, such as two To fields.
func (s *Scanner) fieldMailboxes(list []mailbox, e *entity, id fieldID) []mailbox {
	for _, f := range s.fields[e.fields.start:e.fields.end] {
		if f.id == id {
			list = s.parseMailboxes(list, s.trimmed(f))
		}
	}
	return list
}

// appendMailboxes appends a list of address structures: (name route mailbox host) each, NIL where
// there is none. A group begins with one without host and ends with one of four NILs.
func appendMailboxes(dst []byte, list []mailbox) []byte {
	if len(list) == 0 {
		return append(dst, "NIL"...)
	}
	dst = append(dst, '(')
	for i := range list {
		m := &list[i]
		switch m.kind {
		case mailboxGroup:
			dst = append(appendString7(append(dst, "(NIL NIL "...), m.name), " NIL)"...)
		case mailboxGroupEnd:
			dst = append(dst, "(NIL NIL NIL NIL)"...)
		default:
			dst = append(appendOptional(append(dst, '('), m.name), ' ')
			dst = append(appendOptional(dst, m.route), ' ')
			// NIL would make it a group, so what is missing is the empty string.
			dst = append(appendString7(dst, m.local), ' ')
			dst = append(appendString7(dst, m.domain), ')')
		}
	}
	return append(dst, ')')
}

// appendField appends the raw, unfolded value of a field as nstring: NIL where it is missing.
func (s *Scanner) appendField(dst []byte, e *entity, id fieldID) []byte {
	value, ok := s.value(e, id)
	if !ok {
		return append(dst, "NIL"...)
	}
	return appendString7(dst, value)
}

// appendOptional appends an nstring that is NIL where it is empty.
func appendOptional(dst, text []byte) []byte {
	if len(text) == 0 {
		return append(dst, "NIL"...)
	}
	return appendString7(dst, text)
}

// appendString7 appends an IMAP string that any client may get: quoted where it is ASCII, else a
// literal, for 8-bit text is not allowed in quotes without UTF8=ACCEPT (RFC 9051 section 4.3).
func appendString7[T string | []byte](dst []byte, text T) []byte {
	start := len(dst)
	dst = append(dst, '"')
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c >= 0x80 || c == '\r' || c == '\n' || c == 0 {
			return appendLiteral(dst[:start], []byte(text))
		}
		if c == '"' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}

// appendLiteral appends an IMAP literal, without NUL, which none may hold.
func appendLiteral(dst, text []byte) []byte {
	if bytes.IndexByte(text, 0) >= 0 {
		text = bytes.ReplaceAll(text, []byte{0}, nil)
	}
	dst = strconv.AppendInt(append(dst, '{'), int64(len(text)), 10)
	return append(append(dst, "}\r\n"...), text...)
}
