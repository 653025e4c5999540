package policy

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/argon2"

	"github.com/postiljon/postiljon/internal/sasl"
)

// HashParams are the cost of a password hash with argon2id (RFC 9106).
type HashParams struct {
	MinLength  int    // octets of the shortest password that may be chosen, 0 for 8
	MemoryKiB  uint32 // memory of one hash in KiB, 19456 to 65536
	Passes     uint32 // passes over the memory, 1 to 16
	Lanes      uint8  // lanes, 1 to 16
	Concurrent int    // hashes at one time: memory is at most Concurrent x MemoryKiB
	Queue      int    // sign-ins that may wait for a hash; more are told to come again
}

// DefaultHashParams take 19 MiB and about 20 ms a hash on a core, one hash on each core.
func DefaultHashParams() HashParams {
	return HashParams{MemoryKiB: 19 << 10, Passes: 2, Lanes: 1, Concurrent: runtime.GOMAXPROCS(0), Queue: 1000}
}

// Errors of a Hasher.
var (
	// ErrBusy reports that too many sign-ins wait for a hash already.
	ErrBusy = errors.New("policy: too many passwords to check at once")
	// ErrHash reports a stored hash that cannot be read.
	ErrHash = errors.New("policy: unreadable password hash")
	// ErrWeak reports a password that must not be chosen.
	ErrWeak = errors.New("policy: password too short or too long")
)

// Limits of a password that a person chooses, in octets after preparation.
const (
	defaultMinPassword = 8
	maxPassword        = 1000
)

// Hasher makes and checks password hashes. However many sign-ins come at once, it uses no more
// memory than its parameters say.
type Hasher struct {
	params HashParams
	slots  chan struct{}
	queued atomic.Int64
	done   atomic.Uint64
	decoy  string // a hash no password has
}

// NewHasher makes a Hasher; params outside their limits are an error.
func NewHasher(p HashParams) (*Hasher, error) {
	switch {
	case p.MemoryKiB < 19456 || p.MemoryKiB > 65536:
		return nil, fmt.Errorf("policy: password hash memory of %d KiB is not within 19456 and 65536", p.MemoryKiB)
	case p.Passes < 1 || p.Passes > 16 || p.Lanes < 1 || p.Lanes > 16:
		return nil, fmt.Errorf("policy: password hash with %d passes and %d lanes: both must be within 1 and 16", p.Passes, p.Lanes)
	case p.Concurrent < 1 || p.Queue < 0:
		return nil, fmt.Errorf("policy: %d password hashes at once, %d waiting", p.Concurrent, p.Queue)
	}
	if p.MinLength == 0 {
		p.MinLength = defaultMinPassword
	}
	h := &Hasher{params: p, slots: make(chan struct{}, p.Concurrent)}
	h.decoy = h.encode(randomBytes(hashSalt), randomBytes(hashSize))
	return h, nil
}

// Hash returns the hash of a password that a person chose, as a PHC string:
// $argon2id$v=19$m=19456,t=2,p=1$salt$hash. It waits its turn.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	password = sasl.Prepare(password)
	if len(password) < h.params.MinLength || len(password) > maxPassword {
		return "", ErrWeak
	}
	if err := h.enter(ctx); err != nil {
		return "", err
	}
	defer h.leave()
	salt := randomBytes(hashSalt)
	return h.encode(salt, h.derive([]byte(password), salt)), nil
}

// Verify tells whether a hash made by Hash or HashGenerated is that of password. Rehash tells that
// the password is right and its hash should be made anew, with the parameters of now.
func (h *Hasher) Verify(ctx context.Context, phc, password string) (ok, rehash bool, err error) {
	password = sasl.Prepare(password)
	if strings.HasPrefix(phc, generatedPrefix) {
		ok, err = verifyGenerated(phc, password)
		return ok, false, err
	}
	stored, err := parseArgon2(phc)
	if err != nil {
		return false, false, err
	}
	if err := h.enter(ctx); err != nil {
		return false, false, err
	}
	defer h.leave()
	got := argon2.IDKey([]byte(password), stored.salt, stored.passes, stored.memory, stored.lanes, uint32(len(stored.key)))
	ok = subtle.ConstantTimeCompare(got, stored.key) == 1
	now := stored.memory == h.params.MemoryKiB && stored.passes == h.params.Passes && stored.lanes == h.params.Lanes
	return ok, ok && !now, nil
}

// VerifyNobody takes as long as Verify of a wrong password, for a user who does not exist.
func (h *Hasher) VerifyNobody(ctx context.Context, password string) error {
	_, _, err := h.Verify(ctx, h.decoy, password)
	return err
}

func (h *Hasher) enter(ctx context.Context) error {
	select {
	case h.slots <- struct{}{}:
		return nil
	default:
	}
	if h.queued.Add(1) > int64(h.params.Queue) {
		h.queued.Add(-1)
		return ErrBusy
	}
	defer h.queued.Add(-1)
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("policy: wait to check a password: %w", context.Cause(ctx))
	}
}

func (h *Hasher) leave() {
	h.done.Add(1)
	<-h.slots
}

// Hashes is how many slow hashes were made since the start, for the operator's metrics.
func (h *Hasher) Hashes() uint64 { return h.done.Load() }

const (
	hashSalt = 16
	hashSize = 32
)

func (h *Hasher) derive(password, salt []byte) []byte {
	return argon2.IDKey(password, salt, h.params.Passes, h.params.MemoryKiB, h.params.Lanes, hashSize)
}

var phc64 = base64.RawStdEncoding.Strict()

func (h *Hasher) encode(salt, key []byte) string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		h.params.MemoryKiB, h.params.Passes, h.params.Lanes, phc64.EncodeToString(salt), phc64.EncodeToString(key))
}

