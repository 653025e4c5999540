package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

// PlaceOf names an endpoint as people write it: HOST:PORT.
func PlaceOf(ep evidence.Endpoint) string { return place(ep) }

// place names an endpoint in the names of probes.
func place(ep evidence.Endpoint) string { return fmt.Sprintf("%s:%d", ep.Host, ep.Port) }

// The names of an endpoint's probes, for those that need them.
func ConnectName(ep evidence.Endpoint) string  { return "connect " + place(ep) }
func GreetingName(ep evidence.Endpoint) string { return "greeting " + place(ep) }
func OfferName(ep evidence.Endpoint) string    { return "offer " + place(ep) }

// Endpoint returns the probes that go up an endpoint step by step, on one
// connection: the host's addresses, connections to each of them, TLS where it
// comes first, the greeting, what is offered, and STARTTLS. lookup says whether
// the probe of the host's addresses is to be among them.
func (r *Run) Endpoint(ep evidence.Endpoint) []Probe {
	probes := []Probe{
		{Name: ConnectName(ep), Needs: []string{"lookup " + ep.Host}, Run: func(ctx context.Context) error { return r.connect(ctx, ep) }},
	}
	last := ConnectName(ep)
	if ep.Security == evidence.TLS {
		probes = append(probes, Probe{Name: "tls " + place(ep), Needs: []string{last}, Run: func(ctx context.Context) error { return r.handshake(ctx, ep) }})
		last = "tls " + place(ep)
	}
	return append(probes,
		Probe{Name: GreetingName(ep), Needs: []string{last}, Run: func(ctx context.Context) error { return r.greeting(ctx, ep) }},
		Probe{Name: OfferName(ep), Needs: []string{GreetingName(ep)}, Run: func(ctx context.Context) error { return r.offer(ctx, ep) }},
	)
}

// Repeat connects again to every address of an endpoint and reads the greeting:
// it shows what fails only sometimes, or at one of several servers.
func (r *Run) Repeat(ep evidence.Endpoint, tries int) Probe {
	return Probe{Name: "repeat " + place(ep), Needs: []string{"lookup " + ep.Host}, Run: func(ctx context.Context) error {
		var wg sync.WaitGroup
		for _, ip := range r.Addresses(ctx, ep.Host) {
			for try := 1; try <= tries; try++ {
				wg.Go(func() { r.again(ctx, ep, ip, try) })
			}
		}
		wg.Wait()
		return nil
	}}
}

func (r *Run) again(ctx context.Context, ep evidence.Endpoint, ip netip.Addr, try int) {
	conn, err := r.dial(ctx, ep, ip, try)
	if err != nil {
		return
	}
	t := r.newTalk(ep, conn)
	defer t.close()
	if ep.Security == evidence.TLS && t.startTLS(ctx, ip) != nil {
		return
	}
	_ = t.greet(ctx, ip, try) // the fact is what is wanted
}

// sessions are the connections that probes hand on to each other.
type sessions struct {
	mu    sync.Mutex
	open  map[evidence.Endpoint]*opened
	ended bool
}

type opened struct {
	*talk
	addr netip.Addr
}

func newSessions() *sessions { return &sessions{open: map[evidence.Endpoint]*opened{}} }

func (s *sessions) put(ep evidence.Endpoint, o *opened) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		o.conn.Close()
		return
	}
	s.open[ep] = o
}

// get returns the connection to an endpoint; ErrBlocked if there is none.
func (s *sessions) get(ep evidence.Endpoint) (*opened, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.open[ep]; o != nil {
		return o, nil
	}
	return nil, fmt.Errorf("no connection to %s: %w", place(ep), ErrBlocked)
}

// take gives a connection away: it is whoever takes it who closes it.
func (s *sessions) take(ep evidence.Endpoint) (*opened, error) {
	o, err := s.get(ep)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, ep)
	}
	return o, err
}

func (s *sessions) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	var wg sync.WaitGroup
	for _, o := range s.open {
		wg.Go(o.talk.close)
	}
	wg.Wait()
}

// dial makes one connection and records how it went.
func (r *Run) dial(ctx context.Context, ep evidence.Endpoint, ip netip.Addr, try int) (net.Conn, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, r.Step)
	defer cancel()
	conn, err := r.Dialer.DialContext(ctx, "tcp", net.JoinHostPort(ip.String(), strconv.Itoa(ep.Port)))
	raw := ""
	if err != nil {
		raw = err.Error()
	}
	r.Evidence.Add(evidence.Connect{Endpoint: ep, Addr: ip, Try: try, Outcome: outcomeOf(err), Took: time.Since(began)}, raw)
	return conn, err
}

