package settings

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/lab"
	"github.com/postiljon/postiljon/internal/lab/ca"
	"github.com/postiljon/postiljon/internal/lab/names"
	"github.com/postiljon/postiljon/internal/lab/peer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a small internet with a provider, north.example, and somebody who looks.
// The provider has SRV records and no web server.
type world struct {
	*lab.World
	t      *testing.T
	zone   *names.Zone
	imap   *peer.IMAP
	pop3   *peer.POP3
	smtp   *peer.SMTP
	finder *Finder
	asked  *lockedList // what web servers were asked
}

type lockedList struct {
	mu  sync.Mutex
	all []string
}

func (l *lockedList) add(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, s)
}

func (l *lockedList) list() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{World: lab.New(t), t: t, asked: &lockedList{}}
	w.north()
	home := w.Home()
	w.finder = &Finder{
		Table: loadTable(t), Dialer: home, Roots: home.Roots(), Now: home.Now, Timeout: 3 * time.Second,
		Resolver: ResolverAt(home, home.Resolvers()[0]),
	}
	return w
}

// north makes the provider.
func (w *world) north() {
	w.t.Helper()
	mail := peer.NewMail("north.example")
	w.imap, w.pop3, w.smtp = peer.NewIMAP("imap.north.example", mail), peer.NewPOP3("pop.north.example", mail), peer.NewSMTP("smtp.north.example", mail, true)
	w.imap.SetCertificate(w.Certificate([]string{"imap.north.example"}))
	w.pop3.SetCertificate(w.Certificate([]string{"pop.north.example"}))
	w.smtp.SetCertificate(w.Certificate([]string{"smtp.north.example"}))
	imap, pop, smtp := w.Host("imap.north.example"), w.Host("pop.north.example"), w.Host("smtp.north.example")
	if err := errors.Join(
		imap.ServeTLS(993, w.imap), imap.Serve(143, w.imap), pop.ServeTLS(995, w.pop3), pop.Serve(110, w.pop3),
		smtp.ServeTLS(465, w.smtp), smtp.Serve(587, w.smtp),
	); err != nil {
		w.t.Fatal(err)
	}
	w.zone = w.Names.Zone("north.example").Add("@ MX 10 mx", "mx A 192.0.2.200",
		"_imaps._tcp SRV 0 1 993 imap", "_imap._tcp SRV 10 1 143 imap", "_pop3s._tcp SRV 0 1 995 pop",
		"_submissions._tcp SRV 0 1 465 smtp", "_submission._tcp SRV 10 1 587 smtp")
}

// web serves https at a host. The name of its certificate is that of the host,
// unless options say otherwise.
func (w *world) web(host string, handler http.HandlerFunc, options ...ca.Option) {
	w.t.Helper()
	w.webAs(host, host, handler, options...)
}

func (w *world) webAs(host, name string, handler http.HandlerFunc, options ...ca.Option) {
	w.t.Helper()
	l, err := w.Host(host).Listen(443)
	if err != nil {
		w.t.Fatal(err)
	}
	server := &http.Server{
		Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			w.asked.add(r.Method + " https://" + r.Host + r.URL.String())
			handler(rw, r)
		}),
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{w.Certificate([]string{name}, options...)}},
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		server.ServeTLS(l, "", "")
	}()
	w.t.Cleanup(func() {
		server.Close()
		<-ended
	})
}

func text(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) }
}

