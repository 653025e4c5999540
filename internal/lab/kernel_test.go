package lab

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/lab/peer"
)

// outcome names what a connection came to, without addresses and ports of the moment.
func outcome(err error) string {
	var op *net.OpError
	var errno syscall.Errno
	switch {
	case err == nil:
		return "ok"
	case !errors.As(err, &op):
		return fmt.Sprintf("%T", err)
	case errors.As(err, &errno):
		return fmt.Sprintf("%s %s %s timeout=%v %T", op.Op, op.Net, errno.Error(), op.Timeout(), op.Err)
	}
	return fmt.Sprintf("%s %s %s timeout=%v deadline=%v", op.Op, op.Net, op.Err, op.Timeout(), errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded))
}

// connect tries an address and, if it answers, what comes first.
func connect(v *Vantage, network, addr, say string, d time.Duration) string {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	c, err := v.DialContext(ctx, network, addr)
	if err != nil {
		return outcome(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(d))
	if _, err := io.WriteString(c, say); err != nil {
		return outcome(err)
	}
	_, err = c.Read(make([]byte, 1))
	return outcome(err)
}

// TestKernelAgrees does the same things to a simulated network and to a real one and
// compares what a client is told. Who may not make namespaces compares a simulation
// with itself.
func TestKernelAgrees(t *testing.T) {
	t.Parallel()
	worlds := map[string]*World{"simulated": New(t), "real": NewReal(t)}
	t.Logf("the real network is real: %v", worlds["real"].Real())
	providers := make(map[string]*Provider)
	for name, w := range worlds {
		providers[name] = w.Provider("north.example")
		providers[name].Account("anna@north.example", "secret")
	}
	for _, tc := range []struct {
		name    string
		inject  func(w *World) []*Rule
		network string
		port    int
		say     string
		patient bool // an answer must come
		want    string
	}{
		{"all is well", nil, "tcp", 143, "", true, "ok"},
		{"nobody listens", nil, "tcp", 4190, "", true, "dial tcp connection refused timeout=false *os.SyscallError"},
		{"refused", single(Where{Port: 143}, Refuse()), "tcp", 143, "", true, "dial tcp connection refused timeout=false *os.SyscallError"},
		{"no host", single(Where{Port: 143}, HostUnreachable()), "tcp", 143, "", true, "dial tcp no route to host timeout=false *os.SyscallError"},
		{"no network", single(Where{Port: 143}, NetworkUnreachable()), "tcp", 143, "", true, "dial tcp network is unreachable timeout=false *os.SyscallError"},
		{"forbidden", single(Where{Host: "imap.north.example", Port: 143}, Denied()), "tcp", 143, "", true, "dial tcp permission denied timeout=false *os.SyscallError"},
		{"another port forbidden", single(Where{Port: 993}, Denied()), "tcp", 143, "", true, "ok"},
		{"dropped", single(Where{Host: "*.north.example"}, Drop()), "tcp", 143, "", false, "dial tcp i/o timeout timeout=true deadline=true"},
		{"all lost", single(Where{Port: 143}, Loss(100, 3)), "tcp", 143, "", false, "dial tcp i/o timeout timeout=true deadline=true"},
		{"none lost", single(Where{Port: 143}, Loss(0, 3)), "tcp", 143, "", true, "ok"},
		{"another device", single(Where{From: "abroad", Port: 143}, Drop()), "tcp", 143, "", true, "ok"},
		{"reset at the hello", single(Where{Port: 993}, ResetHello()), "tcp", 993, "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", true, "read tcp connection reset by peer timeout=false *os.SyscallError"},
		{"stalled at the hello", single(Where{Port: 993}, StallHello()), "tcp", 993, "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", false, "read tcp i/o timeout timeout=true deadline=true"},
		{"datagrams refused", single(Where{Port: 53}, Refuse()), "udp", 53, "xx", true, "read udp connection refused timeout=false *os.SyscallError"},
		{"datagrams dropped", single(Where{Network: "udp"}, Drop()), "udp", 53, "xx", false, "read udp i/o timeout timeout=true deadline=true"},
	} {
		for _, family := range []int{4, 6} {
			got := make(map[string]string)
			for name, w := range worlds {
				var rules []*Rule
				if tc.inject != nil {
					rules = tc.inject(w)
				}
				host := providers[name].IMAPHost
				if tc.network == "udp" {
					host = w.Host(ISPResolver)
				}
				addr := host.V4()
				if family == 6 {
					addr = host.V6()
				}
				patience := 100 * time.Millisecond
				if tc.patient {
					patience = 5 * time.Second
				}
				got[name] = connect(w.Home(), tc.network, joinPort(addr, tc.port), tc.say, patience)
				RemoveAll(rules)
			}
			for name, g := range got {
				if g != tc.want {
					t.Errorf("%s, IPv%d, %s: %s, want %s", tc.name, family, name, g, tc.want)
				}
			}
		}
	}
}

func single(where Where, f Fault) func(*World) []*Rule {
	return func(w *World) []*Rule { return []*Rule{w.Break(where, f)} }
}

// TestRealNetwork does what only some rules touch: names, states of the device, large
// packets, a middlebox.
func TestRealNetwork(t *testing.T) {
	t.Parallel()
	w := NewReal(t)
	p := w.Provider("north.example")
	p.Account("anna@north.example", "secret")
	p.Mail.Put("anna@north.example", "INBOX", "Subject: large\n\n"+strings.Repeat("0123456789abcdef\n", 2000))
	home := w.Home()

	k := dial(t, home, imaps, true)
	k.say("", "* OK")
	k.say("a LOGIN anna@north.example secret", "a OK")
	if got := p.IMAP.SignIns()[0].Client; got != home.Addr(6).String() && got != home.Addr(4).String() {
		t.Errorf("the server sees %s", got)
	}
	k.say("b SELECT INBOX", "b OK")
	k.say("c FETCH 1 BODY[]", "c OK")
	r := w.Break(Where{Port: 993}, BlackHole(1400, Down))
	if w.Real() { // a simulated network breaks new connections only
		io.WriteString(k.c, "d FETCH 1 BODY[]\r\n")
		k.c.SetDeadline(time.Now().Add(200 * time.Millisecond))
		if n, err := io.Copy(io.Discard, k.c); !errors.Is(err, os.ErrDeadlineExceeded) || n > 20000 {
			t.Errorf("through the black hole came %d octets, %v", n, err)
		}
	}
	r.Remove()

	box := w.Host("middlebox.hotel.example")
	w.check(box.Serve(587, peer.NewSMTP("middlebox.hotel.example", p.Mail, true)))
	w.Vantage("hotel").Break(Where{Port: 587}, Divert(box))
	dial(t, w.Vantage("hotel"), submission, false).say("", "220 middlebox.hotel.example")
	dial(t, home, submission, false).say("", "220 smtp.north.example")

	p.SMTPHost.Shut(587)
	if got := connect(home, "tcp", joinPort(p.SMTPHost.V4(), 587), "", 5*time.Second); !strings.Contains(got, "refused") {
		t.Errorf("a shut port: %s", got)
	}
	home.SetIPv6(false)
	if got := connect(home, "tcp", joinPort(p.IMAPHost.V6(), 143), "", 5*time.Second); !strings.Contains(got, "network is unreachable") {
		t.Errorf("without IPv6: %s", got)
	}
	if got := connect(home, "tcp", joinPort(p.IMAPHost.V4(), 143), "", 5*time.Second); got != "ok" {
		t.Errorf("without IPv6, over IPv4: %s", got)
	}
	home.SetOffline(true)
	if got := connect(home, "tcp", joinPort(p.IMAPHost.V4(), 143), "", 5*time.Second); !strings.Contains(got, "network is unreachable") {
		t.Errorf("offline: %s", got)
	}
	home.SetOffline(false)
	home.SetIPv6(true)
	if got := connect(home, "tcp", joinPort(p.IMAPHost.V6(), 143), "", 5*time.Second); got != "ok" {
		t.Errorf("online again: %s", got)
	}
	if got := connect(home, "tcp", "192.0.2.251:143", "", 5*time.Second); !strings.Contains(got, "no route to host") {
		t.Errorf("nobody's address: %s", got)
	}
}

// TestCommand runs a program on a device, which sees the world and nothing else.
func TestCommand(t *testing.T) {
	t.Parallel()
	w := NewReal(t)
	w.Provider("north.example")
	cmd, err := w.Home().Command("curl", "-sS", "--max-time", "10", "https://www.north.example/mail/")
	if !w.Real() {
		if !errors.Is(err, ErrSimulated) {
			t.Errorf("in a simulated network: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := w.Home().Start(cmd); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || !strings.Contains(out.String(), "<title>Mail</title>") {
		t.Errorf("curl: %v, %q", err, out.String())
	}
}

// TestProxy has done on the router what a packet filter cannot.
func TestProxy(t *testing.T) {
	t.Parallel()
	w := NewReal(t)
	p := w.Provider("north.example")
	p.Account("anna@north.example", "secret")
	home, company := w.Home(), w.Authority("Company")
	at := func(h *Host, family, port int) string {
		if family == 6 {
			return joinPort(h.V6(), port)
		}
		return joinPort(h.V4(), port)
	}
	for _, family := range []int{4, 6} {
		strip := home.Break(Where{Port: 587}, StripSTARTTLS())
		k := dial(t, home, at(p.SMTPHost, family, 587), false)
		k.say("", "220 ")
		if got := k.say("EHLO me.test", "250 "); strings.Contains(got, "STARTTLS") {
			t.Errorf("IPv%d: EHLO answers %q", family, got)
		}
		strip.Remove()

		cut := w.Break(Where{Host: "smtp.north.example", Port: 587, Times: 1}, ResetAfter(5, Down))
		if got := connectAll(home, at(p.SMTPHost, family, 587)); !strings.Contains(got, "reset by peer") {
			t.Errorf("IPv%d: cut off: %s", family, got)
		}
		k = dial(t, home, at(p.SMTPHost, family, 587), false)
		k.say("", "220 ")
		if cut.Hits() != 1 {
			t.Errorf("IPv%d: the rule counts %d hits", family, cut.Hits())
		}
		cut.Remove()
	}
	byName := w.Break(Where{SNI: "imap.north.example"}, ResetHello())
	for name, want := range map[string]bool{"imap.north.example": false, "other.example": true} {
		c, err := home.DialContext(soon(t, 5*time.Second), "tcp", at(p.IMAPHost, 4, 993))
		if err != nil {
			t.Fatal(err)
		}
		err = tls.Client(c, &tls.Config{ServerName: name, InsecureSkipVerify: true}).HandshakeContext(soon(t, 5*time.Second))
		if (err == nil) != want {
			t.Errorf("a hello to %s: %v", name, err)
		}
		c.Close()
	}
	byName.Remove()

	home.Break(Where{Port: 993}, Resign(company))
	home.Trust(company)
	k := dial(t, home, imaps, true)
	k.say("", "* OK")
	if org := k.c.(*tls.Conn).ConnectionState().PeerCertificates[0].Issuer.Organization[0]; org != "Company" {
		t.Errorf("issued by %s", org)
	}
}

// connectAll reads to the end of a connection.
func connectAll(v *Vantage, addr string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := v.DialContext(ctx, "tcp", addr)
	if err != nil {
		return outcome(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	_, err = io.Copy(io.Discard, c)
	return outcome(err)
}
