package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postiljon/postiljon/internal/backup"
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/certs"
	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/control"
	"github.com/postiljon/postiljon/internal/dkim"
	"github.com/postiljon/postiljon/internal/dmarc"
	"github.com/postiljon/postiljon/internal/doctor/vantage"
	"github.com/postiljon/postiljon/internal/inbound"
	"github.com/postiljon/postiljon/internal/inbound/genuine"
	"github.com/postiljon/postiljon/internal/inbound/origin"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/junk"
	"github.com/postiljon/postiljon/internal/metrics"
	"github.com/postiljon/postiljon/internal/netserve"
	"github.com/postiljon/postiljon/internal/notice"
	"github.com/postiljon/postiljon/internal/outbound"
	"github.com/postiljon/postiljon/internal/outbound/mtasts"
	"github.com/postiljon/postiljon/internal/outbound/precheck"
	"github.com/postiljon/postiljon/internal/outbound/tlsrpt"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/protocol/imapd"
	"github.com/postiljon/postiljon/internal/protocol/jmapd"
	"github.com/postiljon/postiljon/internal/protocol/popd"
	"github.com/postiljon/postiljon/internal/protocol/sieved"
	"github.com/postiljon/postiljon/internal/protocol/smtpd"
	"github.com/postiljon/postiljon/internal/resolver"
	"github.com/postiljon/postiljon/internal/rules"
	"github.com/postiljon/postiljon/internal/sasl"
	"github.com/postiljon/postiljon/internal/settings"
	"github.com/postiljon/postiljon/internal/sieve"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob/disk"
	"github.com/postiljon/postiljon/internal/store/index"
	"github.com/postiljon/postiljon/internal/store/kv/pebble"
	"github.com/postiljon/postiljon/internal/web"
	"github.com/postiljon/postiljon/internal/web/account"
	"github.com/postiljon/postiljon/internal/web/clinic"
	"github.com/postiljon/postiljon/internal/web/factor"
	"github.com/postiljon/postiljon/internal/web/files"
	"github.com/postiljon/postiljon/internal/web/move"
	"github.com/postiljon/postiljon/internal/web/security"
	websession "github.com/postiljon/postiljon/internal/web/session"
	"github.com/postiljon/postiljon/internal/web/signin"
	"github.com/postiljon/postiljon/internal/web/view"
	"github.com/postiljon/postiljon/internal/web/webmail"
)

// service is the whole program. It is put together here and nowhere else, from
// the bottom up: store, causes, policies, queue, protocols, web, control.
type service struct {
	config  config.Config
	file    string // where a reload finds the configuration; "" for none
	open    listeners
	log     *slog.Logger
	level   *slog.LevelVar
	started time.Time
	// reloading holds while the configuration is read again.
	reloading sync.Mutex
	keep      atomic.Int64 // how long events are kept, nanoseconds; a reload changes it
	closers   []closer     // in the order of opening

	records   *pebble.DB
	blobs     *disk.Store
	store     *store.Store
	index     *index.Index
	catalogue *cause.Catalogue
	metrics   *metrics.Set
	journal   *journal.Journal
	certs     *certs.Keeper
	hasher    *policy.Hasher
	policies  *policies
	rules     *rules.Engine
	sieve     *sieved.Server
	sasl      signInOffers
	resolver  *resolver.Resolver

	tlsPolicies *mtasts.Keeper
	tlsReports  *tlsrpt.Collector
	dmarc       *dmarc.Collector
	dkim        *dkim.Keeper
	precheck    *precheck.Checker
	providers   *settings.Table
	forwarder   *inbound.Forwarder
	bounces     func(eml []byte) []inbound.Bounced
	queue       *outbound.Queue
	road        *inbound.Backend
	smtp        *smtpd.Server
	webLimit    *netserve.Limit
	imap        *imapd.Server
	pop3        *popd.Server
	jmap        *jmapd.Server
	clinic      *clinic.Clinic
	accounts    *account.API
	browsers    *websession.Keeper
	codes       *factor.Codes
	passkeys    *factor.Passkeys
	security    *security.Server
	signIn      *signin.Server
	webmail     *webmail.Server
	view        *view.Server
	files       *files.Server // nil for none
	move        *move.Server
	web         *web.Server
	plainWeb    *web.Plain
	control     *control.Server

	maintenance *maintenance
}

