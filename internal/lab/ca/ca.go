// Package ca is a certificate authority for a laboratory: it issues what a good
// authority issues, and what a careless one or a middlebox shows.
package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"time"
)

const (
	rootLife = 20 * 365 * 24 * time.Hour
	leafLife = 90 * 24 * time.Hour
)

// Authority is a root with one intermediate that signs what is issued. Its
// methods may be called from several goroutines.
type Authority struct {
	name         string
	now          func() time.Time
	root         *x509.Certificate
	intermediate *x509.Certificate
	key          crypto.Signer // the intermediate's
}

// New makes an authority. now is the clock that certificates are valid by.
func New(name string, now func() time.Time) (*Authority, error) {
	a := &Authority{name: name, now: now}
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("ca: key of %s: %w", name, err)
	}
	if a.root, err = a.sign(a.authorityTemplate(name+" Root"), nil, rootKey.Public(), rootKey); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("ca: key of %s: %w", name, err)
	}
	a.key = key
	a.intermediate, err = a.sign(a.authorityTemplate(name+" Intermediate"), a.root, key.Public(), rootKey)
	return a, err
}

func (a *Authority) authorityTemplate(name string) *x509.Certificate {
	return &x509.Certificate{
		Subject:               pkix.Name{CommonName: name, Organization: []string{a.name}},
		NotBefore:             a.now().Add(-rootLife / 2),
		NotAfter:              a.now().Add(rootLife / 2),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
}

// sign makes a certificate; without a parent it is signed by itself.
func (a *Authority) sign(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("ca: serial number: %w", err)
	}
	template.SerialNumber = serial
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, fmt.Errorf("ca: sign %s: %w", template.Subject.CommonName, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("ca: parse what was signed for %s: %w", template.Subject.CommonName, err)
	}
	return cert, nil
}

// Root returns the root certificate.
func (a *Authority) Root() *x509.Certificate { return a.root }

// Pool returns a pool that trusts this authority alone.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.root)
	return pool
}

// Option says what is different about one certificate.
type Option func(*leaf)

type leaf struct {
	template   *x509.Certificate
	key        crypto.Signer
	alone      bool
	selfSigned bool
}

// Expired gives a certificate that ran out some time ago.
func Expired(ago time.Duration) Option {
	return func(l *leaf) {
		l.template.NotAfter = l.template.NotBefore.Add(time.Hour - ago)
		l.template.NotBefore = l.template.NotAfter.Add(-leafLife)
	}
}

// NotYet gives a certificate that becomes valid in some time.
func NotYet(in time.Duration) Option {
	return func(l *leaf) {
		l.template.NotBefore = l.template.NotBefore.Add(time.Hour + in)
		l.template.NotAfter = l.template.NotBefore.Add(leafLife)
	}
}

// WithoutChain leaves out the intermediate, as a server does that was given
// only its own certificate.
func WithoutChain() Option { return func(l *leaf) { l.alone = true } }

// SelfSigned gives a certificate that nobody but itself vouches for.
func SelfSigned() Option { return func(l *leaf) { l.selfSigned = true } }

// WithKey uses a key instead of a new one of P-256.
func WithKey(key crypto.Signer) Option { return func(l *leaf) { l.key = key } }

// NewRSAKey makes a key for peers that are too old for elliptic curves.
func NewRSAKey() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) }

// Issue makes a certificate for names, which may be IP addresses. It is valid
// from an hour ago for 90 days, unless an option says otherwise.
func (a *Authority) Issue(names []string, options ...Option) (tls.Certificate, error) {
	start := a.now().Add(-time.Hour)
	l := leaf{template: &x509.Certificate{
		NotBefore:   start,
		NotAfter:    start.Add(leafLife),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			l.template.IPAddresses = append(l.template.IPAddresses, ip)
			continue
		}
		l.template.DNSNames = append(l.template.DNSNames, name)
	}
	if len(names) > 0 {
		l.template.Subject.CommonName = names[0]
	}
	for _, option := range options {
		option(&l)
	}
	return a.issue(&l)
}

func (a *Authority) issue(l *leaf) (tls.Certificate, error) {
	if l.key == nil {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return tls.Certificate{}, fmt.Errorf("ca: key: %w", err)
		}
		l.key = key
	}
	parent, signer := a.intermediate, a.key
	if l.selfSigned {
		parent, signer = nil, l.key
	}
	cert, err := a.sign(l.template, parent, l.key.Public(), signer)
	if err != nil {
		return tls.Certificate{}, err
	}
	chain := [][]byte{cert.Raw}
	if !l.alone && !l.selfSigned {
		chain = append(chain, a.intermediate.Raw)
	}
	return tls.Certificate{Certificate: chain, PrivateKey: l.key, Leaf: cert}, nil
}
