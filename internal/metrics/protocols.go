package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/outbound"
	"github.com/postiljon/postiljon/internal/protocol/imapd"
	"github.com/postiljon/postiljon/internal/protocol/popd"
	"github.com/postiljon/postiljon/internal/protocol/sieved"
	"github.com/postiljon/postiljon/internal/protocol/smtpd"
)

// SMTP counts for smtpd.
type SMTP struct{ set *Set }

var _ smtpd.Metrics = SMTP{}

// SMTP is what the SMTP and submission server tells.
func (s *Set) SMTP() SMTP { return SMTP{s} }

// Opened implements smtpd.Metrics.
func (m SMTP) Opened(listener string) {
	name := service(listener)
	m.set.connections.WithLabelValues(name).Inc()
	m.set.opened.WithLabelValues(name).Inc()
}

// Closed implements smtpd.Metrics.
func (m SMTP) Closed(listener string, reason smtpd.Reason) {
	name := service(listener)
	m.set.connections.WithLabelValues(name).Dec()
	m.set.closed.WithLabelValues(name, string(reason)).Inc()
}

// Accepted implements smtpd.Metrics.
func (m SMTP) Accepted(listener string, octets int64) {
	name := service(listener)
	m.set.messages.WithLabelValues("in", name).Inc()
	m.set.octets.WithLabelValues("in", name).Add(float64(octets))
}

// Refused implements smtpd.Metrics.
func (m SMTP) Refused(listener string, id cause.ID) {
	m.set.refusals.WithLabelValues(service(listener), string(id)).Inc()
}

// IMAP counts for imapd.
type IMAP struct {
	set      *Set
	sessions prometheus.Gauge
}

var _ imapd.Metrics = (*IMAP)(nil)

// IMAP is what the IMAP server tells.
func (s *Set) IMAP() *IMAP { return &IMAP{set: s, sessions: s.sessions.WithLabelValues("imap")} }

// Command implements imapd.Metrics.
func (m *IMAP) Command(name, status string, took time.Duration) {
	m.set.commands.WithLabelValues("imap", name, status).Observe(took.Seconds())
}

// Sessions implements imapd.Metrics.
func (m *IMAP) Sessions(delta int) { m.sessions.Add(float64(delta)) }

// POP3 counts for popd.
type POP3 struct {
	set      *Set
	sessions prometheus.Gauge
}

var _ popd.Metrics = (*POP3)(nil)

// POP3 is what the POP3 server tells.
func (s *Set) POP3() *POP3 { return &POP3{set: s, sessions: s.sessions.WithLabelValues("pop3")} }

// Command implements popd.Metrics.
func (m *POP3) Command(name string, ok bool, took time.Duration) {
	status := "OK"
	if !ok {
		status = "ERR"
	}
	m.set.commands.WithLabelValues("pop3", name, status).Observe(took.Seconds())
}

// Sessions implements popd.Metrics.
func (m *POP3) Sessions(delta int) { m.sessions.Add(float64(delta)) }

// Sieve counts for sieved.
type Sieve struct {
	set      *Set
	sessions prometheus.Gauge
}

var _ sieved.Metrics = (*Sieve)(nil)

// Sieve is what the ManageSieve server tells.
func (s *Set) Sieve() *Sieve { return &Sieve{set: s, sessions: s.sessions.WithLabelValues("sieve")} }

// Command implements sieved.Metrics.
func (m *Sieve) Command(name string, ok bool, took time.Duration) {
	status := "OK"
	if !ok {
		status = "NO"
	}
	m.set.commands.WithLabelValues("sieve", name, status).Observe(took.Seconds())
}

// Sessions implements sieved.Metrics.
func (m *Sieve) Sessions(delta int) { m.sessions.Add(float64(delta)) }

// Outbound counts for the queue.
type Outbound struct{ set *Set }

var _ outbound.Metrics = Outbound{}

// Outbound is what the queue tells.
func (s *Set) Outbound() Outbound { return Outbound{s} }

// Recipient implements outbound.Metrics.
func (m Outbound) Recipient(o outbound.Outcome, id cause.ID) {
	m.set.outcomes.WithLabelValues(string(o), string(id)).Inc()
}

// Connection implements outbound.Metrics.
func (m Outbound) Connection(t outbound.TLSUse, err error) {
	result := "ok"
	if err != nil {
		result = "failed"
	}
	m.set.remote.WithLabelValues(string(t), result).Inc()
}

// Report implements outbound.Metrics.
func (m Outbound) Report(kind outbound.ReportKind) { m.set.reports.WithLabelValues(string(kind)).Inc() }

// Refused counts a refusal of a service that does not count its own.
func (s *Set) Refused(listener string, id cause.ID) {
	s.refusals.WithLabelValues(service(listener), string(id)).Inc()
}
