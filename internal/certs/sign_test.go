package certs

import (
	"log/slog"
	"testing"

	"github.com/smallstep/pkcs7"
)

// What is signed says whose it is, and holds what was given.
func TestSignDocument(t *testing.T) {
	k, err := Open(Options{Dir: t.TempDir(), Names: []string{"mail.demo.test"}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	der, err := k.SignDocument([]byte("<plist/>"))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := pkcs7.Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	if err := signed.Verify(); err != nil || string(signed.Content) != "<plist/>" {
		t.Errorf("%q, %v", signed.Content, err)
	}
	if signer := signed.GetOnlySigner(); signer == nil || signer.VerifyHostname("mail.demo.test") != nil {
		t.Errorf("signed by %v", signer)
	}
}
