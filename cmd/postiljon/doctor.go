package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/probe"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/settings"
	"github.com/postiljon/postiljon/internal/web/clinic"
)

type doctorCommand struct {
	Address string `arg:"" optional:"" help:"The mail address that does not work, at any provider."`
	Report  string `placeholder:"REFERENCE" help:"Show what was found on the web under a reference, as JSON; asks the running service."`
	Symptom string `enum:"send,receive,signin,push,webmail,message,any" default:"any" help:"What does not work: ${enum} (default: ${default})."`

	PasswordFile string `placeholder:"FILE" help:"File whose first line is the password; - is standard input. Else POSTILJON_PASSWORD, else it is asked for."`
	NoPassword   bool   `help:"Look without signing in, and do not ask."`
	Username     string `placeholder:"NAME" help:"User name as the mail program has it (default: the address)."`
	IMAP         string `name:"imap" placeholder:"HOST:PORT/tls" help:"Server for reading as the mail program has it (tls, starttls or plain)."`
	POP          string `name:"pop" placeholder:"HOST:PORT/tls" help:"Server for fetching (POP3) as the mail program has it."`
	SMTP         string `name:"smtp" placeholder:"HOST:PORT/tls" help:"Server for sending as the mail program has it."`
	ClientState  string `placeholder:"FILE" help:"What the mail program shows (postiljon.client-state/1)."`
	Program      string `placeholder:"NAME" help:"The mail program, such as 'Thunderbird 140' or 'iPhone Mail', whose steps are told."`
	Message      string `placeholder:"FILE" help:"The message that it is about."`
	Bounce       string `placeholder:"FILE" help:"The message that came back."`
	To           string `placeholder:"ADDRESS" help:"Whom the message is for: it is asked whether it would be taken; nothing is sent there."`
	SendTest     bool   `help:"Send one message from the address to itself, wait for it, and delete it again."`

	Resolver       string        `placeholder:"HOST:PORT" help:"Name server to ask (default: the computer's)."`
	SecondResolver string        `placeholder:"HOST:PORT" help:"Name server to compare with."`
	CA             string        `name:"ca" placeholder:"FILE" help:"Certificates to trust, in PEM (default: the computer's)."`
	Time           string        `placeholder:"TIME" help:"The time to take for now, in RFC 3339."`
	Reference      []string      `placeholder:"HOST:PORT" help:"Service of somebody else to compare with; may be given several times (default: without --canary, servers of two large providers)."`
	Canary         string        `placeholder:"URL" help:"Page that answers 204 and nothing else."`
	Vantage        string        `placeholder:"URL" help:"Another place to look from."`
	Server         string        `placeholder:"SOCKET|URL" help:"Service that hosts the account and tells what it knows: its control socket, or its address (https://mail.example.org), which wants the password."`
	ISPDB          string        `name:"ispdb" placeholder:"PATH" help:"File or folder of settings in the format of Thunderbird's database."`
	Timeout        time.Duration `default:"30s" help:"End after this time (default: ${default})."`

	Lang    string        `enum:"sv,nb,en" default:"en" help:"Language: ${enum} (default: ${default})."`
	Format  string        `enum:"text,json" default:"text" help:"${enum} (default: ${default}); JSON is postiljon.doctor/1."`
	Verbose bool          `short:"v" help:"Show what was looked at, too."`
	Watch   bool          `help:"Look again and again, and tell what changed."`
	Every   time.Duration `default:"30s" help:"With --watch: how often (default: ${default})."`
	Times   int           `help:"With --watch: how many times (default: until it is stopped)."`
	Bundle  string        `placeholder:"FILE" help:"Write what support needs to a zip file, without secrets."`
}

// Exit codes of the doctor.
const (
	exitCauseFound    = 1
	exitUnknown       = 2
	exitDoctorMisused = 3
)

// What the doctor reads from files.
const (
	maxLetter      = 50 << 20
	maxClientState = 4 << 20
)

