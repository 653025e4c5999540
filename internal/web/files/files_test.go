package files

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/web/page/pagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTextsAreComplete(t *testing.T) {
	pagetest.Texts(t, parts, "unknown_text", "revoked_text", "expired_text", "held_text", "ask_sender", "ended_title", "later_title", "later_text",
		"later_step", "somebody", "often_title", "often_text", "block_file", "block_until")
}

// world is a server with two accounts.
type world struct {
	*testing.T
	store  *store.Store
	files  *Server
	web    *httptest.Server
	client *http.Client
	anna   store.Account
	bo     store.Account
	hasty  bool     // the web server has little patience, and speaks HTTP/2
	noted  []string // kinds of events, of requests that came one by one
}

func newWorld(t *testing.T, limits Limits) *world {
	t.Helper()
	return newWorldAs(&world{T: t}, limits)
}

func newWorldAs(w *world, limits Limits) *world {
	t := w.T
	t.Helper()
	if w.store == nil {
		w.store = storetest.Open(t)
	}
	if err := w.store.CreateDomain(t.Context(), store.Domain{Name: "own.example"}); err != nil {
		t.Fatal(err)
	}
	var err error
	for name, a := range map[string]*store.Account{"Anna Åberg": &w.anna, "": &w.bo} {
		address := map[bool]string{true: "bo@own.example", false: "anna@own.example"}[name == ""]
		if *a, err = w.store.CreateAccount(t.Context(), store.Account{Address: address, Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	w.files, err = New(Options{
		Store: w.store, Catalogue: catalogue, BaseURL: "https://mx.own.example", Hostname: "mx.own.example", Limits: limits, Log: slog.New(slog.DiscardHandler),
		Note: func(_ context.Context, _ store.AccountID, kind string, _ ...store.Field) {
			w.noted = append(w.noted, kind)
		},
		SignIn: func(r *http.Request) (store.Account, cause.Decision) {
			switch user, _, _ := r.BasicAuth(); user {
			case "anna":
				return w.anna, cause.Allow()
			case "bo":
				return w.bo, cause.Allow()
			}
			return store.Account{}, cause.Refuse(cause.AuthPasswordWrong)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for pattern, h := range w.files.Routes() {
		mux.Handle(pattern, h)
	}
	w.web = httptest.NewUnstartedServer(mux)
	w.web.Config.ReadTimeout, w.web.Config.WriteTimeout = 10*time.Second, 30*time.Second
	if w.hasty {
		w.web.Config.ReadTimeout, w.web.Config.WriteTimeout = 200*time.Millisecond, 200*time.Millisecond
	}
	w.web.EnableHTTP2 = w.hasty
	w.web.StartTLS()
	w.client = w.web.Client()
	t.Cleanup(func() {
		if err := w.files.Close(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
		w.web.Close()
	})
	return w
}

var usual = Limits{Size: 64 << 20, Total: 100 << 20, Keep: 30 * 24 * time.Hour}

// do makes a request as somebody; headers are pairs. It returns the answer with its body read.
func (w *world) do(user, method, path string, body io.Reader, headers ...string) (*http.Response, []byte) {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), method, w.web.URL+path, body)
	if err != nil {
		w.Fatal(err)
	}
	if user != "" {
		r.SetBasicAuth(user, "x")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if strings.HasPrefix(path, "/files/") && r.Header.Get("Tus-Resumable") == "" {
		r.Header.Set("Tus-Resumable", "1.0.0")
	}
	resp, err := w.client.Do(r)
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	return resp, b
}

func want(t *testing.T, r *http.Response, status int, headers ...string) {
	t.Helper()
	if r.StatusCode != status {
		t.Fatalf("%s %s: %s, want %d", r.Request.Method, r.Request.URL.Path, r.Status, status)
	}
	for i := 0; i < len(headers); i += 2 {
		if got := r.Header.Get(headers[i]); got != headers[i+1] {
			t.Errorf("%s %s: %s is %q, want %q", r.Request.Method, r.Request.URL.Path, headers[i], got, headers[i+1])
		}
	}
}

func metadata(name, kind string) string {
	e := base64.StdEncoding.EncodeToString
	return "filename " + e([]byte(name)) + ",filetype " + e([]byte(kind)) + ",is_confidential"
}

const octets = "application/offset+octet-stream"

// create begins an upload and returns its path.
func (w *world) create(user string, size int, name string) string {
	w.Helper()
	r, _ := w.do(user, "POST", "/files/", nil, "Upload-Length", fmt.Sprint(size), "Upload-Metadata", metadata(name, "video/mp4"))
	want(w.T, r, 201)
	return r.Header.Get("Location")
}

// upload brings a whole file and returns its id.
func (w *world) upload(user, name string, data []byte) string {
	w.Helper()
	path := w.create(user, len(data), name)
	r, _ := w.do(user, "PATCH", path, bytes.NewReader(data), "Content-Type", octets, "Upload-Offset", "0")
	want(w.T, r, 204, "Upload-Offset", fmt.Sprint(len(data)))
	return strings.TrimPrefix(path, "/files/")
}

func noise(n int) []byte {
	b := make([]byte, n)
	g := rand.NewChaCha8([32]byte{1})
	g.Read(b)
	return b
}

func (w *world) shown(user, id string) (f File) {
	w.Helper()
	r, b := w.do(user, "GET", "/api/files/"+id, nil)
	want(w.T, r, 200)
	if err := json.Unmarshal(b, &f); err != nil {
		w.Fatal(err)
	}
	return f
}

func TestDialogue(t *testing.T) {
	w := newWorld(t, usual)
	data := noise(3 << 20)

	r, _ := w.do("", "OPTIONS", "/files/", nil)
	want(t, r, 204, "Tus-Version", "1.0.0", "Tus-Max-Size", "67108864", "Tus-Checksum-Algorithm", "sha1,sha256",
		"Tus-Extension", "creation,creation-with-upload,expiration,checksum,termination")

	path := w.create("anna", len(data), "../geheim/Åbo film.mp4")
	r, _ = w.do("anna", "HEAD", path, nil)
	want(t, r, 200, "Upload-Offset", "0", "Upload-Length", fmt.Sprint(len(data)), "Cache-Control", "no-store", "Tus-Resumable", "1.0.0")
	if _, err := http.ParseTime(r.Header.Get("Upload-Expires")); err != nil {
		t.Errorf("Upload-Expires: %v", err)
	}

	// A piece, one at the wrong place, one for a method that is overridden, the rest.
	r, _ = w.do("anna", "PATCH", path, bytes.NewReader(data[:1000]), "Content-Type", octets, "Upload-Offset", "0")
	want(t, r, 204, "Upload-Offset", "1000")
	r, b := w.do("anna", "PATCH", path, bytes.NewReader(data[:1000]), "Content-Type", octets, "Upload-Offset", "0")
	want(t, r, 409, "Upload-Offset", "1000")
	if !strings.Contains(string(b), `"cause":"file.incomplete"`) {
		t.Errorf("refused with %s", b)
	}
	r, _ = w.do("anna", "POST", path, bytes.NewReader(data[1000:2000]), "Content-Type", octets, "Upload-Offset", "1000", "X-HTTP-Method-Override", "PATCH")
	want(t, r, 204, "Upload-Offset", "2000")
	r, _ = w.do("anna", "PATCH", path, bytes.NewReader(data[2000:]), "Content-Type", octets, "Upload-Offset", "2000")
	want(t, r, 204, "Upload-Offset", fmt.Sprint(len(data)))
	r, _ = w.do("anna", "HEAD", path, nil)
	want(t, r, 200, "Upload-Offset", fmt.Sprint(len(data)))

	f := w.shown("anna", strings.TrimPrefix(path, "/files/"))
	sum := sha256.Sum256(data)
	if !f.Whole || f.SHA256 != hex.EncodeToString(sum[:]) || f.Name != "Åbo film.mp4" || f.Type != "video/mp4" || f.Compress {
		t.Errorf("the file is %+v", f)
	}

	r, _ = w.do("anna", "DELETE", path, nil)
	want(t, r, 204)
	r, _ = w.do("anna", "HEAD", path, nil)
	want(t, r, 404)
}

func TestRefusals(t *testing.T) {
	w := newWorld(t, usual)
	path := w.create("anna", 1000, "a.txt")
	for _, c := range []struct {
		name, user, method, path string
		body                     string
		headers                  []string
		status                   int
		cause                    cause.ID
	}{
		{"nobody", "", "POST", "/files/", "", []string{"Upload-Length", "1"}, 401, cause.AuthPasswordWrong},
		{"another version", "anna", "POST", "/files/", "", []string{"Upload-Length", "1", "Tus-Resumable", "0.2.2"}, 412, cause.ClientProtocolError},
		{"no length", "anna", "POST", "/files/", "", nil, 400, cause.ClientProtocolError},
		{"too large", "anna", "POST", "/files/", "", []string{"Upload-Length", "67108865"}, 413, cause.FileTooLarge},
		{"metadata", "anna", "POST", "/files/", "", []string{"Upload-Length", "1", "Upload-Metadata", "filename *"}, 400, cause.ClientProtocolError},
		{"a file of somebody else", "bo", "PATCH", path, "x", []string{"Content-Type", octets, "Upload-Offset", "0"}, 404, cause.FileGone},
		{"no such file", "anna", "PATCH", "/files/x", "x", []string{"Content-Type", octets, "Upload-Offset", "0"}, 404, cause.FileGone},
		{"not octets", "anna", "PATCH", path, "x", []string{"Content-Type", "text/plain", "Upload-Offset", "0"}, 415, cause.ClientProtocolError},
		{"no offset", "anna", "PATCH", path, "x", []string{"Content-Type", octets}, 400, cause.ClientProtocolError},
		{"beyond the end", "anna", "PATCH", path, strings.Repeat("x", 1001), []string{"Content-Type", octets, "Upload-Offset", "0"}, 400, cause.ClientProtocolError},
		{"another checksum", "anna", "PATCH", path, "x", []string{"Content-Type", octets, "Upload-Offset", "0", "Upload-Checksum", "md5 AAAA"}, 400, cause.ClientProtocolError},
		{"a link before it is whole", "anna", "POST", "/api/files/" + strings.TrimPrefix(path, "/files/") + "/link", "", nil, 409, cause.FileIncomplete},
		{"methods", "anna", "PUT", path, "x", nil, 405, cause.ClientProtocolError},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, b := w.do(c.user, c.method, c.path, strings.NewReader(c.body), c.headers...)
			var refusal struct {
				Cause               cause.ID
				Title, Text, Action string
			}
			if err := json.Unmarshal(b, &refusal); r.StatusCode != c.status || err != nil || refusal.Cause != c.cause || refusal.Title == "" || refusal.Action == "" {
				t.Errorf("%s: %s", r.Status, b)
			}
		})
	}
}

func TestCreationWithUpload(t *testing.T) {
	w := newWorld(t, usual)
	r, _ := w.do("anna", "POST", "/files/", strings.NewReader("hej"), "Upload-Length", "5", "Content-Type", octets)
	want(t, r, 201, "Upload-Offset", "3")
	r, _ = w.do("anna", "PATCH", r.Header.Get("Location"), strings.NewReader("ar"), "Upload-Offset", "3", "Content-Type", octets)
	want(t, r, 204, "Upload-Offset", "5")
	// A file without octets is whole at once.
	r, _ = w.do("anna", "POST", "/files/", nil, "Upload-Length", "0")
	want(t, r, 201, "Upload-Offset", "0")
	if f := w.shown("anna", strings.TrimPrefix(r.Header.Get("Location"), "/files/")); !f.Whole || f.Name != "file" {
		t.Errorf("the file is %+v", f)
	}
}

func TestChecksum(t *testing.T) {
	w := newWorld(t, usual)
	data := noise(2 << 20)
	path := w.create("anna", len(data), "a.bin")
	s1, s256 := sha1.Sum(data[:1<<20]), sha256.Sum256(data[1<<20:])
	e := base64.StdEncoding.EncodeToString
	wrong := slices.Clone(data[:1<<20])
	wrong[77]++
	r, _ := w.do("anna", "PATCH", path, bytes.NewReader(wrong), "Content-Type", octets, "Upload-Offset", "0", "Upload-Checksum", "sha1 "+e(s1[:]))
	want(t, r, 460)
	r, _ = w.do("anna", "HEAD", path, nil)
	want(t, r, 200, "Upload-Offset", "0")
	r, _ = w.do("anna", "PATCH", path, bytes.NewReader(data[:1<<20]), "Content-Type", octets, "Upload-Offset", "0", "Upload-Checksum", "sha1 "+e(s1[:]))
	want(t, r, 204, "Upload-Offset", fmt.Sprint(1<<20))
	wrong = slices.Clone(data[1<<20:])
	wrong[len(wrong)-1]++
	r, _ = w.do("anna", "PATCH", path, bytes.NewReader(wrong), "Content-Type", octets, "Upload-Offset", fmt.Sprint(1<<20), "Upload-Checksum", "sha256 "+e(s256[:]))
	want(t, r, 460)
	r, _ = w.do("anna", "PATCH", path, bytes.NewReader(data[1<<20:]), "Content-Type", octets, "Upload-Offset", fmt.Sprint(1<<20), "Upload-Checksum", "sha256 "+e(s256[:]))
	want(t, r, 204, "Upload-Offset", fmt.Sprint(len(data)))
	sum := sha256.Sum256(data)
	if f := w.shown("anna", strings.TrimPrefix(path, "/files/")); f.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("the file is %+v", f)
	}
}

// raw opens a connection and begins a PATCH of which only a part comes.
func (w *world) raw(path string, offset int, length int, part []byte) net.Conn {
	w.Helper()
	c, err := tls.Dial("tcp", strings.TrimPrefix(w.web.URL, "https://"), &tls.Config{InsecureSkipVerify: true}) // a certificate of the test's own
	if err != nil {
		w.Fatal(err)
	}
	head := fmt.Sprintf("PATCH %s HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\nTus-Resumable: 1.0.0\r\nContent-Type: %s\r\nUpload-Offset: %d\r\nContent-Length: %d\r\n\r\n",
		path, base64.StdEncoding.EncodeToString([]byte("anna:x")), octets, offset, length)
	if _, err := c.Write(append([]byte(head), part...)); err != nil {
		w.Fatal(err)
	}
	return c
}

func (w *world) awaitRunning(path string) {
	w.Helper()
	for range 1000 {
		if w.files.uploads.running(strings.TrimPrefix(path, "/files/")) != nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
	w.Fatal("the upload does not begin")
}

// TestBrokenOff goes on after a connection that was cut, and takes over from one that hangs.
func TestBrokenOff(t *testing.T) {
	w := newWorld(t, usual)
	data := noise(1 << 20)
	path := w.create("anna", len(data), "a.bin")
	c := w.raw(path, 0, len(data), data[:300_000])
	w.awaitRunning(path)
	c.Close()
	at := func() (n int) {
		r, _ := w.do("anna", "HEAD", path, nil)
		want(t, r, 200)
		fmt.Sscan(r.Header.Get("Upload-Offset"), &n)
		return n
	}
	n := at()
	if n > 300_000 {
		t.Fatalf("%d octets are there of 300000", n)
	}
	hangs := w.raw(path, n, len(data)-n, data[n:n+100_000])
	defer hangs.Close()
	w.awaitRunning(path)
	m := at()
	if m < n || m > n+100_000 {
		t.Fatalf("%d octets are there after %d", m, n)
	}
	r, _ := w.do("anna", "PATCH", path, bytes.NewReader(data[m:]), "Content-Type", octets, "Upload-Offset", fmt.Sprint(m))
	want(t, r, 204, "Upload-Offset", fmt.Sprint(len(data)))
	sum := sha256.Sum256(data)
	if f := w.shown("anna", strings.TrimPrefix(path, "/files/")); f.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("the file is %+v", f)
	}
}

// TestTwoAtOnce has many bring the same file: it is whole once, and as it should be.
func TestTwoAtOnce(t *testing.T) {
	w := newWorld(t, usual)
	data := noise(1 << 20)
	path := w.create("anna", len(data), "a.bin")
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 50 {
				r, _ := w.do("anna", "HEAD", path, nil)
				var at int
				fmt.Sscan(r.Header.Get("Upload-Offset"), &at)
				if at == len(data) {
					return
				}
				end := min(at+rand.IntN(100_000)+40_000, len(data))
				req, _ := http.NewRequestWithContext(t.Context(), "PATCH", w.web.URL+path, bytes.NewReader(data[at:end]))
				req.SetBasicAuth("anna", "x")
				req.Header.Set("Tus-Resumable", "1.0.0")
				req.Header.Set("Content-Type", octets)
				req.Header.Set("Upload-Offset", fmt.Sprint(at))
				if resp, err := w.client.Do(req); err == nil {
					resp.Body.Close()
				}
			}
		})
	}
	wait.Wait()
	r, _ := w.do("anna", "HEAD", path, nil)
	var at int
	fmt.Sscan(r.Header.Get("Upload-Offset"), &at)
	r, _ = w.do("anna", "PATCH", path, bytes.NewReader(data[at:]), "Content-Type", octets, "Upload-Offset", fmt.Sprint(at))
	sum := sha256.Sum256(data)
	if f := w.shown("anna", strings.TrimPrefix(path, "/files/")); f.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("the file is %+v, answered %s", f, r.Status)
	}
}

