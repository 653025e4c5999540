package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/store"
)

type demoCommand struct {
	Data              string `type:"path" default:"demo-data" placeholder:"DIR" help:"Folder for its mail; one that is there already is taken up again (default: ${default})."`
	Domain            string `default:"demo.test" help:"Domain of the accounts (default: ${default})."`
	Accounts          int    `placeholder:"N" help:"Make user0@ to user(N-1)@ instead of anna@ and bjorn@, and exempt this machine from limits, for measurements."`
	Password          string `placeholder:"P" help:"Password of the accounts of --accounts (default: made up). For measurements only: other users of this machine can read it."`
	PortBase          int    `placeholder:"N" help:"Base of the ports: SMTP is N+25, IMAPS N+993 (default: 10000, or the next that is free)."`
	JSON              bool   `name:"json" help:"Print one JSON object when ready instead of the screen."`
	LogLevel          string `enum:"debug,info,warn,error" default:"warn" help:"What is logged to standard error: ${enum} (default: ${default})."`
	PlaintextLoopback bool   `hidden:"" help:"Take passwords without TLS, for measurements."`
	Resolver          string `hidden:"" help:"DNS server for mail to elsewhere, whose servers may be on this machine; for tests and measurements."`
	RemotePort        uint16 `hidden:"" default:"25" help:"Port of those servers."`
	DKIM              bool   `name:"dkim" hidden:"" default:"true" negatable:"" help:"Sign messages."`
}

// demoPorts are what is added to the base, by service.
var demoPorts = []struct {
	service string
	port    int
}{
	{"smtp", 25}, {"submission", 587}, {"submissions", 465}, {"imap", 143}, {"imaps", 993}, {"pop3s", 995}, {"sieve", 4190}, {"https", 443},
}

const (
	demoBase     = 10000
	demoBaseStep = 1000
	demoLastBase = 60000
	demoAccounts = 1_000_000 // the most of --accounts
	demoFile     = "demo.json"
)

// demoState is what a demo remembers in its folder, mode 0600.
type demoState struct {
	Domain   string        `json:"domain"`
	Base     int           `json:"port_base"`
	Accounts []demoAccount `json:"accounts"`
}

type demoAccount struct {
	Address  string `json:"address"`
	Password string `json:"password"`
}

// Run runs the demo until it is told to stop.
func (d *demoCommand) Run(ctx context.Context, s *streams) error {
	if err := d.check(); err != nil {
		return err
	}
	state, err := loadDemo(d.Data)
	if err != nil {
		return err
	}
	if state.Domain != "" && state.Domain != d.Domain {
		return usagef("the folder %s is a demo of %s; give another --data or --domain %s", d.Data, state.Domain, state.Domain)
	}
	state.Domain = d.Domain
	open, base, err := d.listen(state.Base)
	if err != nil {
		return err
	}
	moved := state.Base != 0 && state.Base != base || state.Base == 0 && base != demoBase
	state.Base = base
	conf, err := d.config(base)
	if err != nil {
		open.close()
		return err
	}
	return serve(ctx, s, conf, open, serveOptions{ready: func(ctx context.Context, service *service, open listeners) error {
		if err := d.populate(ctx, service, &state); err != nil {
			return err
		}
		if err := saveDemo(ctx, d.Data, state); err != nil {
			return err
		}
		return d.present(s, service, open, state, moved && d.PortBase == 0)
	}})
}

func (d *demoCommand) check() error {
	switch {
	case d.Accounts < 0 || d.Accounts > demoAccounts:
		return usagef("--accounts %d is not between 1 and %d", d.Accounts, demoAccounts)
	case d.Password != "" && d.Accounts == 0:
		return usagef("--password goes with --accounts; without, passwords are made up and shown")
	case d.PortBase < 0 || d.PortBase+995 > 65535:
		return usagef("--port-base %d: ports reach from base+25 to base+995 and end at 65535", d.PortBase)
	}
	return nil
}

// listen opens the ports above the base that was asked for or, without one,
// above that of the last time, or the next base where all are free.
func (d *demoCommand) listen(last int) (listeners, int, error) {
	if d.PortBase != 0 {
		open, err := listenAbove(d.PortBase)
		return open, d.PortBase, err
	}
	if last == 0 {
		last = demoBase
	}
	var first error
	for base := last; base <= demoLastBase; base += demoBaseStep {
		open, err := listenAbove(base)
		if err == nil {
			return open, base, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, 0, err
		}
		if first == nil {
			first = err
		}
	}
	return nil, 0, first
}

