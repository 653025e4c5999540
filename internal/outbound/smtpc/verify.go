package smtpc

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"time"
)

var errNoCertificate = errors.New("the server showed no certificate")

// verify checks the server's certificate as crypto/tls would.
func verify(s *tls.ConnectionState, cfg *tls.Config, name string) error {
	if len(s.PeerCertificates) == 0 {
		return errNoCertificate
	}
	now := time.Now
	if cfg.Time != nil {
		now = cfg.Time
	}
	intermediates := x509.NewCertPool()
	for _, cert := range s.PeerCertificates[1:] {
		intermediates.AddCert(cert)
	}
	_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{
		DNSName: name, Roots: cfg.RootCAs, Intermediates: intermediates, CurrentTime: now(),
	})
	return err
}
