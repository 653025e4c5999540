package sasl

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	xscram "github.com/xdg-go/scram"
	"go.uber.org/goleak"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/certs/certstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// people is a Verifier for one person, anna, with the password "hemlig".
type people struct {
	secret  ScramSecret
	more    []ScramSecret // of her other passwords
	down    bool          // secrets cannot be read
	asked   []string      // what Password was called with
	outcome []int         // what ScramDone was called with
}

const annasPassword = "hemlig"

func newPeople(t testing.TB) *people {
	secret, err := NewScramSecret(annasPassword, minIterations)
	if err != nil {
		t.Fatal(err)
	}
	return &people{secret: secret}
}

func (p *people) Password(_ context.Context, authzid, user, password string) (Identity, cause.Decision) {
	p.asked = []string{authzid, user, password}
	if user != "anna" || password != annasPassword {
		return Identity{}, cause.Refuse(cause.AuthPasswordWrong)
	}
	return Identity{Name: "anna", Account: 1}, cause.Allow()
}

func (p *people) Scram(_ context.Context, user string) ([]ScramSecret, cause.Decision) {
	switch {
	case p.down:
		return nil, cause.Wait(cause.ProviderAuthBackendDown, time.Time{})
	case user != "anna":
		return nil, cause.Refuse(cause.AuthPasswordWrong)
	}
	return append([]ScramSecret{p.secret}, p.more...), cause.Allow()
}

func (p *people) ScramDone(_ context.Context, _, user string, proved int) (Identity, cause.Decision) {
	p.outcome = append(p.outcome, proved)
	if proved == NotProved {
		return Identity{}, cause.Refuse(cause.AuthPasswordWrong)
	}
	return Identity{Name: user, Account: 1}, cause.Allow()
}

// tlsPair connects a client with a server over TLS of a version.
func tlsPair(t testing.TB, version uint16) (client, server *tls.Conn) {
	a, b := net.Pipe()
	cert, _ := certstest.New(t, "localhost")
	config := TLSConfig(&tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: version})
	server = ServeTLS(b, config)
	client = tls.Client(a, &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", MaxVersion: version}) // the certificate is made here
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return client, server
}

func overTLS(t testing.TB) Channel {
	_, server := tlsPair(t, tls.VersionTLS13)
	return ChannelOf(server)
}

func causeOf(err error) cause.ID {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f.Decision.Cause
	}
	return ""
}

func TestOffer(t *testing.T) {
	secure := overTLS(t)
	if got := New(Options{}).Offer(secure); !slices.Equal(got, []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"}) {
		t.Errorf("over TLS: %v", got)
	}
	if got := New(Options{}).Offer(Channel{}); got != nil {
		t.Errorf("without TLS: %v", got)
	}
	if got := New(Options{Plaintext: true}).Offer(Channel{}); !slices.Equal(got, []string{"SCRAM-SHA-256", "PLAIN", "LOGIN"}) {
		t.Errorf("without TLS, plaintext let through: %v", got)
	}
}

func TestStart(t *testing.T) {
	secure := overTLS(t)
	tests := []struct {
		name    string
		channel Channel
		options Options
		want    cause.ID
	}{
		{"plain", secure, Options{}, ""},
		{"Login", secure, Options{}, ""},
		{"scram-sha-256", secure, Options{}, ""},
		{"SCRAM-SHA-256-PLUS", secure, Options{}, ""},
		{"CRAM-MD5", secure, Options{}, cause.AuthMechanismMismatch},
		{"", secure, Options{}, cause.AuthMechanismMismatch},
		{"PLAIN", Channel{}, Options{}, cause.AuthPlaintextRefused},
		{"SCRAM-SHA-256", Channel{}, Options{}, cause.AuthPlaintextRefused},
		{"CRAM-MD5", Channel{}, Options{}, cause.AuthMechanismMismatch},
		{"PLAIN", Channel{}, Options{Plaintext: true}, ""},
		{"SCRAM-SHA-256-PLUS", Channel{}, Options{Plaintext: true}, cause.AuthMechanismMismatch},
	}
	for _, tt := range tests {
		m, err := New(tt.options).Start(tt.name, tt.channel, newPeople(t))
		if causeOf(err) != tt.want {
			t.Errorf("%q: %v, want %q", tt.name, err, tt.want)
		}
		if err == nil && m.Name() != strings.ToUpper(tt.name) {
			t.Errorf("%q calls itself %q", tt.name, m.Name())
		}
	}
}

