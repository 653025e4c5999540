package signature

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// maxTags is how many tags a list may have. Those in use have about ten.
const maxTags = 64

// Tags is a tag=value list (RFC 6376 section 3.2) in its order.
type Tags []Tag

// Tag is one of them. White space around name and value is gone, what is within the value is kept.
type Tag struct {
	Name, Value string
}

// ParseTags reads a list of tags, as signatures, keys and DMARC policies have them.
func ParseTags(text string) (Tags, error) {
	var list Tags
	for spec := range strings.SplitSeq(text, ";") {
		if spec = trimSpace(spec); spec == "" {
			continue // after the last semicolon, and what is tolerated elsewhere
		}
		name, value, ok := strings.Cut(spec, "=")
		if name = trimSpace(name); !ok || !isTagName(name) {
			return nil, fmt.Errorf("%.40q is no tag", spec)
		}
		if _, twice := list.Get(name); twice {
			return nil, fmt.Errorf("tag %s is there twice", name)
		}
		if len(list) == maxTags {
			return nil, errors.New("too many tags")
		}
		list = append(list, Tag{name, trimSpace(value)})
	}
	return list, nil
}

// Get returns the value of a tag and whether it is there. Names are case-sensitive.
func (t Tags) Get(name string) (string, bool) {
	for i := range t {
		if t[i].Name == name {
			return t[i].Value, true
		}
	}
	return "", false
}

// Compact returns the value of a tag without any white space in it.
func (t Tags) Compact(name string) string {
	v, _ := t.Get(name)
	return compact(v)
}

// List returns the parts of a value between colons, without white space.
func (t Tags) List(name string) []string {
	v := t.Compact(name)
	if v == "" {
		return nil
	}
	return strings.Split(v, ":")
}

// Base64 decodes a value, which white space may stand in.
func (t Tags) Base64(name string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(t.Compact(name))
}

func isTagName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !('a' <= c|0x20 && c|0x20 <= 'z' || i > 0 && ('0' <= c && c <= '9' || c == '_')) {
			return false
		}
	}
	return s != ""
}

func trimSpace(s string) string { return strings.Trim(s, " \t\r\n") }

func compact(s string) string {
	if !strings.ContainsAny(s, " \t\r\n") {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '\t' || r == '\r' || r == '\n' {
			return -1
		}
		return r
	}, s)
}
