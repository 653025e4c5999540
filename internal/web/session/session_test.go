package session

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

// world is a keeper whose clock stands still.
type world struct {
	testing.TB
	*Keeper
	store   *store.Store
	account store.Account
	mu      sync.Mutex
	now     time.Time
}

func newWorld(t testing.TB) *world {
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{TB: t, store: storetest.Open(t), now: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)}
	w.account = storetest.Account(t, w.store, "anna@demo.test")
	w.Keeper = New(Options{Store: w.store, Catalogue: catalogue, Now: func() time.Time {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.now
	}})
	return w
}

func (w *world) later(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) begin(b Begin, cookies ...*http.Cookie) *http.Cookie {
	w.Helper()
	b.Account = w.account
	out := httptest.NewRecorder()
	if _, err := w.Start(out, asked(cookies...), b); err != nil {
		w.Fatal(err)
	}
	return out.Result().Cookies()[0]
}

func asked(cookies ...*http.Cookie) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://mail.example.org/api/session", nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return r
}

// in tells whether a cookie is taken.
func (w *world) in(c *http.Cookie) bool {
	_, d, shown := w.From(asked(c))
	return shown && d.Allowed()
}

func TestExpiry(t *testing.T) {
	for name, c := range map[string]struct {
		remember bool
		every    time.Duration
		want     time.Duration // at which use it is over
	}{
		"left alone":                 {false, 25 * time.Hour, 25 * time.Hour},
		"used each day":              {false, 23 * time.Hour, 94 * 23 * time.Hour},
		"remembered and left alone":  {true, 15 * 24 * time.Hour, 15 * 24 * time.Hour},
		"remembered, used each week": {true, 7 * 24 * time.Hour, 13 * 7 * 24 * time.Hour},
	} {
		w := newWorld(t)
		cookie := w.begin(Begin{Remember: c.remember})
		if (cookie.MaxAge > 0) != c.remember {
			t.Errorf("%s: %s", name, cookie)
		}
		age := time.Duration(0)
		for {
			w.later(c.every)
			if age += c.every; !w.in(cookie) || age > 2*Longest {
				break
			}
		}
		if age != c.want {
			t.Errorf("%s: over after %v, not %v", name, age, c.want)
		}
		if all, err := w.store.WebSessions(t.Context(), w.account.ID); err != nil || len(all) != 0 {
			t.Errorf("%s: kept %v, %v", name, all, err)
		}
	}
}

// What was made with a session ends with it, whoever notices that it is over; it goes on where the browser signs in anew.
func TestWhatWasMadeWithASession(t *testing.T) {
	w := newWorld(t)
	var ended []func(string) bool
	replaced := map[string]string{}
	w.Ended = func(_ context.Context, _ store.AccountID, gone func(string) bool) { ended = append(ended, gone) }
	w.Replaced = func(_ context.Context, _ store.AccountID, before, now string) { replaced[before] = now }
	with := func(c *http.Cookie) string { return withSession(sha256.Sum256([]byte(c.Value))) }
	is := func(c *http.Cookie) bool {
		return slices.ContainsFunc(ended, func(gone func(string) bool) bool { return gone(with(c)) })
	}

	first := w.begin(Begin{})
	second := w.begin(Begin{}, first)
	if is(first) || replaced[with(first)] != with(second) {
		t.Errorf("signed in anew: ended %v, replaced %v", is(first), replaced)
	}
	left := w.begin(Begin{})
	w.later(Idle + time.Hour)
	if w.in(second) || !is(second) || is(left) {
		t.Error("one that is over, at its next use")
	}
	if err := w.Forget(t.Context()); err != nil || !is(left) {
		t.Errorf("one that nobody used again: %v", err)
	}
	over := w.begin(Begin{})
	w.later(Idle + time.Hour)
	w.begin(Begin{})
	if !is(over) {
		t.Error("one that is over, at the next sign-in")
	}
}

// Signing in gives a new secret, whatever the browser had, and ends what it had.
func TestFixation(t *testing.T) {
	w := newWorld(t)
	first := w.begin(Begin{})
	second := w.begin(Begin{}, first)
	if first.Value == second.Value || w.in(first) || !w.in(second) {
		t.Error("the session was kept")
	}
	for _, bad := range []string{"", ".", "1.", "x", "1.AAAA", second.Value + "A", "2" + second.Value[1:], "!" + second.Value} {
		if c := newCookie(bad); w.in(c) {
			t.Errorf("%q is taken", bad)
		}
	}
	if s, _, _ := w.From(asked(second)); s.Hash == (store.SessionHash{}) || s.CSRF == "" {
		t.Errorf("%+v", s)
	}
}

