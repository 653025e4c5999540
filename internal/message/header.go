package message

import (
	"bytes"
	"iter"
)

// Field is one field of a header as it stands there.
type Field struct {
	// Name is the field name as it was written; empty for a line that is no field.
	Name []byte
	// Raw is the whole field: name, colon, value, folding and the last line end.
	Raw []byte
}

// Value returns what follows the colon, still folded.
func (f Field) Value() []byte {
	if i := bytes.IndexByte(f.Raw, ':'); i >= 0 && len(f.Name) > 0 {
		return f.Raw[i+1:]
	}
	return nil
}

// HeaderFields goes through the fields of a header in order, up to the empty line or the end. Lines
// that are no field come with an empty name, so that the Raw of all make up the header.
func HeaderFields(header []byte) iter.Seq[Field] {
	return func(yield func(Field) bool) {
		for len(header) > 0 && !isLineEnd(header) {
			n := fieldLen(header)
			if !yield(Field{Name: fieldName(header[:n]), Raw: header[:n]}) {
				return
			}
			header = header[n:]
		}
	}
}

// fieldLen returns the length of the field at the start of header, with its continuation lines.
func fieldLen(header []byte) int {
	n := 0
	for {
		i := bytes.IndexByte(header[n:], '\n')
		if i < 0 {
			return len(header)
		}
		n += i + 1
		if n == len(header) || header[n] != ' ' && header[n] != '\t' {
			return n
		}
	}
}

// fieldName returns the name of a field, nil where the line is none.
func fieldName(field []byte) []byte {
	for i, c := range field {
		if c == ':' {
			return field[:i:i]
		}
		if c <= ' ' || c >= 0x7f {
			if name, _, ok := cutField(field); ok {
				return name
			}
			return nil
		}
	}
	return nil
}

// FieldSet is a set of field names, made once for a request and used on every message of it.
type FieldSet struct {
	names [][]byte // in lower case
	first [256]bool
}

// NewFieldSet returns the set of some field names, in any case.
func NewFieldSet(names ...string) *FieldSet {
	set := &FieldSet{names: make([][]byte, 0, len(names))}
	for _, name := range names {
		if name == "" {
			continue
		}
		lowered := []byte(name)
		for i, c := range lowered {
			lowered[i] = lower(c)
		}
		set.names = append(set.names, lowered)
		set.first[lowered[0]] = true
		if c := lowered[0]; isLetter(c) {
			set.first[c-('a'-'A')] = true
		}
	}
	return set
}

// Has tells whether the set has a name, in any case.
func (set *FieldSet) Has(name []byte) bool {
	if len(name) == 0 || !set.first[name[0]] {
		return false
	}
	for _, have := range set.names {
		if equalFold(have, name) {
			return true
		}
	}
	return false
}

// FilterFields appends to dst the fields of header whose names are in set, or with not those whose
// names are not, in their order and form, and the empty line after them, as BODY[HEADER.FIELDS]
// and BODY[HEADER.FIELDS.NOT] want it (RFC 9051 section 6.4.5.1). It does not allocate where dst
// has room.
func FilterFields(dst, header []byte, set *FieldSet, not bool) []byte {
	for len(header) > 0 && !isLineEnd(header) {
		n := fieldLen(header)
		if wanted := set.first[header[0]] && set.Has(fieldName(header[:n])); wanted != not {
			dst = append(dst, header[:n]...)
			if header[n-1] != '\n' {
				dst = append(dst, "\r\n"...)
			}
		}
		header = header[n:]
	}
	return append(dst, "\r\n"...)
}

// DecodedFields goes through the texts of all fields with a name, in any case, decoded as
// DecodeHeader does. Searches compare with these texts.
func DecodedFields(header []byte, name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for f := range HeaderFields(header) {
			if equalFold(f.Name, name) && !yield(DecodeHeader(string(f.Value()))) {
				return
			}
		}
	}
}

// DecodedField returns the text of the first field with a name, and whether there is one.
func DecodedField(header []byte, name string) (text string, ok bool) {
	for text := range DecodedFields(header, name) {
		return text, true
	}
	return "", false
}