func TestPlain(t *testing.T) {
	tests := []struct {
		response string
		want     cause.ID
		asked    []string
	}{
		{"\x00anna\x00hemlig", "", []string{"", "anna", "hemlig"}},
		{"bo\x00anna\x00hemlig", "", []string{"bo", "anna", "hemlig"}},
		{"\x00anna\x00fel", cause.AuthPasswordWrong, []string{"", "anna", "fel"}},
		{"\x00bo\x00hemlig", cause.AuthPasswordWrong, []string{"", "bo", "hemlig"}},
		{"\x00anna\x00hem\u00adlig", "", []string{"", "anna", "hemlig"}}, // SASLprep drops soft hyphens
		{"\x00anna\x00\U0001f600", cause.AuthPasswordWrong, []string{"", "anna", "\U0001f600"}},
		{"", cause.ClientProtocolError, nil},
		{"anna", cause.ClientProtocolError, nil},
		{"\x00anna", cause.ClientProtocolError, nil},
		{"\x00anna\x00", cause.ClientProtocolError, nil},
		{"\x00\x00hemlig", cause.ClientProtocolError, nil},
		{"\x00anna\x00hem\x00lig", cause.ClientProtocolError, nil},
		{"\x00anna\x00\xff", cause.ClientProtocolError, nil},
		{"\x00anna\x00" + strings.Repeat("x", maxField+1), cause.ClientProtocolError, nil},
	}
	for _, tt := range tests {
		p := newPeople(t)
		m, err := New(Options{Plaintext: true}).Start(Plain, Channel{}, p)
		if err != nil {
			t.Fatal(err)
		}
		if c, done, err := m.Next(t.Context(), nil); c == nil || len(c) > 0 || done || err != nil {
			t.Fatalf("without initial response: %q %v %v", c, done, err)
		}
		_, done, err := m.Next(t.Context(), []byte(tt.response))
		if done != (tt.want == "") || causeOf(err) != tt.want || !slices.Equal(p.asked, tt.asked) {
			t.Errorf("%q: done %v, error %v, asked %q", tt.response, done, err, p.asked)
		}
		if done && m.Identity().Name != "anna" {
			t.Errorf("%q: signed in %q", tt.response, m.Identity().Name)
		}
	}
}

func TestLogin(t *testing.T) {
	tests := []struct {
		name      string
		responses []string // the first is the initial response, "-" for none
		says      []string
		want      cause.ID
	}{
		{"both asked", []string{"-", "anna", "hemlig"}, []string{"Username:", "Password:"}, ""},
		{"user at once", []string{"anna", "hemlig"}, []string{"Password:"}, ""},
		{"wrong", []string{"-", "anna", "fel"}, []string{"Username:", "Password:"}, cause.AuthPasswordWrong},
		{"no user", []string{"-", ""}, []string{"Username:"}, cause.ClientProtocolError},
		{"no password", []string{"-", "anna", ""}, []string{"Username:", "Password:"}, cause.ClientProtocolError},
		{"NUL", []string{"-", "an\x00na"}, []string{"Username:"}, cause.ClientProtocolError},
	}
	for _, tt := range tests {
		m, err := New(Options{Plaintext: true}).Start(Login, Channel{}, newPeople(t))
		if err != nil {
			t.Fatal(err)
		}
		var says []string
		var done bool
		for _, r := range tt.responses {
			response := []byte(r)
			if r == "-" {
				response = nil
			}
			var challenge []byte
			if challenge, done, err = m.Next(t.Context(), response); err == nil && !done {
				says = append(says, string(challenge))
			}
		}
		if !slices.Equal(says, tt.says) || causeOf(err) != tt.want || done != (tt.want == "") {
			t.Errorf("%s: says %q, done %v, error %v", tt.name, says, done, err)
		}
	}
}