// slow is a body of which a little comes at a time.
type slow struct{ left int }

func (s *slow) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	time.Sleep(50 * time.Millisecond)
	n := min(len(p), s.left, 1000)
	s.left -= n
	clear(p[:n])
	return n, nil
}

// TestSlowly brings and fetches a file for longer than the web server has patience with others, over HTTP/2 and HTTP/1.1.
func TestSlowly(t *testing.T) {
	w := newWorldAs(&world{T: t, hasty: true}, usual)
	for _, version := range []int{2, 1} {
		if version == 1 {
			transport := w.client.Transport.(*http.Transport).Clone()
			transport.ForceAttemptHTTP2, transport.TLSNextProto = false, map[string]func(string, *tls.Conn) http.RoundTripper{}
			transport.TLSClientConfig.NextProtos = nil
			w.client = &http.Client{Transport: transport}
			defer transport.CloseIdleConnections()
		}
		path := w.create("anna", 10_000, "a")
		r, _ := w.do("anna", "PATCH", path, &slow{10_000}, "Content-Type", octets, "Upload-Offset", "0")
		if want(t, r, 204, "Upload-Offset", "10000"); r.ProtoMajor != version {
			t.Errorf("it went over %s", r.Proto)
		}
	}
}

func TestRoomIsBounded(t *testing.T) {
	w := newWorld(t, Limits{Size: 1000, Total: 2500, Keep: 24 * time.Hour})
	first := w.create("anna", 1000, "a")
	w.create("anna", 1000, "b")
	r, b := w.do("anna", "POST", "/files/?lang=sv", nil, "Upload-Length", "501")
	want(t, r, 507)
	if !strings.Contains(string(b), "Utrymmet för stora filer är slut") || !strings.Contains(string(b), "2 kB") && !strings.Contains(string(b), "2,0 kB") && !strings.Contains(string(b), "kB") {
		t.Errorf("refused with %s", b)
	}
	w.create("bo", 1000, "c")
	r, _ = w.do("anna", "DELETE", first, nil)
	want(t, r, 204)
	w.create("anna", 501, "d")
}

