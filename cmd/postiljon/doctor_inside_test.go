package main

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/control"
	"github.com/postiljon/postiljon/internal/store"
)

// hostedAccount is a service that runs, with an account and its control socket.
type hostedAccount struct {
	*served
	*control.Client
	socket string
	id     store.AccountID
}

const hostedAddress, hostedPassword = "anna@example.org", "the first password"

func hostAccount(t *testing.T) *hostedAccount {
	t.Helper()
	h := &hostedAccount{socket: filepath.Join(t.TempDir(), "socket")}
	h.served = serveMail(t, func(c *config.Config) { c.Limits.AddressHourly = 3 })
	l, err := control.Listen(h.socket)
	if err != nil {
		t.Fatal(err)
	}
	go h.control.Serve(l)
	h.Client = control.NewClient(h.socket)
	t.Cleanup(h.Client.Close)
	if _, err := h.AddDomain(t.Context(), "example.org"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.AddAccount(t.Context(), control.NewAccount{Address: hostedAddress, Password: hostedPassword}); err != nil {
		t.Fatal(err)
	}
	a, err := h.store.AccountByAddress(t.Context(), hostedAddress)
	if err != nil {
		t.Fatal(err)
	}
	h.id = a.ID
	return h
}

// diagnose runs doctor --server against the account, from this machine alone, and
// returns the causes that it names.
func (h *hostedAccount) diagnose(t *testing.T, symptom string) (causes []cause.ID) {
	t.Helper()
	t.Setenv("POSTILJON_PASSWORD", hostedPassword)
	at := func(service string) string {
		_, port, err := net.SplitHostPort(h.addresses[service])
		if err != nil {
			t.Fatal(err)
		}
		return "127.0.0.1:" + port + "/tls"
	}
	out, err := os.Create(filepath.Join(t.TempDir(), "report"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	d := doctorCommand{
		Address: hostedAddress, Symptom: symptom, Server: h.socket, IMAP: at("imaps"), SMTP: at("submissions"), CA: h.certs.CAFile(),
		Resolver: "127.0.0.1:1", Timeout: 20 * time.Second, Lang: "en", Format: "json",
	}
	err = d.Run(t.Context(), &streams{in: os.Stdin, out: out, err: io.Discard}, &commands{})
	if e, ok := errors.AsType[exitWith](err); err != nil && (!ok || e.error != nil) {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Verdict struct {
			Causes []struct{ ID cause.ID }
		}
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	for _, c := range r.Verdict.Causes {
		causes = append(causes, c.ID)
	}
	return causes
}

func (h *hostedAccount) change(t *testing.T, c control.ChangeAccount) {
	t.Helper()
	c.Address = hostedAddress
	if _, err := h.ChangeAccount(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

// TestDoctorAsksTheServer: what only the server knows, the doctor names when it may ask it.
func TestDoctorAsksTheServer(t *testing.T) {
	for _, c := range []struct {
		want    cause.ID
		symptom string
		harm    func(*testing.T, *hostedAccount)
	}{
		{cause.AccountSuspendedUnpaid, "signin", func(t *testing.T, h *hostedAccount) {
			unpaid := cause.AccountSuspendedUnpaid
			h.change(t, control.ChangeAccount{Suspended: &unpaid})
		}},
		{cause.AccountMailDisabled, "signin", func(t *testing.T, h *hostedAccount) {
			yes := true
			h.change(t, control.ChangeAccount{Disabled: &yes})
		}},
		{cause.QuotaMailboxFull, "receive", func(t *testing.T, h *hostedAccount) {
			fillMailbox(t, h)
			quota := int64(10)
			h.change(t, control.ChangeAccount{Quota: &quota})
		}},
		{cause.LimitAddressHourly, "send", func(t *testing.T, h *hostedAccount) {
			for range 3 {
				if _, d := h.policies.sending.Take(t.Context(), &store.Account{Address: hostedAddress}, 1); !d.Allowed() {
					t.Fatal(d.Cause)
				}
			}
		}},
	} {
		t.Run(string(c.want), func(t *testing.T) {
			h := hostAccount(t)
			c.harm(t, h)
			if causes := h.diagnose(t, c.symptom); !slices.Contains(causes, c.want) {
				t.Errorf("causes %q", causes)
			}
		})
	}
}

// fillMailbox puts one message into the INBOX.
func fillMailbox(t *testing.T, h *hostedAccount) {
	t.Helper()
	u := h.signIn("imaps", hostedPassword)
	const message = "Subject: one\r\n\r\nHello.\r\n"
	u.ask("b APPEND INBOX {24+}\r\n"+message, "b OK")
}

// TestServerEvidence: the limits, the events and the addresses that nobody has.
func TestServerEvidence(t *testing.T) {
	h := hostAccount(t)
	for range 3 {
		h.policies.sending.Take(t.Context(), &store.Account{Address: hostedAddress}, 1)
	}
	h.signIn("imaps", hostedPassword)
	in, err := serverInside(h.socket).Account(t.Context(), hostedAddress)
	if err != nil {
		t.Fatal(err)
	}
	if !in.Exists || in.State != "active" || len(in.Off) > 0 || in.Usage == nil {
		t.Errorf("%+v", in)
	}
	if l := in.Limits[0]; l.Used != 3 || l.Max != 3 || l.Until == nil || !l.Until.After(time.Now()) {
		t.Errorf("limit %+v", l)
	}
	if e := in.Events[len(in.Events)-1]; e.Kind != "sign-in" || e.Text["client"] != "127.0.0.1" {
		t.Errorf("the last event is %+v", e)
	}
	if len(in.Sessions) != 1 || in.Sessions[0].Protocol != "imap" || in.Sessions[0].Client != "127.0.0.1" || !in.Sessions[0].Open {
		t.Errorf("sessions %+v", in.Sessions)
	}
	for address, want := range map[string]string{"bo@example.org": "gone", "bo@elsewhere.example": ""} {
		in, err := serverInside(h.socket).Account(t.Context(), address)
		if err != nil || in.State != want || in.Exists != (want != "") {
			t.Errorf("%s: %+v, %v", address, in, err)
		}
	}
}