func listenAbove(base int) (listeners, error) {
	open := listeners{}
	for _, p := range demoPorts {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(base+p.port))
		l, err := net.Listen("tcp", address)
		if err != nil {
			open.close()
			if errors.Is(err, syscall.EADDRINUSE) {
				return nil, &portError{
					fmt.Sprintf("port %d (%s) is taken by another program", base+p.port, p.service),
					"Choose other ports with --port-base N, or leave it out and the next free ones are taken.", err}
			}
			return nil, listenTrouble(p.service, address, err)
		}
		open[p.service] = append(open[p.service], l)
	}
	return open, nil
}

// config is the configuration of a demo: everything on loopback.
func (d *demoCommand) config(base int) (config.Config, error) {
	c, err := config.Default()
	if err != nil {
		return c, err
	}
	at := func(port int) []string { return []string{net.JoinHostPort("127.0.0.1", strconv.Itoa(base+port))} }
	c.Hostname, c.Data = "mail."+d.Domain, d.Data
	c.Listen = config.Listen{
		SMTP: at(25), Submission: at(587), Submissions: at(465), IMAP: at(143), IMAPS: at(993), POP3S: at(995), Sieve: at(4190), HTTPS: at(443),
	}
	c.Precheck = config.Precheck{Senders: "off"} // its domain is in no DNS
	c.Web.URL = fmt.Sprintf("https://localhost:%d", base+443)
	c.Log.Level = d.LogLevel
	c.Auth.PlaintextLoopback = d.PlaintextLoopback
	c.Queue.DKIM = d.DKIM
	c.Web.ImportPrivate = true // so that one of its accounts can fetch the mail of another
	c.Web.PushPrivate = true   // so that a push service can be tried here
	c.Web.DoctorPrivate = true // so that another provider can be played here
	if d.Resolver != "" {
		c.Queue.Resolver, c.Queue.Port, c.Queue.AllowPrivate = d.Resolver, d.RemotePort, true
		c.Queue.Retry = []config.Duration{config.Duration(time.Second)}
	}
	if d.Accounts > 0 {
		c.Auth.PasswordLength = 1 // the password is the caller's choice
		// Measurements come from one machine and fast.
		if err := exemptLoopback(&c); err != nil {
			return c, err
		}
	}
	if len(c.Socket()) > maxSocketPath {
		c.Control = filepath.Join(os.TempDir(), fmt.Sprintf("postiljon-demo-%d.sock", base))
	}
	return c, c.Validate()
}

// maxSocketPath is the longest name of a socket: the kernel keeps 108 octets.
const maxSocketPath = 107

func exemptLoopback(c *config.Config) error {
	for _, text := range []string{"127.0.0.0/8", "::1"} {
		var n config.Network
		if err := n.UnmarshalText([]byte(text)); err != nil {
			return err
		}
		c.Guard.Exempt, c.Limits.Exempt = append(c.Guard.Exempt, n), append(c.Limits.Exempt, n)
	}
	const unlimited = 100_000_000
	c.Limits.AddressHourly, c.Limits.DomainHourly, c.Limits.SessionsPerAccount = unlimited, unlimited, 1_000_000
	return nil
}

// populate makes the domain and the accounts that are not there yet.
func (d *demoCommand) populate(ctx context.Context, s *service, state *demoState) error {
	// What is there is not written again: a demo starts on a full disk, too.
	_, err := s.store.Domain(ctx, d.Domain)
	if store.KindOf(err) == store.KindNotFound {
		err = s.store.CreateDomain(ctx, store.Domain{Name: d.Domain})
	}
	if err != nil {
		return err
	}
	if d.Accounts > 0 {
		return d.populateMany(ctx, s, state)
	}
	var accounts []demoAccount
	for _, who := range []struct{ local, name string }{{"anna", "Anna Demo"}, {"bjorn", "Björn Demo"}} {
		a := demoAccount{Address: who.local + "@" + d.Domain, Password: state.password(who.local + "@" + d.Domain)}
		right, err := s.accepts(ctx, a)
		if err == nil && !right {
			a.Password = "" // somebody has changed it
		}
		if store.KindOf(err) == store.KindNotFound {
			if a, err = d.create(ctx, s, who.name, a); err == nil && !d.JSON {
				err = d.putLetters(ctx, s, a) // for people; programs count what they sent
			}
		}
		if err != nil {
			return err
		}
		accounts = append(accounts, a)
	}
	state.Accounts = accounts
	return nil
}