func (w *world) lookup(query string) *Result {
	w.t.Helper()
	r, err := w.finder.Lookup(context.Background(), query)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// chosen checks the servers that a result chose, in the form "origin server username".
func (r *Result) chosen() string {
	var all []string
	for _, c := range r.Chosen {
		all = append(all, strings.TrimSpace(string(c.Origin)+" "+string(c.Protocol)+" "+c.String()+" "+c.Username))
	}
	return strings.Join(all, "\n")
}

func want(t *testing.T, r *Result, lines ...string) {
	t.Helper()
	if got := r.chosen(); got != strings.Join(lines, "\n") {
		t.Errorf("chosen:\n%s\nnot:\n%s\ntried: %+v", got, strings.Join(lines, "\n"), r.Tried)
	}
}

// outcome returns what came of looking at an origin, each place.
func (r *Result) outcome(o Origin) (all []Outcome) {
	for _, a := range r.Tried {
		if a.Origin == o {
			all = append(all, a.Outcome)
		}
	}
	return all
}

func wantOutcome(t *testing.T, r *Result, o Origin, outcomes ...Outcome) {
	t.Helper()
	if got := r.outcome(o); !slices.Equal(got, outcomes) {
		t.Errorf("outcome of %s: %v, not %v: %+v", o, got, outcomes, r.Tried)
	}
}

var northConfig = config(`<displayName>North</displayName>
	<incomingServer type="imap"><hostname>in.north.example</hostname><port>993</port><socketType>SSL</socketType><username>%EMAILLOCALPART%</username><authentication>password-cleartext</authentication></incomingServer>
	<outgoingServer type="smtp"><hostname>out.north.example</hostname><port>587</port><socketType>STARTTLS</socketType><username>%EMAILADDRESS%</username><authentication>password-cleartext</authentication></outgoingServer>`)

func TestSRV(t *testing.T) {
	w := newWorld(t)
	r := w.lookup("anna@north.example")
	want(t, r,
		"srv imap imap.north.example:993/tls anna@north.example",
		"srv pop3 pop.north.example:995/tls anna@north.example",
		"srv smtp smtp.north.example:465/tls anna@north.example")
	wantOutcome(t, r, FromSRV, Found)
	wantOutcome(t, r, FromAutoconfig, Nothing)
	wantOutcome(t, r, FromWellKnown, Nothing)
	wantOutcome(t, r, FromTable, Nothing)
	wantOutcome(t, r, FromAutodiscover, Nothing, Nothing)
	wantOutcome(t, r, FromGuess)
	if len(r.Candidates) != 1 || len(r.Candidates[0].Servers) != 5 {
		t.Errorf("candidates: %+v", r.Candidates)
	}
	if n := w.imap.Counts().Connections; n != 0 {
		t.Errorf("%d connections to a server that was published", n)
	}
	// A domain alone has servers and no user name.
	want(t, w.lookup("north.example"), "srv imap imap.north.example:993/tls", "srv pop3 pop.north.example:995/tls", "srv smtp smtp.north.example:465/tls")
}

// TestSRVNotOffered: a target of "." is a no, and stands against guessing too.
func TestSRVNotOffered(t *testing.T) {
	w := newWorld(t)
	w.zone.Remove("_pop3s._tcp").Add("_pop3s._tcp SRV 0 0 0 .", "_pop3._tcp SRV 0 0 0 .").Remove("_imaps._tcp").Add("_imaps._tcp SRV 0 0 0 .")
	r := w.lookup("anna@north.example")
	want(t, r, "srv imap imap.north.example:143/starttls anna@north.example", "srv smtp smtp.north.example:465/tls anna@north.example")
	if !slices.Equal(r.NotOffered, []Protocol{POP3}) {
		t.Errorf("not offered: %v", r.NotOffered)
	}
	wantOutcome(t, r, FromSRV, NotOffered, Found)
}

// TestPrecedence: what the provider's own server says is believed before anything
// else that is published, a file before that; the rest are candidates.
func TestPrecedence(t *testing.T) {
	w := newWorld(t)
	w.web("autoconfig.north.example", text(northConfig))
	w.web("north.example", text(strings.ReplaceAll(northConfig, "in.north", "wellknown.north")))
	w.web("autodiscover.north.example", text(discoverAnswer))
	r := w.lookup("anna+x@north.example")
	want(t, r,
		"autoconfig imap in.north.example:993/tls anna+x",
		"srv pop3 pop.north.example:995/tls anna+x@north.example",
		"autoconfig smtp out.north.example:587/starttls anna+x@north.example")
	var order []Origin
	for _, c := range r.Candidates {
		order = append(order, c.Origin)
	}
	if !slices.Equal(order, []Origin{FromAutoconfig, FromWellKnown, FromSRV, FromAutodiscover}) {
		t.Errorf("order of candidates: %v", order)
	}
	if asked := w.asked.list(); !slices.Contains(asked, "GET https://autoconfig.north.example/mail/config-v1.1.xml?emailaddress=anna%2Bx%40north.example") ||
		!slices.Contains(asked, "GET https://north.example/.well-known/autoconfig/mail/config-v1.1.xml") {
		t.Errorf("asked: %q", asked)
	}

	path := filepath.Join(t.TempDir(), "north.example.xml")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(northConfig, "in.north", "file.north")), 0o600); err != nil {
		t.Fatal(err)
	}
	files, _, err := ReadFiles(path)
	if err != nil {
		t.Fatal(err)
	}
	w.finder.Files = files
	if got := w.lookup("anna@north.example").chosen(); !strings.HasPrefix(got, "file imap file.north.example:993/tls anna\n") {
		t.Error(got)
	}
}

