package genuine

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/arc"
	"github.com/postiljon/postiljon/internal/signature"
)

// Field returns the Authentication-Results field of a result (RFC 8601), folded, with its line end.
func (r *Result) Field() []byte {
	return fmt.Appendf(nil, "Authentication-Results: %s\r\n", r.Value())
}

// Value returns the value of the field, which ARC seals carry, too.
func (r *Result) Value() string {
	w := resultsWriter{}
	w.WriteString(quoteValue(r.authservID))
	w.method("spf", r.SPF.Outcome, r.SPF.Reason)
	if r.SPF.Sender != "" {
		sender := r.SPF.Sender
		if !isASCII(sender) { // only mail that is UTF-8 itself could carry it
			sender = r.SPF.Domain
		}
		w.property("smtp.mailfrom", sender)
	} else {
		w.property("smtp.helo", r.SPF.Domain)
	}
	if r.SPF.Sender != "" && r.HELO.Outcome != signature.None {
		w.method("spf", r.HELO.Outcome, r.HELO.Reason)
		w.property("smtp.helo", r.HELO.Domain)
	}
	r.writeDKIM(&w)
	r.writeDMARC(&w)
	if r.ARC.Outcome != signature.None {
		w.method("arc", r.ARC.Outcome, r.ARC.Reason)
		if len(r.ARC.Links) > 0 {
			w.comment(fmt.Sprintf("i=%d", r.ARC.Instance))
		}
	}
	w.method("iprev", r.IPRev.Outcome, r.IPRev.Reason)
	if r.IPRev.Name != "" {
		w.comment(r.IPRev.Name)
	}
	w.property("policy.iprev", r.Envelope.Remote.String())
	return w.String()
}

func (r *Result) writeDKIM(w *resultsWriter) {
	if len(r.DKIM) == 0 {
		w.method("dkim", signature.None, "")
	}
	for _, d := range r.DKIM {
		w.method("dkim", d.Outcome, d.Reason)
		if d.Bits > 0 {
			note := fmt.Sprintf("%d-bit key", d.Bits)
			if d.Testing {
				note += ", testing"
			}
			if d.Limited {
				note += ", l="
			}
			w.comment(note)
		}
		w.property("header.d", d.Domain)
		w.property("header.s", d.Selector)
		w.property("header.a", d.Algorithm)
		w.property("header.b", d.Short)
	}
}

func (r *Result) writeDMARC(w *resultsWriter) {
	w.method("dmarc", r.DMARC.Outcome, r.DMARC.Reason)
	if p := r.DMARC.Policy; p != nil {
		note := fmt.Sprintf("p=%s dis=%s", p.Apply, r.Disposition)
		if r.DMARC.Sealer != "" {
			note += " arc=" + r.DMARC.Sealer
		}
		w.comment(note)
	}
	w.property("header.from", r.DMARC.From)
	if r.Allowed { // RFC 8601 section 2.3: what was done for a policy of ours
		w.property(PropertyAllowed, "recipient")
	}
}

// PropertyAllowed is the property of dmarc that tells of a message that its recipients let through.
const PropertyAllowed = "policy.allowed-by"

// resultsWriter writes results one a line.
type resultsWriter struct {
	strings.Builder
}

func (w *resultsWriter) method(name string, o signature.Outcome, reason string) {
	fmt.Fprintf(w, ";\r\n\t%s=%s", name, o)
	if reason != "" {
		fmt.Fprintf(w, " reason=%s", quoteText(reason))
	}
}

func (w *resultsWriter) comment(text string) {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f || strings.ContainsRune(`()\`, r) {
			return -1
		}
		return r
	}, text)
	w.WriteString(" (" + clip(text) + ")")
}

func (w *resultsWriter) property(name, value string) {
	if value != "" {
		w.WriteString("\r\n\t " + name + "=" + quoteValue(value))
	}
}

// quoteValue writes a value as a token or an address where it is one, and in quotes otherwise.
func quoteValue(value string) string {
	for i := 0; i < len(value); i++ {
		c := value[i]
		if !('a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`{|}~@:", c) >= 0) {
			return quoteText(value)
		}
	}
	if value == "" || strings.Contains(value, ":") || strings.Count(value, "@") > 1 {
		return quoteText(value)
	}
	return value
}

