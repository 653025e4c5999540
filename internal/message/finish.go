package message

import (
	"bytes"
)

// summary makes the Summary when the whole message was read.
func (s *Scanner) summary() *Summary {
	root := &s.entities[0]
	sum := &Summary{
		Size:           s.offset,
		HeaderSize:     root.BodyStart,
		MaxLine:        s.maxLine,
		EightBit:       s.eightBit,
		HeaderEightBit: s.headerEight,
		BareLF:         s.bareLF,
		BareCR:         s.returns > s.lineEnds,
		NUL:            s.nul,
		Parts:          make([]Part, len(s.entities)),
	}
	for i := range s.entities {
		sum.Parts[i] = s.entities[i].Part
	}
	sum.Preview = s.preview()
	sum.HasAttachment = hasAttachment(sum.Parts)
	s.readRoot(root, sum)

	s.rendered = s.appendEnvelope(s.rendered[:0], root, sum)
	n := len(s.rendered)
	s.rendered, _ = s.appendStructure(s.rendered, 0)
	both := append([]byte(nil), s.rendered...)
	sum.Envelope, sum.BodyStructure = both[:n:n], both[n:]
	sum.Overview = s.overview(root.BodyStart)
	sum.Degraded = s.degraded
	return sum
}

// readRoot decodes the fields of the message that have no addresses.
func (s *Scanner) readRoot(root *entity, sum *Summary) {
	if value, ok := s.value(root, fieldSubject); ok {
		sum.Subject = s.decoded(value)
	}
	if value, ok := s.value(root, fieldDate); ok {
		sum.Date, _ = ParseDate(string(value))
	}
	if value, ok := s.value(root, fieldMessageID); ok {
		sum.MessageID = s.identifier(firstMessageID(value))
	}
	if value, ok := s.value(root, fieldInReplyTo); ok {
		sum.InReplyTo = s.messageIDs(value)
	}
	if value, ok := s.value(root, fieldReferences); ok {
		sum.References = s.messageIDs(value)
	}
}

// identifier keeps a message identifier as valid UTF-8.
func (s *Scanner) identifier(b []byte) string { return s.decodedEmail(b) }

// firstMessageID returns what stands in the first angle brackets, or else the first word.
func firstMessageID(value []byte) []byte {
	if id, _, ok := cutMessageID(value); ok {
		return id
	}
	if words := bytes.Fields(value); len(words) > 0 {
		return words[0]
	}
	return nil
}

// cutMessageID returns the next msg-id of value without its brackets (RFC 5322 section 3.6.4).
func cutMessageID(value []byte) (id, rest []byte, ok bool) {
	for {
		start := bytes.IndexByte(value, '<')
		if start < 0 {
			return nil, nil, false
		}
		end := bytes.IndexAny(value[start+1:], "<>")
		if end < 0 {
			return nil, nil, false
		}
		end += start + 1
		id, rest = value[start+1:end], value[end:]
		if value[end] == '>' && len(id) > 0 {
			if bytes.IndexByte(id, ' ') >= 0 {
				id = bytes.ReplaceAll(id, []byte{' '}, nil)
			}
			return id, rest[1:], true
		}
		if value = rest; value[0] == '>' {
			value = value[1:]
		}
	}
}

// messageIDs lists the identifiers of a field. Of too many, the first and the last are kept, for
// they name the thread and the messages that were answered.
func (s *Scanner) messageIDs(value []byte) []string {
	n := min(bytes.Count(value, []byte{'<'}), s.limits.References)
	if n == 0 {
		if id := firstMessageID(value); bytes.IndexByte(id, '@') > 0 {
			return []string{s.identifier(id)}
		}
		return nil
	}
	list := make([]string, 0, n)
	for {
		id, rest, ok := cutMessageID(value)
		if !ok {
			break
		}
		if len(list) == s.limits.References {
			// Keep the first, let the rest move up.
			s.degraded = true
			copy(list[1:], list[2:])
			list = list[:len(list)-1]
		}
		list = append(list, s.identifier(id))
		value = rest
	}
	if len(list) == 0 {
		return nil
	}
	return list
}

// hasAttachment looks for a part that a reader would call an attachment.
func hasAttachment(parts []Part) bool {
	for i := range parts {
		if isAttachment(parts, i) {
			return true
		}
	}
	return false
}

func isAttachment(parts []Part, i int) bool {
	p, parent := &parts[i], &Part{}
	if p.Parent >= 0 {
		parent = &parts[p.Parent]
	}
	switch {
	case p.IsMultipart(), parent.IsMessage() && p.Disposition == "":
		return false // a container, or the message within a message part, which counted already
	case isProtocolPart(p), parent.Subtype == "report" && p.IsMessage():
		return false // not for people, or the message that a report is about
	case p.Disposition == "attachment":
		return true
	case p.Type == "image" && p.ContentID != "" && parent.Subtype == "related":
		return false // a picture within the text
	}
	return p.Title() != "" || p.Type != "text" || !isShownText(p.Subtype) && parent.Subtype != "alternative"
}

// isShownText tells of texts that are read, or acted on, where they stand.
func isShownText(subtype string) bool {
	switch subtype {
	case "plain", "html", "enriched", "richtext", "calendar", "rfc822-headers":
		return true
	}
	return false
}

// isProtocolPart tells of parts that programs write for programs: signatures and the like.
func isProtocolPart(p *Part) bool {
	switch p.Subtype {
	case "pgp-signature", "pkcs7-signature", "x-pkcs7-signature", "pgp-encrypted",
		"delivery-status", "global-delivery-status", "disposition-notification", "global-disposition-notification",
		"rfc822-headers", "feedback-report":
		return true
	}
	return false
}