// connect tries all addresses of an endpoint at once and keeps the connection
// to the first of those that answered, in the order of the addresses. It does not
// wait for slower ones longer than a mail program would.
func (r *Run) connect(ctx context.Context, ep evidence.Endpoint) error {
	ips := r.Addresses(ctx, ep.Host)
	conns := make([]net.Conn, len(ips))
	errs := make([]error, len(ips))
	var wg sync.WaitGroup
	for i, ip := range ips {
		wg.Go(func() { conns[i], errs[i] = r.dial(ctx, ep, ip, 0) })
	}
	wg.Wait()
	kept := false
	for i, conn := range conns {
		switch {
		case conn == nil:
		case kept:
			conn.Close()
		default:
			kept = true
			r.sessions.put(ep, &opened{r.newTalk(ep, conn), ips[i]})
		}
	}
	if !kept {
		return errors.Join(errs...)
	}
	return nil
}

func (r *Run) handshake(ctx context.Context, ep evidence.Endpoint) error {
	o, err := r.sessions.get(ep)
	if err != nil {
		return err
	}
	return o.startTLS(ctx, o.addr)
}

func (r *Run) greeting(ctx context.Context, ep evidence.Endpoint) error {
	o, err := r.sessions.get(ep)
	if err != nil {
		return err
	}
	return o.greet(ctx, o.addr, 0)
}

// greet reads the first that the server says.
func (t *talk) greet(ctx context.Context, ip netip.Addr, try int) error {
	began := time.Now()
	t.bound(ctx)
	line, all, err := t.firstLines()
	text := strings.Join(all, "\n")
	g := evidence.Greeting{Endpoint: t.ep, Addr: ip, Try: try, Outcome: outcomeOf(err), Text: t.run.Evidence.Clean(text), Speaks: speaks(line), Took: time.Since(began)}
	g.Software, g.Provider = t.run.Book.Identify(text, "", "")
	g.Positive = err == nil && greets(t.ep.Protocol, line)
	if err == nil {
		g.Reading = t.run.read(t.ep, dialect.StageGreeting, text)
		if !sameProtocol(g.Speaks, t.ep.Protocol) {
			g.Outcome = evidence.Garbled
		}
	}
	t.run.Evidence.Add(g, text)
	switch {
	case err != nil:
		return fmt.Errorf("greeting: %w", err)
	case !g.Positive:
		return fmt.Errorf("greeting: %s", t.run.Evidence.Clean(line))
	}
	return nil
}

// firstLines reads a greeting, which may have several lines in SMTP.
func (t *talk) firstLines() (string, []string, error) {
	var all []string
	for range 50 {
		line, err := t.line()
		if line != "" {
			all = append(all, line)
		}
		if err != nil {
			return line, all, err
		}
		if len(line) < 4 || line[3] != '-' || line[0] < '0' || line[0] > '9' {
			return line, all, nil
		}
	}
	return "", all, errReplyTooLong
}

// speaks tells which protocol a first line is of; "" if of none.
func speaks(line string) evidence.Protocol {
	upper := strings.ToUpper(line)
	switch {
	case strings.HasPrefix(upper, "* OK"), strings.HasPrefix(upper, "* PREAUTH"), strings.HasPrefix(upper, "* BYE"):
		return evidence.IMAP
	case strings.HasPrefix(upper, "+OK"), strings.HasPrefix(upper, "-ERR"):
		return evidence.POP3
	case len(line) >= 3 && strings.Trim(line[:3], "0123456789") == "" && (len(line) == 3 || line[3] == ' ' || line[3] == '-'):
		return evidence.Submission
	}
	return ""
}

func sameProtocol(spoken, wanted evidence.Protocol) bool {
	if wanted == evidence.SMTP {
		wanted = evidence.Submission
	}
	return spoken == wanted
}

func greets(p evidence.Protocol, line string) bool {
	switch p {
	case evidence.IMAP:
		return strings.HasPrefix(line, "* OK") || strings.HasPrefix(line, "* PREAUTH")
	case evidence.POP3:
		return strings.HasPrefix(line, "+OK")
	}
	return strings.HasPrefix(line, "220")
}