// closer ends one part of the service.
type closer struct {
	name  string
	close func(context.Context) error
}

func (s *service) onClose(name string, close func(context.Context) error) {
	s.closers = append(s.closers, closer{name, close})
}

// openService puts the service together; nothing listens yet. On an error what
// was opened is closed again.
func openService(ctx context.Context, c config.Config, file string, log *slog.Logger, level *slog.LevelVar) (*service, error) {
	s := &service{config: c, file: file, log: log, level: level, started: time.Now()}
	s.keep.Store(int64(c.Journal.Keep))
	for _, open := range []func(context.Context) error{
		s.openStore, s.openIndex, s.openCauses, s.openPolicies, s.openResolver, s.openSigning, s.openPrecheck, s.openForwarding, s.openBounces, s.openTransport, s.openQueue, s.openDMARC, s.openSMTP, s.startQueue, s.openIMAP, s.openPOP3,
		s.openSieve, s.openWeb, s.openControl,
	} {
		if err := open(ctx); err != nil {
			return nil, errors.Join(err, s.close(ctx))
		}
	}
	return s, nil
}

// close ends every part, the last opened first, and returns all that failed.
func (s *service) close(ctx context.Context) error {
	var failed []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		if err := s.closers[i].close(ctx); err != nil {
			failed = append(failed, fmt.Errorf("close %s: %w", s.closers[i].name, err))
		}
	}
	s.closers = nil
	return errors.Join(failed...)
}

func (s *service) path(name string) string { return filepath.Join(s.config.Data, name) }