// Run looks at an account and tells what is wrong. It exits with 0 when nothing
// is, 1 when a cause was found, 2 when none could be, 3 when it was misused.
func (d *doctorCommand) Run(ctx context.Context, s *streams, all *commands) error {
	if d.Report != "" {
		return d.kept(ctx, s, all)
	}
	if d.Address == "" {
		return exitWith{exitDoctorMisused, usagef("give the address that does not work, or --report with a reference")}
	}
	c, err := d.complaint(s)
	if err == nil {
		var env probe.Env
		if env, err = d.env(c.Password); err == nil {
			if len(d.Reference) == 0 && d.Canary == "" {
				env.Reference = defaultReferences(env.Table, c.Address, c.Given, d.Resolver)
			}
			return d.diagnose(ctx, s, env, c)
		}
	}
	return exitWith{exitDoctorMisused, err}
}

// kept shows a report of the web.
func (d *doctorCommand) kept(ctx context.Context, s *streams, all *commands) error {
	client, err := all.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	packed, err := client.DoctorReport(ctx, d.Report)
	if err != nil {
		return err
	}
	report, err := clinic.ReadReport(packed)
	if err != nil {
		return err
	}
	return s.say("%s", report)
}

// exitWith is an error that ends the program with a code of its own; without
// an error inside, what there is to say was said.
type exitWith struct {
	code int
	error
}

// diagnose looks once, or with --watch again and again.
func (d *doctorCommand) diagnose(ctx context.Context, s *streams, env probe.Env, c doctor.Case) error {
	catalogue, err := cause.Load()
	if err != nil {
		return err
	}
	catalogue = catalogue.In(time.Local)
	phrases, err := doctor.SpeechIn(cause.Lang(d.Lang))
	if err != nil {
		return err
	}
	doc, err := doctor.New(env, catalogue)
	if err != nil {
		return err
	}
	v := &doctorView{streams: s, Set: phrases, catalogue: catalogue, lang: cause.Lang(d.Lang), verbose: d.Verbose}
	if d.Watch {
		return d.watch(ctx, v, doc, c)
	}
	report, err := d.once(ctx, v, doc, c)
	if err != nil {
		return err
	}
	if d.Format == "json" {
		err = printJSON(s, report)
	} else {
		err = v.write(report)
	}
	if err == nil && d.Bundle != "" {
		err = d.writeBundle(v, report, c)
	}
	if err != nil {
		return err
	}
	return exitOf(report)
}

func (d *doctorCommand) once(ctx context.Context, v *doctorView, doc *doctor.Doctor, c doctor.Case) (*doctor.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	progress := v.progress(c.Address)
	c.Progress = progress.ended
	report, err := doc.Diagnose(ctx, c)
	progress.done()
	if err != nil {
		return nil, err
	}
	doc.InLanguage(report, cause.Lang(d.Lang))
	return report, nil
}

// watch looks again and again and says what changed.
func (d *doctorCommand) watch(ctx context.Context, v *doctorView, doc *doctor.Doctor, c doctor.Case) error {
	if d.Every < time.Second {
		return exitWith{exitDoctorMisused, usagef("--every %v is too often; a second is the least", d.Every)}
	}
	if d.Format != "json" {
		if err := v.say("%s", v.dim(v.Say("say.watching", "every", d.Every.String()))); err != nil {
			return err
		}
	}
	before := ""
	var last *doctor.Report
	for n := 0; d.Times == 0 || n < d.Times; n++ {
		if n > 0 {
			select {
			case <-ctx.Done():
			case <-time.After(d.Every):
			}
		}
		if ctx.Err() != nil {
			break
		}
		report, err := d.once(ctx, v, doc, c)
		if err != nil {
			return err
		}
		if last, before, err = report, summary(report), d.tell(v, report, before); err != nil {
			return err
		}
	}
	if last == nil {
		return nil
	}
	return exitOf(last)
}

