package sieved

import (
	"bufio"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/postiljon/postiljon/internal/store"
)

// command is a command with its arguments (RFC 5804 section 4): strings and numbers.
type command struct {
	verb string // in upper case
	args []argument
}

// argument is a string, quoted or a literal, or a number.
type argument struct {
	text   string
	number uint32
	isText bool
}

// Limits of what a client sends.
const (
	maxLine     = 8192                    // octets of a line, without its literals
	maxQuoted   = 1024                    // octets of a quoted string (RFC 5804 section 4); sign-in may be longer
	maxLiteral  = store.MaxScriptSize + 1 // one more than a script may have, so that it is told what is wrong
	maxArgs     = 4
	maxLiterals = 20 // also of a command that is wrong, and is read to its end
)

// Errors of reading a command. After errBadLine the next line can be read; all others end the connection.
var (
	errBadLine = errors.New("sieved: malformed command")
	errTooLong = errors.New("sieved: line too long")
	errLarge   = errors.New("sieved: literal too large") // it was read to its end
)

// reader reads commands.
type reader struct{ in *bufio.Reader }

// line reads a line without its CRLF.
func (r *reader) line() (string, error) {
	var line []byte
	for {
		part, err := r.in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxLine:
			return "", errTooLong
		case err == nil:
			return strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r"), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return "", err
		}
	}
}

// command reads a command. A line that cannot be read as one is taken to its end, with its literals.
func (r *reader) command() (c command, err error) {
	line, err := r.line()
	if err != nil {
		return c, err
	}
	end := strings.IndexByte(line, ' ')
	if end < 0 {
		end = len(line)
	}
	c.verb = strings.ToUpper(line[:end])
	var bad error
	if c.verb == "" || strings.ContainsFunc(c.verb, func(r rune) bool { return r < 'A' || r > 'Z' }) {
		bad = errBadLine
	}
	args, err := r.arguments(line[end:])
	if err == nil {
		err = bad
	}
	c.args = args
	return c, err
}

// arguments reads what follows a verb: a line, and the lines behind its literals.
func (r *reader) arguments(rest string) (args []argument, err error) {
	var bad error
	for literals := 0; rest != ""; {
		if bad == nil && (rest[0] != ' ' || len(args) >= maxArgs) {
			bad = errBadLine
		}
		rest = strings.TrimLeft(rest, " ")
		if rest == "" {
			break
		}
		if size, ok := literal(rest); ok {
			a, more, err := r.literal(size)
			if errors.Is(err, errLarge) {
				bad = errLarge
			} else if err != nil {
				return nil, err
			}
			if literals++; literals > maxLiterals {
				return nil, errTooLong
			}
			if bad == nil {
				args = append(args, a)
			}
			rest = more
			continue
		}
		if bad != nil { // the line ends in a literal, which must be passed over, or not at all
			i := strings.LastIndexByte(rest, '{')
			if i <= 0 {
				break
			}
			rest = rest[i:]
			if _, ok := literal(rest); !ok {
				break
			}
			continue
		}
		a, n, ok := plainArgument(rest)
		if !ok {
			bad = errBadLine
			continue
		}
		args, rest = append(args, a), rest[n:]
	}
	return args, bad
}

// literal reads "{n+}" at the end of a line. Without the plus sign a client would wait to be asked for
// it, which only servers may (RFC 5804 section 4).
func literal(s string) (size uint64, ok bool) {
	digits, ok := strings.CutPrefix(s, "{")
	if !ok {
		return 0, false
	}
	if digits, ok = strings.CutSuffix(digits, "+}"); !ok {
		return 0, false
	}
	size, err := strconv.ParseUint(digits, 10, 32)
	return size, err == nil && digits[0] != '+'
}

// literal reads the octets of a literal and the rest of the line behind it.
func (r *reader) literal(size uint64) (a argument, rest string, err error) {
	large := size > maxLiteral
	kept := min(size, maxLiteral)
	text := make([]byte, kept)
	if _, err = io.ReadFull(r.in, text); err != nil {
		return a, "", err
	}
	if large {
		const patience = 16 << 20 // what is larger nobody means
		if size > patience {
			return a, "", errTooLong
		}
		if _, err = io.CopyN(io.Discard, r.in, int64(size-kept)); err != nil {
			return a, "", err
		}
	}
	if rest, err = r.line(); err != nil {
		return a, "", err
	}
	if large {
		err = errLarge
	}
	return argument{text: string(text), isText: true}, rest, err
}

// plainArgument reads a quoted string or a number at the start of a line.
func plainArgument(s string) (a argument, n int, ok bool) {
	if s[0] == '"' {
		var b strings.Builder
		for i := 1; i < len(s); i++ {
			switch c := s[i]; c {
			case '"':
				return argument{text: b.String(), isText: true}, i + 1, utf8.ValidString(b.String())
			case '\\':
				if i++; i == len(s) || s[i] != '"' && s[i] != '\\' {
					return a, 0, false
				}
				b.WriteByte(s[i])
			case 0, '\r':
				return a, 0, false
			default:
				b.WriteByte(c)
			}
		}
		return a, 0, false
	}
	end := strings.IndexByte(s, ' ')
	if end < 0 {
		end = len(s)
	}
	number, err := strconv.ParseUint(s[:end], 10, 32)
	return argument{number: uint32(number)}, end, err == nil && s[0] != '+'
}

// quote writes a string for the client: in quotation marks, or as a literal where it has lines or is
// long.
func quote(s string) string {
	if len(s) > maxQuoted || strings.ContainsAny(s, "\r\n\x00") || !utf8.ValidString(s) {
		return "{" + strconv.Itoa(len(s)) + "}\r\n" + s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
