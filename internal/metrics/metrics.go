// Package metrics counts what the service does, for Prometheus. The protocol
// packages declare small interfaces for what they tell; here these meet the
// collectors. Labels have few values that nobody outside can choose: services,
// cause ids, results.
package metrics

import (
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/postiljon/postiljon/internal/cause"
)

// Set is every collector of a service. It is safe for concurrent use.
type Set struct {
	registry *prometheus.Registry

	connections *prometheus.GaugeVec     // service
	opened      *prometheus.CounterVec   // service
	closed      *prometheus.CounterVec   // service, reason
	sessions    *prometheus.GaugeVec     // protocol
	messages    *prometheus.CounterVec   // direction, service or outcome
	octets      *prometheus.CounterVec   // direction
	refusals    *prometheus.CounterVec   // service, cause
	signIns     *prometheus.CounterVec   // protocol, result
	commands    *prometheus.HistogramVec // protocol, command
	outcomes    *prometheus.CounterVec   // outcome, cause
	remote      *prometheus.CounterVec   // tls, result
	reports     *prometheus.CounterVec   // kind
	commits     prometheus.Histogram
}

// New makes a Set with the collectors of Go and of the process.
func New() *Set {
	s := &Set{registry: prometheus.NewRegistry()}
	s.connections = gauge("connections", "Open connections.", "service")
	s.opened = counter("connections_total", "Connections taken.", "service")
	s.closed = counter("connections_closed_total", "Connections ended, by reason.", "service", "reason")
	s.sessions = gauge("sessions", "Open sessions.", "protocol")
	s.messages = counter("messages_total", "Messages taken in and handed out.", "direction", "service")
	s.octets = counter("message_octets_total", "Octets of messages taken in and handed out.", "direction", "service")
	s.refusals = counter("refusals_total", "Refusals and delays on the wire, by cause.", "service", "cause")
	s.signIns = counter("sign_ins_total", "Sign-ins: ok, or the cause of the refusal.", "protocol", "result")
	s.outcomes = counter("outbound_recipients_total", "Attempts to deliver to one recipient, by outcome.", "outcome", "cause")
	s.remote = counter("outbound_connections_total", "Connections to other servers.", "tls", "result")
	s.reports = counter("reports_total", "Delivery reports sent.", "kind")
	s.commands = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Name: "command_seconds", Help: "Time from a command to its answer.",
		Buckets: prometheus.ExponentialBuckets(50e-6, 4, 10),
	}, []string{"protocol", "command", "status"})
	s.commits = prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: namespace, Name: "commit_seconds", Help: "Time to make a message durable, as its sender waits for it.",
		Buckets: prometheus.ExponentialBuckets(100e-6, 2, 16),
	})
	s.registry.MustRegister(
		s.connections, s.opened, s.closed, s.sessions, s.messages, s.octets, s.refusals, s.signIns,
		s.outcomes, s.remote, s.reports, s.commands, s.commits,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return s
}

const namespace = "postiljon"

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

// Handler serves the metrics in the text format of Prometheus.
func (s *Set) Handler() http.Handler {
	return promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{})
}

// Gauge adds a value that is read when the metrics are.
func (s *Set) Gauge(name, help string, read func() float64) {
	s.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, read))
}

// Counter adds a count that is kept elsewhere and read when the metrics are.
func (s *Set) Counter(name, help string, read func() float64) {
	s.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, read))
}

// SignIn counts a sign-in; id is "" for one that succeeded.
func (s *Set) SignIn(protocol string, id cause.ID) {
	result := string(id)
	if id == "" {
		result = "ok"
	}
	s.signIns.WithLabelValues(protocol, result).Inc()
}

// Commit counts the time that making a message durable took.
func (s *Set) Commit(took time.Duration) { s.commits.Observe(took.Seconds()) }

// service drops what a listener's name says beyond the service: names are
// "imaps" or "imaps#2".
func service(listener string) string {
	name, _, _ := strings.Cut(listener, "#")
	return name
}
