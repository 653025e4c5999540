// Package dane checks the certificates of mail servers against the keys that their
// domains publish with DNSSEC (RFC 7672, RFC 7671, RFC 6698).
package dane

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/resolver"
)

// Certificate usages, selectors and matching types (RFC 7218).
const (
	usageTA, usageEE = 2, 3
	selectorCert     = 0
	selectorKey      = 1
	matchFull        = 0
	matchSHA256      = 1
	matchSHA512      = 2
)

const (
	maxRecords = 32 // of one server that are looked at
	maxChain   = 16 // certificates of one server that are looked at
)

// ErrMismatch is wrapped by errors that mean: the server is not the one that its
// domain speaks of.
var ErrMismatch = errors.New("dane: the certificate is not the one that the domain publishes")

// Name returns where a server's keys are published (RFC 6698 section 3).
func Name(host string, port uint16) string {
	return "_" + strconv.Itoa(int(port)) + "._tcp." + host
}

// Usable returns the records that mean something for mail: DANE-TA and DANE-EE, with a
// selector and a way to match that are known, and data that fits (RFC 7672 section
// 3.1).
func Usable(records []resolver.TLSA) []resolver.TLSA {
	var usable []resolver.TLSA
	for _, r := range records[:min(len(records), maxRecords)] {
		if r.Usage != usageTA && r.Usage != usageEE || r.Selector > selectorKey {
			continue
		}
		switch r.Matching {
		case matchFull:
			if _, err := x509.ParseCertificate(r.Data); r.Selector == selectorCert && err != nil {
				continue
			}
			if _, err := x509.ParsePKIXPublicKey(r.Data); r.Selector == selectorKey && err != nil {
				continue
			}
		case matchSHA256:
			if len(r.Data) != sha256.Size {
				continue
			}
		case matchSHA512:
			if len(r.Data) != sha512.Size {
				continue
			}
		default:
			continue
		}
		usable = append(usable, r)
	}
	return usable
}

// String writes a record as zone files do, its data cut short.
func String(r resolver.TLSA) string {
	return fmt.Sprintf("%d %d %d %x", r.Usage, r.Selector, r.Matching, r.Data[:min(len(r.Data), sha512.Size)])
}

// Verify checks the chain that a server showed, its own certificate first, against
// usable records. names are those that the certificate may be for; a DANE-EE record
// binds the key by itself, whatever names and dates the certificate has (RFC 7672
// section 3.1.1).
func Verify(records []resolver.TLSA, chain []*x509.Certificate, names []string, now time.Time) error {
	if len(chain) == 0 {
		return fmt.Errorf("%w: it showed none", ErrMismatch)
	}
	chain = chain[:min(len(chain), maxChain)]
	var anchors []*x509.Certificate
	for _, r := range records {
		if r.Usage == usageEE && matches(r, chain[0]) {
			return nil
		}
		if r.Usage == usageTA {
			anchors = append(anchors, anchorsOf(r, chain)...)
		}
	}
	if len(anchors) == 0 {
		return ErrMismatch
	}
	return verifyBelow(anchors, chain, names, now)
}

// matches compares a certificate with a record (RFC 6698 section 2.1.3).
func matches(r resolver.TLSA, c *x509.Certificate) bool {
	data := c.Raw
	if r.Selector == selectorKey {
		data = c.RawSubjectPublicKeyInfo
	}
	switch r.Matching {
	case matchSHA256:
		sum := sha256.Sum256(data)
		data = sum[:]
	case matchSHA512:
		sum := sha512.Sum512(data)
		data = sum[:]
	}
	return bytes.Equal(data, r.Data)
}

// anchorsOf returns the certificates that a DANE-TA record makes trusted: those of the
// chain that match, and the one in the record itself, which need not be in the chain
// (RFC 7671 section 5.2.2).
func anchorsOf(r resolver.TLSA, chain []*x509.Certificate) (anchors []*x509.Certificate) {
	for _, c := range chain {
		if matches(r, c) {
			anchors = append(anchors, c)
		}
	}
	if len(anchors) == 0 && r.Selector == selectorCert && r.Matching == matchFull {
		if c, err := x509.ParseCertificate(r.Data); err == nil {
			anchors = append(anchors, c)
		}
	}
	return anchors
}

// verifyBelow checks that a chain leads to one of the anchors and is for one of the
// names (RFC 7672 section 3.1.2).
func verifyBelow(anchors, chain []*x509.Certificate, names []string, now time.Time) error {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range anchors {
		roots.AddCert(c)
	}
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	if _, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now}); err != nil {
		return fmt.Errorf("%w: %w", ErrMismatch, err)
	}
	fits := func(name string) bool { return name != "" && chain[0].VerifyHostname(name) == nil }
	if !slices.ContainsFunc(names, fits) {
		return fmt.Errorf("%w: it is not for %s", ErrMismatch, strings.Join(names, " or "))
	}
	return nil
}