func quoteText(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range clip(text) {
		switch {
		case r < ' ' || r >= 0x7f:
			b.WriteByte('?')
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// clip bounds what strangers can make us write.
func clip(text string) string { return text[:min(len(text), 300)] }

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// Stated is what somebody's Authentication-Results say of one method.
type Stated struct {
	Method     string // in lower case
	Outcome    signature.Outcome
	Properties map[string]string // such as "header.from", names in lower case
}

// maxStated is how many results of one field are read.
const maxStated = 100

var errResults = errors.New("genuine: Authentication-Results cannot be read")

// ReadResults reads the value of an Authentication-Results field (RFC 8601 section 2.2): who found out, and
// what. Comments are left out, so nothing in them counts.
func ReadResults(value string) (authservID string, stated []Stated, err error) {
	p := resultsReader{rest: value}
	if authservID = p.word(";="); authservID == "" {
		return "", nil, errResults
	}
	p.word(";=") // the version
	for p.take(';') {
		method := p.word(";=/")
		if p.take('/') {
			p.word(";=")
		}
		if !p.take('=') {
			if p.done() || strings.EqualFold(method, "none") {
				continue
			}
			return authservID, stated, errResults
		}
		if len(stated) == maxStated {
			return authservID, stated, errResults
		}
		one := Stated{Method: strings.ToLower(method), Outcome: signature.Outcome(strings.ToLower(p.word(";="))), Properties: map[string]string{}}
		for {
			name := strings.ToLower(p.word(";="))
			if name == "" || !p.take('=') {
				break
			}
			if _, twice := one.Properties[name]; !twice {
				one.Properties[name] = p.word(";")
			} else {
				p.word(";")
			}
		}
		stated = append(stated, one)
	}
	if !p.done() {
		return authservID, stated, errResults
	}
	return authservID, stated, nil
}

// resultsReader reads words with comments and white space between them.
type resultsReader struct {
	rest string
}

// skip leaves out white space and comments (RFC 5322 section 3.2.2).
func (p *resultsReader) skip() {
	depth := 0
	for p.rest != "" {
		c := p.rest[0]
		switch {
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case c == '\\' && depth > 0 && len(p.rest) > 1:
			p.rest = p.rest[1:]
		case depth == 0 && c != ' ' && c != '\t' && c != '\r' && c != '\n':
			return
		}
		p.rest = p.rest[1:]
	}
}

func (p *resultsReader) done() bool {
	p.skip()
	return p.rest == ""
}

func (p *resultsReader) take(c byte) bool {
	if p.skip(); p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// word reads a quoted-string, or what stands up to white space, a comment or one of ends.
func (p *resultsReader) word(ends string) string {
	if p.skip(); strings.HasPrefix(p.rest, `"`) {
		return p.quoted()
	}
	n := strings.IndexAny(p.rest, " \t\r\n("+ends)
	if n < 0 {
		n = len(p.rest)
	}
	word := p.rest[:n]
	p.rest = p.rest[n:]
	return word
}

func (p *resultsReader) quoted() string {
	var b strings.Builder
	for p.rest = p.rest[1:]; p.rest != ""; p.rest = p.rest[1:] {
		switch c := p.rest[0]; {
		case c == '"':
			p.rest = p.rest[1:]
			return b.String()
		case c == '\\' && len(p.rest) > 1:
			p.rest = p.rest[1:]
			b.WriteByte(p.rest[0])
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Arrived returns what arc.Seal says of a message that is forwarded now.
func (r *Result) Arrived(now time.Time) arc.Arrived {
	return arc.Arrived{Results: r.Value(), Chain: r.ARC, Time: now}
}