// The store knows sessions after a restart, and nothing in it lets anybody in.
func TestRestart(t *testing.T) {
	w := newWorld(t)
	c := w.begin(Begin{Remember: true, Language: "sv"})
	w.Keeper = New(w.Options)
	w.later(time.Hour)
	s, d, _ := w.From(asked(c))
	if !d.Allowed() || s.Language != "sv" || w.Fresh(&s) {
		t.Errorf("%+v %v", s, d)
	}
	if err := w.Confirm(t.Context(), &s); err != nil || !w.Fresh(&s) {
		t.Error(err)
	}
	w.Keeper = New(w.Options)
	if s, _, _ := w.From(asked(c)); !w.Fresh(&s) || !s.LastUsed.Equal(w.now) {
		t.Errorf("%+v", s)
	}
	if w.in(newCookie("1." + base64.RawURLEncoding.EncodeToString(s.Hash[:]))) {
		t.Error("the hash is taken")
	}
}

// What ends while it is looked up does not stay in memory, and what runs ends; run with -race.
func TestConcurrentEnd(t *testing.T) {
	w := newWorld(t)
	for range 20 {
		cookies := []*http.Cookie{w.begin(Begin{}), w.begin(Begin{}), w.begin(Begin{})}
		w.Keeper.mu.Lock()
		clear(w.known)
		w.Keeper.mu.Unlock()
		var looking sync.WaitGroup
		for range 4 {
			for _, c := range cookies {
				looking.Go(func() {
					w.Around(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
						if _, d, _ := w.From(r); d.Allowed() && c != cookies[0] {
							<-r.Context().Done() // a stream
						}
					})).ServeHTTP(httptest.NewRecorder(), asked(c))
				})
			}
		}
		s, _, _ := w.From(asked(cookies[0]))
		if n, err := w.EndOthers(t.Context(), w.account.ID, s.Hash); err != nil || n != 2 {
			t.Fatal(n, err)
		}
		looking.Wait()
		if !w.in(cookies[0]) || w.in(cookies[1]) || w.in(cookies[2]) {
			t.Fatal("others than the others ended")
		}
		if _, err := w.EndAll(t.Context(), w.account.ID); err != nil || w.in(cookies[0]) {
			t.Fatal(err)
		}
	}
	if len(w.running) != 0 {
		t.Errorf("%d run still", len(w.running))
	}
}

// Whose account changed while he signed in is not signed in.
func TestChangedMeanwhile(t *testing.T) {
	w := newWorld(t)
	if _, err := w.store.UpdateAccount(t.Context(), w.account.ID, func(*store.Account) error { return nil }); err != nil {
		t.Fatal(err)
	}
	out := httptest.NewRecorder()
	if _, err := w.Start(out, asked(), Begin{Account: w.account}); !errors.Is(err, ErrChanged) || len(out.Result().Cookies()) != 0 {
		t.Error(err)
	}
}

func TestSafeNext(t *testing.T) {
	for next, want := range map[string]string{
		"/mail/inbox?x=1#y": "/mail/inbox?x=1#y", "/settings/": "/settings/", "": "/mail/", "/": "/mail/", "//evil.example": "/mail/", "https://evil.example/": "/mail/",
		"/\\evil.example": "/mail/", "/\t/evil.example": "/mail/", "javascript:alert(1)": "/mail/", "/sign-in?next=/x": "/mail/", "mail": "/mail/", "/%0d%0aX: y": "/%0d%0aX: y",
		"\\/evil.example": "/mail/", "/sign-out": "/mail/",
	} {
		if got := SafeNext(next); got != want {
			t.Errorf("%q: %q", next, got)
		}
	}
}

// Wherever it leads, it is a path of ours.
func FuzzSafeNext(f *testing.F) {
	for _, seed := range []string{"/mail/x?y#z", "//evil.test", "/\\evil.test", "https:evil.test", "/a/../..//evil.test", "/%2f/evil.test", "/\u2028/x", "/x:y@evil.test"} {
		f.Add(seed)
	}
	home := &url.URL{Scheme: "https", Host: "mail.demo.test", Path: "/sign-in"}
	f.Fuzz(func(t *testing.T, next string) {
		safe := SafeNext(next)
		to, err := home.Parse(safe)
		if err != nil || to.Scheme != "https" || to.Host != home.Host || to.User != nil || safe[0] != '/' || len(safe) > 1 && (safe[1] == '/' || safe[1] == '\\') {
			t.Errorf("%q leads to %q: %v, %v", next, safe, to, err)
		}
	})
}

func TestClientOf(t *testing.T) {
	for agent, want := range map[string]string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0":                                                                           "Firefox Windows",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0":                              "Edge Windows",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1":                    "Safari iPhone",
		"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36":                                            "Chrome Android",
		"Mozilla/5.0 (Linux; Android 13; SM-S911B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36":                 "Samsung Internet Android",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15":                                      "Safari Mac",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0.7339.39 Mobile/15E148 Safari/604.1 and more so": "Chrome iPhone",
		"curl/8.5.0": " ",
	} {
		browser, system := ClientOf(agent)
		if got := browser + " " + system; got != want {
			t.Errorf("%s: %q", agent, got)
		}
	}
}

func BenchmarkFrom(b *testing.B) {
	w := newWorld(b)
	r := asked(w.begin(Begin{}))
	h := w.Around(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, d, _ := w.From(r); !d.Allowed() {
			b.Fatal(d)
		}
	}))
	out := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(out, r)
	}
}
