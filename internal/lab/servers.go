package lab

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/postiljon/postiljon/internal/lab/names"
	"github.com/postiljon/postiljon/internal/lab/real"
)

// Installation is a domain whose mail a real server keeps, at one host with the names
// mail., imap., smtp. and pop. of the domain.
type Installation struct {
	Domain string
	Host   *Host
	Zone   *names.Zone

	w   *World
	dir string
}

// servicePorts are where the services of real servers are to be found.
func servicePorts() map[string]int {
	return map[string]int{
		"smtp": 25, "submission": 587, "submissions": 465, "imap": 143, "imaps": 993, "pop3": 110, "pop3s": 995, "https": 443,
	}
}

// install makes the host, the records and a folder for a real server.
func (w *World) install(domain string) (*Installation, error) {
	dir, err := os.MkdirTemp("", "lab-")
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	i := &Installation{Domain: domain, w: w, dir: dir, Zone: w.Names.Zone(domain)}
	w.add(closeFunc(func() error { return os.RemoveAll(dir) }))
	i.Host = w.Host("mail." + domain)
	for _, name := range []string{"imap", "smtp", "pop"} {
		i.Zone.Add(fmt.Sprintf("%s A %s", name, i.Host.V4()), fmt.Sprintf("%s AAAA %s", name, i.Host.V6()))
	}
	i.Zone.Add("@ MX 10 mail")
	return i, nil
}

type closeFunc func() error

func (f closeFunc) Close() error { return f() }

// certificateNames are all names of the host.
func (i *Installation) certificateNames() []string {
	d := "." + i.Domain
	return []string{"mail" + d, "imap" + d, "smtp" + d, "pop" + d}
}

// place is where the server's program runs.
func (i *Installation) place() real.Place {
	if i.w.kernel != nil {
		return i.w.kernel.hosts.Do
	}
	return nil
}

// PostiljonInstallation is one of Postiljon itself: its accounts are made and changed
// by its own commands.
type PostiljonInstallation struct {
	*Installation
	*real.Postiljon
}

// RunPostiljon runs the program for a domain, with a certificate of the world and the
// world's resolver. Further lines of its configuration may follow. In a real network
// it can send mail to other hosts; in a simulated one it only receives.
func (w *World) RunPostiljon(binary, domain string, config ...string) (*PostiljonInstallation, error) {
	i, err := w.install(domain)
	if err != nil {
		return nil, err
	}
	o := real.PostiljonOptions{
		Binary: binary, Dir: i.dir, Domain: domain, Hostname: i.Host.Name, Place: i.place(),
		Certificate: w.Certificate(i.certificateNames()), Config: strings.Join(config, "\n"),
		Sockets: make(map[string][]*net.TCPListener), Resolver: w.realResolver(),
	}
	for _, service := range real.PostiljonServices() {
		if o.Sockets[service], err = i.sockets(servicePorts()[service]); err != nil {
			return nil, err
		}
		for _, l := range o.Sockets[service] {
			defer l.Close() // the program has its own copy
		}
	}
	p, err := real.StartPostiljon(o)
	if err != nil {
		return nil, err
	}
	w.add(p)
	return &PostiljonInstallation{Installation: i, Postiljon: p}, nil
}

// sockets opens what will be a port of the host.
func (i *Installation) sockets(port int) (out []*net.TCPListener, err error) {
	if i.w.kernel == nil {
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return nil, fmt.Errorf("lab: %w", err)
		}
		i.Host.Forward(port, l.Addr().String())
		return []*net.TCPListener{l}, nil
	}
	for _, a := range i.Host.Addrs {
		err = errors.Join(err, i.w.kernel.hosts.Do(func() error {
			l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: a.AsSlice(), Port: port})
			if err == nil {
				out = append(out, l)
			}
			return err
		}))
	}
	return out, err
}

// realResolver is the address by which a program outside the simulation reaches the
// world's resolver.
func (w *World) realResolver() string {
	h := w.Host(ISPResolver)
	if at, ok := h.target("udp", 53); ok {
		return at
	}
	return joinPort(h.V4(), 53)
}

// PostfixDovecotInstallation is one of Debian's Postfix and Dovecot.
type PostfixDovecotInstallation struct {
	*Installation
	*real.PostfixDovecot
}

// RunPostfixDovecot runs both for a domain, with a certificate of the world. change may
// add to their configuration. It needs root.
func (w *World) RunPostfixDovecot(domain string, accounts []real.MailAccount, change ...func(*real.PostfixDovecotOptions)) (*PostfixDovecotInstallation, error) {
	if os.Geteuid() != 0 {
		return nil, real.ErrNeedsRoot
	}
	i, err := w.install(domain)
	if err != nil {
		return nil, err
	}
	o := real.PostfixDovecotOptions{
		Dir: i.dir, Domain: domain, Hostname: i.Host.Name, Place: i.place(),
		Certificate: w.Certificate(i.certificateNames()), Accounts: accounts,
	}
	if w.kernel != nil {
		o.Address, o.Ports = i.Host.V4().String(), servicePorts()
		o.Resolver = w.Host(ISPResolver).V4().String()
	}
	for _, c := range change {
		c(&o)
	}
	p, err := real.StartPostfixDovecot(o)
	if err != nil {
		return nil, err
	}
	w.add(p)
	if w.kernel == nil {
		for service, port := range p.Ports {
			i.Host.Forward(servicePorts()[service], net.JoinHostPort(p.Address, fmt.Sprint(port)))
		}
	}
	return &PostfixDovecotInstallation{Installation: i, PostfixDovecot: p}, nil
}
