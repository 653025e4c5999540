package lab

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/lab/ca"
	"github.com/postiljon/postiljon/internal/lab/peer"
)

const imaps, submission = "imap.north.example:993", "smtp.north.example:587"

// north is a world with one provider and one account.
func north(t *testing.T) (*World, *Provider) {
	t.Helper()
	w := New(t)
	p := w.Provider("north.example")
	p.Account("anna@north.example", "secret")
	return w, p
}

func TestConnectErrors(t *testing.T) {
	for _, tc := range []struct {
		fault Fault
		want  error
	}{
		{Refuse(), syscall.ECONNREFUSED},
		{NetworkUnreachable(), syscall.ENETUNREACH},
		{HostUnreachable(), syscall.EHOSTUNREACH},
		{Denied(), syscall.EACCES},
		{Drop(), context.DeadlineExceeded},
		{Loss(100, 1), context.DeadlineExceeded},
	} {
		t.Run(tc.fault.String(), func(t *testing.T) {
			t.Parallel()
			w, p := north(t)
			r := w.Break(Where{Host: "imap.north.example", Port: 993}, tc.fault)
			addr := joinPort(p.IMAPHost.V4(), 993)
			_, err := w.Home().DialContext(soon(t, 50*time.Millisecond), "tcp", addr)
			var op *net.OpError
			if !errors.Is(err, tc.want) || !errors.As(err, &op) || op.Op != "dial" || op.Addr.String() != addr {
				t.Fatalf("error is %#v, want %v at %s", err, tc.want, addr)
			}
			if timeout := op.Timeout(); timeout != errors.Is(tc.want, context.DeadlineExceeded) {
				t.Errorf("Timeout() is %v", timeout)
			}
			if r.Hits() != 1 {
				t.Errorf("the rule counts %d hits", r.Hits())
			}
			dial(t, w.Home(), "imap.north.example:143", false).say("", "* OK") // another port is well
			r.Remove()
			dial(t, w.Home(), imaps, true).say("", "* OK")
		})
	}
}

func TestNobodyThere(t *testing.T) {
	w, p := north(t)
	for addr, want := range map[string]error{
		"192.0.2.250:993":                 syscall.EHOSTUNREACH,
		joinPort(p.IMAPHost.V6(), 4190):   syscall.ECONNREFUSED,
		"imap.north.example:22":           syscall.ECONNREFUSED,
		"[2001:db8:ffff::1]:993":          syscall.EHOSTUNREACH,
		joinPort(p.SMTPHost.V4(), 993):    syscall.ECONNREFUSED,
		joinPort(p.IMAPHost.V4(), 100000): nil,
	} {
		_, err := w.Home().DialContext(soon(t, time.Second), "tcp", addr)
		if err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: error is %v, want %v", addr, err, want)
		}
	}
	_, err := w.Home().DialContext(soon(t, time.Second), "tcp", "imap.nroth.example:993")
	var dnsErr *net.DNSError
	if !errors.As(err, &dnsErr) || !dnsErr.IsNotFound {
		t.Errorf("an unknown name gives %v", err)
	}
}

func TestVantagesDiffer(t *testing.T) {
	w, p := north(t)
	abroad := w.Vantage("abroad")
	abroad.Break(Where{Host: "*.north.example"}, Drop())
	if _, err := abroad.DialContext(soon(t, 50*time.Millisecond), "tcp", joinPort(p.IMAPHost.V4(), 993)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("abroad: %v", err)
	}
	k := dial(t, w.Home(), imaps, true)
	k.say("", "* OK")
	k.say("a LOGIN anna@north.example secret", "a OK")
	if got := p.IMAP.SignIns()[0]; got.Client != w.Home().Addr(6).String() && got.Client != w.Home().Addr(4).String() {
		t.Errorf("the server sees %s, the client is %s or %s", got.Client, w.Home().Addr(4), w.Home().Addr(6))
	}

	w.Home().SetIPv6(false)
	if _, err := w.Home().DialContext(soon(t, time.Second), "tcp", joinPort(p.IMAPHost.V6(), 993)); !errors.Is(err, syscall.ENETUNREACH) {
		t.Errorf("without IPv6: %v", err)
	}
	w.Home().SetOffline(true)
	if _, err := w.Home().DialContext(soon(t, time.Second), "tcp", joinPort(p.IMAPHost.V4(), 993)); !errors.Is(err, syscall.ENETUNREACH) {
		t.Errorf("offline: %v", err)
	}
	for _, i := range w.Home().Interfaces() {
		if i.Default4 || i.Default6 {
			t.Errorf("offline, %s has a default route", i.Name)
		}
	}
}

