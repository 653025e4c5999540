package resolver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"github.com/postiljon/postiljon/internal/lab/names"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is an internet with a domain north.example and a resolver that asks its
// validating name server.
type world struct {
	*names.Internet
	zone   *names.Zone
	server *names.Server
	now    time.Time
	*Resolver
}

func newWorld(t testing.TB, change ...func(*Options)) *world {
	t.Helper()
	in, err := names.New(time.Now, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.Close)
	w := &world{Internet: in, now: time.Now()}
	w.zone = in.Zone("north.example").Add(
		"@ MX 20 MX2", "@ MX 10 mx1", `@ TXT "v=spf1 " "mx \"-all\""`, `@ TXT "a\010b\\c"`,
		"mx1 60 A 192.0.2.25", "mx1 AAAA 2001:db8::25", "mx2 A 192.0.2.26", "mail CNAME mx1",
		"_dmarc TXT v=DMARC1", "_25._tcp.mx1 TLSA 3 1 1 00FF00000000000000000000000000000000000000000000000000000000AA01",
		"xn--bcher-kva A 192.0.2.7", "circle CNAME ring", "ring CNAME circle",
	)
	in.Zone("null.example").Add("@ MX 0 .")
	w.server = serve(t, in.Resolver("r"))
	o := Options{Servers: []string{w.server.UDP}, Timeout: time.Second, Now: func() time.Time { return w.now }}
	for _, c := range change {
		c(&o)
	}
	if w.Resolver, err = New(o); err != nil {
		t.Fatal(err)
	}
	return w
}

