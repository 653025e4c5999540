package tlsrpt

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/daily"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/resolver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestReadRecord(t *testing.T) {
	for _, test := range []struct {
		texts []string
		rua   []string
	}{
		{[]string{"v=TLSRPTv1; rua=mailto:tls@north.example"}, []string{"mailto:tls@north.example"}},
		{[]string{"v=TLSRPTv1;rua=MAILTO:a@b.example , https://c.example/x;"}, []string{"mailto:a@b.example", "https://c.example/x"}},
		{[]string{"other", "v=TLSRPTv1; ext=1; rua=https://c.example"}, []string{"https://c.example"}},
		{[]string{"v=TLSRPTv1; rua=ftp://c.example,mailto:"}, nil},
		{[]string{"v=TLSRPTv1; rua=mailto:a@b.example", "v=TLSRPTv1; rua=mailto:c@b.example"}, nil},
		{[]string{"v=TLSRPTv1;"}, nil}, {[]string{"v=TLSRPTv2; rua=mailto:a@b.example"}, nil}, {nil, nil},
	} {
		rua, err := ReadRecord(test.texts)
		if !slices.Equal(rua, test.rua) || (err == nil) != (test.rua != nil) {
			t.Errorf("%q: %q, %v", test.texts, rua, err)
		}
	}
	if rua, _ := ReadRecord([]string{"v=TLSRPTv1; rua=" + strings.Repeat("mailto:a@b.example,", 20)}); len(rua) != maxEndpoints {
		t.Errorf("%d places", len(rua))
	}
}

// texts are TXT records by name.
type texts map[string]string

func (r texts) TXT(_ context.Context, name string) ([]string, bool, error) {
	switch text, ok := r[name]; {
	case text == "later":
		return nil, false, resolver.ErrTemporary
	case ok:
		return []string{text}, false, nil
	}
	return nil, false, resolver.ErrNotExist
}

// world is a collector, and what came of its reports.
type world struct {
	t     *testing.T
	opt   Options
	now   time.Time
	texts texts
	mails [][]byte
	posts [][]byte
	fail  error // of sending
	*Collector
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), texts: texts{}}
	web := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("Content-Type") != "application/tlsrpt+gzip" || r.Method != http.MethodPost {
			t.Errorf("%s with %s, %v", r.Method, r.Header.Get("Content-Type"), err)
		}
		if strings.HasSuffix(r.URL.Path, "/no") {
			rw.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.posts = append(w.posts, raw)
		rw.WriteHeader(http.StatusCreated)
	}))
	t.Cleanup(web.Close)
	w.texts["_smtp._tls.north.example"] = "v=TLSRPTv1; rua=mailto:tls%2Breports@north.example?subject=x"
	w.texts["_smtp._tls.web.example"] = "v=TLSRPTv1; rua=" + web.URL + "/yes," + web.URL + "/no"
	w.texts["_smtp._tls.broken.example"] = "v=TLSRPTv1; rua=" + web.URL + "/no"
	w.texts["_smtp._tls.silent.example"] = "later"
	w.opt = Options{
		Organization: "mail.here.example", From: func() string { return "postmaster@here.example" }, Resolver: w.texts,
		Client: web.Client(), Record: policy.FileRecord(t.TempDir() + "/tls-reports.json"), Now: func() time.Time { return w.now },
		Log: slog.New(slog.DiscardHandler),
		Mail: func(_ context.Context, from, to string, raw []byte) error {
			if from != "postmaster@here.example" || to != "tls+reports@north.example" {
				t.Errorf("a report from %s to %s", from, to)
			}
			if w.fail == nil {
				w.mails = append(w.mails, raw)
			}
			return w.fail
		},
	}
	w.start()
	t.Cleanup(w.stop)
	return w
}

func (w *world) start() {
	w.t.Helper()
	var err error
	if w.Collector, err = New(w.t.Context(), w.opt); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) stop() {
	if err := w.Close(context.Background()); err != nil {
		w.t.Error(err)
	}
}

func sts(domain string) Policy {
	return Policy{Type: STS, Domain: domain, Strings: []string{"version: STSv1", "mode: enforce"}, MX: []string{"*." + domain}}
}

