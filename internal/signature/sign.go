package signature

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// AlgorithmOf returns the name in a= of signatures made with a key: "" for a key that none can be made with.
func AlgorithmOf(key crypto.Signer) string {
	switch key.Public().(type) {
	case *rsa.PublicKey:
		return "rsa-sha256"
	case ed25519.PublicKey:
		return "ed25519-sha256"
	}
	return ""
}

// Sign signs the SHA-256 hash of data, and returns the signature in base64 for b=.
func Sign(key crypto.Signer, data []byte) (string, error) {
	sum := sha256.Sum256(data)
	how := crypto.Hash(crypto.SHA256)
	switch AlgorithmOf(key) {
	case "":
		return "", fmt.Errorf("signature: cannot sign with a %T", key.Public())
	case "ed25519-sha256":
		how = 0 // RFC 8463 section 3: the hash is the message
	}
	sig, err := key.Sign(rand.Reader, sum[:], how)
	if err != nil {
		return "", fmt.Errorf("signature: sign: %w", err)
	}
	return base64.StdEncoding.EncodeToString(sig), nil
}
