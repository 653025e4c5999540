package signature

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/resolver"
)

// minRSA is the shortest key that counts, in bits (RFC 8301 section 3.2). Longer than maxRSA is no
// key in use, only work for whoever verifies.
const (
	minRSA = 1024
	maxRSA = 8192
)

// Resolver is what looks up keys; *resolver.Resolver is one.
type Resolver interface {
	TXT(ctx context.Context, name string) (texts []string, secure bool, err error)
}

// Key is a public key as its domain publishes it (RFC 6376 section 3.6.1).
type Key struct {
	Algorithm string // "rsa" or "ed25519"
	Public    crypto.PublicKey
	Bits      int
	Hashes    []string // those allowed; nil for all
	Testing   bool     // t=y: the domain is only trying
	Strict    bool     // t=s: i= must have the very domain of d=
}

// ParseKey reads the text of a key record.
func ParseKey(text string) (*Key, error) {
	tags, err := ParseTags(text)
	if err != nil {
		return nil, fmt.Errorf("key record: %w", err)
	}
	if v, ok := tags.Get("v"); ok && (v != "DKIM1" || tags[0].Name != "v") {
		return nil, errors.New("key record has another version")
	}
	if services := tags.List("s"); services != nil && !slices.Contains(services, "*") && !slices.Contains(services, "email") {
		return nil, errors.New("key is not for mail")
	}
	flags := tags.List("t")
	k := &Key{Algorithm: tags.Compact("k"), Hashes: tags.List("h"), Testing: slices.Contains(flags, "y"), Strict: slices.Contains(flags, "s")}
	p, ok := tags.Get("p")
	switch {
	case !ok:
		return nil, errors.New("key record holds no key")
	case p == "":
		return nil, errors.New("key was revoked")
	}
	der, err := base64.StdEncoding.DecodeString(compact(p))
	if err != nil {
		return nil, errors.New("key is not base64")
	}
	return k, k.decode(der)
}

func (k *Key) decode(der []byte) error {
	switch k.Algorithm {
	case "", "rsa":
		k.Algorithm = "rsa"
		return k.decodeRSA(der)
	case "ed25519": // RFC 8463 section 4.2
		if len(der) != ed25519.PublicKeySize {
			return fmt.Errorf("Ed25519 key has %d octets", len(der))
		}
		k.Public, k.Bits = ed25519.PublicKey(der), 256
		return nil
	}
	return fmt.Errorf("key type %.20q is not known", k.Algorithm)
}

// decodeRSA reads an RSA key in either of the two forms that RFC 6376 and its erratum 3017 allow.
func (k *Key) decodeRSA(der []byte) error {
	var public *rsa.PublicKey
	if any, err := x509.ParsePKIXPublicKey(der); err == nil {
		public, _ = any.(*rsa.PublicKey)
	} else {
		public, _ = x509.ParsePKCS1PublicKey(der)
	}
	if public == nil {
		return errors.New("key is no RSA key")
	}
	if k.Bits = public.N.BitLen(); k.Bits < minRSA {
		return fmt.Errorf("RSA key of %d bits is too short", k.Bits)
	}
	if k.Bits > maxRSA {
		return fmt.Errorf("RSA key of %d bits is too long", k.Bits)
	}
	k.Public = public
	return nil
}

// Verify checks a signature over the SHA-256 hash of data.
func (k *Key) Verify(data, sig []byte) bool {
	sum := sha256.Sum256(data)
	switch public := k.Public.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], sig) == nil
	case ed25519.PublicKey: // RFC 8463 section 3: the hash is the message
		return ed25519.Verify(public, sum[:], sig)
	}
	return false
}

// FindKey looks up the key that a signature names (RFC 6376 section 6.1.2).
func FindKey(ctx context.Context, r Resolver, domain, selector string) (*Key, *Failure) {
	texts, _, err := r.TXT(ctx, selector+"._domainkey."+domain)
	switch {
	case errors.Is(err, resolver.ErrNotExist), errors.Is(err, resolver.ErrNoData), err == nil && len(texts) == 0:
		return nil, permanent("there is no key %s._domainkey.%s", selector, domain)
	case err != nil:
		return nil, &Failure{TempError, "the key cannot be looked up now"}
	}
	var failure *Failure
	for i, text := range texts { // other records beside it are not forbidden, so the first key counts
		if i == 4 {
			break
		}
		k, err := ParseKey(text)
		if err == nil {
			return k, nil
		}
		if failure == nil || strings.Contains(text, "p=") {
			failure = permanent("%v", err)
		}
	}
	return nil, failure
}
