package lab

import (
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/lab/peer"
)

// TestProvidersMeet sends from one provider to another and looks what becomes of it.
func TestProvidersMeet(t *testing.T) {
	for name, tc := range map[string]struct {
		inject func(w *World, east *Provider)
		to     string
		inbox  string // what the sender finds
		waits  string
	}{
		"delivered":    {nil, "bo@east.example", "", ""},
		"no such user": {nil, "nobody@east.example", "Status: 5.1.1", ""},
		"full": {func(_ *World, east *Provider) {
			east.Mail.Change("bo@east.example", func(a *peer.Account) { a.Quota = 1 })
		}, "bo@east.example", "Diagnostic-Code: smtp; 552 5.2.2 Mailbox is full", ""},
		"greylisted": {func(_ *World, east *Provider) { east.MX.On("RCPT", peer.Say("greylisted")) }, "bo@east.example", "", "451 4.7.1"},
		"null MX":    {func(_ *World, east *Provider) { east.Zone.Set("@ MX 0 .") }, "bo@east.example", "Status: 5.1.10", ""},
		"no domain":  {nil, "bo@esat.example", "Status: 5.1.2", ""},
		"port closed": {func(w *World, _ *Provider) {
			w.Vantage(serversVantage).Break(Where{Port: 25}, Refuse())
		}, "bo@east.example", "", "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, p := north(t)
			east := w.Provider("east.example")
			east.Account("bo@east.example", "secret")
			if tc.inject != nil {
				tc.inject(w, east)
			}
			p.Submission.Configure(func(o *peer.SMTPOptions) { o.PlainAuth = true })
			k := dial(t, w.Home(), submission, false)
			for _, step := range [][2]string{
				{"", "220 "}, {"EHLO me.test", "250 "}, {"AUTH PLAIN AGFubmFAbm9ydGguZXhhbXBsZQBzZWNyZXQ=", "235 "},
				{"MAIL FROM:<anna@north.example>", "250 "}, {"RCPT TO:<" + tc.to + ">", "250 "}, {"DATA", "354 "},
				{"Subject: hello\r\n\r\n..dot\r\n.", "250 "},
			} {
				k.say(step[0], step[1])
			}
			arrived := func() string { return strings.Join(east.Mail.Messages("bo@east.example", "INBOX"), "") }
			returned := func() string { return strings.Join(p.Mail.Messages("anna@north.example", "INBOX"), "") }
			for end := time.Now().Add(10 * time.Second); arrived() == "" && returned() == "" && len(p.Waiting()) == 0; time.Sleep(5 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("nothing becomes of the message")
				}
			}
			switch {
			case tc.inbox != "":
				if got := returned(); !strings.Contains(got, tc.inbox) {
					t.Errorf("the sender gets %q", got)
				}
			case tc.waits != "":
				if got := p.Waiting(); len(got) != 1 || !strings.Contains(got[0].Reason, tc.waits) {
					t.Errorf("waiting: %+v", got)
				}
			default:
				if got := arrived(); got != "Subject: hello\r\n\r\n.dot\r\n" {
					t.Errorf("arrived: %q", got)
				}
			}
		})
	}
}
