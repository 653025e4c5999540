package lab

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/lab/ca"
)

// resigner is an antivirus program or a company's proxy: it ends TLS with a
// certificate of its own making and speaks TLS to the server itself.
type resigner struct {
	by *ca.Authority
}

// Resign lets a middlebox read TLS: clients see a certificate for the right name,
// issued by the given authority. It does so where TLS begins with the first octet
// and after STARTTLS alike.
func Resign(by *ca.Authority) Fault {
	return Fault{name: "re-sign TLS", relay: &resigner{by: by}}
}

// run takes over a link whose client has sent the beginning of its hello.
func (r *resigner) run(l *link, hello []byte) {
	l.taken.Store(true)
	l.server.SetReadDeadline(time.Unix(1, 0)) // calls back the pump that reads from the server
	<-l.downDone
	l.server.SetReadDeadline(time.Time{})
	defer l.Close()

	near := tls.Server(&replay{TCPConn: l.client, head: bytes.NewReader(hello)}, &tls.Config{
		GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) { return r.impersonate(l, h) },
	})
	if near.Handshake() != nil {
		return
	}
	far := tls.Client(l.server, &tls.Config{InsecureSkipVerify: true, ServerName: near.ConnectionState().ServerName})
	if far.Handshake() != nil {
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { copyAndEnd(far, near) })
	wg.Go(func() { copyAndEnd(near, far) })
	wg.Wait()
}

func copyAndEnd(dst, src *tls.Conn) {
	io.Copy(dst, src)
	dst.Close()
}

// impersonate makes a certificate for the name that the client asked for.
func (r *resigner) impersonate(l *link, h *tls.ClientHelloInfo) (*tls.Config, error) {
	names := []string{h.ServerName}
	if h.ServerName == "" {
		names = []string{"mail.invalid"}
	}
	cert, err := r.by.Issue(names)
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, Time: l.w.Now}, nil
}

// replay reads what was already taken from a connection before the rest.
type replay struct {
	*net.TCPConn
	head *bytes.Reader
}

func (c *replay) Read(p []byte) (int, error) {
	if c.head.Len() > 0 {
		return c.head.Read(p)
	}
	return c.TCPConn.Read(p)
}

// CaptivePortal puts a vantage point behind a guest network that wants a sign-in
// first: web pages are answered by the portal's host, whatever uses TLS meets its
// certificate, and nothing else gets through. RemoveAll ends them.
func (v *Vantage) CaptivePortal(portal *Host) []*Rule {
	return []*Rule{
		v.Break(Where{Network: "tcp", Port: 80}, DivertPort(portal, 80)),
		v.Break(Where{Network: "tcp", Ports: []int{443, 465, 993, 995}}, DivertPort(portal, 443)),
		v.Break(Where{Network: "tcp", Ports: []int{25, 110, 143, 587, 2525, 4190}}, Drop()),
	}
}

// RemoveAll ends rules, as a guest does who signs in to the portal.
func RemoveAll(rules []*Rule) {
	for _, r := range rules {
		r.Remove()
	}
}

// TLS returns a client configuration with the device's clock and trust. An empty name
// is filled in by who dials.
func (v *Vantage) TLS(name string) *tls.Config {
	return &tls.Config{ServerName: name, RootCAs: v.Roots(), Time: v.Now, MinVersion: tls.VersionTLS12}
}
