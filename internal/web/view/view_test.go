package view

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

// world is a server with the mail of anna@demo.test.
type world struct {
	t     testing.TB
	store *store.Store
	anna  store.Account
	mux   *http.ServeMux
	*Server
}

func newWorld(t testing.TB, change ...func(*Options)) *world {
	t.Helper()
	w := &world{t: t, store: storetest.Open(t), mux: http.NewServeMux()}
	w.anna = storetest.Account(t, w.store, "anna@demo.test")
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Store: w.store, Catalogue: catalogue, AuthservID: "mx.demo.test", SignIn: func(r *http.Request) (store.Account, cause.Decision) {
		if _, password, _ := r.BasicAuth(); password != "secret" {
			return store.Account{}, cause.Refuse(cause.AuthPasswordWrong)
		}
		return w.anna, cause.Allow()
	}}
	for _, c := range change {
		c(&o)
	}
	if w.Server, err = New(o); err != nil {
		t.Fatal(err)
	}
	for pattern, h := range w.Routes() {
		w.mux.Handle(pattern, h)
	}
	return w
}

// put places a message, whose lines end in LF, in the inbox and returns where it is.
func (w *world) put(text string) string {
	w.t.Helper()
	return w.place(text, true)
}

// place is put of a message that came by mail, or that a program put there.
func (w *world) place(text string, arrived bool) string {
	w.t.Helper()
	e := storetest.Email(w.t, w.store, strings.ReplaceAll(text, "\n", "\r\n"))
	e.Arrived = arrived
	if _, err := w.store.Append(w.t.Context(), w.anna.ID, store.InboxID, []store.NewEmail{e}); err != nil {
		w.t.Fatal(err)
	}
	mail, _, err := w.store.Mail(w.t.Context(), w.anna.ID, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return "/m/" + emailID(mail.NextEmail-1)
}

// get asks as a browser does for a frame; headers are name and value in turn.
func (w *world) get(path string, headers ...string) *httptest.ResponseRecorder {
	return w.ask("GET", path, headers...)
}

func (w *world) ask(method, path string, headers ...string) *httptest.ResponseRecorder {
	return w.do(httptest.NewRequest(method, path, nil), headers...)
}

func (w *world) send(method, path, body string) *httptest.ResponseRecorder {
	return w.do(httptest.NewRequest(method, path, strings.NewReader(body)))
}

func (w *world) do(r *http.Request, headers ...string) *httptest.ResponseRecorder {
	r.TLS = &tls.ConnectionState{}
	r.SetBasicAuth(w.anna.Address, "secret")
	r.Header.Set("Sec-Fetch-Dest", "iframe")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer := httptest.NewRecorder()
	w.mux.ServeHTTP(answer, r)
	return answer
}

const newsletter = `From: Shop <shop@example.org>
To: anna@demo.test
Subject: News
Content-Type: multipart/related; boundary=b

--b
Content-Type: text/html; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

<style>body { color: #333 }</style><script>alert(1)</script>
<p onclick=3D"x()">R=E4kna <img src=3D"cid:logo"> <img src=3D"http://pics.example/a.png" width=3D100></p>
--b
Content-Type: image/png; name="logo.png"
Content-Transfer-Encoding: base64
Content-ID: <logo>

iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==
--b--
`

func TestBody(t *testing.T) {
	w := newWorld(t)
	at := w.put(newsletter)
	a := w.get(at + "/body")
	page := a.Body.String()
	if a.Code != http.StatusOK || a.Header().Get("Content-Security-Policy") != bodyPolicy || a.Header().Get("X-Frame-Options") != "" {
		t.Fatal(a.Code, a.Header())
	}
	for _, want := range []string{"Räkna", `src="` + at + `/part/3/logo.png"`, `data-remote="pics.example"`, `data-remote="1" data-shown="0" data-trackers="0"`, "#m1{color:#333333}"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s in %s", want, page)
		}
	}
	if strings.Contains(page, "alert") || strings.Contains(page, "onclick") {
		t.Error("a script stayed")
	}
	if again := w.get(at+"/body", "If-None-Match", a.Header().Get("ETag")); again.Code != http.StatusNotModified || again.Body.Len() > 0 {
		t.Error("not kept:", again.Code)
	}
	if with := w.get(at + "/body?images=1").Body.String(); !strings.Contains(with, `src="`+at+`/image?u=http%3A%2F%2Fpics.example%2Fa.png&amp;s=`) || !strings.Contains(with, `data-shown="1"`) {
		t.Errorf("pictures of the web: %s", with)
	}
	if dark := w.get(at + "/body?theme=dark").Body.String(); !strings.Contains(dark, "color-scheme: dark") || strings.Contains(dark, "#333333") {
		t.Errorf("dark: %s", dark)
	}
}

