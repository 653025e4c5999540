package lab

import (
	"errors"

	"github.com/postiljon/postiljon/internal/lab/real"
)

// EximInstallation is one of Debian's Exim.
type EximInstallation struct {
	*Installation
	*real.Exim
}

// errRealNetwork is what servers say that send to other hosts at port 25.
var errRealNetwork = errors.New("lab: Exim runs in a real network only")

// RunExim runs a binary of Exim for a domain and local parts of it, with a certificate of
// the world, in a real network.
func (w *World) RunExim(program, domain string, accounts ...string) (*EximInstallation, error) {
	if w.kernel == nil {
		return nil, errRealNetwork
	}
	i, err := w.install(domain)
	if err != nil {
		return nil, err
	}
	p, err := real.StartExim(real.EximOptions{
		Program: program, Dir: i.dir, Domain: domain, Hostname: i.Host.Name, Address: i.Host.V4().String(), Accounts: accounts,
		Certificate: w.Certificate(i.certificateNames()), Authority: w.CA.Root(), Resolver: w.Host(ISPResolver).V4().String(), Place: i.place(),
	})
	if err != nil {
		return nil, err
	}
	w.add(p)
	return &EximInstallation{Installation: i, Exim: p}, nil
}
