// Package certs holds the certificate that every listener shows. It comes from
// two files that somebody else renews, from a public authority (ACME), or from a private
// authority of the installation's own.
//
// A Keeper swaps the certificate while sessions run: those that stand go on
// with the old one, new handshakes get the new one.
package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options say where the certificate comes from.
type Options struct {
	// CertFile and KeyFile are PEM files that somebody else renews; both or
	// none. With none the private authority in Dir issues the certificate.
	CertFile, KeyFile string
	// Dir keeps the private authority and what it issued. It is made with mode
	// 0700.
	Dir string
	// Names are the host names that the issued certificate is for. localhost,
	// 127.0.0.1 and ::1 are always added.
	Names []string
	// ACME gets the certificate from a public authority; until it has one, that of the private authority is
	// shown. nil does not. A reload does not change it, but gets the certificates of names that are new, and renews what is due.
	ACME *ACME
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log gets renewals and failures to renew; nil means slog.Default.
	Log *slog.Logger
}

// checkInterval is how often files are looked at for a change, and an issued
// certificate for its age.
const checkInterval = time.Minute

// Keeper keeps the current certificate. It is safe for concurrent use.
type Keeper struct {
	current atomic.Pointer[state]

	acme *acme // nil without

	mu      sync.Mutex // one reload at a time
	options Options
}

// state is one certificate and what it was read from.
type state struct {
	certificate *tls.Certificate
	files       [2]stamp
}

// stamp tells one content of a file from another without reading it.
type stamp struct {
	modified time.Time
	size     int64
}

// Open loads the certificate, or makes the private authority and issues one.
func Open(o Options) (*Keeper, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	k := &Keeper{options: o}
	if err := k.Reload(nil); err != nil {
		return nil, err
	}
	if o.ACME != nil && o.CertFile == "" {
		var err error
		if k.acme, err = openACME(o.ACME, o.Dir, o.Names, o.Log); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// Close ends what gets certificates from a public authority.
func (k *Keeper) Close(context.Context) error {
	if k.acme != nil {
		k.acme.close()
	}
	return nil
}

// Reload reads or issues the certificate again; a change of options is taken
// if it works. On an error the old options and the old certificate stay.
func (k *Keeper) Reload(changed *Options) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	o := k.options
	if changed != nil {
		o.CertFile, o.KeyFile, o.Dir, o.Names = changed.CertFile, changed.KeyFile, changed.Dir, changed.Names
	}
	next, err := load(o)
	if err != nil {
		return err
	}
	k.options = o
	k.current.Store(next)
	if k.acme != nil && changed != nil {
		return k.acme.look(o.Names)
	}
	return nil
}

func load(o Options) (*state, error) {
	switch {
	case o.CertFile != "" && o.KeyFile != "":
		return loadFiles(o)
	case o.CertFile != "" || o.KeyFile != "":
		return nil, errors.New("certs: a certificate file needs a key file, and the other way round")
	}
	certificate, err := issued(o)
	if err != nil {
		return nil, err
	}
	return &state{certificate: certificate}, nil
}

func loadFiles(o Options) (*state, error) {
	s := &state{files: [2]stamp{stampOf(o.CertFile), stampOf(o.KeyFile)}}
	certificate, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("certs: load %s: %w", o.CertFile, err)
	}
	if o.Now().After(certificate.Leaf.NotAfter) {
		o.Log.Warn("the certificate has expired", "file", o.CertFile, "since", certificate.Leaf.NotAfter)
	}
	s.certificate = &certificate
	return s, nil
}

func stampOf(file string) stamp {
	info, err := os.Stat(file)
	if err != nil {
		return stamp{}
	}
	return stamp{info.ModTime(), info.Size()}
}

// Run renews the certificate and follows changes of its files until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	tick := time.NewTicker(checkInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := k.Check(); err != nil {
			k.log().Error("certificate not renewed; the old one goes on", "error", err)
		}
	}
}

// Check looks once whether the certificate must be read or issued again, and
// does so.
func (k *Keeper) Check() error {
	if !k.stale() {
		return nil
	}
	if err := k.Reload(nil); err != nil {
		return err
	}
	leaf := k.Leaf()
	k.log().Info("new certificate", "names", leaf.DNSNames, "until", leaf.NotAfter)
	return nil
}

func (k *Keeper) stale() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.current.Load()
	if k.options.CertFile != "" {
		now := [2]stamp{stampOf(k.options.CertFile), stampOf(k.options.KeyFile)}
		// A file that is missing for a moment is being replaced.
		return now != s.files && now[0] != stamp{} && now[1] != stamp{}
	}
	return !fresh(s.certificate.Leaf, k.options.Now())
}

func (k *Keeper) log() *slog.Logger {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.options.Log
}

// Leaf is the current certificate.
func (k *Keeper) Leaf() *x509.Certificate {
	if c := k.public(); c != nil {
		return c.Leaf
	}
	return k.current.Load().certificate.Leaf
}

// public is the certificate of a public authority, nil while there is none.
func (k *Keeper) public() *tls.Certificate {
	if k.acme == nil {
		return nil
	}
	return k.acme.current()
}

// CAFile is the file with the certificate of the private authority, for
// clients that shall trust it; "" if the certificate comes from elsewhere.
func (k *Keeper) CAFile() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.options.CertFile != "" || k.public() != nil {
		return ""
	}
	return filepath.Join(k.options.Dir, authorityFile)
}

// GetCertificate returns the current certificate for a handshake.
func (k *Keeper) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if k.acme != nil {
		if c := k.acme.certificate(hello); c != nil {
			return c, nil
		}
	}
	return k.current.Load().certificate, nil
}

// ServerConfig is the TLS of a listener: TLS 1.2 and 1.3 (RFC 8996 has done away
// with what was before), the library's choice of ciphers, which for 1.2 is only
// those with forward secrecy and authenticated encryption by the list here, and
// session tickets so that a client that comes again is in at once.
func (k *Keeper) ServerConfig(protocols ...string) *tls.Config {
	return &tls.Config{
		GetCertificate: k.GetCertificate,
		MinVersion:     tls.VersionTLS12,
		NextProtos:     protocols,
		CipherSuites: []uint16{ // RFC 9325 section 4.2; 1.3 has its own
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
	}
}

// hosts splits the names of a certificate into DNS names and addresses, each
// once and with those of the machine itself.
func hosts(names []string) (dns []string, ips []net.IP) {
	for _, name := range append(slices.Clone(names), "localhost", "127.0.0.1", "::1") {
		if ip := net.ParseIP(strings.Trim(name, "[]")); ip != nil {
			if !slices.ContainsFunc(ips, ip.Equal) {
				ips = append(ips, ip)
			}
			continue
		}
		if name = strings.ToLower(strings.TrimSuffix(name, ".")); name != "" && !slices.Contains(dns, name) {
			dns = append(dns, name)
		}
	}
	return dns, ips
}
