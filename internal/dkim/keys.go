package dkim

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/postiljon/postiljon/internal/signature"
)

// keyBits is the length of RSA keys: RFC 8301 section 3.2 wants 2048, and more does not fit into
// one answer of the DNS over UDP everywhere.
const keyBits = 2048

// State is where a pair of keys is in its life.
type State string

// The states, in their order.
const (
	Waiting State = "waiting" // to be published; signs once the DNS shows it
	Signing State = "signing" // signs
	Old     State = "old"     // signs no more; stays published for what is under way
	Retired State = "retired" // its private keys are gone; its records can be taken out of the DNS
)

// pair is an RSA key and an Ed25519 key that live and end together.
type pair struct {
	Name    string    `json:"name"` // the beginning of both selectors
	State   State     `json:"state"`
	Created time.Time `json:"created"`
	Since   time.Time `json:"since"` // of its state
	// The keys, PKCS #8; gone in a pair that is retired.
	RSA     []byte `json:"rsa,omitempty"`
	Ed25519 []byte `json:"ed25519,omitempty"`

	rsa     *rsa.PrivateKey
	ed25519 ed25519.PrivateKey
}

// Key is one key as everybody may know it.
type Key struct {
	Domain    string    `json:"domain"`
	Selector  string    `json:"selector"`
	Algorithm string    `json:"algorithm"` // rsa or ed25519
	State     State     `json:"state"`
	Created   time.Time `json:"created"`
	Since     time.Time `json:"since"`         // of its state
	Off       bool      `json:"off,omitempty"` // signing is switched off for the domain
	// Name is where Record is published as TXT (RFC 6376 section 3.6.1); both are empty for a
	// key that is retired.
	Name   string `json:"name,omitempty"`
	Record string `json:"record,omitempty"`
}

// newPair makes keys.
func newPair(name string, now time.Time) (*pair, error) {
	r, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("dkim: make key: %w", err)
	}
	_, e, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("dkim: make key: %w", err)
	}
	p := &pair{Name: name, State: Waiting, Created: now.UTC(), Since: now.UTC(), rsa: r, ed25519: e}
	if p.RSA, err = x509.MarshalPKCS8PrivateKey(r); err != nil {
		return nil, fmt.Errorf("dkim: keep key: %w", err)
	}
	if p.Ed25519, err = x509.MarshalPKCS8PrivateKey(e); err != nil {
		return nil, fmt.Errorf("dkim: keep key: %w", err)
	}
	return p, nil
}

// parse reads the keys of a stored pair.
func (p *pair) parse() error {
	if p.State == Retired {
		return nil
	}
	var ok [2]bool
	r, err := x509.ParsePKCS8PrivateKey(p.RSA)
	if err == nil {
		p.rsa, ok[0] = r.(*rsa.PrivateKey)
	}
	e, err := x509.ParsePKCS8PrivateKey(p.Ed25519)
	if err == nil {
		p.ed25519, ok[1] = e.(ed25519.PrivateKey)
	}
	if !ok[0] || !ok[1] {
		return errors.New("a stored key cannot be read") // never with the key itself
	}
	return nil
}

func (p *pair) selectors() (rsa, ed25519 string) { return p.Name + "-rsa", p.Name + "-ed25519" }

// has reports whether a selector, or the name of the pair, means this pair.
func (p *pair) has(selector string) bool {
	r, e := p.selectors()
	return selector == r || selector == e || selector == p.Name
}

// signers are the keys for use.
func (p *pair) signers(domain string) []Signer {
	r, e := p.selectors()
	return []Signer{{domain, r, p.rsa}, {domain, e, p.ed25519}}
}

// keys are the keys to show.
func (p *pair) keys(domain string) []Key {
	r, e := p.selectors()
	all := []Key{{Selector: r, Algorithm: "rsa"}, {Selector: e, Algorithm: "ed25519"}}
	for i := range all {
		k := &all[i]
		k.Domain, k.State, k.Created, k.Since = domain, p.State, p.Created, p.Since
		if p.State != Retired {
			k.Name = k.Selector + "._domainkey." + domain
		}
	}
	if p.State != Retired {
		all[0].Record = record("rsa", p.rsa.Public())
		all[1].Record = record("ed25519", p.ed25519.Public())
	}
	return all
}

// record is the text that publishes a key (RFC 6376 section 3.6.1, RFC 8463 section 4).
func record(kind string, public crypto.PublicKey) string {
	var raw []byte
	switch k := public.(type) {
	case *rsa.PublicKey:
		raw, _ = x509.MarshalPKIXPublicKey(k) // cannot fail for a key of this type
	case ed25519.PublicKey:
		raw = k
	}
	return "v=DKIM1; k=" + kind + "; p=" + base64.StdEncoding.EncodeToString(raw)
}

// Publishes reports whether a TXT record publishes the same key as another, however it is
// written.
func Publishes(found, wanted string) bool {
	a, err := signature.ParseKey(found)
	if err != nil {
		return false
	}
	b, err := signature.ParseKey(wanted)
	if err != nil {
		return false
	}
	key, ok := a.Public.(interface{ Equal(crypto.PublicKey) bool })
	return ok && key.Equal(b.Public)
}