// tell writes one round of a watch: all of it the first time and whenever it changed.
func (d *doctorCommand) tell(v *doctorView, r *doctor.Report, before string) error {
	if d.Format == "json" {
		return json.NewEncoder(v.out).Encode(r)
	}
	now := summary(r)
	clock := v.dim(time.Now().Format("15:04:05"))
	switch {
	case before == now:
		return v.say("%s %s", clock, v.dim(v.Say("say.unchanged")))
	case before != "":
		if err := v.say("%s %s", clock, v.bold(v.Say("say.changed", "what", v.headline(r)))); err != nil {
			return err
		}
	}
	return v.write(r)
}

// summary is what counts as a change: the state and the causes.
func summary(r *doctor.Report) string {
	parts := []string{string(r.Verdict.State)}
	for _, c := range r.Verdict.Causes {
		parts = append(parts, string(c.ID))
	}
	return strings.Join(parts, " ")
}

func exitOf(r *doctor.Report) error {
	switch r.Verdict.State {
	case doctor.Healthy:
		return nil
	case doctor.Unknown:
		return exitWith{code: exitUnknown}
	}
	return exitWith{code: exitCauseFound}
}

// complaint is what the person came with, read and checked.
func (d *doctorCommand) complaint(s *streams) (doctor.Case, error) {
	c := doctor.Case{Program: d.Program, Complaint: evidence.Complaint{
		Symptom: evidence.Symptom(d.Symptom), Address: strings.TrimSpace(d.Address), GivenUsername: d.Username, Recipient: d.To, Hosted: d.Server != "",
	}}
	for _, a := range []string{c.Address, c.Recipient} {
		if _, err := address.Parse(a, address.Options{UTF8: true}); a != "" && err != nil {
			return c, usagef("%q is no mail address; it should look like name@example.org", a)
		}
	}
	for _, given := range []struct {
		protocol settings.Protocol
		as       evidence.Protocol
		text     string
	}{{settings.IMAP, evidence.IMAP, d.IMAP}, {settings.POP3, evidence.POP3, d.POP}, {settings.SMTP, evidence.Submission, d.SMTP}} {
		if given.text == "" {
			continue
		}
		server, err := settings.ParseServer(given.protocol, given.text)
		if err != nil {
			return c, usageError{err}
		}
		c.Given = append(c.Given, evidence.Endpoint{Protocol: given.as, Host: server.Host, Port: server.Port, Security: evidence.Security(server.Security), Origin: evidence.Given})
	}
	if err := d.readFiles(&c); err != nil {
		return c, err
	}
	if err := d.consented(&c); err != nil {
		return c, err
	}
	var err error
	c.Password, err = d.password(s)
	return c, err
}

// consented is what is done only because the person asked for it: a message to oneself, and a
// connection that is held for a while, where push does not work or the doctor watches.
func (d *doctorCommand) consented(c *doctor.Case) error {
	if d.Watch || c.Symptom == evidence.Push {
		c.HoldIdle = d.Timeout / 2
	}
	if !d.SendTest {
		return nil
	}
	if d.Watch {
		return usagef("--send-test sends one message, and --watch looks again and again: choose one of them")
	}
	phrases, err := doctor.SpeechIn(cause.Lang(d.Lang))
	if err != nil {
		return err
	}
	c.SendTest = &evidence.TestMessage{Subject: phrases.Say("trip.subject"), Text: phrases.Say("trip.text", "address", c.Address), Wait: d.Timeout}
	return nil
}

func (d *doctorCommand) readFiles(c *doctor.Case) (err error) {
	if c.Letter, err = readUpTo(d.Message, maxLetter); err != nil {
		return err
	}
	if c.Bounce, err = readUpTo(d.Bounce, maxLetter); err != nil {
		return err
	}
	state, err := readUpTo(d.ClientState, maxClientState)
	if err != nil || state == nil {
		return err
	}
	if c.Client, err = evidence.ReadClientState(state); err != nil {
		return usagef("%s: %w", d.ClientState, err)
	}
	return nil
}

// readUpTo reads a file that must not be larger than max octets; no name is no file.
func readUpTo(name string, max int64) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, usageError{err}
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, max+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if int64(len(raw)) > max {
		return nil, usagef("%s is larger than %s", name, octets(max))
	}
	return raw, nil
}