// TestBadWeb: whatever a configuration server does wrong, the next origin is asked.
func TestBadWeb(t *testing.T) {
	redirect := func(where string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, where, http.StatusFound) }
	}
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		host    string // whose name the certificate has, if not the server's
		options []ca.Option
		outcome Outcome
		detail  string
	}{
		{name: "not found", handler: http.NotFound, outcome: Nothing},
		{name: "gone", handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(410) }, outcome: Nothing},
		{name: "wants a password", handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, outcome: Refused, detail: "401"},
		{name: "broken", handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, outcome: Refused, detail: "500"},
		{name: "HTML", handler: text("<html><head><title>Welcome</title></head></html>"), outcome: Failed, detail: "html"},
		{name: "too long", handler: text(strings.Repeat(" ", maxConfig+1)), outcome: Failed, detail: "more than"},
		{name: "to http", handler: redirect("http://autoconfig.north.example/x"), outcome: Failed, detail: "not https"},
		{name: "in a circle", handler: redirect("/mail/config-v1.1.xml"), outcome: Failed, detail: "redirects"},
		{name: "other name", handler: text(northConfig), host: "www.other.example", outcome: Failed, detail: "certificate"},
		{name: "expired", handler: text(northConfig), options: []ca.Option{ca.Expired(time.Hour)}, outcome: Failed, detail: "expired"},
		{name: "cut off", handler: func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }, outcome: Failed, detail: "EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			name := "autoconfig.north.example"
			if c.host != "" {
				name = c.host
			}
			w.webAs("autoconfig.north.example", name, c.handler, c.options...)
			r := w.lookup("anna@north.example")
			wantOutcome(t, r, FromAutoconfig, c.outcome)
			for _, a := range r.Tried {
				if a.Origin == FromAutoconfig && !strings.Contains(a.Detail, c.detail) {
					t.Errorf("detail %q has no %q", a.Detail, c.detail)
				}
			}
			if imap, ok := r.Server(IMAP); !ok || imap.Origin != FromSRV {
				t.Errorf("IMAP is from %q", imap.Origin)
			}
		})
	}
}

func TestRedirect(t *testing.T) {
	w := newWorld(t)
	w.web("autoconfig.north.example", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://config.hoster.example/north.xml", http.StatusMovedPermanently)
	})
	w.web("config.hoster.example", text(northConfig))
	if imap, _ := w.lookup("anna@north.example").Server(IMAP); imap.Origin != FromAutoconfig {
		t.Errorf("IMAP is from %q", imap.Origin)
	}
}