func (s *service) openStore(ctx context.Context) (err error) {
	if err := os.MkdirAll(s.config.Data, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	if err := checkVersion(s.config.Data); err != nil {
		return err
	}
	if s.records, err = pebble.Open(pebble.Options{Dir: s.path("records"), Logger: s.log}); err != nil {
		return dataTrouble(err, s.config.Data)
	}
	s.onClose("records", func(context.Context) error { return s.records.Close() })
	if s.blobs, err = disk.Open(disk.Options{Dir: s.path("blobs"), Logger: s.log}); err != nil {
		return dataTrouble(err, s.config.Data)
	}
	s.onClose("blobs", func(context.Context) error { return s.blobs.Close() })
	if s.store, err = store.Open(ctx, store.Options{Records: s.records, Blobs: s.blobs, Log: s.log}); err != nil {
		return err
	}
	if n, err := s.store.FinishDeletions(ctx); err != nil {
		return err
	} else if n > 0 {
		s.log.Info("deletions of accounts that were broken off are finished", "accounts", n)
	}
	return nil
}

func (s *service) openCauses(context.Context) (err error) {
	if s.catalogue, err = cause.Load(); err != nil {
		return err
	}
	s.catalogue = s.catalogue.WithWhyBase(s.config.BaseURL())
	s.metrics = metrics.New()
	o := s.certOptions(&s.config)
	if o.ACME, err = s.acme(); err != nil {
		return err
	}
	if s.certs, err = certs.Open(o); err != nil {
		if o.CertFile != "" {
			err = certificateAdvice(err)
		}
		return err
	}
	s.onClose("certificates", s.certs.Close)
	return nil
}

func (s *service) certOptions(c *config.Config) certs.Options {
	return certs.Options{
		CertFile: c.TLS.Certificate, KeyFile: c.TLS.Key,
		Dir: s.path("tls"), Names: append([]string{c.Hostname}, c.TLS.Names...), Log: s.log,
	}
}

func (s *service) openPolicies(ctx context.Context) (err error) {
	if s.journal, err = journal.New(journal.Options{Store: s.store, Log: s.log}); err != nil {
		return err
	}
	s.onClose("journal", func(context.Context) error { return s.journal.Close() })
	if s.hasher, err = policy.NewHasher(hashParams(&s.config)); err != nil {
		return err
	}
	p := &policies{
		store: s.store, sessions: newSessions(), refusals: policy.NewRefusals(nil),
		journal: s.journal, metrics: s.metrics, log: s.log,
	}
	p.guard, err = policy.NewGuard(ctx, policy.GuardOptions{
		Limits: guardLimits(&s.config), Record: policy.FileRecord(s.path("guard.json")),
		Notify: policy.BanEvents(s.journal), Log: s.log,
	})
	if err != nil {
		return err
	}
	s.onClose("guard", p.guard.Close)
	if p.notices, err = notice.New(notice.Options{Mail: s.mailOut, Store: s.store, Catalogue: s.catalogue, Hostname: s.config.Hostname, BaseURL: s.config.BaseURL(), Log: s.log}); err != nil {
		return err
	}
	s.onClose("notices", p.notices.Close)
	p.domains = policy.NewDomainStorage(heldBy(s.store), nil)
	p.trainer = junk.NewTrainer(s.store, s.log)
	s.onClose("learning about junk", p.trainer.Close)
	p.sending, err = policy.NewSending(ctx, policy.SendingOptions{
		Domains: s.store, Plans: plans(&s.config), Record: policy.FileRecord(s.path("sending.json")), Warn: p.notices.Limit, Log: s.log,
	})
	if err != nil {
		return err
	}
	s.onClose("sending limits", p.sending.Close)
	if p.connections, err = policy.NewConnections(connectionLimits(&s.config), nil); err != nil {
		return err
	}
	p.signIn = policy.NewSignIn(policy.SignInOptions{
		Directory: s.store, Tokens: policy.Tokens{Directory: s.store}, Guard: p.guard, Hasher: s.hasher, Journal: s.journal,
		Log: s.log, DefaultDomain: s.config.Auth.DefaultDomain,
	})
	s.policies = p
	s.rules = rules.New(rules.Options{Store: s.store, Hostname: s.config.Hostname, Log: s.log})
	return s.openSASL(ctx)
}

// saltKeySetting keeps the key of the salts told for users that do not exist:
// it must stay the same, or such a user could be told by a salt that changes.
const saltKeySetting = "sasl.salt-key"

func (s *service) openSASL(ctx context.Context) error {
	key, err := s.store.Setting(ctx, saltKeySetting)
	if err != nil {
		return err
	}
	if len(key) == 0 {
		key = make([]byte, 32)
		rand.Read(key) // never fails
		if err := s.store.PutSetting(ctx, saltKeySetting, key); err != nil {
			return err
		}
	}
	s.sasl = newSignInOffers(sasl.Options{
		Plaintext: s.config.Auth.PlaintextLoopback, SaltKey: key, SaltName: policy.SaltName,
	}, &s.config)
	return nil
}

func (s *service) openQueue(context.Context) (err error) {
	c := &s.config
	limits := outbound.Limits{
		Concurrency: c.Queue.Concurrency, PerDestination: c.Queue.PerDestination,
		DelayAfter: time.Duration(c.Queue.DelayReport), Lifetime: time.Duration(c.Queue.Lifetime),
		Stop: time.Duration(c.Timeouts.Stop),
	}
	for _, d := range c.Queue.Retry {
		limits.Schedule = append(limits.Schedule, time.Duration(d))
	}
	relays, err := relays(c, s.log)
	if err != nil {
		return err
	}
	sign := outbound.Sign(s.sign)
	if !c.Queue.DKIM {
		sign = nil
	}
	s.queue, err = outbound.New(outbound.Options{
		Store: s.store, Resolver: s.resolver, Policies: s.tlsPolicies, Reports: s.tlsReports, Relays: relays,
		Local: outbound.LocalFunc(func(ctx context.Context, sub *store.Submission, to *store.SubmissionRecipient) cause.Decision {
			return s.road.DeliverLocal(ctx, sub, to)
		}),
		Catalogue: s.catalogue, Hostname: c.Hostname, Port: c.Queue.Port, AllowPrivate: c.Queue.AllowPrivate,
		Depart: func(ctx context.Context, sub *store.Submission) cause.Decision { return s.road.Depart(ctx, sub) }, Room: s.roomToSend,
		Sign: sign, Announced: s.precheck.Announced, Takes: s.precheck.Takes, Journal: s.journal, Limits: limits, Log: s.log, Metrics: s.metrics.Outbound(),
	})
	if err != nil {
		return err
	}
	s.onClose("queue", s.queue.Close)
	return nil
}

// startQueue lets the queue go, once there is the road that what was scheduled takes.
func (s *service) startQueue(ctx context.Context) error { return s.queue.Start(ctx) }

// checker finds out whether mail from other servers is genuine; nil if nobody wants to know.
func (s *service) checker() *genuine.Checker {
	c := &s.config.Inbound
	if !c.Check {
		return nil
	}
	return genuine.New(genuine.Options{
		Resolver: s.resolver, AuthservID: s.config.Hostname, TrustedSealers: c.TrustedSealers, Lenient: c.Lenient,
		RefuseSPFFail: c.RefuseSPFFail, RequirePTR: c.RequirePTR, Reports: s.dmarc, Now: s.store.Now,
	})
}

// origins refuses mail whose sender's domain is missing; nil if nobody wants that.
func (s *service) origins() *origin.Checker {
	if !s.config.Inbound.RequireDomain {
		return nil
	}
	return origin.New(origin.Options{DNS: s.resolver, Now: s.store.Now, Local: func(ctx context.Context, domain string) (bool, error) {
		_, err := s.store.Domain(ctx, domain)
		if store.KindOf(err) == store.KindNotFound {
			return false, nil
		}
		return err == nil, err
	}})
}

// junkFilter judges mail from other servers; nil if nobody wants that.
func (s *service) junkFilter() *junk.Filter {
	c := &s.config.Junk
	if !c.Filter {
		return nil
	}
	o := junk.Options{Store: s.store, Threshold: c.Threshold, Certain: c.Certain, Log: s.log}
	if c.Rspamd != "" {
		o.Rspamd = &junk.Rspamd{URL: c.Rspamd, Client: &http.Client{}}
	}
	return junk.New(o)
}

// greylist has mail under suspicion come again; nil if nobody wants that.
func (s *service) greylist() *junk.Greylist {
	c := &s.config.Junk
	if !c.Filter || c.GreylistDelay == 0 {
		return nil
	}
	return &junk.Greylist{Store: s.store, From: c.Greylist, Delay: time.Duration(c.GreylistDelay)}
}

func (s *service) blockLists() *junk.Lists {
	var all []junk.ListOptions
	for _, l := range s.config.Junk.Lists {
		all = append(all, junk.ListOptions{Zone: l, Weight: s.config.Junk.Listed})
	}
	return junk.NewLists(all, s.resolver, s.log, s.store.Now, func(list string) {
		now := s.store.Now()
		e := store.Event{Time: now, Trace: store.NewTraceID(now), Kind: journal.BlockListDead, Fields: []store.Field{{Name: "list", Value: list}}}
		e.SetDecision(cause.Decision{Cause: cause.ReputationDNSBLDead, Params: []cause.Param{cause.Text("list", list)}})
		s.journal.Record(context.Background(), e)
	})
}

// spoolDir is where large messages lie while they are looked at: on the volume of the mail, not in memory.
func (s *service) spoolDir() (string, error) {
	dir := s.path("spool")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the spool folder: %w", err)
	}
	return dir, nil
}

