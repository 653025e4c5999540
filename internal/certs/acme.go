package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	acmez "github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// ACMEProtocol is the protocol of challenges over TLS (RFC 8737), which a listener for the web offers, too.
const ACMEProtocol = "acme-tls/1"

// ACME says from which authority certificates come by themselves (RFC 8555).
type ACME struct {
	Directory string // the authority's URL
	Email     string // who is told of trouble, "" for nobody
	// Roots are those that the authority's own server is checked against; nil for those of the system.
	Roots *x509.CertPool
	// HTTPPort and TLSPort are where this service listens for the web without and with TLS; 0 where it does not, so that
	// this way of proof is not offered. The authority always comes to 80 and 443.
	HTTPPort, TLSPort int
	// Allowed tells whether a further name is one of the service, such as mta-sts.DOMAIN of a domain that is kept here: its
	// certificate is got when somebody first asks for it. nil allows none.
	Allowed func(ctx context.Context, name string) error
}

// acme gets certificates and renews them, in goroutines that end with close.
type acme struct {
	config *certmagic.Config // for names that are known from the start
	later  *certmagic.Config // for those whose certificate is got when somebody asks; nil for none
	issuer *certmagic.ACMEIssuer
	cache  *certmagic.Cache
	names  atomic.Pointer[[]string]
	life   context.Context
	end    context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	trouble map[string]Trouble // by name
}

// Trouble is a certificate that could not be had.
type Trouble struct {
	Name   string    `json:"name"`
	Reason string    `json:"reason"` // as the authority, or who asked it, put it
	Since  time.Time `json:"since"`  // of the first failure in a row
	Last   time.Time `json:"last"`
}

// openACME begins to get certificates for all names that are not of this machine alone.
func openACME(o *ACME, dir string, names []string, log *slog.Logger) (*acme, error) {
	a := &acme{trouble: map[string]Trouble{}}
	public := publicNames(names)
	a.names.Store(&public)
	a.life, a.end = context.WithCancel(context.Background())
	logger := zap.New(&zapLog{log: log})
	a.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(c certmagic.Certificate) (*certmagic.Config, error) {
			return a.configFor(append(c.Names, "")[0]), nil
		},
		Logger: logger,
	})
	config := certmagic.Config{Storage: &certmagic.FileStorage{Path: filepath.Join(dir, "acme")}, Logger: logger, OnEvent: a.heard}
	if len(public) > 0 {
		config.DefaultServerName = public[0]
	}
	a.config = certmagic.New(a.cache, config)
	a.issuer = a.proving(a.config, o, logger)
	if o.Allowed != nil {
		config.OnDemand = &certmagic.OnDemandConfig{DecisionFunc: o.Allowed}
		a.later = certmagic.New(a.cache, config)
		a.proving(a.later, o, logger)
	}
	if err := a.config.ManageAsync(a.life, public); err != nil {
		a.close()
		return nil, fmt.Errorf("certs: get certificates from %s: %w", o.Directory, err)
	}
	return a, nil
}

// proving gives a configuration an issuer that proves whose the names are.
func (a *acme) proving(c *certmagic.Config, o *ACME, logger *zap.Logger) *certmagic.ACMEIssuer {
	issuer := certmagic.NewACMEIssuer(c, certmagic.ACMEIssuer{
		CA: o.Directory, Email: o.Email, Agreed: true, TrustedRoots: o.Roots, Logger: logger,
		DisableHTTPChallenge: o.HTTPPort == 0, AltHTTPPort: o.HTTPPort,
		DisableTLSALPNChallenge: o.TLSPort == 0, AltTLSALPNPort: o.TLSPort,
		ListenHost: "127.0.0.1", // the listeners of the service answer; only their ports are asked for here
	})
	c.Issuers = []certmagic.Issuer{issuer}
	return issuer
}

// configFor is the configuration that a name belongs to.
func (a *acme) configFor(name string) *certmagic.Config {
	if a.later == nil || name == "" || slices.Contains(*a.names.Load(), strings.ToLower(name)) {
		return a.config
	}
	return a.later
}

func (a *acme) close() {
	a.end()
	a.work.Wait()
	a.cache.Stop()
}

// look gets the certificates of names that are new, and renews at once what is due; else that is looked at every
// ten minutes.
func (a *acme) look(names []string) error {
	public := publicNames(names)
	a.names.Store(&public)
	if err := a.config.ManageAsync(a.life, public); err != nil {
		return err
	}
	a.work.Go(func() {
		// It logs what goes wrong, which is heard of as well.
		_ = a.cache.RenewManagedCertificates(a.life)
	})
	return nil
}