func TestIPv6Broken(t *testing.T) {
	w, _ := north(t)
	w.Break(Where{Family: 6, Network: "tcp"}, Drop())
	k := dial(t, w.Home(), imaps, true) // IPv4 wins the race
	k.say("", "* OK")
	if !strings.HasPrefix(k.c.RemoteAddr().String(), "192.0.2.") {
		t.Errorf("connected to %s", k.c.RemoteAddr())
	}
}

func TestSkipAndTimes(t *testing.T) {
	w, p := north(t)
	w.Break(Where{Port: 993, Skip: 1, Times: 1}, Refuse())
	var outcome []bool
	for range 3 {
		c, err := w.Home().DialContext(soon(t, time.Second), "tcp", joinPort(p.IMAPHost.V4(), 993))
		if outcome = append(outcome, err == nil); err == nil {
			c.Close()
		}
	}
	if !outcome[0] || outcome[1] || !outcome[2] {
		t.Errorf("connected: %v", outcome)
	}
}

func TestLossIsSteady(t *testing.T) {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	addr := netip.MustParseAddrPort("192.0.2.10:993")
	lost := func(seed uint64) (out []bool) {
		f := Loss(30, seed)
		for i := range uint64(200) {
			out = append(out, f.connect(over, &attempt{network: "tcp", addr: addr, number: i}) != nil)
		}
		return out
	}
	a := lost(7)
	if !slices.Equal(a, lost(7)) || slices.Equal(a, lost(8)) {
		t.Error("one seed gives two outcomes, or two seeds give one")
	}
	n := 0
	for _, l := range a {
		if l {
			n++
		}
	}
	if n < 30 || n > 90 {
		t.Errorf("%d of 200 connections lost, want about 60", n)
	}
}

// TestMidway breaks connections while they are in use.
func TestMidway(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fault Fault
		want  error
	}{
		{"reset at once", ResetAfter(0, Down), syscall.ECONNRESET},
		{"reset in the greeting", ResetAfter(5, Down), syscall.ECONNRESET},
		{"cut in the greeting", CutAfter(5, Down), io.EOF},
		{"stall in the greeting", StallAfter(5, Down), os.ErrDeadlineExceeded},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w, _ := north(t)
			w.Break(Where{Port: 587}, tc.fault)
			k := dial(t, w.Home(), submission, false)
			patience := 5 * time.Second
			if tc.want == os.ErrDeadlineExceeded {
				patience = 200 * time.Millisecond
			}
			k.c.SetDeadline(time.Now().Add(patience))
			got, err := io.ReadAll(k.c)
			if err == nil {
				err = io.EOF
			}
			if !errors.Is(err, tc.want) {
				t.Fatalf("error is %v, want %v", err, tc.want)
			}
			if first := "220 s"; len(got) > 0 && string(got) != first {
				t.Errorf("read %q, want %q", got, first)
			}
			var op *net.OpError
			if errors.As(err, &op) && op.Addr.String() != k.c.RemoteAddr().String() {
				t.Errorf("the error names %s, not %s", op.Addr, k.c.RemoteAddr())
			}
		})
	}
}

func TestResetByName(t *testing.T) {
	w, p := north(t)
	r := w.Break(Where{SNI: "imap.north.example"}, ResetHello())
	at := joinPort(p.IMAPHost.V4(), 993)
	hello := func(name string) error {
		c, err := w.Home().DialContext(soon(t, time.Second), "tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return tls.Client(c, &tls.Config{ServerName: name, InsecureSkipVerify: true}).HandshakeContext(soon(t, time.Second))
	}
	if err := hello("imap.north.example"); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("with the name: %v", err)
	}
	if err := hello("other.example"); err != nil {
		t.Errorf("with another name: %v", err)
	}
	if r.Hits() != 1 {
		t.Errorf("the rule counts %d hits", r.Hits())
	}
}

