// Package authenticator is a device with passkeys, for tests: it answers as a browser with such a device does (Web Authentication
// Level 3, "none" attestation, ES256), and can be told to answer wrongly.
package authenticator

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// Device has passkeys.
type Device struct {
	Origin string // that of the page, "https://mail.example.org"
	// Unverified is a device that does not make sure who uses it.
	Unverified bool
	keys       []*key
}

// key is one passkey.
type key struct {
	id, user []byte
	rp       string
	pair     *ecdsa.PrivateKey
	count    uint32
}

// Flags of authenticator data (section 6.1).
const (
	userPresent  = 0x01
	userVerified = 0x04
	withKey      = 0x40
)

var text = base64.RawURLEncoding

// options are what a page hands to the browser, as far as the device looks at it.
type options struct {
	PublicKey struct {
		Challenge string `json:"challenge"`
		RPID      string `json:"rpId"`
		RP        struct {
			ID string `json:"id"`
		} `json:"rp"`
		User struct {
			ID string `json:"id"`
		} `json:"user"`
	} `json:"publicKey"`
}

// Create makes a passkey and returns RegistrationResponseJSON.
func (d *Device) Create(request []byte) ([]byte, error) {
	var o options
	if err := json.Unmarshal(request, &o); err != nil {
		return nil, fmt.Errorf("authenticator: %w", err)
	}
	user, err := text.DecodeString(o.PublicKey.User.ID)
	if err != nil {
		return nil, fmt.Errorf("authenticator: %w", err)
	}
	pair, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("authenticator: %w", err)
	}
	k := &key{id: make([]byte, 32), user: user, rp: o.PublicKey.RP.ID, pair: pair}
	rand.Read(k.id)
	d.keys = append(d.keys, k)
	data, err := k.data(d.flags() | withKey)
	if err != nil {
		return nil, err
	}
	attestation, err := cbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": data})
	if err != nil {
		return nil, fmt.Errorf("authenticator: %w", err)
	}
	return k.answer(map[string]any{
		"clientDataJSON": text.EncodeToString(d.clientData("webauthn.create", o.PublicKey.Challenge)), "attestationObject": text.EncodeToString(attestation),
		"transports": []string{"internal"},
	})
}

// Use answers with the passkey that was made last for who asks, and returns AuthenticationResponseJSON.
func (d *Device) Use(request []byte) ([]byte, error) {
	var o options
	if err := json.Unmarshal(request, &o); err != nil {
		return nil, fmt.Errorf("authenticator: %w", err)
	}
	for i := len(d.keys) - 1; i >= 0; i-- {
		k := d.keys[i]
		if k.rp != o.PublicKey.RPID {
			continue
		}
		k.count++
		data, err := k.data(d.flags())
		if err != nil {
			return nil, err
		}
		client := d.clientData("webauthn.get", o.PublicKey.Challenge)
		clientHash := sha256.Sum256(client)
		signed := sha256.Sum256(append(bytes.Clone(data), clientHash[:]...))
		signature, err := ecdsa.SignASN1(rand.Reader, k.pair, signed[:])
		if err != nil {
			return nil, fmt.Errorf("authenticator: %w", err)
		}
		return k.answer(map[string]any{
			"clientDataJSON": text.EncodeToString(client), "authenticatorData": text.EncodeToString(data),
			"signature": text.EncodeToString(signature), "userHandle": text.EncodeToString(k.user),
		})
	}
	return nil, fmt.Errorf("authenticator: no passkey for %q", o.PublicKey.RPID)
}

// Rewind lets the counters of all passkeys go back, as those of a copy do.
func (d *Device) Rewind() {
	for _, k := range d.keys {
		k.count = 0
	}
}

func (d *Device) flags() byte {
	if d.Unverified {
		return userPresent
	}
	return userPresent | userVerified
}

func (d *Device) clientData(kind, challenge string) []byte {
	b, _ := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": d.Origin, "crossOrigin": false}) // never fails
	return b
}

// data is the authenticator data (section 6.1).
func (k *key) data(flags byte) ([]byte, error) {
	hash := sha256.Sum256([]byte(k.rp))
	b := binary.BigEndian.AppendUint32(append(hash[:], flags), k.count)
	if flags&withKey == 0 {
		return b, nil
	}
	point, err := k.pair.PublicKey.Bytes()
	if err != nil {
		return nil, fmt.Errorf("authenticator: %w", err)
	}
	// COSE: EC2, ES256, P-256 (RFC 9053).
	public, err := cbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]})
	if err != nil {
		return nil, fmt.Errorf("authenticator: %w", err)
	}
	b = append(b, make([]byte, 16)...) // AAGUID
	b = binary.BigEndian.AppendUint16(b, uint16(len(k.id)))
	return append(append(b, k.id...), public...), nil
}

func (k *key) answer(response map[string]any) ([]byte, error) {
	return json.Marshal(map[string]any{
		"id": text.EncodeToString(k.id), "rawId": text.EncodeToString(k.id), "type": "public-key", "authenticatorAttachment": "platform",
		"clientExtensionResults": map[string]any{}, "response": response,
	})
}