// password comes from a file, the environment or the terminal, never from an argument.
func (d *doctorCommand) password(s *streams) (string, error) {
	fromEnvironment := os.Getenv("POSTILJON_PASSWORD")
	switch {
	case d.NoPassword && d.PasswordFile != "":
		return "", usagef("--no-password and --password-file exclude each other")
	case d.NoPassword:
		return "", nil
	case d.PasswordFile != "":
		return readPassword(s, d.PasswordFile)
	case fromEnvironment != "":
		return fromEnvironment, nil
	case !isTerminal(s.in):
		return "", nil
	}
	phrases, err := doctor.SpeechIn(cause.Lang(d.Lang))
	if err != nil {
		return "", err
	}
	return ask(s, phrases.Say("say.ask-password", "address", d.Address))
}

// env is where the doctor looks from: this computer, but for what the flags say.
func (d *doctorCommand) env(password string) (probe.Env, error) {
	env := probe.Env{Reference: d.Reference, Canary: d.Canary, Vantage: d.Vantage}
	var err error
	if env.Table, err = settings.Load(); err != nil {
		return env, err
	}
	if d.Time != "" {
		at, err := time.Parse(time.RFC3339, d.Time)
		if err != nil {
			return env, usagef("--time %q is not a time such as 2026-11-22T14:00:00Z", d.Time)
		}
		began := time.Now()
		env.Now = func() time.Time { return at.Add(time.Since(began)) }
	}
	now := env.Now
	if now == nil {
		now = time.Now
	}
	if env.Book, err = dialect.Load(now); err != nil {
		return env, err
	}
	if d.CA != "" {
		if env.Roots, err = readRoots(d.CA); err != nil {
			return env, err
		}
	}
	if err := d.inside(&env, password); err != nil {
		return env, err
	}
	if d.ISPDB != "" {
		if env.Files, _, err = settings.ReadFiles(d.ISPDB); err != nil {
			return env, usageError{err}
		}
	}
	return env, d.resolvers(&env)
}

// inside is the service that hosts the account, by its control socket or by its web address.
func (d *doctorCommand) inside(env *probe.Env, password string) error {
	switch u, err := url.Parse(d.Server); {
	case d.Server == "":
	case err == nil && u.Scheme == "https" && u.Host != "":
		env.Inside, env.InsideSignsIn = webInside{d.Server, password, env.Roots}, true
	case strings.Contains(d.Server, "://"):
		return usagef("--server %q is neither a socket nor an address that begins with https://", d.Server)
	default:
		env.Inside = serverInside(d.Server)
	}
	return nil
}

func (d *doctorCommand) resolvers(env *probe.Env) error {
	if d.SecondResolver != "" && d.Resolver == "" {
		env.Resolvers = probe.SystemResolvers()
		if len(env.Resolvers) == 0 {
			return usagef("the computer's name server is not known; give it with --resolver")
		}
	}
	for _, r := range []string{d.Resolver, d.SecondResolver} {
		if r == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(r); err != nil {
			r = net.JoinHostPort(strings.Trim(r, "[]"), "53")
		}
		env.Resolvers = append(env.Resolvers, r)
	}
	for _, r := range d.Reference {
		if _, _, err := net.SplitHostPort(r); err != nil {
			return usagef("--reference %q is not HOST:PORT", r)
		}
	}
	return nil
}

func readRoots(file string) (*x509.CertPool, error) { return addRoots(x509.NewCertPool(), file) }

// rootsAnd are the authorities that this machine trusts, and those in a file.
func rootsAnd(file string) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, err
	}
	return addRoots(pool, file)
}

func addRoots(pool *x509.CertPool, file string) (*x509.CertPool, error) {
	pem, err := readUpTo(file, maxClientState)
	if err != nil {
		return nil, err
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, usageError{errors.New(file + " has no certificate in PEM")}
	}
	return pool, nil
}
