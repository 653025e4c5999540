package clients

import (
	"testing"
)

// testOpenSSL looks at the certificate and the TLS of every service.
func testOpenSSL(t *testing.T, d *desk) {
	for _, s := range []struct{ name, address, starttls string }{
		{"smtp with STARTTLS", d.SMTP, "smtp"},
		{"submission with STARTTLS", d.Submission, "smtp"},
		{"submissions", d.Submissions, ""},
		{"imap with STARTTLS", d.IMAP, "imap"},
		{"imaps", d.IMAPS, ""},
		{"pop3s", d.POP3S, ""},
	} {
		connect := func(t *testing.T, more ...string) (string, error) {
			t.Helper()
			args := []string{"s_client", "-connect", s.address, "-servername", "localhost", "-CAfile", d.CA,
				"-verify_hostname", "localhost", "-verify_return_error"}
			if s.starttls != "" {
				args = append(args, "-starttls", s.starttls, "-name", "client.test")
			}
			return d.try(t, "openssl", append(args, more...)...)
		}
		d.step(t, s.name+": chain, name, TLS 1.3 and 1.2, nothing older", func(t *testing.T) {
			for _, version := range []string{"1_3", "1_2"} {
				out, err := connect(t, "-tls"+version)
				if err != nil {
					t.Fatalf("%v\n%s", err, tail(out))
				}
				contains(t, out, "Verification: OK", "Verified peername: localhost")
			}
			for _, old := range []string{"-tls1_1", "-tls1"} {
				out, err := connect(t, old, "-cipher", "ALL:@SECLEVEL=0")
				if err == nil {
					t.Errorf("%s was taken:\n%s", old, tail(out))
				}
				contains(t, out, "alert protocol version") // by the server, not by openssl's own settings
			}
			out, err := connect(t, "-verify_hostname", "other.test")
			if err == nil {
				t.Errorf("the certificate is good for another name:\n%s", tail(out))
			}
		})
	}
}