func TestReports(t *testing.T) {
	w := newWorld(t)
	bad := &Failure{Result: Expired, Host: "mx.north.example", IP: "192.0.2.1", Reason: strings.Repeat("å", 200)}
	for range 3 {
		w.Note(Session{Policy: sts("north.example")})
		w.Note(Session{Policy: sts("north.example"), Failure: bad})
	}
	w.Note(Session{Policy: Policy{Type: NoPolicy, Domain: "north.example"}})
	w.Note(Session{Policy: Policy{Type: NoPolicy, Domain: "web.example"}})
	w.Note(Session{Policy: Policy{Type: NoPolicy, Domain: "uninterested.example"}})
	w.stop()
	w.start() // the counts are kept
	w.Note(Session{Policy: sts("north.example"), Failure: bad})

	w.Send(t.Context(), w.now)
	if len(w.mails)+len(w.posts) > 0 {
		t.Fatal("reported a day that is not over")
	}
	w.now = w.now.Add(24 * time.Hour)
	w.Note(Session{Policy: sts("north.example")})
	w.Send(t.Context(), w.now)
	if len(w.mails) != 1 || len(w.posts) != 1 {
		t.Fatalf("%d mails, %d posts", len(w.mails), len(w.posts))
	}
	if n := len(w.days()); n != 1 {
		t.Errorf("%d days are kept", n)
	}
	r, err := Read(bytes.NewReader(w.mails[0]))
	if err != nil {
		t.Fatal(err)
	}
	if r.Domain() != "north.example" || r.Total() != (Summary{4, 4}) || r.Range.Start.Format(time.RFC3339) != "2026-03-01T00:00:00Z" ||
		r.Range.End.Format(time.RFC3339) != "2026-03-01T23:59:59Z" || r.Contact != "postmaster@here.example" {
		t.Errorf("%+v", r)
	}
	if f := r.Policies[0].Failures; len(f) != 1 || f[0].Sessions != 4 || f[0].Result != Expired || len(f[0].Reason) > maxText {
		t.Errorf("%+v", f)
	}
	if r, err = Read(bytes.NewReader(w.posts[0])); err != nil || r.Domain() != "web.example" || r.Total() != (Summary{1, 0}) {
		t.Errorf("%+v, %v", r, err)
	}
	w.checkMail(w.mails[0])
}

// checkMail looks at what RFC 8460 section 5.3 wants of the message.
func (w *world) checkMail(raw []byte) {
	for _, want := range []string{
		"From: postmaster@here.example\r\n", "To: tls+reports@north.example\r\n", "TLS-Report-Domain: north.example\r\n",
		"TLS-Report-Submitter: here.example\r\n", "TLS-Required: No\r\n", "Subject: Report Domain: north.example Submitter: here.example",
		`filename="here.example!north.example!1772323200!1772409599.json.gz"`, "Content-Type: application/tlsrpt+gzip", `report-type="tlsrpt"`,
	} {
		if !bytes.Contains(raw, []byte(want)) {
			w.t.Errorf("no %q in\n%s", want, raw)
		}
	}
	for line := range bytes.Lines(raw) {
		if !bytes.HasSuffix(line, []byte("\r\n")) || len(line) > 400 {
			w.t.Errorf("line %q", line)
		}
	}
}

func TestSendLater(t *testing.T) {
	w := newWorld(t)
	for _, domain := range []string{"north.example", "broken.example", "silent.example"} {
		w.Note(Session{Policy: Policy{Type: NoPolicy, Domain: domain}})
	}
	w.fail = errors.New("no room")
	for _, step := range []struct {
		after time.Duration
		left  int
	}{{13 * time.Hour, 3}, {time.Hour, 3}, {3 * 24 * time.Hour, 0}} {
		w.now = w.now.Add(step.after)
		w.Send(t.Context(), w.now)
		left := 0
		for _, domains := range w.days() {
			left += len(domains)
		}
		if left != step.left {
			t.Errorf("after %v: %d reports wait", step.after, left)
		}
	}
}

// days are the counts.
func (w *world) days() (all daily.Days[[]*PolicyResult]) {
	w.All(func(days daily.Days[[]*PolicyResult]) { all = days })
	return all
}

