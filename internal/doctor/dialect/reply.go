package dialect

import (
	"encoding/base64"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/postiljon/postiljon/internal/message"
)

// Bounds of what is read of a reply and kept of its text.
const (
	maxReply = 8 << 10
	MaxText  = 2 << 10
)

// parsed is a reply taken apart.
type parsed struct {
	class     Class
	code      int
	enhanced  string
	responses []string // response codes, the telling ones first
	text      string   // without codes, on one line
	url       string
	warns     bool // it accepts, but has something to say
}

// parse takes a reply apart by the form that its protocol has.
func parse(protocol Protocol, reply string) parsed {
	if len(reply) > maxReply {
		reply = reply[:maxReply]
	}
	var lines []string
	for line := range strings.SplitSeq(strings.ReplaceAll(reply, "\r\n", "\n"), "\n") {
		if line = message.DecodeHeader(line); line != "" {
			lines = append(lines, line)
		}
	}
	var p parsed
	switch protocol {
	case IMAP:
		p.imap(lines)
	case POP3:
		p.pop3(lines)
	default:
		p.smtp(lines)
	}
	p.url = firstURL(strings.Join(lines, " "))
	p.text = cut(strings.Join(strings.Fields(p.text), " "), MaxText)
	return p
}

var (
	smtpLine = regexp.MustCompile(`^([2-5][0-9]{2})(?:[ \-](.*))?$`)
	// inText finds codes that stand in the midst of a text, as in bounces.
	codeInText = regexp.MustCompile(`(?:^|[\s:;>("'])([45][0-9]{2})[ \-]`)
	enhanced   = regexp.MustCompile(`(?:^|[^0-9.])([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:$|[^0-9.]|\.(?:$|[^0-9]))`)
	atStart    = regexp.MustCompile(`^#?([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:[\s:;,]+|$)`)
)

// smtp reads reply lines (RFC 5321 section 4.2), or the text of a bounce that quotes them.
func (p *parsed) smtp(lines []string) {
	texts := make([]string, 0, len(lines))
	for _, line := range lines {
		m := smtpLine.FindStringSubmatch(line)
		if m == nil {
			texts = append(texts, line)
			continue
		}
		code, _ := strconv.Atoi(m[1])
		if p.code/100 < code/100 && code >= 400 {
			// Where several replies came at once, a refusal is what counts.
			p.code, p.enhanced, texts = code, "", texts[:0]
		} else if p.code == 0 {
			p.code = code
		}
		texts = append(texts, p.takeEnhanced(m[2]))
	}
	p.text = strings.Join(texts, " ")
	if p.code == 0 {
		if m := codeInText.FindStringSubmatchIndex(p.text); m != nil {
			p.code, _ = strconv.Atoi(p.text[m[2]:m[3]])
			p.text = p.text[:m[2]] + p.takeEnhanced(p.text[m[1]:])
		}
	}
	if p.enhanced == "" {
		p.findEnhanced()
	}
	p.flatten()
	p.class = classOf(p.code, p.enhanced)
	if p.code == 334 {
		p.challenge(p.text)
	}
}

// takeEnhanced takes the enhanced code off the start of a line (RFC 2034 section 3).
func (p *parsed) takeEnhanced(text string) string {
	m := atStart.FindStringSubmatch(text)
	if m == nil {
		return text
	}
	if p.enhanced == "" {
		p.enhanced = m[1]
	}
	return text[len(m[0]):]
}

// findEnhanced finds an enhanced code at an unusual place, such as "(#5.1.1)" at the end. It must be
// of the class of the code, or a version number would do.
func (p *parsed) findEnhanced() {
	for _, m := range enhanced.FindAllStringSubmatch(p.text, 4) {
		if p.code == 0 && m[1][0] != '2' || p.code != 0 && int(m[1][0]-'0') == p.code/100 {
			p.enhanced = m[1]
			return
		}
	}
}

// flatten takes out the codes of lines that somebody joined to one, as bounces have them.
func (p *parsed) flatten() {
	if p.code == 0 {
		return
	}
	code := strconv.Itoa(p.code)
	for _, sep := range []string{"-", " "} {
		if p.enhanced != "" {
			p.text = strings.ReplaceAll(p.text, " "+code+sep+p.enhanced, " ")
		}
	}
	p.text = strings.ReplaceAll(p.text, " "+code+"-", " ")
}

