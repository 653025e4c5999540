package view

import (
	"bytes"
	"context"
	"html"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/postiljon/postiljon/internal/outbound"
	"github.com/postiljon/postiljon/internal/resolver"
)

// names answers that every host is on this machine.
type names struct{}

func (names) Host(context.Context, string) (resolver.Host, error) {
	return resolver.Host{Addrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}, nil
}

// TestImages fetches pictures of the web as the service, and nothing else.
func TestImages(t *testing.T) {
	var asked atomic.Int32
	var heard http.Header
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		heard = r.Header.Clone()
		switch r.URL.Path {
		case "/a.png":
			w.Header().Set("Set-Cookie", "id=1")
			_, _ = w.Write(append(dots(t, 30, 20), "<script>"...))
		case "/there":
			http.Redirect(w, r, "/a.png", http.StatusFound)
		case "/round":
			http.Redirect(w, r, "/round", http.StatusFound)
		case "/file":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		case "/mail":
			http.Redirect(w, r, "http://mail.example:25/", http.StatusFound)
		case "/page":
			w.Header().Set("Content-Type", "image/png")
			_, _ = w.Write([]byte("<script>alert(1)</script>"))
		case "/large":
			_, _ = w.Write(append(dots(t, 2, 2), make([]byte, maxPicture)...))
		}
	}))
	defer web.Close()
	paths := []string{"/a.png", "/there", "/round", "/file", "/mail", "/page", "/large", "/gone"}
	text := "From: a@example.org\nContent-Type: text/html\n\n"
	for _, p := range paths {
		text += `<img src="` + web.URL + p + `">`
	}
	try := func(t *testing.T, allow bool) map[string]*httptest.ResponseRecorder {
		w := newWorld(t, func(o *Options) {
			o.Fetch = outbound.NewWebClient(outbound.WebOptions{Resolver: names{}, AllowPrivate: allow})
		})
		got := map[string]*httptest.ResponseRecorder{}
		page := w.get(w.put(text+"\n") + "/body?images=1").Body.String()
		for n, m := range regexp.MustCompile(`src="(/m/[^"]*/image[^"]*)"`).FindAllStringSubmatch(page, -1) {
			got[paths[n]] = w.get(html.UnescapeString(m[1]))
			if n == 0 {
				forged := w.get(html.UnescapeString(m[1]) + "0")
				other := w.get(strings.Replace(html.UnescapeString(m[1]), "a.png", "b.png", 1))
				if forged.Code != http.StatusForbidden || other.Code != http.StatusForbidden {
					t.Errorf("an address that the message does not have: %d, %d", forged.Code, other.Code)
				}
				before := asked.Load()
				if again := w.get(html.UnescapeString(m[1])); allow && (again.Code != http.StatusOK || asked.Load() != before) {
					t.Error("fetched twice")
				}
			}
		}
		if len(got) != len(paths) {
			t.Fatalf("%d pictures in %s", len(got), page)
		}
		return got
	}
	t.Run("public", func(t *testing.T) {
		got := try(t, true)
		for path, code := range map[string]int{"/a.png": 200, "/there": 200, "/round": 502, "/file": 403, "/mail": 403, "/page": 415, "/large": 415, "/gone": 415} {
			if got[path].Code != code {
				t.Errorf("%s: %d, want %d", path, got[path].Code, code)
			}
		}
		h := got["/a.png"].Header()
		if h.Get("Content-Type") != "image/png" || h.Get("Set-Cookie") != "" || bytes.Contains(got["/a.png"].Body.Bytes(), []byte("script")) {
			t.Errorf("not made anew: %v", h)
		}
		if heard.Get("Cookie") != "" || heard.Get("Referer") != "" || heard.Get("Authorization") != "" {
			t.Errorf("the server heard %v", heard)
		}
	})
	t.Run("private", func(t *testing.T) {
		before := asked.Load()
		for path, a := range try(t, false) {
			if a.Code != http.StatusBadGateway {
				t.Errorf("%s: %d", path, a.Code)
			}
		}
		if asked.Load() != before {
			t.Error("a server beside us was asked")
		}
	})
}

// TestSenders keeps for whom pictures are always shown, and shows them of nobody who only claims to be one.
func TestSenders(t *testing.T) {
	w := newWorld(t)
	const proven = "Authentication-Results: mx.demo.test; dmarc=pass header.from=example.org\nReceived: from x by mx.demo.test with ESMTPS id x; Mon, 2 Nov 2026 10:00:00 +0100\n"
	const mail = "From: Shop <Shop@example.org>\nContent-Type: text/html\n\n<img src=http://pics.example/a.png>\n"
	good, bad := w.put(proven+mail), w.put(mail)
	shown := func(at string) bool {
		return strings.Contains(w.get(at+"/body").Body.String(), `data-shown="1"`)
	}
	change := func(method, body string, code int) {
		t.Helper()
		if a := w.send(method, "/api/images/senders", body); a.Code != code {
			t.Errorf("%s %s: %d %s", method, body, a.Code, a.Body)
		}
	}
	if shown(good) {
		t.Error("shown unasked")
	}
	change("POST", `{"address":"shop@EXAMPLE.org"}`, 200)
	change("POST", `{"address":"no address"}`, 400)
	change("POST", `{`, 400)
	if !shown(good) || shown(bad) {
		t.Errorf("shown: %v, and of one who is not proven: %v", shown(good), shown(bad))
	}
	if list := w.get("/api/images/senders").Body.String(); list != `{"senders":["shop@example.org"]}`+"\n" {
		t.Error(list)
	}
	change("DELETE", `{"address":"shop@example.org"}`, 200)
	if shown(good) {
		t.Error("shown after all")
	}
}
