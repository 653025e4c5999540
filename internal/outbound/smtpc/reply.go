package smtpc

import (
	"bufio"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Reply is an answer of a server (RFC 5321 section 4.2).
type Reply struct {
	Code     int    // 250; 0 means that there was none
	Enhanced string // "2.1.0" (RFC 3463), "" if there is none
	// Lines are the texts of the answer's lines as they came, without the codes.
	Lines []string
}

// Limits of an answer. RFC 5321 section 4.5.3.1.5 allows lines of 512 octets.
const (
	maxReplyLine  = 2 << 10
	maxReplyLines = 128
	maxReplyText  = 500 // octets that String gives
)

// Errors of reading an answer.
var (
	errReplySyntax = errors.New("not an SMTP reply")
	errReplyLong   = errors.New("reply too long")
)

// Positive reports whether the server did what was asked (2xx).
func (r *Reply) Positive() bool { return r.Code/100 == 2 }

// Transient reports whether the same may succeed later (4xx).
func (r *Reply) Transient() bool { return r.Code/100 == 4 }

// Permanent reports whether the same can never succeed (5xx).
func (r *Reply) Permanent() bool { return r.Code/100 == 5 }

// String is the answer in one line of at most 500 octets, without control
// characters: "550 5.1.1 No such user".
func (r *Reply) String() string {
	if r.Code == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d", r.Code)
	if r.Enhanced != "" {
		b.WriteByte(' ')
		b.WriteString(r.Enhanced)
	}
	if text := r.Text(); text != "" {
		b.WriteByte(' ')
		b.WriteString(text)
	}
	return b.String()
}

// Text is the text of the answer in one line, without codes and control
// characters, at most 500 octets.
func (r *Reply) Text() string {
	var b strings.Builder
	space := false
	for i, line := range r.Lines {
		space = space || i > 0
		for _, c := range line { // an invalid octet gives U+FFFD
			if unicode.IsSpace(c) || unicode.IsControl(c) {
				space = true
				continue
			}
			if space && b.Len() > 0 {
				b.WriteByte(' ')
			}
			space = false
			if b.Len()+utf8.RuneLen(c) > maxReplyText-len("550 5.7.100 ") {
				return b.String()
			}
			b.WriteRune(c)
		}
	}
	return b.String()
}

// readReply reads the lines of one answer. The enhanced code is taken from its
// place in each line (RFC 2034 section 4).
func readReply(in *bufio.Reader) (Reply, error) {
	var r Reply
	for range maxReplyLines {
		line, err := readLine(in)
		if err != nil {
			return r, err
		}
		code, text, last, err := splitLine(line)
		if err != nil {
			return r, err
		}
		if r.Code != 0 && r.Code != code {
			return r, fmt.Errorf("%w: lines with codes %d and %d", errReplySyntax, r.Code, code)
		}
		r.Code = code
		enhanced, rest := cutEnhanced(code, text)
		if r.Enhanced == "" {
			r.Enhanced = enhanced
		}
		r.Lines = append(r.Lines, rest)
		if last {
			return r, nil
		}
	}
	return r, errReplyLong
}

// readLine reads to the next LF, which some servers send bare.
func readLine(in *bufio.Reader) (string, error) {
	var long []byte
	for {
		part, err := in.ReadSlice('\n')
		if err == nil && long == nil {
			return trimEnd(string(part)), nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return "", err
		}
		if long = append(long, part...); len(long) > maxReplyLine {
			return "", errReplyLong
		}
		if err == nil {
			return trimEnd(string(long)), nil
		}
	}
}

func trimEnd(line string) string {
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
}

// splitLine parts a line into code and text; last is false where a hyphen says
// that more follow.
func splitLine(line string) (code int, text string, last bool, err error) {
	if len(line) < 3 || len(line) > maxReplyLine {
		return 0, "", false, fmt.Errorf("%w: %.40q", errReplySyntax, line)
	}
	for i := range 3 {
		c := line[i]
		if c < '0' || c > '9' {
			return 0, "", false, fmt.Errorf("%w: %.40q", errReplySyntax, line)
		}
		code = code*10 + int(c-'0')
	}
	if code < 200 || code > 599 {
		return 0, "", false, fmt.Errorf("%w: %.40q", errReplySyntax, line)
	}
	switch {
	case len(line) == 3:
		return code, "", true, nil
	case line[3] == ' ':
		return code, line[4:], true, nil
	case line[3] == '-':
		return code, line[4:], false, nil
	}
	return 0, "", false, fmt.Errorf("%w: %.40q", errReplySyntax, line)
}

// cutEnhanced takes an enhanced status code of the same class off a text (RFC
// 3463 section 2).
func cutEnhanced(code int, text string) (enhanced, rest string) {
	word, rest, _ := strings.Cut(text, " ")
	if isEnhanced(word) && int(word[0]-'0') == code/100 {
		return word, rest
	}
	return "", text
}

func isEnhanced(s string) bool {
	class, rest, _ := strings.Cut(s, ".")
	subject, detail, ok := strings.Cut(rest, ".")
	return ok && (class == "2" || class == "4" || class == "5") && isNumber(subject) && isNumber(detail)
}

func isNumber(s string) bool {
	if len(s) == 0 || len(s) > 3 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