func classOf(code int, enhanced string) Class {
	first := byte('0')
	switch {
	case code != 0:
		first = byte('0' + code/100)
	case enhanced != "":
		first = enhanced[0]
	}
	switch first {
	case '2', '3':
		return Positive
	case '4':
		return Temporary
	case '5':
		return Permanent
	}
	return NoClass
}

// challenge reads what a server says about a refused OAuth token before it refuses: JSON in
// base64 (RFC 7628 section 3.2.2).
func (p *parsed) challenge(text string) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err == nil && len(b) > 1 && b[0] == '{' {
		p.text = message.DecodeHeader(string(b))
		p.class = Permanent
	}
}

var imapLine = regexp.MustCompile(`^(?i)(?:(\S+) )?(OK|NO|BAD|BYE|PREAUTH)\b ?(?:\[([^\]]*)\])? ?(.*)$`)

// imap reads status responses (RFC 9051 section 7.1). An untagged NO only warns (section 7.1.2).
// Where one refuses, those that do not refuse come after it.
func (p *parsed) imap(lines []string) {
	var texts, others []string
	for _, line := range lines {
		if rest, ok := strings.CutPrefix(line, "+ "); ok {
			p.challenge(rest)
			continue
		}
		m := imapLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		code, _, _ := strings.Cut(strings.ToUpper(m[3]), " ")
		word := strings.ToUpper(m[2])
		if word == "BYE" || (word == "NO" || word == "BAD") && m[1] != "*" {
			p.class = Permanent
			texts = append(texts, m[4])
			p.response(code)
			continue
		}
		if p.class == NoClass || m[1] != "*" && word == "OK" {
			p.class = Positive // also after the BYE of LOGOUT
		}
		others = append(others, m[4])
		if word == "NO" || word == "BAD" || code == "ALERT" || code == "WEBALERT" || code == "OVERQUOTA" {
			p.warns = true
			p.response(code)
		}
	}
	if p.text == "" {
		p.text = strings.Join(append(texts, others...), " ")
	}
	p.whole(lines)
}

// pop3 reads a POP3 reply (RFC 1939 section 3, RFC 2449 section 8).
func (p *parsed) pop3(lines []string) {
	for _, line := range lines {
		rest, ok := strings.CutPrefix(line, "-ERR")
		switch {
		case ok:
			p.class = Permanent
		default:
			if rest, ok = strings.CutPrefix(line, "+OK"); !ok {
				if rest, ok = strings.CutPrefix(line, "+ "); ok {
					p.challenge(rest)
				}
				continue
			}
			if p.class == NoClass {
				p.class = Positive
			}
		}
		rest = strings.TrimSpace(rest)
		if strings.HasPrefix(rest, "[") {
			if code, after, closed := strings.Cut(rest[1:], "]"); closed {
				p.response(strings.ToUpper(code))
				rest = strings.TrimSpace(after)
			}
		}
		p.text += " " + rest
	}
	p.whole(lines)
}

// whole takes all lines for the text where they do not have the form of the protocol: another
// server's words, or words that somebody copied.
func (p *parsed) whole(lines []string) {
	if p.class == NoClass {
		p.text = strings.Join(lines, " ")
	}
	if slices.ContainsFunc(p.responses, passes) && p.class == Permanent {
		p.class = Temporary
	}
}

func passes(response string) bool {
	return response == "UNAVAILABLE" || response == "INUSE" || response == "SYS/TEMP" || response == "IN-USE" || response == "LOGIN-DELAY"
}

// response keeps a response code; alerts say least, so they come last.
func (p *parsed) response(code string) {
	switch {
	case code == "" || len(p.responses) >= 8 || len(code) > 64:
	case code == "ALERT" || code == "WEBALERT" && len(p.responses) == 0:
		p.responses = append(p.responses, code)
	default:
		p.responses = append([]string{code}, p.responses...)
	}
}

var urlPattern = regexp.MustCompile(`(?i)\bhttps?://[^\s<>"'\]\[{}|\\^` + "`" + `]+`)

func firstURL(text string) string {
	return strings.TrimRight(cut(urlPattern.FindString(text), 512), ".,;:!?)")
}

// cut shortens s to at most n octets, at the end of a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