// TestScramVector is the exchange of RFC 7677 section 3.
func TestScramVector(t *testing.T) {
	salt, _ := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	secret, err := deriveSecret("pencil", salt, 4096)
	if err != nil {
		t.Fatal(err)
	}
	first, err := parseClientFirst("n,,n=user,r=rOprNGfwEbeRWgbNEkqO")
	if err != nil {
		t.Fatal(err)
	}
	nonce := "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
	final, err := parseClientFinal("c=biws,r=" + nonce + ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
	if err != nil {
		t.Fatal(err)
	}
	auth := first.bare + ",r=" + nonce + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096," + final.withoutProof
	if !secret.proves(final.proof, auth) {
		t.Error("the proof is not taken")
	}
	if final.proof[0] ^= 1; secret.proves(final.proof, auth) {
		t.Error("a changed proof is taken")
	}
	if v := base64.StdEncoding.EncodeToString(hmacSHA256(secret.ServerKey, auth)); v != "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" {
		t.Errorf("server signature %s", v)
	}
}

// converse lets a foreign SCRAM client sign in and returns the error of the server, and whether the
// client believes the server.
func converse(t *testing.T, m Mechanism, c *xscram.ClientConversation) (err error, clientTrusts bool) {
	said := ""
	for range 4 {
		response, clientErr := c.Step(said)
		if clientErr != nil {
			t.Fatalf("client: %v", clientErr)
		}
		challenge, done, err := m.Next(t.Context(), []byte(response))
		if err != nil || done {
			return err, c.Valid()
		}
		said = string(challenge)
	}
	t.Fatal("no end")
	return nil, false
}

func scramClient(t *testing.T, user, password string) *xscram.Client {
	c, err := xscram.SHA256.NewClient(user, password, "")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestScramForeignClient(t *testing.T) {
	client, server := tlsPair(t, tls.VersionTLS13)
	clientState := client.ConnectionState()
	client12, server12 := tlsPair(t, tls.VersionTLS12)
	state12 := client12.ConnectionState()

	exporter, err := xscram.NewTLSExporterBinding(&clientState)
	if err != nil {
		t.Fatal(err)
	}
	endPoint, err := xscram.NewTLSServerEndpointBinding(&clientState)
	if err != nil {
		t.Fatal(err)
	}
	exporter12, err := xscram.NewTLSExporterBinding(&state12)
	if err != nil {
		t.Fatal(err)
	}
	unique12 := xscram.NewTLSUniqueBinding(state12.TLSUnique)
	wrong := exporter
	wrong.Data = slices.Clone(exporter.Data)
	wrong.Data[0] ^= 1

	tests := []struct {
		name      string
		mechanism string
		server    *tls.Conn
		client    func(c *xscram.Client) *xscram.ClientConversation
		password  string
		want      cause.ID
	}{
		{"no binding", ScramSHA256, server, (*xscram.Client).NewConversation, annasPassword, ""},
		{"wrong password", ScramSHA256, server, (*xscram.Client).NewConversation, "fel", cause.AuthPasswordWrong},
		{"downgraded", ScramSHA256, server, (*xscram.Client).NewConversationAdvertisingChannelBinding, annasPassword, cause.AuthMechanismMismatch},
		{"exporter", ScramSHA256Plus, server, bound(exporter), annasPassword, ""},
		{"exporter, wrong password", ScramSHA256Plus, server, bound(exporter), "fel", cause.AuthPasswordWrong},
		{"end point", ScramSHA256Plus, server, bound(endPoint), annasPassword, ""},
		{"exporter 1.2", ScramSHA256Plus, server12, bound(exporter12), annasPassword, ""},
		{"unique 1.2", ScramSHA256Plus, server12, bound(unique12), annasPassword, ""},
		{"unique 1.3", ScramSHA256Plus, server, bound(unique12), annasPassword, cause.AuthMechanismMismatch},
		{"another channel", ScramSHA256Plus, server, bound(wrong), annasPassword, cause.AuthPasswordWrong},
		{"another connection", ScramSHA256Plus, server12, bound(exporter), annasPassword, cause.AuthPasswordWrong},
		{"plus without binding", ScramSHA256Plus, server, (*xscram.Client).NewConversation, annasPassword, cause.ClientProtocolError},
		{"binding without plus", ScramSHA256, server, bound(exporter), annasPassword, cause.ClientProtocolError},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPeople(t)
			m, err := New(Options{}).Start(tt.mechanism, ChannelOf(tt.server), p)
			if err != nil {
				t.Fatal(err)
			}
			err, trusts := converse(t, m, tt.client(scramClient(t, "anna", tt.password)))
			if causeOf(err) != tt.want || trusts != (tt.want == "") {
				t.Fatalf("%v, client trusts: %v", err, trusts)
			}
			if err == nil && m.Identity().Name != "anna" {
				t.Errorf("signed in %q", m.Identity().Name)
			}
		})
	}
}

