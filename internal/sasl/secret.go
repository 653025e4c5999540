package sasl

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"

	"github.com/xdg-go/stringprep"
)

// DefaultIterations is the iteration count of new secrets (RFC 7677 section 4 wants at least 4096;
// the proof is computed by the client, so that a phone must still manage it).
const DefaultIterations = 16384

const (
	saltSize      = 16
	minIterations = 4096
)

// ScramSecret is what a server stores to check SCRAM-SHA-256 (RFC 5802 section 3). It does not
// reveal the password, but who has it can pose as the server, and guess at the password offline.
type ScramSecret struct {
	Salt       []byte
	Iterations int
	StoredKey  []byte // 32 octets
	ServerKey  []byte // 32 octets
}

// NewScramSecret makes the secret of a password with a random salt.
func NewScramSecret(password string, iterations int) (ScramSecret, error) {
	salt := make([]byte, saltSize)
	rand.Read(salt) // never fails
	return deriveSecret(password, salt, iterations)
}

// Beside makes the secret of one more password of a user who has this one: with the same salt and
// iteration count, so that one exchange can check either. A salt keeps users apart, not the few
// passwords of one.
func (s ScramSecret) Beside(password string) (ScramSecret, error) {
	return deriveSecret(password, s.Salt, s.Iterations)
}

// deriveSecret computes the keys of RFC 5802 section 3.
func deriveSecret(password string, salt []byte, iterations int) (ScramSecret, error) {
	if iterations < minIterations {
		return ScramSecret{}, fmt.Errorf("sasl: %d iterations are fewer than %d", iterations, minIterations)
	}
	salted, err := pbkdf2.Key(sha256.New, Prepare(password), salt, iterations, sha256.Size)
	if err != nil {
		return ScramSecret{}, fmt.Errorf("sasl: derive a SCRAM secret: %w", err)
	}
	clientKey := hmacSHA256(salted, "Client Key")
	stored := sha256.Sum256(clientKey)
	return ScramSecret{
		Salt:       salt,
		Iterations: iterations,
		StoredKey:  stored[:],
		ServerKey:  hmacSHA256(salted, "Server Key"),
	}, nil
}

// proves reports whether proof shows that the client knows the password (RFC 5802 section 3).
func (s ScramSecret) proves(proof []byte, authMessage string) bool {
	if len(proof) != sha256.Size {
		return false
	}
	clientKey := hmacSHA256(s.StoredKey, authMessage)
	subtle.XORBytes(clientKey, clientKey, proof)
	stored := sha256.Sum256(clientKey)
	return subtle.ConstantTimeCompare(stored[:], s.StoredKey) == 1
}

// fakeSecret is a secret for a user that does not exist. Its salt is always the same for one name;
// no password has the keys.
func (s *Server) fakeSecret(user string) ScramSecret {
	user = s.options.SaltName(user)
	return ScramSecret{
		Salt:       hmacSHA256(s.options.SaltKey, "salt "+user)[:saltSize],
		Iterations: s.options.Iterations,
		StoredKey:  hmacSHA256(s.options.SaltKey, "stored "+user),
		ServerKey:  hmacSHA256(s.options.SaltKey, "server "+user),
	}
}

func hmacSHA256(key []byte, message string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(message))
	return h.Sum(nil)
}

// Prepare brings a user name or password into the form in which it is stored and compared:
// SASLprep (RFC 4013). What SASLprep refuses, such as characters newer than its Unicode 3.2, stays
// as it is, for clients send it so.
func Prepare(s string) string {
	if isPrintableASCII(s) {
		return s
	}
	prepared, err := stringprep.SASLprep.Prepare(s)
	if err != nil {
		return s
	}
	return prepared
}

func isPrintableASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
