package webmail_test

import (
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/lab/ca"
	"github.com/postiljon/postiljon/internal/lab/names"
	"github.com/postiljon/postiljon/internal/lab/peer"
)

// farAddress is the machine of far.test on loopback.
const farAddress = "127.75.0.2"

// far is the rest of the internet as some flows need it: another provider, far.test, where vera has an account with the
// password of all, whose server takes messages of up to a megabyte, and refuses those to strict@far.test.
type far struct {
	resolver string // where to ask for names
	port     string // of its server for other servers
	certs    string // a folder with the authority that its certificates come from
}

// elsewhere starts far.test.
func elsewhere(t *testing.T, password string) far {
	t.Helper()
	internet, err := names.New(time.Now, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(internet.Close)
	dns, err := names.Serve(internet.Resolver("far"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dns.Close() })
	authority, err := ca.New("Far", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := authority.Issue([]string{"mail.far.test"})
	if err != nil {
		t.Fatal(err)
	}
	secure := &tls.Config{Certificates: []tls.Certificate{cert}}
	mail := peer.NewMail("far.test")
	for _, who := range []string{"vera", "strict"} {
		mail.Add(who+"@far.test", password)
	}
	for n := range 40 {
		mail.Put("vera@far.test", "INBOX", fmt.Sprintf("From: Bo <bo@far.test>\r\nTo: vera@far.test\r\nSubject: Gammalt %d\r\nMessage-ID: <%d@far.test>\r\n\r\nHej\r\n", n, n), `\Seen`)
	}
	imap, submission, mx := peer.NewIMAP("mail.far.test", mail), peer.NewSMTP("mail.far.test", mail, true), peer.NewSMTP("mail.far.test", mail, false)
	mx.Configure(func(o *peer.SMTPOptions) { o.Size = 1e6 })
	// It is slow, so that there is something to see.
	imap.On("UID FETCH", peer.Wait(100*time.Millisecond))
	submission.On("CONNECT", peer.Wait(time.Second))
	mx.On("RCPT TO:<strict@far.test>", peer.Refuse("550 5.7.1 The recipient takes no mail from you"))
	for _, one := range []*peer.Server{imap.Server, submission.Server, mx.Server} {
		one.SetTLS(secure)
		t.Cleanup(func() { one.Close() })
	}
	f := far{resolver: dns.UDP, certs: t.TempDir()}
	f.port = strconv.Itoa(listen(t, mx.Server, false))
	internet.Zone("far.test").Add("@ 60 IN MX 10 mail",
		fmt.Sprintf("_imaps._tcp 60 IN SRV 0 1 %d mail", listen(t, imap.Server, true)),
		fmt.Sprintf("_submissions._tcp 60 IN SRV 0 1 %d mail", listen(t, submission.Server, true)))
	if err := internet.AddHost("mail.far.test", netip.MustParseAddr(farAddress)); err != nil {
		t.Fatal(err)
	}
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Root().Raw})
	if err := os.WriteFile(filepath.Join(f.certs, "far.pem"), root, 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

// listen starts a server and answers its port.
func listen(t *testing.T, s *peer.Server, implicitTLS bool) int {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(farAddress, "0"))
	if err != nil {
		t.Fatal(err)
	}
	s.Serve(l, implicitTLS)
	return l.Addr().(*net.TCPAddr).Port
}