func (s *service) openSMTP(context.Context) (err error) {
	c := &s.config
	spool, err := s.spoolDir()
	if err != nil {
		return err
	}
	s.road = inbound.New(inbound.Options{
		Store: s.store, Policy: s.policies, Journal: recorder{s.journal}, Queue: s.queue, Precheck: s.precheck, Forward: s.forwarder, Bounces: s.bounces,
		Hostname: c.Hostname, SpoolDir: spool, MaxSize: int64(c.Limits.MessageSize), MaxRecipients: c.Limits.Recipients,
		MaxHops: c.Limits.Hops, Genuine: s.checker(), Origin: s.origins(), Rules: s.rules, Junk: s.junkFilter(), Lists: s.blockLists(), Greylist: s.greylist(), Trusted: config.Prefixes(c.Inbound.Trusted), Log: s.log,
	})
	s.smtp, err = smtpd.New(smtpd.Options{
		Hostname: c.Hostname, Replies: s.catalogue, Backend: measured{s.road, s.metrics.Commit}, SASL: s.sasl.submission, TLS: s.certs.ServerConfig(),
		Admit: s.policies.admit("submission"), Log: s.log, Metrics: s.metrics.SMTP(),
		Limits: smtpd.Limits{
			Message: int64(c.Limits.MessageSize), Recipients: c.Limits.Recipients, Connections: c.Limits.Connections,
		},
		Timeouts: smtpd.Timeouts{Command: time.Duration(c.Timeouts.SMTP)},
	})
	if err != nil {
		return err
	}
	s.onClose("SMTP", s.smtp.Shutdown)
	return nil
}

