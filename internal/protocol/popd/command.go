package popd

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// command is one line of the client: a keyword and what follows it (RFC 1939 section 3).
type command struct {
	verb string // in upper case
	rest string // behind the one space after the verb; of PASS with spaces of its own
}

// The sizes of lines with CRLF. RFC 2449 section 4 allows 255 octets, RFC 5034 section 4 more for
// sign-in; a limit for both leaves room for long passwords.
const maxLine = 12288

// parseCommand reads a line without its CRLF. It is not ok with characters that no command has.
func parseCommand(line string) (c command, ok bool) {
	if !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return c, false
	}
	c.verb, c.rest, _ = strings.Cut(line, " ")
	c.verb = strings.ToUpper(c.verb)
	for _, r := range c.verb {
		if (r < 'A' || r > 'Z') && (r < '0' || r > '9') {
			return c, false
		}
	}
	return c, c.verb != ""
}

// numbers reads exactly n decimal numbers, such as those of TOP. Trailing spaces, which some
// clients send, do no harm.
func numbers(rest string, n int) (values []int, ok bool) {
	fields := strings.Fields(rest)
	if len(fields) != n {
		return nil, false
	}
	for _, f := range fields {
		v, err := strconv.ParseUint(f, 10, 31)
		if err != nil || f[0] == '+' {
			return nil, false
		}
		values = append(values, int(v))
	}
	return values, true
}