// read reads a reply through the dialect of whoever answered.
func (r *Run) read(ep evidence.Endpoint, stage dialect.Stage, text string) dialect.Reading {
	provider := r.Book.ProviderOf(ep.Host)
	if p, ok := evidence.First[*evidence.Provider](r.Evidence); ok && p.ID != "" && ep.Origin != evidence.MX && ep.Origin != evidence.RecipientMX {
		provider = p.ID
	}
	if g, ok := evidence.Find(r.Evidence, func(g evidence.Greeting) bool { return g.Endpoint == ep && g.Software+g.Provider != "" }); ok && provider == "" {
		provider = strings.TrimSpace(g.Provider + " " + g.Software) // nobody else knows whose server it is, so it is believed
	}
	return r.Book.Read(provider, dialect.Protocol(ep.Protocol), stage, text)
}

// offer asks what the server offers, and changes to TLS where the endpoint says so.
func (r *Run) offer(ctx context.Context, ep evidence.Endpoint) error {
	o, err := r.sessions.get(ep)
	if err != nil {
		return err
	}
	if err := o.askCapabilities(ctx); err != nil {
		return err
	}
	if ep.Security != evidence.STARTTLS {
		return nil
	}
	if err := o.changeToTLS(ctx, o.addr); err != nil {
		return err
	}
	return o.askCapabilities(ctx)
}

// askCapabilities asks and records what is offered now.
func (t *talk) askCapabilities(ctx context.Context) error {
	command, multi := "CAPABILITY", false
	switch t.ep.Protocol {
	case evidence.POP3:
		command, multi = "CAPA", true
	case evidence.Submission, evidence.SMTP:
		command = "EHLO " + t.helo()
	}
	last, all, err := t.exchange(ctx, command, multi)
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	t.caps = evidence.Capabilities{Endpoint: t.ep, Encrypted: t.encrypted, SignedIn: t.signedIn}
	if len(all) > 0 && (t.positive(last) || multi && t.positive(all[0])) {
		t.caps.List = t.listed(all)
	}
	t.run.Evidence.Add(t.caps, strings.Join(all, "\n"))
	return nil
}

// listed reads the keywords of EHLO, CAPABILITY and CAPA.
func (t *talk) listed(all []string) []string {
	var list []string
	for i, line := range all {
		line = strings.ToUpper(line)
		switch t.ep.Protocol {
		case evidence.IMAP:
			if rest, ok := strings.CutPrefix(line, "* CAPABILITY "); ok {
				list = append(list, strings.Fields(rest)...)
			}
		case evidence.POP3:
			if i > 0 && line != "." {
				list = append(list, line)
			}
		default:
			if i > 0 && len(line) > 4 {
				list = append(list, strings.Replace(line[4:], "AUTH=", "AUTH ", 1))
			}
		}
	}
	return list[:min(len(list), 200)]
}

// helo is how the doctor introduces itself: by its address (RFC 5321 section 4.1.3).
func (t *talk) helo() string {
	addr, err := netip.ParseAddrPort(t.conn.LocalAddr().String())
	switch {
	case err != nil:
		return "[127.0.0.1]"
	case addr.Addr().Unmap().Is4():
		return "[" + addr.Addr().Unmap().String() + "]"
	}
	return "[IPv6:" + addr.Addr().WithZone("").String() + "]"
}

// changeToTLS asks for STARTTLS, also where it is not offered: a server may do it still.
func (t *talk) changeToTLS(ctx context.Context, ip netip.Addr) error {
	s := evidence.StartTLS{Endpoint: t.ep, Offered: t.caps.Has("STARTTLS") || t.caps.Has("STLS")}
	command := "STARTTLS"
	if t.ep.Protocol == evidence.POP3 {
		command = "STLS"
	}
	last, all, err := t.command(ctx, command)
	if err == nil {
		s.Accepted = t.positive(last)
		s.Reply = t.run.Evidence.Clean(t.untagged(last))
		s.Reading = t.run.read(t.ep, dialect.StageStartTLS, t.untagged(last))
	}
	t.run.Evidence.Add(s, strings.Join(all, "\n"))
	switch {
	case err != nil:
		return fmt.Errorf("STARTTLS: %w", err)
	case !s.Accepted:
		return fmt.Errorf("STARTTLS: %s", s.Reply)
	}
	return t.startTLS(ctx, ip)
}