// TestMX: a domain that publishes nothing is known by who takes its mail.
func TestMX(t *testing.T) {
	w := newWorld(t)
	w.Names.Zone("shop.example").Add("@ MX 20 b.example.", "@ MX 10 ASPMX.l.google.com.")
	r := w.lookup("anna@shop.example")
	want(t, r,
		"mx-table imap imap.gmail.com:993/tls anna@shop.example",
		"mx-table pop3 pop.gmail.com:995/tls anna@shop.example",
		"mx-table smtp smtp.gmail.com:465/tls anna@shop.example")
	if r.Provider == nil || r.Provider.ID != "gmail" {
		t.Errorf("provider %+v", r.Provider)
	}
	// A hoster that is not in the table: its own configuration server answers for
	// its customers, and is not told the address.
	w.web("autoconfig.north.example", text(strings.ReplaceAll(northConfig, "in.north.example", "%EMAILDOMAIN%.in.north.example")))
	w.Names.Zone("club.example").Add("@ MX 10 mx.north.example.")
	want(t, w.lookup("bo@club.example"),
		"mx-autoconfig imap club.example.in.north.example:993/tls bo",
		"mx-autoconfig smtp out.north.example:587/starttls bo@club.example")
	if asked := w.asked.list(); !slices.Equal(asked, []string{"GET https://autoconfig.north.example/mail/config-v1.1.xml"}) {
		t.Errorf("asked: %q", asked)
	}
}

func TestMXDomains(t *testing.T) {
	for host, want := range map[string]string{
		"mx.north.example":     "north.example",
		"a.b.c.hoster.co.uk":   "b.c.hoster.co.uk hoster.co.uk",
		"mx1.mail.hoster.se":   "mail.hoster.se hoster.se",
		"hoster.se":            "hoster.se",
		"mx.shop.example":      "",
		"co.uk":                "",
		"example":              "",
		"mx_1.under.hoster.se": "under.hoster.se hoster.se",
		"bad..name.example":    "",
	} {
		if got := strings.Join(mxDomains(host, "shop.example"), " "); got != want {
			t.Errorf("%s: %q, not %q", host, got, want)
		}
	}
}

func TestNullMX(t *testing.T) {
	w := newWorld(t)
	w.Names.Zone("silent.example").Add("@ MX 0 .")
	r := w.lookup("anna@silent.example")
	want(t, r, "")
	if !r.NullMX {
		t.Error("not seen that it takes no mail")
	}
}

func TestAutodiscover(t *testing.T) {
	bare := func(t *testing.T) *world {
		w := newWorld(t)
		w.Names.Zone("plain.example").Add("@ MX 10 mx.elsewhere.test.")
		return w
	}
	t.Run("answers", func(t *testing.T) {
		w := bare(t)
		var body string
		w.web("autodiscover.plain.example", func(rw http.ResponseWriter, r *http.Request) {
			raw, _ := io.ReadAll(r.Body)
			body = string(raw)
			io.WriteString(rw, discoverAnswer)
		})
		want(t, w.lookup("anna@plain.example"),
			"autodiscover imap imap.north.example:993/tls anna@north.example",
			"autodiscover pop3 pop.north.example:110/starttls anna",
			"autodiscover smtp smtp.north.example:587/starttls id-17")
		if !strings.Contains(body, "<EMailAddress>anna@plain.example</EMailAddress>") {
			t.Errorf("asked %q", body)
		}
		wantOutcome(t, w.lookup("plain.example"), FromAutodiscover, Skipped)
	})
	t.Run("wants a sign-in", func(t *testing.T) {
		w := bare(t)
		w.web("autodiscover.plain.example", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(401) })
		w.web("plain.example", http.NotFound)
		wantOutcome(t, w.lookup("anna@plain.example"), FromAutodiscover, Refused, Nothing)
	})
	t.Run("by SRV and referral", func(t *testing.T) {
		w := bare(t)
		w.Names.Zone("plain.example").Add("_autodiscover._tcp SRV 0 0 443 ex.hoster.example.")
		w.web("ex.hoster.example", text("<Autodiscover><Response><Account><RedirectAddr>anna@north.example</RedirectAddr></Account></Response></Autodiscover>"))
		w.web("autodiscover.north.example", text(discoverAnswer))
		if imap, _ := w.lookup("anna@plain.example").Server(IMAP); imap.Where != "https://autodiscover.north.example/autodiscover/autodiscover.xml" {
			t.Errorf("IMAP is from %q", imap.Where)
		}
	})
	t.Run("referral without end", func(t *testing.T) {
		w := bare(t)
		w.web("autodiscover.plain.example", text("<Autodiscover><Response><Account><RedirectUrl>https://autodiscover.plain.example/</RedirectUrl></Account></Response></Autodiscover>"))
		wantOutcome(t, w.lookup("anna@plain.example"), FromAutodiscover, Failed, Nothing)
		if n := len(w.asked.list()); n != maxReferrals {
			t.Errorf("asked %d times", n)
		}
	})
}

