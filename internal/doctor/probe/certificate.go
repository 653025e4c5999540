package probe

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"time"

	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

func certificates(chain []*x509.Certificate) []evidence.Certificate {
	var all []evidence.Certificate
	for _, c := range chain[:min(len(chain), 6)] {
		print, key := sha256.Sum256(c.Raw), sha256.Sum256(c.RawSubjectPublicKeyInfo)
		names := append([]string(nil), c.DNSNames[:min(len(c.DNSNames), 20)]...)
		for _, ip := range c.IPAddresses[:min(len(c.IPAddresses), 5)] {
			names = append(names, ip.String())
		}
		all = append(all, evidence.Certificate{
			Subject: c.Subject.String(), Issuer: c.Issuer.String(), Names: names, NotBefore: c.NotBefore, NotAfter: c.NotAfter,
			Fingerprint: hex.EncodeToString(print[:]), KeySHA256: hex.EncodeToString(key[:]),
		})
	}
	return all
}

// trust checks a chain: who issued it, when it holds, whom it is for, each by
// itself, so that a certificate that has run out is not taken for one of an unknown issuer.
func trust(chain []*x509.Certificate, host string, roots *x509.CertPool, now time.Time) evidence.Trust {
	if len(chain) == 0 {
		return evidence.UnknownIssuer
	}
	leaf := chain[0]
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	check := func(at time.Time) error {
		_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: at})
		return err
	}
	err := check(now)
	var unknown x509.UnknownAuthorityError
	if err != nil && check(leaf.NotBefore.Add(time.Minute)) != nil && check(leaf.NotAfter.Add(-time.Minute)) != nil {
		if errors.As(check(leaf.NotAfter.Add(-time.Minute)), &unknown) && len(chain) == 1 && leaf.Issuer.String() != leaf.Subject.String() {
			return evidence.Incomplete
		}
		return evidence.UnknownIssuer
	}
	switch {
	case now.After(leaf.NotAfter):
		return evidence.Expired
	case now.Before(leaf.NotBefore):
		return evidence.NotYetValid
	case err != nil: // a certificate above the leaf's
		if now.Before(chain[len(chain)-1].NotBefore) {
			return evidence.NotYetValid
		}
		return evidence.Expired
	case leaf.VerifyHostname(host) != nil:
		return evidence.WrongName
	}
	return evidence.Trusted
}

// alertOf returns the TLS alert that the other side sent; 0 if it sent none.
func alertOf(err error) int {
	var alert tls.AlertError
	if errors.As(err, &alert) {
		return int(alert)
	}
	return 0
}
