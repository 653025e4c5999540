package bounce

import (
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/message"
)

var (
	receivedFrom = regexp.MustCompile(`(?i)^\s*from\s+(\S+)`)
	receivedBy   = regexp.MustCompile(`(?i)(?:^|[\s)])by\s+(\S+)`)
	receivedWith = regexp.MustCompile(`(?i)[\s)]with\s+(?:Microsoft\s+)?((?:UTF8)?(?:E?SMTP|LMTP)S?A?|HTTPS?|MAPI|IMAP|POP3|ASMTP|local)\b`)
	receivedFor  = regexp.MustCompile(`(?i)\sfor\s+<?([^\s<>;]+@[^\s<>;]+)`)
	receivedIP   = regexp.MustCompile(`\[(?:IPv6:)?([0-9A-Fa-f:.]+)\]|\(([0-9]{1,3}(?:\.[0-9]{1,3}){3})\)`)
	usesTLS      = regexp.MustCompile(`(?i)\bTLS[ v_]?1|using TLS|version=TLS|cipher[= ]`)
)

// readHop reads one Received field (RFC 5321 section 4.4), in the forms that are met. What a field
// does not tell stays empty.
func readHop(value string) Hop {
	value = cut(value, 4<<10)
	clauses, date := value, ""
	if i := strings.LastIndexByte(value, ';'); i >= 0 {
		clauses, date = value[:i], value[i+1:]
	}
	var h Hop
	h.Time, _ = message.ParseDate(date)
	h.From, h.By = part(receivedFrom, clauses), part(receivedBy, clauses)
	h.Protocol = strings.ToUpper(part(receivedWith, clauses))
	h.For = part(receivedFor, clauses)
	if m := receivedIP.FindStringSubmatch(clauses); m != nil {
		h.IP, _ = netip.ParseAddr(m[1] + m[2])
	}
	// RFC 3848: the S of ESMTPS stands for TLS.
	h.TLS = strings.HasSuffix(h.Protocol, "SMTPS") || strings.HasSuffix(h.Protocol, "SMTPSA") || strings.HasSuffix(h.Protocol, "HTTPS") || usesTLS.MatchString(clauses)
	return h
}

func part(pattern *regexp.Regexp, text string) string {
	m := pattern.FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	return strings.Trim(m[1], "()[]<>,;")
}

// hops reads the way that a message came: each server puts its field on top.
func (m *Message) hops(header []byte) {
	var fields []string
	for f := range message.HeaderFields(header) {
		if !strings.EqualFold(string(f.Name), "Received") {
			continue
		}
		m.HopCount++
		if len(fields) < MaxHops {
			fields = append(fields, message.DecodeHeader(string(f.Value())))
		}
	}
	var last time.Time
	seen := make(map[string]int)
	for i := len(fields) - 1; i >= 0; i-- {
		h := readHop(fields[i])
		if !h.Time.IsZero() {
			if !last.IsZero() {
				h.Delay = h.Time.Sub(last)
			}
			last = h.Time
		}
		if h.For != "" && h.By != "" {
			seen[strings.ToLower(h.By+" "+h.For)]++
		}
		m.Hops = append(m.Hops, h)
	}
	m.Loop = m.Loop || m.HopCount >= MaxHops // RFC 5321 section 6.3: at least 100 is a loop
	for _, n := range seen {
		m.Loop = m.Loop || n > 3
	}
}

// deliveredTwice finds the mark that forwarders leave: the same Delivered-To twice is a loop.
func (m *Message) deliveredTwice(header []byte) {
	seen := make(map[string]bool)
	for to := range message.DecodedFields(header, "Delivered-To") {
		to = strings.ToLower(strings.TrimSpace(to))
		m.Loop = m.Loop || seen[to]
		seen[to] = true
	}
}
