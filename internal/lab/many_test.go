package lab

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/postiljon/postiljon/internal/lab/peer"
)

// TestManyWorlds runs worlds side by side that have the same addresses and names and
// must not hear of each other.
func TestManyWorlds(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			w := New(t)
			p := w.Provider("north.example")
			p.Account("anna@north.example", "secret")
			p.Submission.On("CONNECT", peer.Reply(fmt.Sprintf("220 world %d", i)))
			k := dial(t, w.Home(), joinPort(p.SMTPHost.V4(), 587), false)
			k.say("", fmt.Sprintf("220 world %d\r\n", i))
			k.say("EHLO me.test", "250 ")
			if n := p.Submission.Counts().Connections; n != 1 {
				t.Errorf("world %d counts %d connections", i, n)
			}
		})
	}
	wg.Wait()
}

// TestWrongWorld hears of what a scenario has wrong.
func TestWrongWorld(t *testing.T) {
	w, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	w.Host("a.example", "192.0.2.100")
	w.Host("b.example", "192.0.2.100")
	w.Host("c.example", "not an address")
	w.Names.Zone("a.example").Add("@ MX many mx")
	if err := w.Close(); err == nil {
		t.Error("a world with two hosts at one address closes without a word")
	} else if n := len(err.(interface{ Unwrap() []error }).Unwrap()); n != 3 {
		t.Errorf("%d errors, want 3: %v", n, err)
	}
}

// TestCloseIsPrompt ends a world where everything waits.
func TestCloseIsPrompt(t *testing.T) {
	w, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	p := w.Provider("north.example")
	p.IMAP.On("CONNECT", peer.Wait(time.Hour))
	p.POP3.On("CONNECT", peer.Stall())
	p.Web.Page("/", peer.Hang())
	w.Break(Where{Port: 587}, Delay(time.Hour))
	w.Break(Where{Port: 25}, Drop())
	w.Break(Where{Port: 110}, StallAfter(0, Down))
	for _, port := range []int{143, 993, 110, 995} {
		host := p.IMAPHost
		if port == 110 || port == 995 {
			host = p.POPHost
		}
		c, err := w.Home().DialContext(soon(t, 5*time.Second), "tcp", joinPort(host.V4(), port))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	go p.relay("anna@north.example", "bo@north.example", []byte("x"))
	w.Resolver(ISPResolver).SetLatency(time.Hour)
	u, err := w.Home().DialContext(soon(t, time.Second), "udp", w.Home().Resolvers()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	packed, err := new(dns.Msg).SetQuestion("north.example.", dns.TypeMX).Pack()
	if err != nil {
		t.Fatal(err)
	}
	u.Write(packed)
	closed := make(chan error)
	go func() { closed <- w.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the world does not end")
	}
}

// TestFullWorld uses up all addresses, which is told and not silently wrong.
func TestFullWorld(t *testing.T) {
	w, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[netip.Addr]bool)
	for i := range maxVantages { // home is one, so the last has no address
		seen[w.Vantage(fmt.Sprint("place ", i)).Addr(4)] = true
	}
	if len(seen) != maxVantages-1 {
		t.Errorf("there are %d addresses, want %d", len(seen), maxVantages-1)
	}
	for i := range 520 {
		w.Host(fmt.Sprintf("host%d.north.example", i))
	}
	if err := w.Close(); err == nil || !strings.Contains(err.Error(), "no address is left for host") || !strings.Contains(err.Error(), "vantage point") {
		t.Errorf("closes with %v", err)
	}
}