func serve(t testing.TB, h names.Handler) *names.Server {
	t.Helper()
	s, err := names.Serve(h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (w *world) asked() int { return len(w.Internet.Resolver("r").Queries()) }

func TestRecords(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	list, secure, err := w.MX(ctx, "North.Example.")
	slices.SortFunc(list, func(a, b MX) int { return int(a.Preference) - int(b.Preference) })
	if want := []MX{{"mx1.north.example", 10}, {"mx2.north.example", 20}}; !slices.Equal(list, want) || secure || err != nil {
		t.Errorf("MX %v, secure %v, %v", list, secure, err)
	}
	if list, _, err := w.MX(ctx, "null.example"); !slices.Equal(list, []MX{{"", 0}}) || err != nil {
		t.Errorf("null MX %v, %v", list, err)
	}
	texts, _, err := w.TXT(ctx, "north.example")
	slices.Sort(texts)
	if want := []string{"a\nb\\c", `v=spf1 mx "-all"`}; !slices.Equal(texts, want) || err != nil {
		t.Errorf("TXT %q, %v", texts, err)
	}
	both := []netip.Addr{netip.MustParseAddr("192.0.2.25"), netip.MustParseAddr("2001:db8::25")}
	for _, name := range []string{"mx1.north.example", "mail.north.example"} {
		h, err := w.Host(ctx, name)
		slices.SortFunc(h.Addrs, netip.Addr.Compare)
		if !slices.Equal(h.Addrs, both) || h.Name != "mx1.north.example" || err != nil {
			t.Errorf("host %s: %+v, %v", name, h, err)
		}
	}
	if target, _, err := w.CNAME(ctx, "mail.north.example"); target != "mx1.north.example" || err != nil {
		t.Errorf("CNAME %q, %v", target, err)
	}
	if addrs, _, err := w.Addrs(ctx, "bücher.north.example"); len(addrs) != 1 || err != nil {
		t.Errorf("an international name: %v, %v", addrs, err)
	}
	if err := w.AddHost("mail.east.example", netip.MustParseAddr("192.0.2.99")); err != nil {
		t.Fatal(err)
	}
	if list, _, err := w.PTR(ctx, netip.MustParseAddr("::ffff:192.0.2.99")); !slices.Equal(list, []string{"mail.east.example"}) || err != nil {
		t.Errorf("PTR %v, %v", list, err)
	}
	keys, _, err := w.TLSA(ctx, "_25._tcp.mx1.north.example")
	if err != nil || len(keys) != 1 || keys[0].Usage != 3 || keys[0].Selector != 1 || keys[0].Matching != 1 || keys[0].Data[1] != 0xff {
		t.Errorf("TLSA %v, %v", keys, err)
	}
}

func TestNothing(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	for name, want := range map[string]error{
		"absent.north.example": ErrNotExist, "north.example": ErrNoData, "mx2.north.example": nil, "": ErrNotExist,
		"a..b": ErrNotExist, strings.Repeat("x", 64) + ".example": ErrNotExist, strings.Repeat("ü", 200): ErrNotExist,
		"circle.north.example": ErrTemporary,
	} {
		if _, _, err := w.Addrs(ctx, name); !errors.Is(err, want) {
			t.Errorf("%.20q: %v instead of %v", name, err, want)
		}
	}
}

func TestSecurity(t *testing.T) {
	for _, test := range []struct {
		signing names.Signing
		trust   Trust
		secure  bool
		err     error
	}{
		{names.Good, TrustLoopback, true, nil},
		{names.Good, TrustNone, false, nil},
		{names.Good, TrustAll, true, nil},
		{names.Unsigned, TrustLoopback, false, nil},
		{names.Expired, TrustLoopback, false, ErrBogus},
		{names.WrongDS, TrustNone, false, ErrBogus},
	} {
		w := newWorld(t, func(o *Options) { o.TrustAD = test.trust })
		w.zone.Sign(test.signing)
		if w.Trusted() != (test.trust != TrustNone) {
			t.Errorf("trust %d: trusted %v", test.trust, w.Trusted())
		}
		_, secure, err := w.MX(t.Context(), "north.example")
		if secure != test.secure || !errors.Is(err, test.err) {
			t.Errorf("signing %d, trust %d: secure %v, %v", test.signing, test.trust, secure, err)
		}
		if test.err != nil && !errors.Is(err, ErrTemporary) {
			t.Errorf("signing %d: %v is for good", test.signing, err)
		}
		_, secure, err = w.TLSA(t.Context(), "_25._tcp.absent.north.example")
		if want := cmpErr(test.err, ErrNotExist); secure != test.secure || !errors.Is(err, want) {
			t.Errorf("signing %d, trust %d: absence secure %v, %v", test.signing, test.trust, secure, err)
		}
	}
	s, err := newServer("192.0.2.1", TrustLoopback)
	if err != nil || s.trusted || s.address != "192.0.2.1:53" {
		t.Errorf("a server elsewhere: %+v, %v", s, err)
	}
}

func cmpErr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// TestAliasAcross: an alias out of a signed zone is vouched for, where it leads is not.
func TestAliasAcross(t *testing.T) {
	w := newWorld(t)
	w.zone.Add("out CNAME web.hoster.example.").Sign(names.Good)
	w.Zone("hoster.example").Add("web A 192.0.2.80")
	h, err := w.Host(t.Context(), "out.north.example")
	if err != nil || h.Secure || h.Name != "web.hoster.example" {
		t.Errorf("%+v, %v", h, err)
	}
	if _, secure, err := w.CNAME(t.Context(), "out.north.example"); !secure || err != nil {
		t.Errorf("the alias itself: %v, %v", secure, err)
	}
}

// TestHalfAnswer: who can keep one of two answers away cannot make the other look
// unsigned.
func TestHalfAnswer(t *testing.T) {
	w := newWorld(t)
	w.zone.Sign(names.Good)
	w.Resolver.cache.put(question{"mx1.north.example.", dns.TypeAAAA}, failed(question{}, ErrTemporary), w.now)
	if h, err := w.Host(t.Context(), "mx1.north.example"); err != nil || !h.Secure || len(h.Addrs) != 1 {
		t.Errorf("%+v, %v", h, err)
	}
	w.Resolver.cache.put(question{"mx1.north.example.", dns.TypeA}, failed(question{}, ErrTemporary), w.now)
	if h, err := w.Host(t.Context(), "mx1.north.example"); !errors.Is(err, ErrTemporary) || h.Secure {
		t.Errorf("%+v, %v", h, err)
	}
}

func TestMemory(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	steps := []struct {
		wait  time.Duration
		name  string
		asked int // since the last step; addresses are two questions
	}{
		{0, "mx1.north.example", 2}, {0, "MX1.north.example.", 0}, {59 * time.Second, "mx1.north.example", 0},
		{time.Second, "mx1.north.example", 1}, {0, "absent.north.example", 2}, {0, "absent.north.example", 0},
		{301 * time.Second, "absent.north.example", 2},
	}
	for i, s := range steps {
		w.now = w.now.Add(s.wait)
		before := w.asked()
		_, _, err := w.Addrs(ctx, s.name)
		if errors.Is(err, ErrTemporary) || w.asked()-before != s.asked {
			t.Errorf("step %d: asked %d times, %v", i, w.asked()-before, err)
		}
	}
	w.Internet.Resolver("r").Fail("mx2.north.example", dns.RcodeServerFailure)
	if _, _, err := w.TXT(ctx, "mx2.north.example"); !errors.Is(err, ErrTemporary) || errors.Is(err, ErrBogus) {
		t.Errorf("a failure: %v", err)
	}
	before := w.asked()
	if _, _, err := w.TXT(ctx, "mx2.north.example"); !errors.Is(err, ErrTemporary) || w.asked() != before {
		t.Errorf("a failure is not remembered: %v", err)
	}
	w.Internet.Resolver("r").Honest()
	w.now = w.now.Add(failureTTL)
	if _, _, err := w.TXT(ctx, "mx2.north.example"); !errors.Is(err, ErrNoData) {
		t.Errorf("a failure is remembered for too long: %v", err)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	c := newCache(3)
	now := time.Now()
	for i := range 10 {
		c.put(question{name: strings.Repeat("x", i)}, &answer{ttl: time.Minute}, now)
		c.get(question{}, now) // the first stays in use
	}
	if len(c.entries) != 3 || c.recent.Len() != 3 || c.get(question{}, now) == nil {
		t.Errorf("%d entries, %d in order", len(c.entries), c.recent.Len())
	}
	c.put(question{name: "large"}, &answer{ttl: time.Minute, records: slices.Repeat([]dns.RR{&dns.TXT{Txt: []string{strings.Repeat("x", 200)}}}, 30)}, now)
	c.put(question{name: "at once over"}, &answer{}, now)
	if c.get(question{name: "large"}, now) != nil || c.get(question{name: "at once over"}, now) != nil {
		t.Error("remembered what is too large or does not last")
	}
}

// counting counts connections and may hold them back.
type counting struct {
	mu    sync.Mutex
	count map[string]int
	hold  chan struct{}
}

func (c *counting) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c.mu.Lock()
	c.count[network]++
	c.mu.Unlock()
	if c.hold != nil {
		select {
		case <-c.hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

func TestOneFlight(t *testing.T) {
	d := &counting{count: map[string]int{}, hold: make(chan struct{})}
	w := newWorld(t, func(o *Options) { o.Dialer = d })
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	ask := func(ctx context.Context, want error) {
		wg.Go(func() {
			if _, _, err := w.MX(ctx, "north.example"); !errors.Is(err, want) {
				t.Errorf("%v instead of %v", err, want)
			}
		})
	}
	for range 10 {
		ask(t.Context(), nil)
	}
	ask(ctx, context.Canceled)
	cancel()
	for waiting := 0; waiting != 10; time.Sleep(time.Millisecond) {
		w.Resolver.mu.Lock()
		waiting = 0
		for _, f := range w.flights {
			waiting += f.waiting
		}
		w.Resolver.mu.Unlock()
	}
	close(d.hold)
	wg.Wait()
	if d.count["udp"] != 1 {
		t.Errorf("asked %d times", d.count["udp"])
	}
}

func TestServers(t *testing.T) {
	d := &counting{count: map[string]int{}}
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	w := newWorld(t, func(o *Options) {
		o.Servers = append([]string{silent.LocalAddr().String()}, o.Servers...)
		o.Timeout, o.Dialer = 50*time.Millisecond, d
	})
	if _, _, err := w.MX(t.Context(), "north.example"); err != nil || d.count["udp"] != 2 {
		t.Errorf("%v after %v", err, d.count)
	}
	// The one that did not answer is asked last for a while.
	if _, _, err := w.MX(t.Context(), "null.example"); err != nil || d.count["udp"] != 3 {
		t.Errorf("%v after %v", err, d.count)
	}
	w.Internet.Resolver("r").Truncate("north.example")
	if _, _, err := w.TXT(t.Context(), "north.example"); err != nil || d.count["tcp"] != 1 {
		t.Errorf("cut short: %v after %v", err, d.count)
	}
	w.Internet.Resolver("r").Silence("")
	if _, _, err := w.TXT(t.Context(), "_dmarc.north.example"); !errors.Is(err, ErrTemporary) {
		t.Errorf("all silent: %v", err)
	}
	for _, servers := range [][]string{{"name.example"}, {"192.0.2.1:x"}} {
		if _, err := New(Options{Servers: servers}); err == nil {
			t.Errorf("servers %v are taken", servers)
		}
	}
}

// TestOldServer: one that does not know EDNS is asked without.
func TestOldServer(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started, done := make(chan struct{}), make(chan struct{})
	s := &dns.Server{PacketConn: pc, NotifyStartedFunc: func() { close(started) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Answer = []dns.RR{&dns.TXT{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 1}, Txt: []string{"hi"}}}
		if q.IsEdns0() != nil {
			m = new(dns.Msg).SetRcodeFormatError(q)
		} else {
			stray := m.Copy()
			stray.Question[0].Name = "other.example."
			_ = w.WriteMsg(stray)
			stray = m.Copy()
			stray.Id++
			_ = w.WriteMsg(stray)
		}
		_ = w.WriteMsg(m)
	})}
	go func() { defer close(done); _ = s.ActivateAndServe() }()
	<-started
	defer func() { _ = s.Shutdown(); <-done }()
	r, err := New(Options{Servers: []string{pc.LocalAddr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	if texts, _, err := r.TXT(t.Context(), "old.example"); err != nil || !slices.Equal(texts, []string{"hi"}) {
		t.Errorf("%q, %v", texts, err)
	}
}

// FuzzRead reads replies of any content.
func FuzzRead(f *testing.F) {
	q := question{"north.example.", dns.TypeTXT}
	m := new(dns.Msg).SetQuestion(q.name, q.kind)
	m.Response = true
	for _, line := range []string{"north.example. 5 IN TXT \"a\\200\" \"b\"", "north.example. 5 IN CNAME north.example.",
		"north.example. 5 IN CNAME b.example.", "north.example. 5 IN SOA a. b. 1 2 3 4 5"} {
		rr, err := dns.NewRR(line)
		if err != nil {
			f.Fatal(err)
		}
		m.Answer, m.Ns = append(m.Answer, rr), append(m.Ns, rr)
		raw, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := new(dns.Msg)
		if m.Unpack(raw) != nil {
			return
		}
		a, known := read(q, m, true)
		if known && (a.err == nil) != (len(a.records) > 0) {
			t.Errorf("%d records and %v", len(a.records), a.err)
		}
		if known && (a.ttl < 0 || a.ttl > maxTTL) {
			t.Errorf("remembered for %v", a.ttl)
		}
		if known {
			for _, rr := range a.records {
				unescape(strings.Join(rr.(*dns.TXT).Txt, ""))
			}
		}
	})
}

// BenchmarkKnown asks what is remembered, as every message to a busy domain does.
func BenchmarkKnown(b *testing.B) {
	w := newWorld(b)
	for b.Loop() {
		if _, _, err := w.MX(b.Context(), "north.example"); err != nil {
			b.Fatal(err)
		}
		if _, err := w.Host(b.Context(), "mx1.north.example"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAsked asks the name server each time.
func BenchmarkAsked(b *testing.B) {
	w := newWorld(b)
	for b.Loop() {
		w.now = w.now.Add(48 * time.Hour)
		if _, _, err := w.MX(b.Context(), "north.example"); err != nil {
			b.Fatal(err)
		}
	}
}