// TestGuess: usual names are believed if the server proves to be there, and only then.
func TestGuess(t *testing.T) {
	unpublished := func(t *testing.T) *world {
		w := newWorld(t)
		for _, s := range srvServices {
			w.zone.Remove("_" + s.service + "._tcp")
		}
		return w
	}
	t.Run("all there", func(t *testing.T) {
		w := unpublished(t)
		r := w.lookup("anna@north.example")
		want(t, r,
			"guess imap imap.north.example:993/tls anna@north.example",
			"guess pop3 pop.north.example:995/tls anna@north.example",
			"guess smtp smtp.north.example:465/tls anna@north.example")
		imap, _ := r.Server(IMAP)
		if !slices.Contains(imap.Methods, Password) {
			t.Errorf("ways to sign in: %v", imap.Methods)
		}
		if len(w.imap.SignIns())+len(w.smtp.SignIns())+len(w.pop3.SignIns()) > 0 {
			t.Error("somebody signed in")
		}
	})
	t.Run("bad certificate", func(t *testing.T) {
		w := unpublished(t)
		w.imap.SetCertificate(w.CertificateBy(w.Authority("nobody"), []string{"imap.north.example"}))
		w.pop3.SetCertificate(w.Certificate([]string{"other.example"}))
		want(t, w.lookup("anna@north.example"), "guess smtp smtp.north.example:465/tls anna@north.example")
	})
	t.Run("only STARTTLS", func(t *testing.T) {
		w := unpublished(t)
		w.Host("imap.north.example").Shut(993)
		w.Host("smtp.north.example").Shut(465)
		w.Host("pop.north.example").Shut(995, 110)
		want(t, w.lookup("anna@north.example"),
			"guess imap imap.north.example:143/starttls anna@north.example", "guess smtp smtp.north.example:587/starttls anna@north.example")
	})
	t.Run("one host for all", func(t *testing.T) {
		w := unpublished(t)
		one := w.Host("mx.self.example")
		cert := w.Certificate([]string{"mx.self.example"})
		mail := peer.NewMail("self.example")
		imap, smtp := peer.NewIMAP("mx.self.example", mail), peer.NewSMTP("mx.self.example", mail, true)
		imap.SetCertificate(cert)
		smtp.SetCertificate(cert)
		if err := errors.Join(one.ServeTLS(993, imap), one.Serve(587, smtp)); err != nil {
			t.Fatal(err)
		}
		w.Names.Zone("self.example").Add("@ MX 10 mx")
		want(t, w.lookup("anna@self.example"),
			"guess imap mx.self.example:993/tls anna@self.example", "guess smtp mx.self.example:587/starttls anna@self.example")
	})
}

func TestOffline(t *testing.T) {
	w := newWorld(t)
	w.finder.Offline = true
	if r := w.lookup("anna@gmail.com"); len(r.Chosen) != 3 || r.Provider.ID != "gmail" {
		t.Errorf("%+v", r)
	}
	r := w.lookup("anna@gmial.com")
	if len(r.Chosen) != 0 || r.Nearest != "gmail.com" {
		t.Errorf("%+v", r)
	}
	if r := w.lookup("anna@tuta.com"); len(r.Chosen) != 0 || r.Nearest != "" || !slices.Equal(r.NotOffered, []Protocol{IMAP, POP3}) {
		t.Errorf("%+v", r)
	}
	if asked := w.Resolver(lab.ISPResolver).Queries(); len(asked) != 0 {
		t.Errorf("asked the DNS: %v", asked)
	}
}