// heard notes what became of a certificate.
func (a *acme) heard(_ context.Context, event string, data map[string]any) error {
	name, _ := data["identifier"].(string)
	a.mu.Lock()
	defer a.mu.Unlock()
	switch event {
	case "cert_obtained":
		delete(a.trouble, name)
	case "cert_failed":
		t := Trouble{Name: name, Last: time.Now(), Since: time.Now()}
		if before, ok := a.trouble[name]; ok {
			t.Since = before.Since
		} else if len(a.trouble) >= maxTrouble {
			return nil
		}
		if err, _ := data["error"].(error); err != nil {
			t.Reason = reasonOf(err)
		}
		a.trouble[name] = t
	}
	return nil
}

// maxTrouble bounds of how many names trouble is remembered.
const maxTrouble = 100

// reasonOf is the authority's own word for why there is no certificate, where it gave one.
func reasonOf(err error) string {
	var problem acmez.Problem
	if !errors.As(err, &problem) {
		return err.Error()
	}
	kind := strings.TrimPrefix(problem.Type, "urn:ietf:params:acme:error:")
	if problem.Detail == "" {
		return kind
	}
	return problem.Detail + " (" + kind + ")"
}

// Trouble lists the certificates that a public authority does not give at present.
func (k *Keeper) Trouble() []Trouble {
	if k.acme == nil {
		return nil
	}
	k.acme.mu.Lock()
	defer k.acme.mu.Unlock()
	return slices.SortedFunc(maps.Values(k.acme.trouble), func(a, b Trouble) int { return strings.Compare(a.Name, b.Name) })
}

// publicNames are those that an authority can be asked for.
func publicNames(names []string) []string {
	dns, _ := hosts(names)
	return slices.DeleteFunc(dns, func(name string) bool { return name == "localhost" || !strings.Contains(name, ".") })
}

// certificate is the one for a handshake; nil where there is none yet.
func (a *acme) certificate(hello *tls.ClientHelloInfo) *tls.Certificate {
	c, err := a.configFor(hello.ServerName).GetCertificate(hello)
	if err != nil || len(c.Certificate) == 0 {
		return nil
	}
	return c
}

// current is the certificate of the first name; nil where there is none yet.
func (a *acme) current() *tls.Certificate {
	names := *a.names.Load()
	if len(names) == 0 {
		return nil
	}
	for _, c := range a.cache.AllMatchingCertificates(names[0]) {
		if c.Leaf != nil {
			return &c.Certificate
		}
	}
	return nil
}

// HTTPChallenge answers the authority's questions over HTTP (RFC 8555 section 8.3), and lets all else go on.
func (k *Keeper) HTTPChallenge(next http.Handler) http.Handler {
	if k.acme == nil {
		return next
	}
	return k.acme.issuer.HTTPChallengeHandler(next)
}

// zapLog lets a library that logs in its own way log as the service does.
type zapLog struct {
	log    *slog.Logger
	fields []zapcore.Field
}

var zapLevels = map[zapcore.Level]slog.Level{
	zapcore.DebugLevel: slog.LevelDebug, zapcore.InfoLevel: slog.LevelDebug, zapcore.WarnLevel: slog.LevelWarn,
}

func (z *zapLog) level(l zapcore.Level) slog.Level {
	if level, ok := zapLevels[l]; ok {
		return level
	}
	return slog.LevelError
}

// Enabled implements zapcore.Core.
func (z *zapLog) Enabled(l zapcore.Level) bool {
	return z.log.Enabled(context.Background(), z.level(l))
}

// With implements zapcore.Core.
func (z *zapLog) With(fields []zapcore.Field) zapcore.Core {
	return &zapLog{z.log, append(slices.Clip(z.fields), fields...)}
}

// Check implements zapcore.Core.
func (z *zapLog) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if z.Enabled(e.Level) {
		return c.AddCore(e, z)
	}
	return c
}

// Write implements zapcore.Core.
func (z *zapLog) Write(e zapcore.Entry, fields []zapcore.Field) error {
	encoder := zapcore.NewMapObjectEncoder()
	for _, f := range append(slices.Clip(z.fields), fields...) {
		f.AddTo(encoder)
	}
	var args []any
	for name, value := range encoder.Fields {
		args = append(args, name, value)
	}
	z.log.Log(context.Background(), z.level(e.Level), "certificates: "+e.Message, args...)
	return nil
}

// Sync implements zapcore.Core.
func (z *zapLog) Sync() error { return nil }
