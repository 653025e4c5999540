package jmapd

import (
	"encoding/json"
	"strconv"
)

// isIJSON holds JSON that is valid to RFC 7493, as RFC 8620 section 1.5 asks for: no object has a name twice (section 2.3), of which
// programs would believe another one each, and no text has half of a surrogate pair (section 2.1).
func isIJSON(text []byte) bool {
	var names []map[string]bool // of each object that is open; nil for an array
	isName := false
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{':
			names, isName = append(names, map[string]bool{}), true
		case '[':
			names, isName = append(names, nil), false
		case '}', ']':
			names, isName = names[:len(names)-1], false
		case ',':
			isName = names[len(names)-1] != nil
		case '"':
			end, escaped := endOfText(text, i)
			if escaped && hasHalf(text[i:end]) {
				return false
			}
			if isName {
				name := nameOf(text[i:end], escaped)
				in := names[len(names)-1]
				if in[name] {
					return false
				}
				in[name] = true
			}
			i, isName = end-1, false
		}
	}
	return true
}

// endOfText is where a text ends that begins at a quote, behind the other one, and whether there are escapes in it.
func endOfText(text []byte, at int) (end int, escaped bool) {
	for end = at + 1; text[end] != '"'; end++ {
		if text[end] == '\\' {
			escaped = true
			end++
		}
	}
	return end + 1, escaped
}

func nameOf(quoted []byte, escaped bool) (name string) {
	if !escaped {
		return string(quoted[1 : len(quoted)-1])
	}
	_ = json.Unmarshal(quoted, &name) // it is valid
	return name
}

// hasHalf reports whether an escape is half of a surrogate pair without the other half.
func hasHalf(text []byte) bool {
	high := false // the last escape was the first half
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			if high {
				return true
			}
			continue
		}
		i++
		unit := uint64(0)
		if text[i] == 'u' {
			unit, _ = strconv.ParseUint(string(text[i+1:i+5]), 16, 16) // it is valid
			i += 4
		}
		if low := unit >= 0xDC00 && unit < 0xE000; low != high {
			return true
		}
		high = unit >= 0xD800 && unit < 0xDC00
	}
	return high
}
