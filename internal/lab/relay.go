package lab

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// relayTime bounds one delivery to another provider.
const relayTime = 30 * time.Second

// serversVantage is from where providers deliver to each other; what is broken for it
// is broken between servers.
const serversVantage = "servers"

// Waiting is a message that a provider keeps for a later attempt; there is none.
type Waiting struct {
	From, To string
	Reason   string // the remote reply, or why there was none
}

// Waiting returns what could not be delivered to other providers for now.
func (p *Provider) Waiting() []Waiting {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.waiting)
}

// relay delivers to the provider that the recipient's domain names, or tells the sender
// why not (RFC 5321 section 6.1, RFC 3464).
func (p *Provider) relay(from, to string, data []byte) {
	ctx, cancel := context.WithTimeout(p.w.ctx, relayTime)
	defer cancel()
	host, refusal, err := p.w.exchanger(ctx, to[strings.LastIndexByte(to, '@')+1:])
	if err == nil && refusal == "" {
		refusal, err = p.w.deliver(ctx, p.SMTPHost.Name, host, from, to, data)
	}
	switch {
	case err != nil:
		refusal = err.Error()
	case refusal == "":
		return
	case refusal[0] == '5':
		p.bounce(from, to, refusal)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = append(p.waiting, Waiting{from, to, refusal})
}

// exchanger finds where mail for a domain goes: its best MX, or itself (RFC 5321 section
// 5.1, RFC 7505).
func (w *World) exchanger(ctx context.Context, domain string) (host, refusal string, err error) {
	v := w.Vantage(serversVantage)
	m, err := v.ask(ctx, v.Resolvers()[0], domain, dns.TypeMX)
	if err != nil {
		return "", "", err
	}
	var best []*dns.MX
	for _, rr := range m.Answer {
		if mx, ok := rr.(*dns.MX); ok {
			best = append(best, mx)
		}
	}
	slices.SortFunc(best, func(a, b *dns.MX) int { return cmp.Compare(a.Preference, b.Preference) })
	switch {
	case m.Rcode == dns.RcodeNameError:
		return "", "550 5.1.2 Host or domain name not found", nil
	case m.Rcode != dns.RcodeSuccess:
		return "", "", fmt.Errorf("lab: MX of %s: %s", domain, dns.RcodeToString[m.Rcode])
	case len(best) == 0:
		return domain, "", nil
	case best[0].Mx == ".":
		return "", "556 5.1.10 Recipient address has null MX", nil
	}
	return strings.TrimSuffix(best[0].Mx, "."), "", nil
}

// deliver holds one SMTP session and returns the reply that ended it, "" for success.
func (w *World) deliver(ctx context.Context, as, host, from, to string, data []byte) (refusal string, err error) {
	c, err := w.Vantage(serversVantage).DialContext(ctx, "tcp", net.JoinHostPort(host, "25"))
	if err != nil {
		return "", err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	r := bufio.NewReader(c)
	text := strings.ReplaceAll("\r\n"+string(data), "\r\n.", "\r\n..")[2:]
	for _, step := range []struct {
		say   string
		class byte
	}{
		{"", '2'}, {"EHLO " + as, '2'}, {"MAIL FROM:<" + from + ">", '2'}, {"RCPT TO:<" + to + ">", '2'},
		{"DATA", '3'}, {strings.TrimSuffix(text, "\r\n") + "\r\n.", '2'},
	} {
		if step.say != "" {
			if _, err := io.WriteString(c, step.say+"\r\n"); err != nil {
				return "", err
			}
		}
		reply, err := lastLine(r)
		if err != nil {
			return "", err
		}
		if reply[0] != step.class {
			return reply, nil
		}
	}
	_, err = io.WriteString(c, "QUIT\r\n")
	return "", err
}

// lastLine reads a reply and returns its last line.
func lastLine(r *bufio.Reader) (string, error) {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", err
		}
		if line = strings.TrimRight(line, "\r\n"); len(line) < 4 || line[3] != '-' {
			return line + " ", nil
		}
	}
}

// bounce puts a report into the sender's INBOX.
func (p *Provider) bounce(from, to, reply string) {
	reply = strings.TrimSpace(reply)
	status := "5.0.0"
	if words := strings.Fields(reply); len(words) > 1 && strings.Count(words[1], ".") == 2 {
		status = words[1]
	}
	const line = "report-of-the-lab"
	p.Mail.Put(from, "INBOX", fmt.Sprintf(`From: Mail Delivery System <mailer-daemon@%[1]s>
To: %[2]s
Subject: Undelivered Mail Returned to Sender
Date: %[6]s
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=%[5]q

--%[5]s
Content-Type: text/plain

Your message could not be delivered to %[3]s:
%[4]s

--%[5]s
Content-Type: message/delivery-status

Reporting-MTA: dns; %[7]s

Final-Recipient: rfc822; %[3]s
Action: failed
Status: %[8]s
Diagnostic-Code: smtp; %[4]s

--%[5]s--
`, p.Domain, from, to, reply, line, p.w.Now().Format(time.RFC1123Z), p.SMTPHost.Name, status))
}