func TestBlackHole(t *testing.T) {
	w, p := north(t)
	w.Break(Where{Port: 993}, BlackHole(1400, Down))
	p.Mail.Put("anna@north.example", "INBOX", "Subject: small\n\nsmall\n")
	p.Mail.Put("anna@north.example", "INBOX", "Subject: large\n\n"+strings.Repeat("0123456789abcdef\n", 500))
	p.IMAP.SetTLS(nil)
	w.check(p.IMAPHost.Serve(993, p.IMAP)) // in the clear: a packet is what is written
	p.IMAP.Configure(func(o *peer.IMAPOptions) { o.PlainAuth = true })
	k := dial(t, w.Home(), imaps, false)
	k.say("", "* OK")
	k.say("a LOGIN anna@north.example secret", "a OK")
	k.say("b SELECT INBOX", "b OK")
	k.say("c FETCH 1 BODY[]", "c OK")
	io.WriteString(k.c, "d FETCH 2 BODY[]\r\n")
	k.c.SetDeadline(time.Now().Add(200 * time.Millisecond))
	if got, err := io.ReadAll(k.c); !errors.Is(err, os.ErrDeadlineExceeded) || len(got) > 0 {
		t.Errorf("read %d octets, %v", len(got), err)
	}
}

func TestForgetIdle(t *testing.T) {
	t.Parallel()
	w, _ := north(t)
	w.Break(Where{Port: 993}, ForgetIdle(time.Second))
	k := dial(t, w.Home(), imaps, true)
	k.say("", "* OK")
	k.say("a NOOP", "a OK")
	time.Sleep(1100 * time.Millisecond)
	io.WriteString(k.c, "b NOOP\r\n")
	k.c.SetDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := k.c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the old connection gives %v", err)
	}
	dial(t, w.Home(), imaps, true).say("", "* OK")
}

func TestDelay(t *testing.T) {
	w, p := north(t)
	w.Break(Where{Port: 587}, Delay(30*time.Millisecond))
	start := time.Now()
	c, err := w.Home().DialContext(soon(t, 5*time.Second), "tcp", joinPort(p.SMTPHost.V4(), 587))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	connected := time.Since(start)
	c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Write([]byte("NOOP\r\n")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 512)
	for got := []byte(nil); bytes.Count(got, []byte("\n")) < 2; {
		n, err := c.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, buf[:n]...)
	}
	if all := time.Since(start); connected < 60*time.Millisecond || all < 120*time.Millisecond {
		t.Errorf("connected after %v, answered after %v", connected, all)
	}
	if _, err := w.Home().DialContext(soon(t, 20*time.Millisecond), "tcp", joinPort(p.SMTPHost.V4(), 587)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with less time than it takes: %v", err)
	}
}

func TestStripSTARTTLS(t *testing.T) {
	w, p := north(t)
	w.Break(Where{Port: 587}, StripSTARTTLS())
	k := dial(t, w.Home(), submission, false)
	k.say("", "220 ")
	if got := k.say("EHLO me.test", "250 "); strings.Contains(got, "STARTTLS") || !strings.Contains(got, "XXXX") {
		t.Errorf("EHLO answers %q", got)
	}
	k.say("STARTTLS", "500 ")
	k.say("QUIT", "221 ")
	if p.Submission.Said("STARTTLS") {
		t.Error("the server heard STARTTLS")
	}
	r := w.Break(Where{Port: 143}, StripSTARTTLS())
	i := dial(t, w.Home(), "imap.north.example:143", false)
	i.say("", "* OK")
	if got := i.say("a CAPABILITY", "a OK"); strings.Contains(got, "STARTTLS") {
		t.Errorf("CAPABILITY answers %q", got)
	}
	r.Remove()
}

func TestDivert(t *testing.T) {
	w, p := north(t)
	box := w.Host("middlebox.hotel.example")
	w.check(box.Serve(587, peer.NewSMTP("middlebox.hotel.example", p.Mail, true)))
	w.Vantage("hotel").Break(Where{Port: 587}, Divert(box))
	dial(t, w.Vantage("hotel"), submission, false).say("", "220 middlebox.hotel.example")
	dial(t, w.Home(), submission, false).say("", "220 smtp.north.example")
}

