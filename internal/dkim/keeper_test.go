package dkim

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/resolver"
)

// memory keeps records in memory, and can fail.
type memory struct {
	mu     sync.Mutex
	all    map[string][]byte
	broken error
}

func (m *memory) Setting(_ context.Context, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.all[name], m.broken
}

func (m *memory) PutSetting(_ context.Context, name string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return m.broken
	}
	m.all[name] = bytes.Clone(value)
	return nil
}

// zone answers for names, and can be out of order.
type zone struct {
	texts  map[string][]string
	broken error
}

func (z *zone) TXT(_ context.Context, name string) ([]string, bool, error) {
	if z.broken != nil {
		return nil, false, z.broken
	}
	if t, ok := z.texts[name]; ok {
		return t, false, nil
	}
	return nil, false, resolver.ErrNotExist
}

type fixture struct {
	*Keeper
	records *memory
	dns     *zone
	now     time.Time
	heard   []string
	log     *bytes.Buffer
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{
		records: &memory{all: map[string][]byte{}}, dns: &zone{texts: map[string][]string{}},
		now: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), log: &bytes.Buffer{},
	}
	f.open()
	return f
}

var hosted = []string{"example.org", "example.net"}

// open starts over with what was kept.
func (f *fixture) open() {
	f.Keeper = New(Options{
		Records: f.records, DNS: f.dns, Now: func() time.Time { return f.now },
		Domains: func(context.Context) ([]string, error) { return hosted, nil },
		Has:     func(_ context.Context, domain string) (bool, error) { return slices.Contains(hosted, domain), nil },
		Changed: func(k Key) { f.heard = append(f.heard, k.Selector+" "+string(k.State)) },
		Log:     slog.New(slog.NewTextHandler(f.log, nil)),
	})
}

func (f *fixture) publish(keys []Key) {
	for _, k := range keys {
		f.dns.texts[k.Name] = []string{"something else", strings.ReplaceAll(k.Record, "; ", ";")}
	}
}

// states are the RSA keys of example.org and where they are in their lives.
func (f *fixture) states(t *testing.T) string {
	t.Helper()
	keys, err := f.Keys(t.Context(), "example.org")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, k := range keys {
		if k.Algorithm == "rsa" {
			all = append(all, k.Selector+" "+string(k.State))
		}
	}
	return strings.Join(all, ", ")
}

func (f *fixture) want(t *testing.T, states string) {
	t.Helper()
	if got := f.states(t); got != states {
		t.Fatalf("keys are %s, want %s", got, states)
	}
}