func (w *world) link(user, id, lang string) (l Linked) {
	w.Helper()
	r, b := w.do(user, "POST", "/api/files/"+id+"/link?lang="+lang, strings.NewReader(`{"email":"E7"}`))
	want(w.T, r, 200)
	if err := json.Unmarshal(b, &l); err != nil {
		w.Fatal(err)
	}
	return l
}

func (w *world) suspend(why cause.ID) {
	w.Helper()
	_, err := w.store.UpdateAccount(w.Context(), w.anna.ID, func(a *store.Account) error {
		a.Suspended = why
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
}

func TestLink(t *testing.T) {
	w := newWorld(t, usual)
	data := noise(1_500_000)
	id := w.upload("anna", `Sommar "<b>" é.mov`, data)
	l := w.link("anna", id, "sv")
	path := strings.TrimPrefix(l.File.Link.URL, "https://mx.own.example")
	if !strings.Contains(l.Text, l.File.Link.URL) || !strings.Contains(l.Text, l.File.SHA256) || !strings.Contains(l.Text, "Kan hämtas till") ||
		strings.Contains(l.HTML, "<b>\"") || !strings.Contains(l.HTML, "&lt;b&gt;") || l.File.Email != "E7" {
		t.Errorf("the blocks are\n%s\n%s", l.Text, l.HTML)
	}
	if again := w.link("anna", id, "sv"); again.File.Link.URL != l.File.Link.URL {
		t.Error("a second link was made")
	}

	r, b := w.do("", "GET", path+"?lang=nb", nil)
	want(t, r, 200, "X-Robots-Tag", "noindex, nofollow", "Cache-Control", "private, no-store")
	for _, text := range []string{"Anna Åberg", "har sendt deg en fil", l.File.SHA256, "&lt;b&gt;", path + "/download"} {
		if !strings.Contains(string(b), text) {
			t.Errorf("the page lacks %q:\n%s", text, b)
		}
	}
	if strings.Contains(string(b), "anna@") || strings.Contains(string(b), "<script") {
		t.Error("the page tells the address, or has a script")
	}

	r, b = w.do("", "GET", path+"/download", nil)
	want(t, r, 200, "X-Content-Type-Options", "nosniff", "Content-Type", "video/mp4", "Accept-Ranges", "bytes",
		"Content-Disposition", `attachment; filename="Sommar _<b>_ _.mov"; filename*=utf-8''Sommar%20%22%3Cb%3E%22%20%C3%A9.mov`)
	if !bytes.Equal(b, data) || !strings.Contains(r.Header.Get("Content-Security-Policy"), "sandbox") {
		t.Error("the file is another, or may run")
	}
	r, b = w.do("", "GET", path+"/download", nil, "Range", "bytes=1000000-", "If-Range", r.Header.Get("ETag"))
	want(t, r, 206, "Content-Range", "bytes 1000000-1499999/1500000")
	if !bytes.Equal(b, data[1_000_000:]) {
		t.Error("the range is another")
	}
	r, _ = w.do("", "HEAD", path+"/download", nil)
	want(t, r, 200, "Content-Length", "1500000")
	if f := w.shown("anna", id); f.Link.Downloads != 1 || f.Link.LastDownload.IsZero() {
		t.Errorf("counted %+v", f.Link)
	}

	if r, _ = w.do("bo", "DELETE", "/api/files/"+id+"/link", nil); r.StatusCode != 404 {
		t.Errorf("somebody else ended the link: %s", r.Status)
	}
	r, _ = w.do("anna", "DELETE", "/api/files/"+id+"/link", nil)
	want(t, r, 200)
	for _, p := range []string{path, path + "/download"} {
		r, b = w.do("", "GET", p, nil)
		if want(t, r, 410); !strings.Contains(string(b), "The sender has ended this link.") {
			t.Errorf("the page says\n%s", b)
		}
	}
	w.suspend(cause.AccountBlockedAbuse)
	if r, b = w.do("", "GET", path, nil); r.StatusCode != 403 || !strings.Contains(string(b), "not handed out") {
		t.Errorf("the link of somebody who is suspended: %s\n%s", r.Status, b)
	}
	w.suspend("")
	if r, b = w.do("", "GET", "/f/aaaaaaaaaaaaaaaaaaaaaaaaaa", nil); r.StatusCode != 404 || !strings.Contains(string(b), "Ask the sender") {
		t.Errorf("an unknown link: %s\n%s", r.Status, b)
	}
	// Another one after that is another.
	if again := w.link("anna", id, "sv"); again.File.Link.URL == l.File.Link.URL || again.File.Link.Downloads != 0 {
		t.Error("the ended link was given again")
	}
	if want := []string{journal.FileLinked, journal.FileLinked, journal.FileUnlinked, journal.FileLinked}; !slices.Equal(w.noted, want) {
		t.Errorf("the journal has %q, want %q", w.noted, want)
	}
}

func TestList(t *testing.T) {
	w := newWorld(t, usual)
	w.upload("anna", "notes.txt", []byte("hej"))
	w.create("anna", 77, "b.zip")
	r, b := w.do("anna", "GET", "/api/files", nil)
	want(t, r, 200, "Cache-Control", "no-store")
	var l List
	if err := json.Unmarshal(b, &l); err != nil || len(l.Files) != 2 || l.Usage != (Usage{2, 80, 100 << 20}) || l.KeepDays != 30 || l.MaxKeepDays != 120 || l.MaxSize != 64<<20 {
		t.Errorf("listed %s, %v", b, err)
	}
	if r, b = w.do("bo", "GET", "/api/files", nil); !strings.Contains(string(b), `"files":[]`) {
		t.Errorf("bo sees %s", b)
	}
	want(t, r, 200)
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"": "file", "..": "file", "/etc/passwd": "passwd", `C:\Users\a\b.doc`: "b.doc", "a\r\nb": "ab", "evil\u202egpj.exe": "evilgpj.exe",
		strings.Repeat("å", 200) + ".mov": strings.Repeat("å", 125) + ".mov", "a\xff": "a_",
	} {
		if got := cleanName(name); got != want {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
	for kind, want := range map[string]string{"text/html": "application/octet-stream", "image/svg+xml": "application/octet-stream", "image/png": "image/png", "": "application/octet-stream"} {
		if got := harmless(kind); got != want {
			t.Errorf("%q becomes %q, want %q", kind, got, want)
		}
	}
	for name, want := range map[string]bool{"a.wav": true, "a.MP4": false, "a.zip": false, "a": false, "x.csv": true} {
		if got := compressible(name, ""); got != want {
			t.Errorf("%s: packing helps: %v", name, got)
		}
	}
}

func TestVisitorsAreBounded(t *testing.T) {
	var f fetches
	f.init()
	now := time.Now()
	one := netip.MustParseAddr("2001:db8::1")
	for i := range fetchBurst {
		release, ok := f.admit(one, now)
		if !ok {
			t.Fatalf("request %d is refused", i)
		}
		release()
	}
	if _, ok := f.admit(netip.MustParseAddr("2001:db8::2"), now); ok {
		t.Error("a neighbour is not counted with it")
	}
	if _, ok := f.admit(netip.MustParseAddr("192.0.2.1"), now); !ok {
		t.Error("another place is refused")
	}
	if _, ok := f.admit(one, now.Add(2*fetchInterval)); !ok {
		t.Error("refused for ever")
	}
	for i := range maxPlaces + 10 {
		release, ok := f.admit(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), now)
		if !ok {
			t.Fatal("refused")
		}
		release()
	}
	if len(f.places) > maxPlaces {
		t.Errorf("%d places are kept", len(f.places))
	}
}