// accepts reports whether an account has the password that the demo remembers.
func (s *service) accepts(ctx context.Context, a demoAccount) (bool, error) {
	account, err := s.store.AccountByAddress(ctx, a.Address)
	if err != nil {
		return false, err
	}
	credentials, err := s.store.Credentials(ctx, account.ID)
	if err != nil {
		return false, err
	}
	for _, c := range credentials {
		if c.App { // or a token, which is no password
			continue
		}
		if right, _, err := s.hasher.Verify(ctx, c.Hash, a.Password); err != nil || right {
			return right, err
		}
	}
	return false, nil
}

// create makes an account of the demo, with a new password if it had none.
func (d *demoCommand) create(ctx context.Context, s *service, name string, a demoAccount) (demoAccount, error) {
	if a.Password == "" {
		a.Password = policy.GeneratePassword()
	}
	credential, err := policy.NewPassword(ctx, s.hasher, a.Password, s.store.Now())
	if err != nil {
		return a, err
	}
	return a, createOrReset(ctx, s, store.Account{Address: a.Address, Name: name}, credential)
}

// createOrReset makes an account, or gives one whose password was lost this one.
func createOrReset(ctx context.Context, s *service, a store.Account, credential store.Credential) error {
	_, err := s.store.CreateAccount(ctx, a, credential)
	if store.KindOf(err) != store.KindExists {
		return err
	}
	there, err := s.store.AccountByAddress(ctx, a.Address)
	if err != nil {
		return err
	}
	return s.store.PutCredential(ctx, there.ID, credential)
}

// populateMany makes user0@ and so on with one password, whose slow hash is
// made once.
func (d *demoCommand) populateMany(ctx context.Context, s *service, state *demoState) error {
	password := d.Password
	if password == "" && len(state.Accounts) > 0 {
		password = state.Accounts[0].Password
	}
	if password == "" {
		password = policy.GeneratePassword()
	}
	credential, err := policy.NewPassword(ctx, s.hasher, password, s.store.Now())
	if err != nil {
		return err
	}
	known := make(map[string]string, len(state.Accounts))
	for _, a := range state.Accounts {
		known[a.Address] = a.Password
	}
	state.Accounts = state.Accounts[:0]
	for i := range d.Accounts {
		address := fmt.Sprintf("user%d@%s", i, d.Domain)
		if known[address] != password {
			if err := createOrReset(ctx, s, store.Account{Address: address}, credential); err != nil {
				return err
			}
		}
		state.Accounts = append(state.Accounts, demoAccount{address, password})
	}
	return nil
}

// password is what the demo remembers of an account, "" if nothing.
func (s *demoState) password(address string) string {
	for _, a := range s.Accounts {
		if a.Address == address {
			return a.Password
		}
	}
	return ""
}

func loadDemo(dir string) (state demoState, err error) {
	b, err := os.ReadFile(filepath.Join(dir, demoFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return state, emptyOrNew(dir)
	case err != nil:
		return state, fmt.Errorf("read the demo's accounts: %w", err)
	}
	if err := json.Unmarshal(b, &state); err != nil {
		return state, fmt.Errorf("read the demo's accounts in %s: %w", dir, err)
	}
	return state, nil
}

// emptyOrNew keeps a demo from moving into a folder of somebody else.
func emptyOrNew(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	for _, e := range entries {
		if e.Name() != "records" && e.Name() != "blobs" && e.Name() != "tls" && filepath.Ext(e.Name()) != ".json" && filepath.Ext(e.Name()) != ".sock" {
			return usagef("the folder %s is no demo of Postiljon; give an empty or a new one with --data", dir)
		}
	}
	return nil
}

// saveDemo keeps the state if it has changed, and the old one if that fails.
func saveDemo(ctx context.Context, dir string, state demoState) error {
	file := filepath.Join(dir, demoFile)
	b, err := json.Marshal(state)
	if err == nil {
		if old, unread := os.ReadFile(file); unread == nil && bytes.Equal(old, b) {
			return nil
		}
		err = policy.FileRecord(file).Save(ctx, b)
	}
	if err != nil {
		return fmt.Errorf("keep the demo's accounts: %w", err)
	}
	return nil
}
