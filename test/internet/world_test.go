// Package internet tries the real program among other servers: every cause of mail on its way, and mail
// both ways with Debian's Postfix and Exim.
package internet

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/control"
	"github.com/postiljon/postiljon/internal/lab/ca"
	"github.com/postiljon/postiljon/internal/lab/names"
	"github.com/postiljon/postiljon/internal/lab/peer"
	"github.com/postiljon/postiljon/internal/lab/real"
	"github.com/postiljon/postiljon/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

const password = "correct-horse-7"

// Addresses on loopback that stand for machines on the Internet.
const (
	ownAddress    = "127.74.0.1"
	farAddress    = "127.74.0.2" // the server of far.example
	deadAddress   = "127.74.0.3" // nobody listens there
	listedAddress = "127.74.0.4" // stands on a block list
	crowdAddress  = "127.74.0.5" // asks for too many connections
)

// world is Postiljon for own.example, and a scripted server of far.example.
type world struct {
	t         *testing.T
	in        *names.Internet
	far       *peer.SMTP
	mail      *peer.Mail // whose it is
	p         *real.Postiljon
	at        map[string]string // where it listens, by service
	tls       *tls.Config
	provider  provider
	resolver  string // where to ask for names
	client    *control.Client
	catalogue *cause.Catalogue
}

// config is what differs from the defaults: everybody is a stranger, and what takes long is short.
const config = `port = %d
retry = ["1s"]
lifetime = "10s"
tls_reports = false
[inbound]
trusted = []
refuse_spf_fail = true
dmarc_reports = false
[junk]
greylist_delay = "0s"
lists = ["bl.example", "dead-bl.example"]
listed = 10.0
[limits]
recipients = 100
connections_per_address = 8
hops = 10
exempt = []
message_size = "1MB"
[web]
url = "https://mx.own.example"
import_private = true
`

func newWorld(t *testing.T) *world {
	t.Helper()
	in, err := names.New(time.Now, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.Close)
	dns, err := names.Serve(in.Resolver("r"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dns.Close() })
	w := &world{t: t, in: in, at: map[string]string{}, resolver: dns.UDP}
	if w.catalogue, err = cause.Load(); err != nil {
		t.Fatal(err)
	}
	w.records()
	w.start(dns.UDP, w.others())
	return w
}

// records are what the DNS says of other domains.
func (w *world) records() {
	for name, addr := range map[string]string{"mx.own.example": ownAddress, "mx.far.example": farAddress, "mx.dead.example": deadAddress, "mail.provider.example": farAddress} {
		if err := w.in.AddHost(name, netip.MustParseAddr(addr)); err != nil {
			w.t.Fatal(err)
		}
	}
	for domain, records := range map[string][]string{
		"far.example":     {"@ 60 IN MX 10 mx", `@ 60 IN TXT "v=spf1 ip4:127.0.0.0/8 -all"`},
		"dead.example":    {"@ 60 IN MX 10 mx"},
		"strict.example":  {"@ 60 IN MX 10 mx.far.example.", `@ 60 IN TXT "v=spf1 -all"`, `_dmarc 60 IN TXT "v=DMARC1; p=reject"`},
		"wrong.example":   {"@ 60 IN MX 10 mx.far.example.", `@ 60 IN TXT "v=spf1 ip4:nonsense -all"`, `_dmarc 60 IN TXT "v=DMARC1; p=reject"`},
		"plain.example":   {"@ 60 IN MX 10 mx.far.example.", `@ 60 IN TXT "v=spf1 -all"`},
		"bl.example":      {"2.0.0.127 60 IN A 127.0.0.2", "4.0.74.127 60 IN A 127.0.0.2"}, // RFC 5782
		"dead-bl.example": {"* 60 IN A 127.0.0.2"},                                         // says so of everybody
	} {
		w.in.Zone(domain).Add(records...)
	}
}

