package smtpc

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/xdg-go/scram"

	"github.com/postiljon/postiljon/internal/certs/certstest"
)

// secureDialogue is dialogue over TLS from the first octet.
func secureDialogue(t *testing.T, cfg *tls.Config, script string) net.Conn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			secure := tls.Server(conn, cfg)
			err = errors.Join(play(secure, script), secure.Close())
		}
		done <- err
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close() // closed by the client, in most tests
		if err := errors.Join(l.Close(), <-done); err != nil {
			t.Errorf("server: %v", err)
		}
	})
	return conn
}

func TestSignIn(t *testing.T) {
	const hello = "S: 220 hi\nC: EHLO us.example\nS: 250-relay\n"
	const bye = "\nC: QUIT\nS: 221 bye"
	server, client := certstest.TLS(t, "relay.example")
	tests := []struct {
		name, script string
		plain        bool // without TLS
		unproven     bool // with a certificate for another name
		err          string
	}{
		{name: "PLAIN", script: hello + "S: 250 AUTH LOGIN PLAIN\nC: AUTH PLAIN AGFubmEAcMOlc3M=\nS: 235 2.7.0 welcome" + bye},
		{name: "LOGIN", script: hello + "S: 250 auth login\nC: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: YW5uYQ==\nS: 334 UGFzc3dvcmQ6\nC: cMOlc3M=\nS: 235 ok" + bye},
		{name: "refused", script: hello + "S: 250 AUTH PLAIN\nC: AUTH PLAIN AGFubmEAcMOlc3M=\nS: 535 5.7.8 wrong", err: "auth: 535 5.7.8 wrong"},
		{name: "later", script: hello + "S: 250 AUTH PLAIN\nC: AUTH PLAIN AGFubmEAcMOlc3M=\nS: 454 4.7.0 later", err: "auth: 454 4.7.0 later"},
		{name: "nothing offered", script: hello + "S: 250 SIZE", err: ErrNoMechanism.Error()},
		{name: "unknown", script: hello + "S: 250 AUTH GSSAPI NTLM", err: ErrNoMechanism.Error()},
		{name: "PLAIN in the clear", plain: true, script: hello + "S: 250 AUTH PLAIN LOGIN", err: ErrNoMechanism.Error()},
		{name: "PLAIN to who knows whom", unproven: true, script: hello + "S: 250 AUTH PLAIN LOGIN", err: ErrNoMechanism.Error()},
		{name: "endless challenges", script: hello + "S: 250 AUTH LOGIN\nC: AUTH LOGIN\nS: 334 \nC: YW5uYQ==\nS: 334 \nC: cMOlc3M=\nS: 334 ", err: "one challenge too many"},
		{name: "no base64", script: hello + "S: 250 AUTH LOGIN\nC: AUTH LOGIN\nS: 334 !!", err: "illegal base64"},
		{name: "SCRAM with nonsense", script: hello + "S: 250 AUTH SCRAM-SHA-256\nC: ...\nS: 334 eD15", err: "sign in with SCRAM-SHA-256"},
		{name: "SCRAM without proof", script: hello + "S: 250 AUTH SCRAM-SHA-256\nC: ...\nS: 235 welcome", err: "did not prove"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := Options{Hostname: "us.example", ServerName: "relay.example", TLSConfig: client, Implicit: !test.plain,
				Credentials: &Credentials{"anna", "påss"}}
			if test.unproven {
				o.ServerName = "other.example"
			}
			conn := net.Conn(nil)
			if test.plain {
				conn = dialogue(t, test.script)
			} else {
				conn = secureDialogue(t, server, test.script)
			}
			c, err := New(t.Context(), conn, o)
			if (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("error %v instead of %q", err, test.err)
			}
			if err == nil {
				c.Quit()
			}
		})
	}
}

// TestSignInSCRAM signs in to a server of another make, also without TLS: the password
// does not go over the wire.
func TestSignInSCRAM(t *testing.T) {
	maker, err := scram.SHA256.NewClient("anna", "secret", "")
	if err != nil {
		t.Fatal(err)
	}
	stored, err := maker.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "salt of some length", Iters: 4096})
	if err != nil {
		t.Fatal(err)
	}
	server, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) { return stored, nil })
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]string{"secret": "", "wrong": "535 5.7.8"} {
		talk := server.NewConversation()
		here, there := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			serveSCRAM(there, talk)
		}()
		c, err := New(t.Context(), here, Options{Hostname: "us.example", Credentials: &Credentials{"anna", password}})
		if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", password, err)
		}
		if err == nil {
			c.abandon()
		}
		<-done
		_ = there.Close()
	}
}

// serveSCRAM speaks SMTP until the client is signed in or refused.
func serveSCRAM(conn net.Conn, talk *scram.ServerConversation) {
	in := bufio.NewReader(conn)
	line := func(reply string) string {
		_, _ = conn.Write([]byte(reply + "\r\n"))
		s, _ := in.ReadString('\n') // "" where the client is gone
		return strings.TrimSpace(s)
	}
	line("220 hi")
	message := strings.TrimPrefix(line("250-relay\r\n250 AUTH PLAIN SCRAM-SHA-256"), "AUTH SCRAM-SHA-256 ")
	for {
		raw, _ := base64.StdEncoding.DecodeString(message)
		if talk.Done() && talk.Valid() {
			line("235 2.7.0 welcome")
			return
		}
		challenge, err := talk.Step(string(raw))
		if err != nil {
			line("535 5.7.8 no")
			return
		}
		message = line("334 " + base64.StdEncoding.EncodeToString([]byte(challenge)))
	}
}
