package rules

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/sieve"
	"github.com/postiljon/postiljon/internal/store"
)

// env answers a script's questions: about the message, the envelope and the account.
type env struct {
	*sieve.Message
	e   *Engine
	ctx context.Context
	in  *Input
	now time.Time
}

var _ sieve.Env = (*env)(nil)

// Envelope implements sieve.Env.
func (v *env) Envelope(part string) []string {
	switch part {
	case "from":
		return []string{v.in.From}
	case "to":
		return []string{v.in.To}
	}
	return nil
}

// Now implements sieve.Env.
func (v *env) Now() time.Time { return v.now }

// MailboxExists implements sieve.Env.
func (v *env) MailboxExists(name string) (bool, error) {
	_, err := v.e.Store.MailboxByName(v.ctx, v.in.Account.ID, name)
	return found(err)
}

func found(err error) (bool, error) {
	if err != nil && store.KindOf(err) == store.KindNotFound {
		return false, nil
	}
	return err == nil, err
}

// uses are the special uses of RFC 6154 that mailboxes here have.
var uses = map[string]store.Role{
	`\archive`: store.RoleArchive, `\drafts`: store.RoleDrafts, `\junk`: store.RoleJunk,
	`\sent`: store.RoleSent, `\trash`: store.RoleTrash,
}

// SpecialUse implements sieve.Env.
func (v *env) SpecialUse(mailbox, use string) (bool, error) {
	role, known := uses[strings.ToLower(use)]
	if !known {
		return false, nil
	}
	m, err := v.e.Store.MailboxByRole(v.ctx, v.in.Account.ID, role)
	ok, err := found(err)
	if !ok || mailbox == "" {
		return ok, err
	}
	name, err := store.ParseMailboxName(mailbox)
	return err == nil && name == m.Name, nil // a name that cannot be has no use
}

// Environment implements sieve.Env (RFC 5183 section 4.1).
func (v *env) Environment(name string) (string, bool) {
	switch name {
	case "domain":
		return v.in.Account.Domain(), true
	case "host":
		return v.e.Hostname, true
	case "location":
		return "MTA", true
	case "name":
		return "Postiljon", true
	case "phase":
		return "during", true
	case "remote-host":
		return v.in.RemoteHost, v.in.RemoteHost != ""
	case "remote-ip":
		return v.in.RemoteIP, v.in.RemoteIP != ""
	}
	return "", false
}

// Duplicate implements sieve.Env.
func (v *env) Duplicate(handle, id string) (bool, error) {
	_, ok, err := v.e.Store.Remembered(v.ctx, v.in.Account.ID, memoryKey("seen", handle, id))
	return ok, err
}

// memoryKey is what something is remembered under: a hash, so that no list of senders and messages
// lies in the store, and all keys are short.
func memoryKey(kind string, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return kind + ":" + hex.EncodeToString(sum[:16])
}