func (s *service) openIMAP(context.Context) (err error) {
	c := &s.config
	s.imap, err = imapd.New(imapd.Options{
		Hostname: c.Hostname, Store: s.store, Index: s.index, Catalogue: s.catalogue, Backend: imapBackend{newMailReaders(s.policies), s.jmapURL()},
		Room: s.policies.roomOfDomain, Sent: s.justSent, NoUnauthenticate: !c.Auth.Unauthenticate, SASL: s.sasl.imap, TLSConfig: s.certs.ServerConfig("imap"), Admit: s.policies.admit("imap"), Log: s.log, Metrics: s.metrics.IMAP(),
		Limits:   imapd.Limits{Message: int64(c.Limits.MessageSize), Messages: c.Limits.IMAPMessages},
		Timeouts: imapd.Timeouts{Idle: time.Duration(c.Timeouts.IMAP)},
	})
	if err != nil {
		return err
	}
	s.onClose("IMAP", s.imap.Close)
	return nil
}

// justNow is how long after it sent a message a program saves the copy.
const justNow = 10 * time.Minute

// justSent tells whether an account sent a message a moment ago.
func (s *service) justSent(ctx context.Context, a *store.Account) bool {
	sent := false
	err := s.store.Events(ctx, a.ID, s.store.Now().Add(-justNow), time.Time{}, func(e *store.Event) error {
		if from := e.Field("from"); !sent && (e.Kind == journal.MessageAccepted || e.Kind == journal.MessageQueued) && from != "" {
			r, err := s.store.Resolve(ctx, from)
			sent = err == nil && slices.ContainsFunc(r.Accounts, func(one store.Account) bool { return one.ID == a.ID })
		}
		return ctx.Err()
	})
	return err == nil && sent
}

func (s *service) openPOP3(context.Context) (err error) {
	c := &s.config
	s.pop3, err = popd.New(popd.Options{
		Hostname: c.Hostname, Store: s.store, Catalogue: s.catalogue, Backend: pop3Backend{newMailReaders(s.policies)},
		SASL: s.sasl.pop3, TLSConfig: s.certs.ServerConfig("pop3"), Admit: s.policies.admit("pop3"), Log: s.log, Metrics: s.metrics.POP3(),
		Timeouts: popd.Timeouts{Idle: time.Duration(c.Timeouts.POP3)},
	})
	if err != nil {
		return err
	}
	s.onClose("POP3", s.pop3.Close)
	return nil
}

func (s *service) openSieve(context.Context) (err error) {
	s.sieve, err = sieved.New(sieved.Options{
		Store: s.store, Catalogue: s.catalogue, Backend: sieveBackend{newMailReaders(s.policies)}, SASL: s.sasl.sieve,
		Check: rules.Check, Extensions: sieve.Extensions(), Redirects: rules.MaxForwards,
		TLSConfig: s.certs.ServerConfig("managesieve"), Admit: s.policies.admit("sieve"), Log: s.log, Metrics: s.metrics.Sieve(),
	})
	if err != nil {
		return err
	}
	s.onClose("ManageSieve", s.sieve.Close)
	return nil
}