func (f *fixture) advance(t *testing.T, d time.Duration) {
	t.Helper()
	f.now = f.now.Add(d)
	if err := f.Advance(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestRotation goes through the life of two pairs of keys.
func TestRotation(t *testing.T) {
	f := newFixture(t)
	f.want(t, "202611-rsa signing")
	f.advance(t, time.Hour) // the first pair need not be published
	fresh, err := f.Rotate(t.Context(), "example.org")
	if err != nil {
		t.Fatal(err)
	}
	f.want(t, "202611-rsa signing, 202611b-rsa waiting")
	if _, err := f.Rotate(t.Context(), "example.org"); !errors.Is(err, ErrUnderWay) {
		t.Fatalf("a third pair at once: %v", err)
	}
	f.advance(t, 30*24*time.Hour) // the DNS says that it is not there
	f.want(t, "202611-rsa signing, 202611b-rsa waiting")
	f.publish(fresh)
	f.open() // all of it survives a restart
	f.advance(t, time.Minute)
	f.want(t, "202611b-rsa signing, 202611-rsa old")
	signed, err := f.Sign(t.Context(), strings.NewReader(letter), int64(len(letter)))
	if err != nil || !bytes.Contains(signed, []byte("s=202611b-rsa")) || bytes.Contains(signed, []byte("s=202611-rsa")) {
		t.Fatalf("signed by the wrong keys: %v\n%s", err, signed)
	}
	f.advance(t, keepOld)
	f.want(t, "202611b-rsa signing, 202611-rsa old")
	f.advance(t, time.Hour)
	f.want(t, "202611b-rsa signing, 202611-rsa retired")
	f.open()
	f.want(t, "202611b-rsa signing, 202611-rsa retired")
	f.advance(t, keepRetired+time.Hour)
	f.want(t, "202611b-rsa signing")
	if got := strings.Join(f.heard, "\n"); got != strings.Join([]string{
		"202611b-rsa waiting", "202611b-ed25519 waiting", "202611-rsa old", "202611-ed25519 old",
		"202611b-rsa signing", "202611b-ed25519 signing", "202611-rsa retired", "202611-ed25519 retired",
	}, "\n") {
		t.Errorf("told of\n%s", got)
	}
	if again, err := f.Rotate(t.Context(), "example.org"); err != nil || again[0].Selector != "202701-rsa" {
		t.Errorf("in another month: %v, %v", again, err)
	}
}

// TestBlindDNS: a pair that cannot be looked for signs after some time, one that is not there never.
func TestBlindDNS(t *testing.T) {
	f := newFixture(t)
	f.want(t, "202611-rsa signing")
	if _, err := f.Rotate(t.Context(), "example.org"); err != nil {
		t.Fatal(err)
	}
	f.dns.broken = resolver.ErrTemporary
	f.advance(t, patience)
	f.want(t, "202611-rsa signing, 202611b-rsa waiting")
	f.advance(t, time.Hour)
	f.want(t, "202611b-rsa signing, 202611-rsa old")
}

// TestLeftOut: a key that is not published does not sign while the other of its pair is.
func TestLeftOut(t *testing.T) {
	f := newFixture(t)
	keys, err := f.Keys(t.Context(), "example.org")
	if err != nil {
		t.Fatal(err)
	}
	signs := func(after time.Duration, want string) {
		t.Helper()
		f.advance(t, after)
		signers, err := f.Signers(t.Context(), "example.org")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range signers {
			got = append(got, strings.TrimPrefix(s.Selector, "202611-"))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%v sign, want %s", got, want)
		}
	}
	signs(0, "rsa ed25519") // neither is there: it does no harm
	f.publish(keys[:1])
	signs(look, "rsa")
	f.dns.broken = resolver.ErrTemporary
	f.publish(keys[1:])
	signs(look, "rsa")
	f.dns.broken = nil
	signs(look, "rsa ed25519")
	delete(f.dns.texts, keys[0].Name)
	signs(look, "rsa ed25519") // it was there just now
	signs(lookAgain, "ed25519")
	f.publish(keys)
	signs(look, "rsa ed25519")
	if _, err := f.Rotate(t.Context(), "example.org"); err != nil {
		t.Fatal(err)
	}
	signs(look, "rsa ed25519")
}

func TestUseAndRetire(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	f.want(t, "202611-rsa signing")
	if _, err := f.Use(ctx, "example.org"); !errors.Is(err, ErrNoKey) {
		t.Errorf("use of nothing: %v", err)
	}
	if _, err := f.Retire(ctx, "example.org", "202611-rsa"); !errors.Is(err, ErrInUse) {
		t.Errorf("retired the only pair: %v", err)
	}
	if _, err := f.Retire(ctx, "example.org", "nonsense"); !errors.Is(err, ErrNoKey) {
		t.Errorf("retired what is not there: %v", err)
	}
	if _, err := f.Rotate(ctx, "example.com"); !errors.Is(err, ErrNoDomain) {
		t.Errorf("keys for a domain elsewhere: %v", err)
	}
	if _, err := f.Rotate(ctx, "example.org"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Use(ctx, "example.org"); err != nil {
		t.Fatal(err)
	}
	f.want(t, "202611b-rsa signing, 202611-rsa old")
	if _, err := f.Retire(ctx, "example.org", "202611-ed25519"); err != nil {
		t.Fatal(err)
	}
	f.want(t, "202611b-rsa signing, 202611-rsa retired")
	if _, err := f.Rotate(ctx, "example.org"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Retire(ctx, "example.org", "202611b"); err != nil { // stolen, say
		t.Fatal(err)
	}
	f.want(t, "202611c-rsa signing, 202611-rsa retired, 202611b-rsa retired")
}

// TestFailures: nothing changes that could not be kept, and no key shows in an error.
func TestFailures(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	f.want(t, "202611-rsa signing")
	f.records.broken = errors.New("disk full")
	if _, err := f.Rotate(ctx, "example.org"); err == nil {
		t.Error("a pair that was not kept")
	}
	if _, err := f.Keys(ctx, "example.net"); err == nil {
		t.Error("keys that were not kept")
	}
	f.records.broken = nil
	f.want(t, "202611-rsa signing")
	for _, damage := range []string{"{", `{"pairs":[{"name":"x","state":"signing","rsa":"AAAA","ed25519":"AAAA"}]}`} {
		f.records.all["dkim/example.org"] = []byte(damage)
		f.open()
		if _, err := f.Keys(ctx, "example.org"); err == nil || strings.Contains(err.Error(), "AAAA") {
			t.Errorf("damaged keys: %v", err)
		}
	}
	if err := f.Forget(ctx, "example.org"); err != nil {
		t.Fatal(err)
	}
	f.want(t, "202611-rsa signing")
}

// TestNothingPrivate: what is shown and logged of keys has none of their private part.
func TestNothingPrivate(t *testing.T) {
	f := newFixture(t)
	keys, err := f.Keys(t.Context(), "example.org")
	if err != nil {
		t.Fatal(err)
	}
	stored := f.records.all["dkim/example.org"]
	for _, k := range keys {
		if len(k.Record) > 450 || bytes.Contains(stored, []byte(k.Record[len(k.Record)-60:])) {
			t.Errorf("the record of %s has %d octets", k.Selector, len(k.Record))
		}
	}
	if f.log.Len() > 0 {
		t.Errorf("logged: %s", f.log)
	}
}

func TestPublishes(t *testing.T) {
	p, err := newPair("202611", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	other, err := newPair("202611", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	keys := p.keys("example.org")
	rsa, ed := keys[0].Record, keys[1].Record
	bare := strings.TrimPrefix(rsa, "v=DKIM1; k=rsa; ")
	for text, wanted := range map[string]string{
		rsa: rsa, ed: ed, bare: rsa, // a key without kind is RSA
		" v=DKIM1 ; k = rsa ;t=s; " + bare[:100] + " \t" + bare[100:]: rsa,
		rsa + ";": rsa,
		strings.Replace(rsa, "k=rsa", "k=rsa; n=my key", 1): rsa,
	} {
		if !Publishes(text, wanted) {
			t.Errorf("%q does not publish %q", text, wanted)
		}
	}
	for _, text := range []string{
		ed, other.keys("example.org")[0].Record, "", "v=DKIM1; k=rsa; p=", "v=spf1 -all", strings.Replace(rsa, "DKIM1", "DKIM2", 1),
		strings.Replace(rsa, "k=rsa", "k=ed25519", 1), rsa[:len(rsa)-8], rsa + "; " + bare,
	} {
		if Publishes(text, rsa) {
			t.Errorf("%q publishes %q", text, rsa)
		}
	}
}

// TestWhoSigns: the domain of From, or the one above it; nobody for others, and for no or many authors.
// TestSwitch: a domain that is switched off is not signed, over a restart too, and its keys go on.
func TestSwitch(t *testing.T) {
	f := newFixture(t)
	const text = "From: a@example.org\r\n\r\nHello\r\n"
	signs := func() bool {
		t.Helper()
		fields, err := f.Sign(t.Context(), strings.NewReader(text), int64(len(text)))
		if err != nil {
			t.Fatal(err)
		}
		return len(fields) > 0
	}
	for _, on := range []bool{true, false, false, true} {
		if err := f.Switch(t.Context(), "example.org", on); err != nil {
			t.Fatal(err)
		}
		if signs() != on {
			t.Errorf("switched to %t, it signs: %t", on, !on)
		}
		if f.open(); signs() != on {
			t.Errorf("switched to %t, it signs after a start: %t", on, !on)
		}
		keys, err := f.Keys(t.Context(), "example.org")
		if err != nil || len(keys) != 2 || keys[0].Off == on || keys[0].State != Signing {
			t.Errorf("switched to %t: %+v, %v", on, keys, err)
		}
	}
	if err := f.Switch(t.Context(), "example.org", false); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Rotate(t.Context(), "example.org"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Use(t.Context(), "example.org"); err != nil || signs() {
		t.Errorf("new keys sign although it is off: %v", err)
	}
	if err := f.Switch(t.Context(), "example.com", false); !errors.Is(err, ErrNoDomain) {
		t.Errorf("a domain that is not here: %v", err)
	}
}

func TestWhoSigns(t *testing.T) {
	f := newFixture(t)
	for from, want := range map[string]string{
		"From: a@example.org":                        "d=example.org;",
		"From: A <a@EXAMPLE.Net>":                    "d=example.net;",
		"From: postmaster@mail.example.org":          "d=example.org;",
		"From: a@notexample.org":                     "",
		"From: a@example.com":                        "",
		"From: a@org":                                "",
		"From: a@example.org, b@Example.org":         "d=example.org;",
		"From: a@example.org, b@example.net":         "",
		"From: a@example.org\r\nFrom: b@example.org": "",
		"From: nobody":                               "",
		"From: a@b.example.org.evil.example":         "",
	} {
		text := from + "\r\n\r\nHello\r\n"
		fields, err := f.Sign(t.Context(), strings.NewReader(text), int64(len(text)))
		if err != nil {
			t.Fatal(err)
		}
		if want == "" && len(fields) > 0 || !bytes.Contains(fields, []byte(want)) {
			t.Errorf("%q, want %q:\n%s", from, want, fields)
		}
	}
	if fields, err := f.Sign(t.Context(), strings.NewReader("x"), 2); err == nil {
		t.Errorf("what cannot be read is signed: %s", fields)
	}
}
