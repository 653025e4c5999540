package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// The files of a private authority. The authority's key and the server's key
// never leave the directory.
const (
	authorityFile    = "ca.pem"
	authorityKeyFile = "ca.key"
	serverFile       = "server.pem"
	serverKeyFile    = "server.key"
)

// How long certificates are valid. 397 days is the longest that all clients
// take for a server; a third of it is left when it is renewed.
const (
	authorityYears = 10
	serverValidity = 397 * 24 * time.Hour
	renewBefore    = serverValidity / 3
	backdate       = time.Hour // for clients whose clocks are slow
)

// authority is a private certificate authority.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// issued returns the certificate of the private authority in o.Dir: the one
// that lies there if it still does for o, or else a new one.
func issued(o Options) (*tls.Certificate, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("certs: make directory: %w", err)
	}
	ca, err := openAuthority(o.Dir, o.Now())
	if err != nil {
		return nil, err
	}
	files := [2]string{filepath.Join(o.Dir, serverFile), filepath.Join(o.Dir, serverKeyFile)}
	old, err := tls.LoadX509KeyPair(files[0], files[1])
	switch {
	case err == nil && ca.suits(old.Leaf, o):
		return &old, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		o.Log.Warn("the issued certificate cannot be read; a new one is made", "error", err)
	}
	if err := ca.issue(files, o); err != nil {
		return nil, err
	}
	certificate, err := tls.LoadX509KeyPair(files[0], files[1])
	if err != nil {
		return nil, fmt.Errorf("certs: load what was issued: %w", err)
	}
	return &certificate, nil
}

// suits reports whether a certificate issued before is still right.
func (ca *authority) suits(leaf *x509.Certificate, o Options) bool {
	dns, ips := hosts(o.Names)
	if !slices.Equal(leaf.DNSNames, dns) || len(leaf.IPAddresses) != len(ips) {
		return false
	}
	for i, ip := range ips {
		if !ip.Equal(leaf.IPAddresses[i]) {
			return false
		}
	}
	return fresh(leaf, o.Now()) && leaf.CheckSignatureFrom(ca.certificate) == nil
}

// fresh reports whether a certificate need not be renewed yet.
func fresh(leaf *x509.Certificate, now time.Time) bool {
	return now.After(leaf.NotBefore) && now.Before(leaf.NotAfter.Add(-renewBefore))
}

// openAuthority reads the authority of a directory or makes one.
func openAuthority(dir string, now time.Time) (*authority, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, authorityFile), filepath.Join(dir, authorityKeyFile))
	if errors.Is(err, fs.ErrNotExist) {
		return makeAuthority(dir, now)
	}
	if err != nil {
		return nil, fmt.Errorf("certs: load the authority: %w", err)
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("certs: the authority's key cannot sign")
	}
	return &authority{pair.Leaf, key}, nil
}

func makeAuthority(dir string, now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("certs: make the authority's key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: "Postiljon private CA", Organization: []string{"Postiljon"}},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.AddDate(authorityYears, 0, 0),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("certs: make the authority: %w", err)
	}
	// The key first: a certificate without its key would never be repaired.
	if err := writeKey(filepath.Join(dir, authorityKeyFile), key); err != nil {
		return nil, err
	}
	if err := writePEM(filepath.Join(dir, authorityFile), 0o644, "CERTIFICATE", der); err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("certs: make the authority: %w", err)
	}
	return &authority{certificate, key}, nil
}

// issue makes a new key and certificate for o.
func (ca *authority) issue(files [2]string, o Options) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("certs: make a key: %w", err)
	}
	dns, ips := hosts(o.Names)
	until := o.Now().Add(serverValidity)
	if until.After(ca.certificate.NotAfter) {
		until = ca.certificate.NotAfter
	}
	template := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: dns[0]},
		NotBefore:    o.Now().Add(-backdate),
		NotAfter:     until,
		DNSNames:     dns,
		IPAddresses:  ips,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.certificate, key.Public(), ca.key)
	if err != nil {
		return fmt.Errorf("certs: issue a certificate: %w", err)
	}
	if err := writeKey(files[1], key); err != nil {
		return err
	}
	return writePEM(files[0], 0o644, "CERTIFICATE", der)
}

// serial is a random serial number of 127 bits (RFC 5280 section 4.1.2.2).
func serial() *big.Int {
	b := make([]byte, 16)
	rand.Read(b) // never fails
	b[0] &= 0x7f
	b[15] |= 1 // not zero
	return new(big.Int).SetBytes(b)
}

func writeKey(file string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("certs: write %s: %w", filepath.Base(file), err)
	}
	return writePEM(file, 0o600, "PRIVATE KEY", der)
}

// writePEM replaces a file at once, so that no reader sees half of it.
func writePEM(file string, mode fs.FileMode, kind string, der []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*.new")
	if err != nil {
		return fmt.Errorf("certs: write: %w", err)
	}
	err = errors.Join(
		tmp.Chmod(mode),
		pem.Encode(tmp, &pem.Block{Type: kind, Bytes: der}),
		tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("certs: write %s: %w", filepath.Base(file), errors.Join(err, os.Remove(tmp.Name())))
	}
	return nil
}