// TestWhoAsks refuses everything that is not a frame of ours, and everybody else.
func TestWhoAsks(t *testing.T) {
	w := newWorld(t)
	at := w.put(newsletter)
	for _, c := range []struct {
		path    string
		headers []string
		code    int
	}{
		{"/body", []string{"Sec-Fetch-Dest", "document"}, 403},
		{"/body", []string{"Sec-Fetch-Dest", ""}, 403},
		{"/body", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"/body", []string{"Authorization", ""}, 401},
		{"/part/3/logo.png", []string{"Authorization", ""}, 401},
		{"/body?part=1", nil, 404},
		{"/body?part=9", nil, 404},
		{"/body?part=2", nil, 200},
	} {
		if a := w.get(at+c.path, c.headers...); a.Code != c.code {
			t.Errorf("%s %v: %d, want %d", c.path, c.headers, a.Code, c.code)
		}
	}
	for _, path := range []string{"/m/M999/body", "/m/M01/body", "/m/x/body"} {
		if a := w.get(path); a.Code != http.StatusNotFound || a.Header().Get("Content-Security-Policy") != filePolicy {
			t.Errorf("%s: %d %v", path, a.Code, a.Header())
		}
	}
}

func TestPart(t *testing.T) {
	w := newWorld(t)
	at := w.put("From: a@example.org\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: image/png; name=\"../a\\\"b\u202egnp.exe\"\nContent-Transfer-Encoding: base64\n\n" +
		"PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==\n--b\nContent-Type: text/html; name=\"räksmörgås.html\"\nContent-Disposition: attachment\n\n<script>alert(1)</script>\n--b--\n")
	for _, c := range []struct{ path, kind, disposition string }{
		{"/part/2/x", "application/octet-stream", `attachment; filename="a_bgnp.exe"`},
		{"/part/3/x", "application/octet-stream", `attachment; filename="r_ksm_rg_s.html"; filename*=UTF-8''r%C3%A4ksm%C3%B6rg%C3%A5s.html`},
	} {
		a := w.get(at + c.path)
		h := a.Header()
		if h.Get("Content-Type") != c.kind || h.Get("Content-Disposition") != c.disposition || h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%s: %v", c.path, h)
		}
	}
}

// TestOpened: a page says what it shows, and nobody says it of what is not there.
func TestOpened(t *testing.T) {
	var told []string
	w := newWorld(t, func(o *Options) {
		o.Opened = func(_ *http.Request, by *store.Account, owner store.AccountID, e journal.ReadEmail) {
			told = append(told, fmt.Sprintf("%s %t %s", by.Address, by.ID == owner, e.MessageID))
		}
	})
	at := w.put("From: bo@example.org\nMessage-ID: <1@example.org>\n\nHello\n")
	for path, code := range map[string]int{at + "/opened": http.StatusNoContent, "/m/M99/opened": http.StatusNotFound} {
		if answer := w.ask("POST", path); answer.Code != code {
			t.Errorf("%s: %d %s", path, answer.Code, answer.Body)
		}
	}
	if len(told) != 1 || told[0] != "anna@demo.test true 1@example.org" {
		t.Errorf("%q", told)
	}
}