// others starts the server of far.example and returns its port, which is that of all.
func (w *world) others() int {
	l, err := net.Listen("tcp", farAddress+":0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.mail = peer.NewMail("far.example")
	w.mail.Add("bo@far.example", password)
	w.far = peer.NewSMTP("mx.far.example", w.mail, false)
	w.far.SetSTARTTLS(false)
	w.far.Serve(l, false)
	w.t.Cleanup(func() { w.far.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

// start starts Postiljon with anna, who reads Swedish, berit, who reads Norwegian, and carl, who reads English.
func (w *world) start(resolver string, port int) {
	w.t.Helper()
	authority, err := ca.New("Test", time.Now)
	if err != nil {
		w.t.Fatal(err)
	}
	cert, err := authority.Issue([]string{"mx.own.example"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.tls = &tls.Config{RootCAs: authority.Pool(), ServerName: "mx.own.example"}
	providers, err := authority.Issue([]string{"mail.provider.example"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.provider.begin(w.t, providers)
	sockets := map[string][]*net.TCPListener{}
	for _, service := range []string{"smtp", "submissions", "imaps", "https"} {
		l, err := net.Listen("tcp", ownAddress+":0")
		if err != nil {
			w.t.Fatal(err)
		}
		defer l.Close() // the program has its own copy
		sockets[service], w.at[service] = []*net.TCPListener{l.(*net.TCPListener)}, l.Addr().String()
	}
	dir, err := os.MkdirTemp("", "net-")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { os.RemoveAll(dir) })
	w.p, err = real.StartPostiljon(real.PostiljonOptions{
		Binary: harness.Binary(w.t), Dir: dir, Domain: "own.example", Hostname: "mx.own.example", Certificate: cert,
		Sockets: sockets, Resolver: resolver, Config: fmt.Sprintf(config, port) + w.provider.relayConfig(w.t),
		Env: []string{"SSL_CERT_FILE=" + w.trusted(authority)},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := w.p.Close(); err != nil {
			w.t.Error(err)
		}
		if w.t.Failed() {
			w.t.Log(w.p.Log())
		}
	})
	w.client = control.NewClient(filepath.Join(dir, "c.sock"))
	w.t.Cleanup(w.client.Close)
	w.domain("limited.example")
	for address, lang := range map[string]string{
		"anna@own.example": "sv", "berit@own.example": "nb", "carl@own.example": "en", "full@own.example": "en",
		"busy@own.example": "en", "eager@limited.example": "en", "other@limited.example": "en",
	} {
		w.account(address, lang)
	}
}

// trusted writes the authority into a file.
func (w *world) trusted(authority *ca.Authority) string {
	w.t.Helper()
	file := filepath.Join(w.t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Root().Raw}), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return file
}

func (w *world) domain(name string) {
	w.t.Helper()
	if _, err := w.client.AddDomain(w.t.Context(), name); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) account(address, lang string) {
	w.t.Helper()
	if err := w.p.AddAccount(address, password); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.client.ChangeAccount(w.t.Context(), control.ChangeAccount{Address: address, Language: &lang}); err != nil {
		w.t.Fatal(err)
	}
}

// from dials a service from an address.
func (w *world) from(t *testing.T, address, service string) net.Conn {
	t.Helper()
	d := net.Dialer{Timeout: 10 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	c, err := d.Dial("tcp", w.at[service])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if service != "smtp" {
		c = tls.Client(c, w.tls)
	}
	c.SetDeadline(time.Now().Add(30 * time.Second))
	return c
}

// talk says lines, each when the one before it was answered, and returns the last answer. What has
// several lines is a message, which a dot ends.
func talk(t *testing.T, c net.Conn, lines ...string) string {
	t.Helper()
	r := bufio.NewReader(c)
	last := reply(t, r)
	for _, line := range lines {
		if strings.Contains(line, "\n") {
			line += "\r\n."
		}
		if _, err := io.WriteString(c, line+"\r\n"); err != nil {
			t.Fatal(err)
		}
		last = reply(t, r)
	}
	return last
}

// reply reads an answer of SMTP.
func reply(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	var all strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("%v after %q", err, all.String())
		}
		all.WriteString(line)
		if len(line) < 4 || line[3] != '-' {
			return all.String()
		}
	}
}

// strange is what another server hears.
func (w *world) strange(t *testing.T, lines ...string) string {
	t.Helper()
	return talk(t, w.from(t, farAddress, "smtp"), append([]string{"EHLO mx.far.example"}, lines...)...)
}

// signedIn is what an account hears when it submits.
func (w *world) signedIn(t *testing.T, account string, lines ...string) string {
	t.Helper()
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + account + "\x00" + password))
	return talk(t, w.from(t, ownAddress, "submissions"), append([]string{"EHLO laptop", "AUTH PLAIN " + plain}, lines...)...)
}

// submit sends a message of an account and returns the trace of it.
func (w *world) submit(t *testing.T, from, to string) string {
	t.Helper()
	got := w.signedIn(t, from, "MAIL FROM:<"+from+">", "RCPT TO:<"+to+">", "DATA", letter(from, to))
	if !strings.HasPrefix(got, "250 ") {
		t.Fatalf("%s to %s: %s", from, to, got)
	}
	fields := strings.Fields(got)
	return fields[len(fields)-1]
}

// letter is a message.
func letter(from, to string) string {
	return "From: <" + from + ">\r\nTo: <" + to + ">\r\nSubject: Hej\r\nMessage-ID: <" + fmt.Sprint(time.Now().UnixNano()) +
		"@example>\r\nDate: " + time.Now().Format(time.RFC1123Z) + "\r\n\r\nHej du"
}

// line is a line of a trace as a program reads it.
type line struct {
	Kind  string   `json:"kind"`
	Cause cause.ID `json:"cause"`
}

// lines asks what became of something.
func (w *world) lines(t *testing.T, what string) []line {
	t.Helper()
	answer, err := w.client.Trace(t.Context(), control.TraceQuery{Text: what, JSON: true, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(answer.JSON)
	if err != nil {
		t.Fatal(err)
	}
	var timeline struct{ Lines []line }
	if err := json.Unmarshal(raw, &timeline); err != nil {
		t.Fatal(err)
	}
	return timeline.Lines
}

// said is a trace in a language.
func (w *world) said(t *testing.T, what string, lang cause.Lang) string {
	t.Helper()
	answer, err := w.client.Trace(t.Context(), control.TraceQuery{Text: what, Lang: string(lang), Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return answer.Text
}

// why is the page that a reply's link leads to.
func (w *world) why(t *testing.T, id cause.ID, lang cause.Lang) string {
	t.Helper()
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: w.tls, DisableKeepAlives: true}}
	answer, err := client.Get("https://" + w.at["https"] + "/why/" + string(id) + "?lang=" + string(lang))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var page bytes.Buffer
	if _, err := page.ReadFrom(answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("/why/%s: %d, %v", id, answer.StatusCode, err)
	}
	return strings.ReplaceAll(page.String(), "\u2060", "") // which keeps words together
}