func (s *service) openWeb(ctx context.Context) (err error) {
	c := &s.config
	// What is served is made before the web, in an order in which each finds what it asks of the others.
	for _, open := range []func() error{s.openSignIn, s.openJMAP, s.openClinic, s.openAccountAPI, s.openWebmail, s.openView, s.openFiles, s.openMove} {
		if err := open(); err != nil {
			return err
		}
	}
	s.web, err = web.New(web.Options{
		JMAP:      s.jmap,
		Catalogue: s.catalogue, Hostname: c.Hostname, MailServer: mailServer(c), Services: advertised(c), CAFile: s.certs.CAFile,
		Ready: s.ready, Metrics: s.metrics.Handler(), MetricsFrom: config.Prefixes(c.Web.MetricsFrom),
		MTASTS: s.mtaSTS(), Vantage: vantageOf(c), Holders: s.forHolders(), Home: s.signIn.Home(), Around: s.browsers.Around, Routes: s.webRoutes(),
		TLSConfig: s.certs.ServerConfig("h2", "http/1.1", certs.ACMEProtocol), Log: s.log,
		SecurityContact: c.Web.SecurityContact, HSTS: time.Duration(c.Web.HSTS), SignProfile: s.certs.SignDocument,
	})
	if err != nil {
		return err
	}
	s.onClose("web", s.web.Close)
	s.onClose("doctor on the web", s.clinic.Close)
	s.onClose("accounts on the web", s.accounts.Close)
	s.onClose("JMAP", s.jmap.Close) // before the web, which waits for its requests
	if s.files != nil {
		s.onClose("files", s.files.Close)
	}
	s.onClose("imports", s.move.Close) // before the web, too: it tells of them while they run
	if err := s.move.Start(ctx); err != nil {
		return err
	}
	s.webLimit = netserve.NewLimit(s.config.Limits.Connections)
	s.plainWeb = web.NewPlain(s.certs.HTTPChallenge(web.ToHTTPS(s.config.BaseURL())), s.log)
	s.onClose("web without encryption", s.plainWeb.Close)
	s.registerGauges()
	return nil
}

// vantageOf is the other place to look from for the doctor, nil if it is not wanted.
func vantageOf(c *config.Config) http.Handler {
	if !c.Doctor.Vantage {
		return nil
	}
	return &vantage.Handler{Place: c.Hostname}
}

// forHolders is what the service tells the holders of accounts on the web; control opens after it.
func (s *service) forHolders() map[string]http.Handler {
	tell := func(fn func(ctx context.Context, address string, query url.Values) (any, error)) *holderHandler {
		return &holderHandler{signIn: s.policies.signIn, browsers: s.browsers, tell: fn}
	}
	evidence := tell(func(ctx context.Context, address string, _ url.Values) (any, error) {
		return s.control.EvidenceOf(ctx, address)
	})
	evidence.anyProgram = true
	return map[string]http.Handler{
		evidencePath: evidence,
		"/api/trace": tell(func(ctx context.Context, address string, q url.Values) (any, error) {
			return s.control.TraceOf(ctx, address, q)
		}),
		"/api/limits": tell(func(ctx context.Context, address string, _ url.Values) (any, error) {
			return s.control.LimitsOf(ctx, address)
		}),
		"/api/refused": tell(func(ctx context.Context, address string, q url.Values) (any, error) {
			return s.control.RefusedOf(ctx, address, q)
		}),
	}
}

func (s *service) openControl(context.Context) error {
	s.maintenance = s.newMaintenance()
	s.control = control.New(control.Options{
		Store: s.store, Index: s.index, Hasher: s.hasher, Guard: s.policies.guard, Sending: s.policies.sending, Domains: s.policies.domains,
		Journal: s.journal, Queue: s.queue, Rules: s.rules, Catalogue: s.catalogue, Keys: s.dkim, KeyDomains: s.signingDomains,
		Source: backup.Source{
			Records: s.records, Blobs: s.blobs, Data: s.config.Data, Skip: []string{"control.sock", "spool"}, Config: s.configFiles,
		},
		SignOut: s.signOut, Sessions: s.policies.sessions.of, TokensTaken: s.sasl.tokens.Load, Collect: s.maintenance.collectNow,
		Status: s.status, Reload: func(context.Context) ([]string, error) { return s.reload() }, Log: s.log,
	})
	s.onClose("control", s.control.Close)
	return nil
}
