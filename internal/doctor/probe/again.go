package probe

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

// smallHello is about how long a hello without the large keys of today is, and
// largeHello how long one with them: it fits into no packet of the usual size.
const largeHello = 1500

// Otherwise tries an endpoint once more where it failed at its encryption: in
// the other way to encrypt, with the versions of old, or with a hello that is
// small. Each try shows one cause; none of them says more than TLS does.
func (r *Run) Otherwise(ep evidence.Endpoint) Probe {
	return Probe{Name: "otherwise " + place(ep), After: []string{GreetingName(ep), OfferName(ep)}, Run: func(ctx context.Context) error {
		h, met := r.handshakeAt(ep)
		switch {
		case met && h.Outcome == evidence.Garbled:
			return r.tryOther(ctx, ep)
		case met && h.Outcome == evidence.TimedOut:
			return r.trySmallHello(ctx, ep)
		case met && h.Outcome != evidence.OK:
			return r.tryOldTLS(ctx, ep)
		case !met && ep.Origin == evidence.Given && r.silentAt(ep):
			return r.tryOther(ctx, ep)
		}
		return fmt.Errorf("not needed: %w", ErrBlocked)
	}}
}

func (r *Run) handshakeAt(ep evidence.Endpoint) (evidence.Handshake, bool) {
	return evidence.Find(r.Evidence, func(h evidence.Handshake) bool { return h.Endpoint == ep })
}

// silentAt tells whether a connection came about and no greeting on it.
func (r *Run) silentAt(ep evidence.Endpoint) bool {
	greetings := evidence.Where(r.Evidence, func(g evidence.Greeting) bool { return g.Endpoint == ep })
	return len(greetings) > 0 && !slices.ContainsFunc(greetings, func(g evidence.Greeting) bool { return g.Outcome == evidence.OK })
}

// tryOther begins with the other kind of encryption than the settings say.
func (r *Run) tryOther(ctx context.Context, ep evidence.Endpoint) error {
	other := ep
	other.Security, other.Origin = evidence.STARTTLS, evidence.Alternative
	if ep.Security != evidence.TLS {
		other.Security = evidence.TLS
	}
	t, err := r.quiet(ctx, ep)
	if err != nil {
		return err
	}
	defer func() { t.conn.Close() }()
	t.ep = other
	err = t.climb(ctx, t.remote())
	r.Evidence.Add(evidence.OtherSecurity{Endpoint: other, Works: err == nil}, "")
	return err
}

func (t *talk) remote() netip.Addr {
	addr, err := netip.ParseAddrPort(t.conn.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return addr.Addr()
}

// quiet connects to an endpoint that took a connection before.
func (r *Run) quiet(ctx context.Context, ep evidence.Endpoint) (*talk, error) {
	c, ok := evidence.Find(r.Evidence, func(c evidence.Connect) bool { return c.Endpoint == ep && c.Outcome == evidence.OK })
	if !ok {
		return nil, fmt.Errorf("no connection before: %w", ErrBlocked)
	}
	conn, err := r.dial(ctx, ep, c.Addr, 1)
	if err != nil {
		return nil, err
	}
	return r.newTalk(ep, conn), nil
}

// prepared is quiet up to where TLS begins.
func (r *Run) prepared(ctx context.Context, ep evidence.Endpoint) (*talk, error) {
	t, err := r.quiet(ctx, ep)
	if err != nil || ep.Security == evidence.TLS {
		return t, err
	}
	if err = t.greet(ctx, t.remote(), 1); err == nil {
		if err = t.askCapabilities(ctx); err == nil {
			command := "STARTTLS"
			if ep.Protocol == evidence.POP3 {
				command = "STLS"
			}
			_, _, err = t.command(ctx, command)
		}
	}
	if err != nil {
		t.conn.Close()
		return nil, err
	}
	return t, nil
}

// handshakeWith makes one handshake in the manner of a configuration.
func (r *Run) handshakeWith(ctx context.Context, ep evidence.Endpoint, config *tls.Config) (tls.ConnectionState, error) {
	t, err := r.prepared(ctx, ep)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer t.conn.Close()
	t.bound(ctx)
	config.ServerName, config.InsecureSkipVerify = ep.Host, true // nothing is said over it
	c := tls.Client(net.Conn(t.conn), config)
	err = c.HandshakeContext(ctx)
	return c.ConnectionState(), err
}

// tryOldTLS offers everything that package tls still knows.
func (r *Run) tryOldTLS(ctx context.Context, ep evidence.Endpoint) error {
	var suites []uint16
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		suites = append(suites, s.ID)
	}
	state, err := r.handshakeWith(ctx, ep, &tls.Config{MinVersion: tls.VersionTLS10, CipherSuites: suites})
	fact := evidence.OldTLS{Endpoint: ep, Works: err == nil}
	if err == nil {
		fact.Version = tls.VersionName(state.Version)
	}
	r.Evidence.Add(fact, "")
	return err
}

// trySmallHello leaves out the keys that make a hello larger than a packet.
func (r *Run) trySmallHello(ctx context.Context, ep evidence.Endpoint) error {
	_, err := r.handshakeWith(ctx, ep, &tls.Config{MinVersion: tls.VersionTLS12, CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256}})
	if err == nil {
		r.Evidence.Add(evidence.LargePacket{Endpoint: ep, Size: largeHello, Up: true, Outcome: evidence.TimedOut}, "a small hello is answered, a large one is not")
	}
	return err
}