func TestBounds(t *testing.T) {
	w := newWorld(t)
	for i := range 2 * maxFailures {
		w.Note(Session{Policy: Policy{Type: NoPolicy, Domain: "1.example"}, Failure: &Failure{Result: NotTrusted, Host: strconv.Itoa(i)}})
		w.Note(Session{Policy: Policy{Type: TLSA, Domain: "2.example", Strings: []string{strconv.Itoa(i)}}})
	}
	today := w.days()["2026-03-01"]
	if len(today["1.example"][0].Failures) != maxFailures || len(today["2.example"]) != maxPolicies {
		t.Errorf("%d failures, %d policies", len(today["1.example"][0].Failures), len(today["2.example"]))
	}
	if s := today["1.example"][0].Summary; s.Failed != 2*maxFailures {
		t.Errorf("%+v", s)
	}
}

// foreign is a report as another sender writes it.
const foreign = `{"organization-name":"South","date-range":{"start-datetime":"2026-03-01T00:00:00Z","end-datetime":"2026-03-01T23:59:59Z"},
"contact-info":"tls@south.example","report-id":"x1","policies":[{"policy":{"policy-type":"sts","policy-string":["version: STSv1"],
"policy-domain":"here.example","mx-host":"*.here.example"},"summary":{"total-successful-session-count":5,"total-failure-session-count":2},
"failure-details":[{"result-type":"certificate-expired","sending-mta-ip":"192.0.2.9","receiving-mx-hostname":"mx.here.example","failed-session-count":2}]}]}`

func TestRead(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte(foreign))
	_ = z.Close()
	var bomb bytes.Buffer
	z = gzip.NewWriter(&bomb)
	_, _ = z.Write([]byte(`{"policies":["`))
	_, _ = z.Write(bytes.Repeat([]byte(" "), maxJSON))
	_ = z.Close()
	nested := "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: text/plain\r\n\r\nhi\r\n--a\r\n" +
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: application/tlsrpt+json\r\n\r\n" + foreign + "\r\n--b--\r\n--a--\r\n"
	for name, test := range map[string]struct {
		text string
		ok   bool
	}{
		"plain": {foreign, true}, "byte order mark": {"\xef\xbb\xbf" + foreign, true}, "packed": {packed.String(), true}, "nested mail": {nested, true},
		"empty": {"", false}, "text": {"hello there", false}, "bomb": {bomb.String(), false}, "cut": {foreign[:200], false},
		"cut gzip": {packed.String()[:50], false}, "no policies": {`{"policies":[]}`, false},
		"mail without": {"Subject: x\r\nContent-Type: text/plain\r\n\r\nhi", false},
		"deep":         {strings.Repeat("Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n", 50), false},
	} {
		r, err := Read(strings.NewReader(test.text))
		if (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && (r.Domain() != "here.example" || r.Total() != (Summary{5, 2}) || r.Policies[0].Policy.MX[0] != "*.here.example") {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestTexts(t *testing.T) {
	english, err := SpeechIn(cause.English)
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range cause.Languages() {
		s, err := SpeechIn(lang)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(s.Keys(), english.Keys()) {
			t.Errorf("%s has other texts than English", lang)
		}
		for _, r := range []Result{StartTLSNotSupported, HostMismatch, Expired, NotTrusted, ValidationFailure, TLSAInvalid, DNSSECInvalid,
			STSFetchError, STSInvalid, STSWebPKIInvalid} {
			for _, group := range []string{"result.", "step."} {
				if key := group + string(r); s.Say(key) == key {
					t.Errorf("%s: no text %s", lang, key)
				}
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(foreign))
	f.Add([]byte("Content-Type: multipart/report; boundary=a\r\n\r\n--a\r\nContent-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\n\r\nH4sI\r\n--a--"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := Read(bytes.NewReader(raw))
		if err != nil {
			return
		}
		again, err := json.Marshal(r)
		if err != nil {
			return // dates beyond what can be written
		}
		if _, err := Read(bytes.NewReader(again)); err != nil {
			t.Errorf("%v in %s", err, fmt.Sprintf("%.200s", again))
		}
	})
}
