package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/postiljon/postiljon/internal/certs"
	"github.com/postiljon/postiljon/internal/config"
)

// maxRoots bounds the file of an authority's certificates, in octets.
const maxRoots = 1 << 20

// acme says from which public authority certificates come; nil for none.
func (s *service) acme() (*certs.ACME, error) {
	c := &s.config
	if c.ACME.Directory == "" {
		return nil, nil
	}
	a := &certs.ACME{
		Directory: c.ACME.Directory, Email: c.ACME.Email, HTTPPort: portOf(c.Listen.HTTP), TLSPort: portOf(c.Listen.HTTPS), Allowed: s.serviceName,
	}
	var err error
	a.Roots, err = acmeRoots(c)
	return a, err
}

// acmeRoots are what proves the authority; nil for those of the system.
func acmeRoots(c *config.Config) (*x509.CertPool, error) {
	if c.ACME.Roots == "" {
		return nil, nil
	}
	info, err := os.Stat(c.ACME.Roots)
	if err == nil && info.Size() > maxRoots {
		err = fmt.Errorf("it has more than %d octets", maxRoots)
	}
	var pem []byte
	if err == nil {
		pem, err = os.ReadFile(c.ACME.Roots)
	}
	if err != nil {
		return nil, fmt.Errorf("acme.roots: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("acme.roots: %s has no certificate", c.ACME.Roots)
	}
	return roots, nil
}

// portOf is the first port of a service, 0 where it does not listen.
func portOf(addresses []string) int {
	for _, a := range addresses {
		if _, port, err := net.SplitHostPort(a); err == nil {
			n, _ := strconv.Atoi(port) // as it was checked
			return n
		}
	}
	return 0
}

// webNames are what names of the web a domain has beside the service's own.
var webNames = []string{"mta-sts.", "autoconfig.", "autodiscover."}

// serviceName lets only names of domains that are kept here have certificates.
func (s *service) serviceName(ctx context.Context, name string) error {
	for _, prefix := range webNames {
		if domain, ok := strings.CutPrefix(name, prefix); ok {
			_, err := s.store.Domain(ctx, domain)
			return err
		}
	}
	return fmt.Errorf("%s is no name of this service", name)
}
