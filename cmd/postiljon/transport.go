package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/outbound"
	"github.com/postiljon/postiljon/internal/outbound/mtasts"
	"github.com/postiljon/postiljon/internal/outbound/smtpc"
	"github.com/postiljon/postiljon/internal/outbound/tlsrpt"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/store"
)

// openTransport opens what decides how other servers are reached: the MTA-STS policies
// of domains, in mta-sts.json of the data folder, and the counts of encrypted sessions
// that are reported to them, in tls-reports.json.
func (s *service) openTransport(ctx context.Context) (err error) {
	client := outbound.NewWebClient(outbound.WebOptions{Resolver: s.resolver, AllowPrivate: s.config.Queue.AllowPrivate})
	s.tlsPolicies, err = mtasts.New(ctx, mtasts.Options{
		Resolver: s.resolver, Client: client, Record: policy.FileRecord(s.path("mta-sts.json")), Log: s.log,
	})
	if err != nil {
		return err
	}
	s.onClose("MTA-STS policies", s.tlsPolicies.Close)
	s.tlsReports, err = tlsrpt.New(ctx, tlsrpt.Options{
		Organization: s.config.Hostname, From: s.reportsFrom, Resolver: s.resolver, Client: client, Mail: s.mailReport,
		Record: policy.FileRecord(s.path("tls-reports.json")), Log: s.log,
	})
	if err != nil {
		return err
	}
	s.onClose("TLS reports", s.tlsReports.Close)
	return nil
}

// reportsFrom is the address that TLS reports come from; "" where they are switched off.
func (s *service) reportsFrom() string {
	if !s.config.Queue.TLSReports {
		return ""
	}
	return s.reportAddress()
}

// reportAddress is the address that reports to other domains come from, at a domain that
// we sign for.
func (s *service) reportAddress() string {
	host := address.NormalizeDomain(s.config.Hostname)
	for _, domain := range append([]string{host}, parents(host)...) {
		if _, err := s.store.Domain(context.Background(), domain); err == nil {
			return "postmaster@" + domain
		}
	}
	return "postmaster@" + host
}

// reportLifetime is when a report is no longer worth sending.
const reportLifetime = 24 * time.Hour

// mailReport queues a report of the service. It has no return path: nobody waits to hear
// that it could not be delivered.
func (s *service) mailReport(ctx context.Context, _, to string, raw []byte) error {
	return s.mailOut(ctx, to, raw, time.Now().Add(reportLifetime))
}

// mailOut queues a message of the service itself, which is worth nothing after a time and which nobody hears of if it cannot be delivered.
func (s *service) mailOut(ctx context.Context, to string, raw []byte, until time.Time) error {
	ref, err := s.blobs.Put(ctx, raw)
	if err != nil {
		return err
	}
	return s.queue.Submit(ctx, store.Submission{
		Blob: ref, Size: int64(len(raw)), Expires: until,
		Recipients: []store.SubmissionRecipient{{Address: to, Notify: "NEVER"}},
	})
}

// relays reads the relays of the configuration, those with the closest conditions first.
func relays(c *config.Config, log *slog.Logger) (list []outbound.Relay, err error) {
	names := slices.SortedFunc(maps.Keys(c.Relays), func(a, b string) int {
		return cmp.Or(cmp.Compare(closeness(c.Relays[b]), closeness(c.Relays[a])), strings.Compare(a, b))
	})
	for _, name := range names {
		r := c.Relays[name]
		relay := outbound.Relay{
			Name: name, PerMinute: r.PerMinute, Connections: r.Connections,
			From: normalized(r.From), To: normalized(r.To), Host: address.NormalizeDomain(r.Host),
			Port: r.Port, TLS: outbound.RelayTLS(cmp.Or(r.TLS, string(outbound.RelayStartTLS))),
		}
		if relay.Port == 0 {
			relay.Port = map[outbound.RelayTLS]uint16{outbound.RelayStartTLS: 587, outbound.RelayImplicit: 465, outbound.RelayPlain: 25}[relay.TLS]
		}
		if r.User != "" {
			password, err := readPasswordFile(r.PasswordFile, log)
			if err != nil {
				return nil, fmt.Errorf("relays.%s.password_file: %w", name, err)
			}
			relay.Credentials = &smtpc.Credentials{User: r.User, Password: password}
		}
		list = append(list, relay)
	}
	return list, nil
}

// closeness is larger for a relay whose conditions say more.
func closeness(r config.Relay) (n int) {
	if len(r.To) > 0 {
		n += 2
	}
	if len(r.From) > 0 {
		n++
	}
	return n
}

func normalized(domains []string) []string {
	list := make([]string, len(domains))
	for i, d := range domains {
		list[i] = address.NormalizeDomain(d)
	}
	return list
}

// maxPassword bounds the octets of a file with a password.
const maxPassword = 4 << 10

// readPasswordFile reads the first line of a file.
func readPasswordFile(file string, log *slog.Logger) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Mode().Perm()&0o077 != 0 {
		log.Warn("others can read a password", "file", file, "mode", info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, maxPassword))
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if line = strings.TrimRight(line, "\r"); line == "" {
		return "", fmt.Errorf("%s has no first line", file)
	}
	return line, nil
}