func TestResign(t *testing.T) {
	w, _ := north(t)
	company, office := w.Authority("Company"), w.Vantage("office")
	office.Break(Where{Network: "tcp"}, Resign(company))

	c, err := office.DialContext(soon(t, time.Second), "tcp", imaps)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = tls.Client(c, office.TLS("imap.north.example")).HandshakeContext(soon(t, time.Second))
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) {
		t.Fatalf("before it is trusted: %v", err)
	}
	office.Trust(company)
	k := dial(t, office, imaps, true)
	k.say("", "* OK")
	k.say("a LOGIN anna@north.example secret", "a OK")
	if org := k.c.(*tls.Conn).ConnectionState().PeerCertificates[0].Issuer.Organization[0]; org != "Company" {
		t.Errorf("issued by %s", org)
	}
	m := dial(t, office, submission, false) // after STARTTLS too
	m.say("", "220 ")
	m.say("EHLO me.test", "250 ")
	m.say("STARTTLS", "220 ")
	m.startTLS(office, submission)
	m.say("EHLO me.test", "250 ")
}

func TestCertificates(t *testing.T) {
	w, p := north(t)
	name := []string{"imap.north.example"}
	stranger := w.Authority("Stranger")
	var (
		invalid x509.CertificateInvalidError
		host    x509.HostnameError
		unknown x509.UnknownAuthorityError
	)
	for label, tc := range map[string]struct {
		cert tls.Certificate
		want any
	}{
		"expired":      {w.Certificate(name, ca.Expired(72*time.Hour)), &invalid},
		"not yet":      {w.Certificate(name, ca.NotYet(72*time.Hour)), &invalid},
		"other name":   {w.Certificate([]string{"mail.hoster.example"}), &host},
		"no chain":     {w.Certificate(name, ca.WithoutChain()), &unknown},
		"self-signed":  {w.Certificate(name, ca.SelfSigned()), &unknown},
		"unknown root": {w.CertificateBy(stranger, name), &unknown},
	} {
		p.IMAP.SetCertificate(tc.cert)
		c, err := w.Home().DialContext(soon(t, time.Second), "tcp", imaps)
		if err != nil {
			t.Fatal(err)
		}
		err = tls.Client(c, w.Home().TLS("imap.north.example")).HandshakeContext(soon(t, time.Second))
		if err == nil || !errors.As(err, tc.want) {
			t.Errorf("%s: error is %v, want a %T", label, err, tc.want)
		}
		c.Close()
	}
	p.IMAP.SetCertificate(w.Certificate(name))
	p.IMAP.ChangeTLS(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS10 })
	old, err := w.Home().DialContext(soon(t, time.Second), "tcp", imaps)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if err := tls.Client(old, w.Home().TLS("imap.north.example")).HandshakeContext(soon(t, time.Second)); err == nil || !strings.Contains(err.Error(), "version") {
		t.Errorf("a server that is too old: %v", err)
	}
	p.IMAP.ChangeTLS(func(c *tls.Config) { c.MinVersion, c.MaxVersion = 0, 0 })
	w.Home().Skew(-400 * 24 * time.Hour) // a good certificate, a wrong clock
	c, err := w.Home().DialContext(soon(t, time.Second), "tcp", imaps)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = tls.Client(c, w.Home().TLS("imap.north.example")).HandshakeContext(soon(t, time.Second))
	if !errors.As(err, &invalid) || invalid.Reason != x509.Expired {
		t.Errorf("with a wrong clock: %v", err)
	}
}

func TestUDP(t *testing.T) {
	w, _ := north(t)
	read := func(v *Vantage) error {
		c, err := v.DialContext(soon(t, time.Second), "udp", v.Resolvers()[0])
		if err != nil {
			return err
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(50 * time.Millisecond))
		c.Write([]byte("xx"))
		_, err = c.Read(make([]byte, 10))
		return err
	}
	w.Vantage("silent").Break(Where{Network: "udp"}, Drop())
	if err := read(w.Vantage("silent")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("dropped: %v", err)
	}
	w.Vantage("closed").Break(Where{Port: 53}, Refuse())
	if err := read(w.Vantage("closed")); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("refused: %v", err)
	}
	w.Vantage("off").SetOffline(true)
	if err := read(w.Vantage("off")); !errors.Is(err, syscall.ENETUNREACH) {
		t.Errorf("offline: %v", err)
	}
}