// TestNoAnswer: a network that says nothing costs the time that was given, no more,
// and what is known without it is told.
func TestNoAnswer(t *testing.T) {
	w := newWorld(t)
	w.finder.Timeout = 100 * time.Millisecond
	w.Resolver(lab.ISPResolver).Silence("")
	r := w.lookup("anna@posteo.se")
	if imap, _ := r.Server(IMAP); imap.Origin != FromTable {
		t.Errorf("IMAP is from %q", imap.Origin)
	}
	wantOutcome(t, r, FromAutoconfig, Failed)
	wantOutcome(t, r, FromSRV, Failed)
	wantOutcome(t, r, FromMXTable, Failed)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if r, err := w.finder.Lookup(ctx, "anna@north.example"); !errors.Is(err, context.Canceled) {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := w.finder.Lookup(context.Background(), "anna"); !errors.Is(err, ErrQuery) {
		t.Error(err)
	}
}

// TestLookalike: settings that the owner of a similar name publishes are told, and so
// is the name that may be meant.
func TestLookalike(t *testing.T) {
	w := newWorld(t)
	w.Names.Zone("gmial.com").Add("_imaps._tcp SRV 0 1 993 imap.north.example.", "_submissions._tcp SRV 0 1 465 smtp.north.example.")
	r := w.lookup("anna@gmial.com")
	want(t, r, "srv imap imap.north.example:993/tls anna@gmial.com", "srv smtp smtp.north.example:465/tls anna@gmial.com")
	if r.Nearest != "gmail.com" {
		t.Errorf("nearest is %q", r.Nearest)
	}
	// Whose mail a known provider takes is no misspelling.
	w.Names.Zone("gmai.com").Add("@ MX 10 aspmx.l.google.com.")
	if r := w.lookup("anna@gmai.com"); r.Nearest != "" || r.Provider == nil {
		t.Errorf("nearest is %q, provider %v", r.Nearest, r.Provider)
	}
}

// TestFileGone: a file that cannot be read any more is told of, and not in the way.
func TestFileGone(t *testing.T) {
	w := newWorld(t)
	path := filepath.Join(t.TempDir(), "north.example")
	if err := os.WriteFile(path, []byte(northConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	files, _, err := ReadFiles(path)
	if err != nil {
		t.Fatal(err)
	}
	w.finder.Files = files
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	r := w.lookup("anna@north.example")
	wantOutcome(t, r, FromFile, Failed)
	if imap, _ := r.Server(IMAP); imap.Origin != FromSRV {
		t.Errorf("IMAP is from %q", imap.Origin)
	}
}

// TestDecide: whatever was found, each protocol has at most one server, an encrypted one
// of the most believed origin that has any, and nothing chosen is said not to be offered.
func TestDecide(t *testing.T) {
	table := loadTable(t)
	rapid.Check(t, func(t *rapid.T) {
		l := &lookup{Finder: Finder{Table: table}, address: "anna@north.example", domain: "north.example"}
		for range rapid.IntRange(0, 6).Draw(t, "candidates") {
			c := Candidate{Origin: rapid.SampledFrom(origins).Draw(t, "origin"), Servers: anyServers(t)}
			if rapid.Bool().Draw(t, "plain") {
				c.Servers[0].Security = Plain
			}
			l.Candidates = append(l.Candidates, c)
		}
		l.NotOffered = rapid.SliceOfN(rapid.SampledFrom(Protocols()), 0, 3).Draw(t, "not offered")
		l.decide()
		for _, p := range Protocols() {
			var want *Server
			for _, o := range origins {
				for _, c := range l.Candidates {
					for i, s := range c.Servers {
						if want == nil && c.Origin == o && s.Protocol == p && s.Security != Plain {
							want = &c.Servers[i]
						}
					}
				}
			}
			got, ok := l.Server(p)
			if ok != (want != nil) || ok && (!got.samePlace(*want) || got.Username != "anna@north.example" || slices.Contains(l.NotOffered, p)) {
				t.Fatalf("%s: %+v, not %+v; not offered %v", p, got, want, l.NotOffered)
			}
		}
		if len(l.Chosen) > 3 || !slices.IsSorted(l.NotOffered) {
			t.Fatalf("%+v", l.Result)
		}
	})
}
