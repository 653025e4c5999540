package metrics

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/outbound"
	"github.com/postiljon/postiljon/internal/protocol/smtpd"
)

func scrape(t *testing.T, s *Set) string {
	t.Helper()
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	b, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != http.StatusOK {
		t.Fatal(w.Code, err)
	}
	return string(b)
}

// Everything that is told can be read.
func TestEverythingIsCounted(t *testing.T) {
	s := New()
	s.SMTP().Opened("smtp#2")
	s.SMTP().Opened("smtp")
	s.SMTP().Closed("smtp", smtpd.ReasonQuit)
	s.SMTP().Accepted("smtp", 4096)
	s.SMTP().Refused("submission", cause.LimitAddressHourly)
	s.Refused("imaps", cause.LimitConnections)
	s.SignIn("imap", "")
	s.SignIn("imap", cause.AuthPasswordWrong)
	s.IMAP().Command("FETCH", "OK", time.Millisecond)
	s.IMAP().Sessions(3)
	s.POP3().Command("RETR", false, time.Millisecond)
	s.POP3().Sessions(1)
	s.Outbound().Recipient(outbound.OutcomeRelayed, "")
	s.Outbound().Connection(outbound.TLSVerified, errors.New("lost"))
	s.Outbound().Report(outbound.ReportFailed)
	s.Commit(3 * time.Millisecond)
	s.Gauge("depth", "Depth.", func() float64 { return 7 })
	s.Counter("lost_total", "Lost.", func() float64 { return 8 })
	text := scrape(t, s)
	for _, want := range []string{
		`postiljon_connections{service="smtp"} 1`,
		`postiljon_connections_total{service="smtp"} 2`,
		`postiljon_connections_closed_total{reason="quit",service="smtp"} 1`,
		`postiljon_messages_total{direction="in",service="smtp"} 1`,
		`postiljon_message_octets_total{direction="in",service="smtp"} 4096`,
		`postiljon_refusals_total{cause="limit.address-hourly",service="submission"} 1`,
		`postiljon_refusals_total{cause="limit.connections",service="imaps"} 1`,
		`postiljon_sign_ins_total{protocol="imap",result="ok"} 1`,
		`postiljon_sign_ins_total{protocol="imap",result="auth.password-wrong"} 1`,
		`postiljon_command_seconds_count{command="FETCH",protocol="imap",status="OK"} 1`,
		`postiljon_command_seconds_count{command="RETR",protocol="pop3",status="ERR"} 1`,
		`postiljon_sessions{protocol="imap"} 3`,
		`postiljon_outbound_recipients_total{cause="",outcome="relayed"} 1`,
		`postiljon_outbound_connections_total{result="failed",tls="verified"} 1`,
		`postiljon_reports_total{kind="failed"} 1`,
		`postiljon_commit_seconds_count 1`,
		`postiljon_depth 7`, `postiljon_lost_total 8`,
		`go_goroutines `, `process_open_fds `,
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("no %s", want)
		}
	}
}

// The hot paths of smtpd and imapd pay for counting: it must stay cheap.
func BenchmarkAccepted(b *testing.B) {
	m := New().SMTP()
	b.ReportAllocs()
	for b.Loop() {
		m.Accepted("smtp", 4096)
	}
}

func BenchmarkCommand(b *testing.B) {
	m := New().IMAP()
	b.ReportAllocs()
	for b.Loop() {
		m.Command("FETCH", "OK", time.Millisecond)
	}
}
