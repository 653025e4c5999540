package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"mime/multipart"
	"net"
	"net/netip"
	"net/textproto"
	"strconv"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/probe"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/settings"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/web/clinic"
)

// openClinic makes the doctor on the web.
func (s *service) openClinic() error {
	env, err := s.clinicEnv()
	if err != nil {
		return err
	}
	s.clinic, err = clinic.New(clinic.Options{
		Hostname: s.config.Hostname, Catalogue: s.catalogue, Store: s.store, SignIn: s.signInHTTP, SignInPage: "/sign-in",
		Password: func(ctx context.Context, remote netip.Addr, address, password string) (store.Account, cause.Decision) {
			who, d := s.policies.signIn.Password(ctx, policy.Attempt{Protocol: store.ProtocolWeb, Remote: remote, TLS: true, Client: "web"}, address, password)
			s.metrics.SignIn("web", d.Cause)
			return who.Account, d
		},
		Admit: s.policies.guard.Connect, Hosted: s.store.LocalDomain,
		Inside: func(ctx context.Context, address string) (*evidence.Inside, error) {
			e, err := s.control.EvidenceOf(ctx, address)
			if err != nil {
				return nil, err
			}
			return insideOf(&e), nil
		},
		Trace: s.journal.Trace, Env: env, Own: ownServers(&s.config),
		Elsewhere: func(address string) []string { return defaultReferences(env.Table, address, nil, "") },
		Anywhere:  s.config.Web.DoctorPrivate,
		Help:      s.askPostmaster, Log: s.log,
	})
	return err
}

// clinicEnv is where the doctor on the web looks from: this machine, which trusts its own authority, too.
func (s *service) clinicEnv() (env probe.Env, err error) {
	if env.Table, err = settings.Load(); err != nil {
		return env, err
	}
	if env.Book, err = dialect.Load(s.store.Now); err != nil {
		return env, err
	}
	if server := s.config.Queue.Resolver; server != "" {
		env.Resolvers = []string{server}
	}
	if file := s.certs.CAFile(); file != "" {
		if env.Roots, err = rootsAnd(file); err != nil {
			return env, err
		}
	}
	return env, nil
}

// ownServers are the servers for mail programs, those with TLS from the first octet.
func ownServers(c *config.Config) (list []evidence.Endpoint) {
	host := mailServer(c)
	if host == "localhost" { // no name server knows it
		host = "127.0.0.1"
	}
	for _, one := range []struct {
		protocol evidence.Protocol
		listen   []string
	}{{evidence.IMAP, c.Listen.IMAPS}, {evidence.Submission, c.Listen.Submissions}} {
		if len(one.listen) == 0 {
			continue
		}
		_, text, err := net.SplitHostPort(one.listen[0])
		port, err2 := strconv.Atoi(text)
		if err == nil && err2 == nil {
			list = append(list, evidence.Endpoint{Protocol: one.protocol, Host: host, Port: port, Security: evidence.TLS, Origin: evidence.Given})
		}
	}
	return list
}

// askPostmaster brings a report of the doctor to whoever looks after the domain, from the account that asks.
func (s *service) askPostmaster(ctx context.Context, l clinic.Letter) error {
	to := "postmaster@" + evidence.DomainOf(l.From)
	if _, err := s.store.Resolve(ctx, to); err != nil {
		return fmt.Errorf("postmaster of %s: %w", l.From, err)
	}
	raw, err := s.helpLetter(l, to)
	if err != nil {
		return err
	}
	return s.mailReport(ctx, "", to, raw)
}

func (s *service) helpLetter(l clinic.Letter, to string) ([]byte, error) {
	var body bytes.Buffer
	parts := multipart.NewWriter(&body)
	for _, part := range []struct{ kind, disposition, text string }{
		{"text/plain; charset=utf-8", "inline", l.Text}, {"application/zip", `attachment; filename="` + l.Reference + `.zip"`, string(l.Bundle)},
	} {
		w, err := parts.CreatePart(textproto.MIMEHeader{"Content-Type": {part.kind}, "Content-Disposition": {part.disposition}, "Content-Transfer-Encoding": {"base64"}})
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(base64Lines([]byte(part.text))); err != nil {
			return nil, err
		}
	}
	if err := parts.Close(); err != nil {
		return nil, err
	}
	now := s.store.Now()
	var h message.Header
	h.AddAddresses("From", []message.Address{{Email: l.From}})
	h.AddAddresses("To", []message.Address{{Email: to}})
	h.AddText("Subject", s.clinic.Subject(l))
	h.AddDate("Date", now)
	h.AddMessageIDs("Message-ID", store.NewTraceID(now).String()+"@"+s.config.Hostname)
	h.AddStructured("MIME-Version", "1.0")
	h.AddStructured("Content-Type", "multipart/mixed; boundary="+parts.Boundary())
	return append(append(h.Bytes(), '\r', '\n'), body.Bytes()...), nil
}

// base64Lines encodes in lines of 76 octets (RFC 2045 section 6.8).
func base64Lines(raw []byte) []byte {
	const line = 57 // octets that make 76
	var b bytes.Buffer
	for len(raw) > 0 {
		n := min(line, len(raw))
		b.WriteString(base64.StdEncoding.EncodeToString(raw[:n]) + "\r\n")
		raw = raw[n:]
	}
	return b.Bytes()
}