// argon2Hash is a PHC string taken apart.
type argon2Hash struct {
	memory, passes uint32
	lanes          uint8
	salt, key      []byte
}

// Costs of hashes from elsewhere are accepted up to these, so that no record can ask for all memory.
const (
	maxHashMemory = 256 << 10 // KiB
	maxHashPasses = 32
	maxHashBytes  = 128
)

func parseArgon2(phc string) (a argon2Hash, err error) {
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return a, fmt.Errorf("%w: not argon2id, version %d", ErrHash, argon2.Version)
	}
	costs := strings.Split(parts[3], ",")
	if len(costs) != 3 {
		return a, fmt.Errorf("%w: %d costs", ErrHash, len(costs))
	}
	var cost [3]uint64
	for i, name := range [3]string{"m=", "t=", "p="} {
		digits, found := strings.CutPrefix(costs[i], name)
		cost[i], err = strconv.ParseUint(digits, 10, 32)
		if !found || err != nil || cost[i] == 0 {
			return a, fmt.Errorf("%w: cost %s", ErrHash, name)
		}
	}
	if cost[0] > maxHashMemory || cost[1] > maxHashPasses || cost[2] > 255 {
		return a, fmt.Errorf("%w: costs too high", ErrHash)
	}
	a.memory, a.passes, a.lanes = uint32(cost[0]), uint32(cost[1]), uint8(cost[2])
	if a.salt, a.key, err = decodeSaltAndKey(parts[4], parts[5]); err != nil {
		return a, err
	}
	return a, nil
}

func decodeSaltAndKey(salt, key string) (s, k []byte, err error) {
	s, errSalt := phc64.DecodeString(salt)
	k, errKey := phc64.DecodeString(key)
	if errSalt != nil || errKey != nil || len(s) < 8 || len(s) > maxHashBytes || len(k) < 16 || len(k) > maxHashBytes {
		return nil, nil, fmt.Errorf("%w: salt or key", ErrHash)
	}
	return s, k, nil
}

// A password that was generated here cannot be guessed whatever its hash costs: a fast hash is as
// safe as a slow one, and an account may have many app passwords without its sign-ins getting slow
// or taking a time that tells how many there are.
const (
	generatedPrefix = "$pbkdf2-sha256$"
	generatedRounds = 100
)

// HashGenerated returns the hash of a password made by GenerateAppPassword, as a string
// $pbkdf2-sha256$i=100$salt$hash.
func HashGenerated(password string) (string, error) {
	salt := randomBytes(hashSalt)
	key, err := pbkdf2.Key(sha256.New, plainAppPassword(password), salt, generatedRounds, hashSize)
	if err != nil {
		return "", fmt.Errorf("policy: hash a generated password: %w", err)
	}
	return fmt.Sprintf("%si=%d$%s$%s", generatedPrefix, generatedRounds, phc64.EncodeToString(salt), phc64.EncodeToString(key)), nil
}

func verifyGenerated(phc, password string) (bool, error) {
	parts := strings.Split(strings.TrimPrefix(phc, generatedPrefix), "$")
	if len(parts) != 3 || parts[0] != "i="+strconv.Itoa(generatedRounds) {
		return false, fmt.Errorf("%w: not pbkdf2-sha256 with %d rounds", ErrHash, generatedRounds)
	}
	salt, key, err := decodeSaltAndKey(parts[1], parts[2])
	if err != nil {
		return false, err
	}
	got, err := pbkdf2.Key(sha256.New, plainAppPassword(password), salt, generatedRounds, len(key))
	if err != nil {
		return false, fmt.Errorf("policy: verify a generated password: %w", err)
	}
	return subtle.ConstantTimeCompare(got, key) == 1, nil
}

// plainAppPassword is an app password without what people add or leave out when they type it:
// "ABCD efgh-ijkm npqr" is "abcdefghijkmnpqr". What does not look like one stays as it is.
func plainAppPassword(password string) string {
	plain := strings.Map(func(r rune) rune {
		if r == '-' || r == ' ' {
			return -1
		}
		return r
	}, strings.ToLower(password))
	if len(plain) != appGroups*appGroup {
		return password
	}
	return plain
}

// Letters that are not mistaken for one another, in print or read aloud.
const appLetters = "abcdefghjkmnpqrstuvwxyz"

const (
	appGroups = 4
	appGroup  = 4
)

// GenerateAppPassword makes a password for one app: four groups of four letters, 72 bits.
func GenerateAppPassword() string {
	var b strings.Builder
	for i := range appGroups * appGroup {
		if i > 0 && i%appGroup == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(appLetters[randomBelow(len(appLetters))])
	}
	return b.String()
}

// Syllables of GeneratePassword: any word made of them can be said in any of the languages served.
const (
	onsets = "bdfghjklmnprstv"
	vowels = "aeiou"
)

// GeneratePassword makes a password that a person can read, say and type: four words of five
// letters and a number, such as "tavok-rimel-pudan-sofit-48", 72 bits.
func GeneratePassword() string {
	words := make([]string, 0, 5)
	for range 4 {
		word := []byte{pick(onsets), pick(vowels), pick(onsets), pick(vowels), pick(onsets)}
		words = append(words, string(word))
	}
	number := 10 + randomBelow(90)
	return strings.Join(append(words, strconv.Itoa(number)), "-")
}

func pick(letters string) byte { return letters[randomBelow(len(letters))] }

// randomBelow returns an even choice of 0 to n-1, n at most 256.
func randomBelow(n int) int {
	for {
		if b := int(randomBytes(1)[0]); b < 256-256%n {
			return b % n
		}
	}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}