// TestScramSeveralPasswords: one exchange checks all passwords of a user.
func TestScramSeveralPasswords(t *testing.T) {
	server := New(Options{Plaintext: true})
	p := newPeople(t)
	for _, password := range []string{"phone", "laptop"} {
		secret, err := p.secret.Beside(password)
		if err != nil {
			t.Fatal(err)
		}
		p.more = append(p.more, secret)
	}
	for i, password := range []string{annasPassword, "phone", "laptop"} {
		m, err := server.Start(ScramSHA256, Channel{}, p)
		if err != nil {
			t.Fatal(err)
		}
		if err, trusts := converse(t, m, scramClient(t, "anna", password).NewConversation()); err != nil || !trusts {
			t.Errorf("%s: %v, client trusts %v", password, err, trusts)
		}
		if last := p.outcome[len(p.outcome)-1]; last != i {
			t.Errorf("%s is taken for password %d", password, last)
		}
	}
	m, _ := server.Start(ScramSHA256, Channel{}, p)
	if err, _ := converse(t, m, scramClient(t, "anna", "tablet").NewConversation()); causeOf(err) != cause.AuthPasswordWrong {
		t.Errorf("none of them: %v", err)
	}
}

// TestWithoutChannelBinding: "y", from a client that could bind, is right where -PLUS is not offered.
func TestWithoutChannelBinding(t *testing.T) {
	server := New(Options{})
	secure := overTLS(t)
	says := func(first string) error {
		m, err := server.Start(ScramSHA256, secure, newPeople(t))
		if err != nil {
			return err
		}
		_, _, err = m.Next(t.Context(), []byte(first))
		return err
	}
	if err := says("y,,n=anna,r=abc"); causeOf(err) != cause.AuthMechanismMismatch {
		t.Errorf("-PLUS was taken out on the way: %v", err)
	}
	server.SetOffers(Offers{NoChannelBinding: true})
	if got := server.Offer(secure); slices.Contains(got, ScramSHA256Plus) {
		t.Errorf("offered: %v", got)
	}
	if err := says("y,,n=anna,r=abc"); err != nil {
		t.Errorf("-PLUS is not offered: %v", err)
	}
	if _, err := server.Start(ScramSHA256Plus, secure, newPeople(t)); causeOf(err) != cause.AuthMechanismMismatch {
		t.Errorf("-PLUS all the same: %v", err)
	}
}

func bound(b xscram.ChannelBinding) func(c *xscram.Client) *xscram.ClientConversation {
	return func(c *xscram.Client) *xscram.ClientConversation { return c.NewConversationWithChannelBinding(b) }
}

// TestScramUnknownUser: who does not exist looks like a wrong password, time after time.
func TestScramUnknownUser(t *testing.T) {
	server := New(Options{
		Plaintext: true, SaltKey: []byte("key of the test"), Iterations: 5000, SaltName: strings.ToLower,
	})
	p := newPeople(t)
	challenge := func(user string) (salt string) {
		m, err := server.Start(ScramSHA256, Channel{}, p)
		if err != nil {
			t.Fatal(err)
		}
		c, _, err := m.Next(t.Context(), []byte("n,,n="+user+",r=abc"))
		if err != nil {
			t.Fatal(err)
		}
		_, salt, _ = strings.Cut(string(c), ",s=")
		return salt
	}
	if a, b := challenge("bo"), challenge("bo"); a != b || !strings.HasSuffix(a, ",i=5000") {
		t.Errorf("one user, two challenges: %q, %q", a, b)
	}
	if a, b := challenge("bo"), challenge("BO"); a != b {
		t.Errorf("one user in two forms, two challenges: %q, %q", a, b)
	}
	if a, b := challenge("bo"), challenge("cecilia"); a == b {
		t.Errorf("two users, one salt: %q", a)
	}
	m, err := server.Start(ScramSHA256, Channel{}, p)
	if err != nil {
		t.Fatal(err)
	}
	err, _ = converse(t, m, scramClient(t, "bo", annasPassword).NewConversation())
	if causeOf(err) != cause.AuthPasswordWrong || !slices.Equal(p.outcome, []int{NotProved}) {
		t.Errorf("%v, outcome %v", err, p.outcome)
	}
}

