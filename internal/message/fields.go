package message

// fieldID names a header field that a Summary is made of.
type fieldID uint8

const (
	fieldUnknown fieldID = iota
	fieldDate
	fieldSubject
	fieldFrom
	fieldSender
	fieldReplyTo
	fieldTo
	fieldCc
	fieldBcc
	fieldInReplyTo
	fieldMessageID
	fieldReferences
	fieldContentType // the first that parts have too; see firstContentField
	fieldEncoding
	fieldDisposition
	fieldContentID
	fieldDescription
	fieldMD5
	fieldLanguage
	fieldLocation
	fieldMIMEVersion
)

const firstContentField = fieldContentType

// mayRepeat tells whether all fields of this name count, not only the first. RFC 5322 section 3.6
// allows one of each, but recipients must not vanish from view.
func (id fieldID) mayRepeat() bool {
	return id == fieldTo || id == fieldCc || id == fieldBcc
}

// identify finds the id of a field name, in any case.
func identify(name []byte) fieldID {
	var room [len("content-transfer-encoding")]byte
	if len(name) > len(room) {
		return fieldUnknown
	}
	for i, c := range name {
		room[i] = lower(c)
	}
	switch string(room[:len(name)]) {
	case "date":
		return fieldDate
	case "subject":
		return fieldSubject
	case "from":
		return fieldFrom
	case "sender":
		return fieldSender
	case "reply-to":
		return fieldReplyTo
	case "to":
		return fieldTo
	case "cc":
		return fieldCc
	case "bcc":
		return fieldBcc
	case "in-reply-to":
		return fieldInReplyTo
	case "message-id":
		return fieldMessageID
	case "references":
		return fieldReferences
	case "mime-version":
		return fieldMIMEVersion
	case "content-type":
		return fieldContentType
	case "content-transfer-encoding":
		return fieldEncoding
	case "content-disposition":
		return fieldDisposition
	case "content-id":
		return fieldContentID
	case "content-description":
		return fieldDescription
	case "content-md5":
		return fieldMD5
	case "content-language":
		return fieldLanguage
	case "content-location":
		return fieldLocation
	}
	return fieldUnknown
}
