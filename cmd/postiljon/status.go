package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/control"
	"github.com/postiljon/postiljon/internal/web"
)

// status is how the service is, for 'postiljon status'.
func (s *service) status(ctx context.Context) control.Status {
	st := control.Status{
		Version: version(), Hostname: s.config.Hostname, PID: os.Getpid(), Started: s.started, Data: s.config.Data,
		Connections: s.policies.connections.Open(), Memory: resident(), FreeSpace: freeSpace(s.config.Data),
	}
	for _, service := range s.config.Listen.Services() {
		for _, l := range s.open[service.Name] {
			st.Listeners = append(st.Listeners, control.Listener{Service: service.Name, Address: l.Addr().String()})
		}
	}
	leaf := s.certs.Leaf()
	st.Certificate.Names, st.Certificate.Until, st.Certificate.Private = leaf.DNSNames, leaf.NotAfter, s.certs.CAFile() != ""
	st.Certificate.Trouble = s.certs.Trouble()
	if err := s.ready(ctx); err != nil {
		st.Trouble = err.Error()
	}
	return st
}

// readySetting is written to see whether the store takes what it is given.
const readySetting = "ready"

// ready looks whether the service can do its work: the store can be written,
// and the certificate is valid.
func (s *service) ready(ctx context.Context) error {
	var failed []error
	if err := s.store.PutSetting(ctx, readySetting, []byte(s.store.Now().UTC().Format(time.RFC3339))); err != nil {
		failed = append(failed, fmt.Errorf("the store cannot be written: %w", err))
	}
	if until := s.certs.Leaf().NotAfter; time.Now().After(until) {
		failed = append(failed, fmt.Errorf("the certificate expired at %s", until.Format(time.DateTime)))
	}
	return errors.Join(failed...)
}

// advertised are the services that mail programs are told of. TLS from the
// start comes first, as RFC 8314 wants it.
func advertised(c *config.Config) []web.Service {
	var all []web.Service
	add := func(addresses []string, protocol string, tls, outgoing bool) {
		if len(addresses) == 0 {
			return
		}
		_, port, err := net.SplitHostPort(addresses[0])
		if err != nil {
			return // it was checked
		}
		all = append(all, web.Service{Protocol: protocol, Port: port, TLS: tls, Outgoing: outgoing})
	}
	l := &c.Listen
	add(l.IMAPS, "IMAP", true, false)
	add(l.IMAP, "IMAP", false, false)
	add(l.POP3S, "POP3", true, false)
	add(l.POP3, "POP3", false, false)
	add(l.Submissions, "SMTP", true, true)
	add(l.Submission, "SMTP", false, true)
	return all
}

// mailServer is the name that mail programs connect to: localhost where the
// service listens on no other address.
func mailServer(c *config.Config) string {
	for _, service := range c.Listen.Services() {
		for _, address := range service.Addresses {
			host, _, err := net.SplitHostPort(address)
			if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
				return c.Hostname
			}
		}
	}
	return "localhost"
}

// registerGauges adds what is read when the metrics are.
func (s *service) registerGauges() {
	s.metrics.Gauge("queue_waiting", "Deliveries to other servers that wait for their time.", func() float64 { return float64(s.queue.Stats().Waiting) })
	s.metrics.Gauge("queue_ready", "Deliveries to other servers that wait for a connection.", func() float64 { return float64(s.queue.Stats().Ready) })
	s.metrics.Gauge("queue_active", "Deliveries to other servers being made.", func() float64 { return float64(s.queue.Stats().Active) })
	s.metrics.Gauge("open_connections", "Connections counted by the limits.", func() float64 { return float64(s.policies.connections.Open()) })
	s.metrics.Gauge("bans", "Bans that hold.", func() float64 { return float64(len(s.policies.guard.Bans(context.Background()))) })
	s.metrics.Gauge("data_free_octets", "Free room on the volume of the data folder.", func() float64 { return float64(freeSpace(s.config.Data)) })
	s.metrics.Gauge("certificate_seconds", "Time until the certificate expires.", func() float64 { return time.Until(s.certs.Leaf().NotAfter).Seconds() })
	s.metrics.Counter("events_dropped_total", "Events of the journal that were lost.", func() float64 { return float64(s.journal.Dropped()) })
}
