package policy

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/store"
)

// signInCache remembers for a while what the check of a password came to, so that a program that
// signs in every minute does not cost an argon2 hash every minute.
//
// An entry is found by a keyed hash over the account, its version and the given password. So no
// password can be read from it, and as soon as an account or one of its passwords changes nothing
// that was remembered is found any more. The key lives and dies with the process.
type signInCache struct {
	hashes sync.Pool // of hash.Hash, keyed

	mu    sync.Mutex
	right *recent[cacheKey, checked]
	wrong *recent[cacheKey, checked] // apart, so that guesses do not push out what is right
}

type cacheKey [sha256.Size]byte

// checked is what the check of a password came to.
type checked struct {
	ok         bool
	credential credential // whose password it is
	trimmed    bool       // it is so only without the spaces around it
	outdated   string     // its hash, if that is to be made anew
	until      time.Time
}

// credential is what must be known of a credential once its password is found right.
type credential struct {
	id, name  string
	app       bool
	generated bool // made by us, so that it cannot have been guessed
	protocols store.Protocol
	expires   time.Time
}

func credentialOf(c *store.Credential) credential {
	return credential{
		id: c.ID, name: c.Name, app: c.App, generated: isGenerated(c.Hash), protocols: c.Protocols, expires: c.Expires,
	}
}

// How long a check is remembered. A wrong password counts once in wrongFor: a device that keeps
// trying an old password is one failure an hour.
const (
	rightFor = time.Hour
	wrongFor = time.Hour
)

func newSignInCache(size int) *signInCache {
	secret := randomBytes(sha256.Size)
	c := &signInCache{
		right: newRecent[cacheKey, checked](size),
		wrong: newRecent[cacheKey, checked](size),
	}
	c.hashes.New = func() any { return hmac.New(sha256.New, secret) }
	return c
}

// key of an account, or of a user name that has no account, and a password.
func (c *signInCache) key(username string, a *store.Account, password string) (k cacheKey) {
	h := c.hashes.Get().(hash.Hash)
	defer c.hashes.Put(h)
	h.Reset()
	buf := make([]byte, 0, 256)
	buf = binary.BigEndian.AppendUint64(buf, uint64(a.ID))
	buf = binary.BigEndian.AppendUint64(buf, a.Version)
	if a.ID == 0 {
		buf = appendField(buf, username)
	}
	buf = appendField(buf, password)
	h.Write(buf)
	h.Sum(k[:0])
	return k
}

// appendField appends s with its length, so that no two lists of fields look the same.
func appendField(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

func (c *signInCache) get(k cacheKey, now time.Time) (checked, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.right.get(k)
	if !ok {
		e, ok = c.wrong.get(k)
	}
	return e, ok && now.Before(e.until)
}

func (c *signInCache) put(k cacheKey, e checked, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.ok {
		e.until = now.Add(rightFor)
		c.right.put(k, e)
		return
	}
	e.until = now.Add(wrongFor)
	c.wrong.put(k, e)
}