func TestScramBackendDown(t *testing.T) {
	p := newPeople(t)
	p.down = true
	m, err := New(Options{Plaintext: true}).Start(ScramSHA256, Channel{}, p)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err = m.Next(t.Context(), []byte("n,,n=anna,r=abc")); causeOf(err) != cause.ProviderAuthBackendDown {
		t.Error(err)
	}
}

func TestScramMalformed(t *testing.T) {
	firsts := []string{
		"", "n", "n,", "n,,", "x,,n=anna,r=a", "p=,,n=anna,r=a", "n,b=x,n=anna,r=a", "n,a=,n=anna,r=a",
		"n,,r=a", "n,,n=,r=a", "n,,n=anna", "n,,n=anna,r=", "n,,n=anna,r=a b", "n,,n=an=na,r=a", "n,,n=anna=,r=a",
		"n,,m=x,n=anna,r=a", "n,,n=anna,r=\xff", "n,,n=anna,r=" + strings.Repeat("x", maxScram),
	}
	for _, first := range firsts {
		m, err := New(Options{Plaintext: true}).Start(ScramSHA256, Channel{}, newPeople(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := m.Next(t.Context(), []byte(first)); causeOf(err) != cause.ClientProtocolError {
			t.Errorf("%.40q: %v", first, err)
		}
		// A failed exchange stays failed.
		if _, done, err := m.Next(t.Context(), []byte("n,,n=anna,r=a")); done || err == nil {
			t.Errorf("%.40q: goes on", first)
		}
	}
	for _, final := range []string{"", "c=biws,r=NONCE", "c=biws,r=other,p=AAAA", "c=!,r=NONCE,p=AAAA", "r=NONCE,p=AAAA", "c=biws,p=AAAA", "c=biws,r=NONCE,p=!"} {
		m, err := New(Options{Plaintext: true}).Start(ScramSHA256, Channel{}, newPeople(t))
		if err != nil {
			t.Fatal(err)
		}
		said, _, err := m.Next(t.Context(), []byte("n,,n=anna,r=a"))
		if err != nil {
			t.Fatal(err)
		}
		nonce, _, _ := strings.Cut(strings.TrimPrefix(string(said), "r="), ",")
		final = strings.Replace(final, "NONCE", nonce, 1)
		if _, _, err := m.Next(t.Context(), []byte(final)); causeOf(err) != cause.ClientProtocolError {
			t.Errorf("%q: %v", final, err)
		}
	}
}

func TestSaslName(t *testing.T) {
	for in, want := range map[string]string{"anna": "anna", "a=2Cb": "a,b", "a=3Db": "a=b", "=3D=2C": "=,", "å": "å"} {
		if got, err := saslName(in); got != want || err != nil {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

func TestDecisionOf(t *testing.T) {
	if d := DecisionOf(errors.New("odd")); d.Cause != cause.ProviderAuthBackendDown || d.Action != cause.ActionWait {
		t.Errorf("%v", d)
	}
	if d := DecisionOf(malformed("x")); d.Cause != cause.ClientProtocolError {
		t.Errorf("%v", d)
	}
}

func TestTLSConfigChoosesLikeCryptoTLS(t *testing.T) {
	one, _ := certstest.New(t, "localhost")
	two, _ := certstest.New(t, "localhost")
	var asked string
	config := TLSConfig(&tls.Config{
		Certificates: []tls.Certificate{one},
		GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
			asked = h.ServerName
			return &two, nil
		},
	})
	for name, want := range map[string][]byte{"": one.Certificate[0], "localhost": two.Certificate[0]} {
		asked = ""
		a, b := net.Pipe()
		server, client := ServeTLS(b, config), tls.Client(a, &tls.Config{InsecureSkipVerify: true, ServerName: name})
		done := make(chan error, 1)
		go func() { done <- server.Handshake() }()
		if err := errors.Join(client.Handshake(), <-done); err != nil {
			t.Fatal(err)
		}
		if got := client.ConnectionState().PeerCertificates[0].Raw; string(got) != string(want) || asked != name {
			t.Errorf("name %q: other certificate than crypto/tls would choose, asked %q", name, asked)
		}
		if got := ChannelOf(server).Certificate; got == nil || string(got.Raw) != string(want) {
			t.Errorf("name %q: another certificate is remembered", name)
		}
		a.Close()
		b.Close()
	}
}

func FuzzScram(f *testing.F) {
	f.Add("n,,n=anna,r=abc", "c=biws,r=abc,p=AAAA")
	f.Add("p=tls-exporter,a=bo,n=a=2Cb,r=abc,x=y", "c=,r=,p=")
	f.Add("y,,n=,r=", "")
	server := New(Options{Plaintext: true})
	p := newPeople(f)
	f.Fuzz(func(t *testing.T, first, final string) {
		m, err := server.Start(ScramSHA256, Channel{}, p)
		if err != nil {
			t.Fatal(err)
		}
		for _, response := range []string{first, final} {
			_, done, err := m.Next(context.Background(), []byte(response))
			if done {
				t.Fatal("signed in without a password")
			}
			if err != nil && causeOf(err) == "" {
				t.Fatalf("an error without a cause: %v", err)
			}
		}
	})
}

func BenchmarkScram(b *testing.B) {
	server, p := New(Options{Plaintext: true}), newPeople(b)
	client, err := xscram.SHA256.NewClient("anna", annasPassword, "")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		m, _ := server.Start(ScramSHA256, Channel{}, p)
		c := client.NewConversation()
		said := ""
		for done := false; !done; {
			response, err := c.Step(said)
			if err != nil {
				b.Fatal(err)
			}
			var challenge []byte
			if challenge, done, err = m.Next(b.Context(), []byte(response)); err != nil {
				b.Fatal(err)
			}
			said = string(challenge)
		}
	}
}

func TestEndPointHash(t *testing.T) {
	sizes := map[x509.SignatureAlgorithm]int{
		x509.SHA1WithRSA: 32, x509.ECDSAWithSHA256: 32, x509.SHA384WithRSAPSS: 48, x509.ECDSAWithSHA512: 64, x509.PureEd25519: 0,
	}
	for algorithm, want := range sizes {
		ch := Channel{TLS: &tls.ConnectionState{}, Certificate: &x509.Certificate{Raw: []byte("raw"), SignatureAlgorithm: algorithm}}
		if data, ok := ch.binding(bindEndPoint); len(data) != want || ok != (want > 0) {
			t.Errorf("%v: %d octets, %v", algorithm, len(data), ok)
		}
	}
	if _, ok := (Channel{TLS: &tls.ConnectionState{}}).binding(bindEndPoint); ok {
		t.Error("a binding without a certificate")
	}
	if _, ok := (Channel{}).binding(bindExporter); ok {
		t.Error("a binding without TLS")
	}
	if _, ok := overTLS(t).binding("tls-unheard-of"); ok {
		t.Error("a binding of no type")
	}
}

// TestTLSConfigForClient: a config chosen for each client is kept up with too.
func TestTLSConfigForClient(t *testing.T) {
	cert, _ := certstest.New(t, "localhost")
	config := TLSConfig(&tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return &tls.Config{Certificates: []tls.Certificate{cert}}, nil
	}})
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	server, client := ServeTLS(b, config), tls.Client(a, &tls.Config{InsecureSkipVerify: true})
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	if err := errors.Join(client.Handshake(), <-done); err != nil {
		t.Fatal(err)
	}
	if got := ChannelOf(server).Certificate; got == nil || string(got.Raw) != string(cert.Certificate[0]) {
		t.Error("the certificate is not remembered")
	}
}

func TestNewScramSecretWantsIterations(t *testing.T) {
	if _, err := NewScramSecret("x", minIterations-1); err == nil {
		t.Error("too few iterations are taken")
	}
	for _, s := range []ScramSecret{{}, {StoredKey: []byte("short")}} {
		if s.proves(make([]byte, 32), "x") || s.proves(nil, "x") {
			t.Errorf("%v proves something", s)
		}
	}
}
