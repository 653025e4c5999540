package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"

	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

// referenceTries is how often each address of a reference is connected to: what
// fails now and then, there too, is the line.
const referenceTries = 3

// Reference looks at services of others, on the ports that mail uses: what
// fails there too is not the provider's fault. It goes as far as TLS where TLS
// comes first, else to what the server offers, so that whoever stands in
// between is seen.
func (r *Run) Reference() []Probe {
	var probes []Probe
	for i, addr := range r.Env.Reference {
		host, port, err := net.SplitHostPort(addr)
		n, portErr := strconv.Atoi(port)
		if err != nil || portErr != nil {
			continue
		}
		ep := evidence.Endpoint{Protocol: protocolOfPort(n), Host: host, Port: n, Security: securityOfPort(n), Origin: evidence.Reference}
		probes = append(probes, Probe{Name: fmt.Sprintf("reference %d %s", i, addr), Run: func(ctx context.Context) error {
			return r.reach(ctx, ep)
		}})
	}
	return probes
}

// securityOfPort tells how a port is encrypted (RFC 8314 section 3).
func securityOfPort(port int) evidence.Security {
	switch port {
	case 443, 465, 993, 995:
		return evidence.TLS
	case 25:
		return evidence.Plain
	}
	return evidence.STARTTLS
}

// protocolOfPort names the protocol of a well-known port; "" if it is not one of mail.
func protocolOfPort(port int) evidence.Protocol {
	switch port {
	case 143, 993:
		return evidence.IMAP
	case 110, 995:
		return evidence.POP3
	case 465, 587:
		return evidence.Submission
	case 25:
		return evidence.SMTP
	case 443:
		return evidence.HTTPS
	}
	return ""
}

// Website looks at the web site of the address's domain, up to its certificate.
func (r *Run) Website() Probe {
	ep := evidence.Endpoint{Protocol: evidence.HTTPS, Host: r.Evidence.Complaint.Domain(), Port: 443, Security: evidence.TLS, Origin: evidence.Web}
	return Probe{Name: "website " + ep.Host, Run: func(ctx context.Context) error { return r.reach(ctx, ep) }}
}

// oneOfEach returns the first address of each family: others' servers are not to be troubled more than needed.
func oneOfEach(ips []netip.Addr) []netip.Addr {
	var chosen []netip.Addr
	for _, ip := range ips {
		if !slices.ContainsFunc(chosen, func(c netip.Addr) bool { return c.Is4() == ip.Is4() }) {
			chosen = append(chosen, ip)
		}
	}
	return chosen
}

// reach connects to an address of each family of an endpoint, several times, and looks at
// the first connection.
func (r *Run) reach(ctx context.Context, ep evidence.Endpoint) error {
	ips := oneOfEach(r.Addresses(ctx, ep.Host))
	if len(ips) == 0 {
		return fmt.Errorf("%s has no address", ep.Host)
	}
	tries := referenceTries
	if ep.Origin == evidence.Web {
		tries = 1
	}
	conns := make([]net.Conn, len(ips)*tries)
	errs := make([]error, len(conns))
	var wg sync.WaitGroup
	for i := range conns {
		wg.Go(func() { conns[i], errs[i] = r.dial(ctx, ep, ips[i%len(ips)], i/len(ips)) })
	}
	wg.Wait()
	looked := false
	var err error
	for i, conn := range conns {
		switch {
		case conn == nil:
		case looked:
			conn.Close()
		default:
			looked = true
			err = r.glance(ctx, ep, conn, ips[i%len(ips)])
		}
	}
	if !looked {
		return errors.Join(errs...)
	}
	return err
}

// glance looks at what answers, as far as that says something about what is in between.
func (r *Run) glance(ctx context.Context, ep evidence.Endpoint, conn net.Conn, ip netip.Addr) error {
	t := r.newTalk(ep, conn)
	defer t.close()
	if ep.Security == evidence.TLS {
		return t.startTLS(ctx, ip)
	}
	if ep.Protocol == "" || ep.Protocol == evidence.HTTPS {
		return nil
	}
	if err := t.greet(ctx, ip, 0); err != nil {
		return err
	}
	return t.askCapabilities(ctx)
}
