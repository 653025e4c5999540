package store

import (
	"errors"
	"fmt"

	"github.com/postiljon/postiljon/internal/store/blob"
	"github.com/postiljon/postiljon/internal/store/kv"
)

// Kind says what went wrong, for the caller to act on.
type Kind uint8

const (
	// KindOther is anything not named below: the operator must look.
	KindOther Kind = iota
	// KindNotFound is a domain, account, mailbox or message that does not exist.
	KindNotFound
	// KindExists is a name that is taken.
	KindExists
	// KindInvalid is a name or value that the store does not take.
	KindInvalid
	// KindOverQuota is a message that does not fit the account's quota.
	KindOverQuota
	// KindNoSpace is a full volume: nothing was written, reads go on.
	KindNoSpace
	// KindLimit is one too many of something that is bounded.
	KindLimit
	// KindInUse is something that cannot go while others need it.
	KindInUse
	// KindCorrupt is stored data that does not match its checksum or form.
	KindCorrupt
	// KindClosed is use after Close.
	KindClosed
	// KindChanged is mail that is not in the state any more in which a change was to begin (Expect).
	KindChanged
)

var kindNames = [...]string{"failed", "not found", "exists already", "not valid", "over quota",
	"no space left", "over a limit", "in use", "corrupt", "closed", "changed"}

func (k Kind) String() string { return kindNames[k] }

// Error is a failed operation of the store.
type Error struct {
	Op   string // "create mailbox"
	Kind Kind
	Err  error // what is behind it, may be nil
}

func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("store: %s: %s", e.Op, e.Kind)
	}
	return fmt.Sprintf("store: %s: %s: %v", e.Op, e.Kind, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of an error of the store or of what is below it.
func KindOf(err error) Kind {
	var e *Error
	switch {
	case errors.As(err, &e) && e.Kind != KindOther:
		return e.Kind
	case errors.Is(err, kv.ErrNoSpace), errors.Is(err, blob.ErrNoSpace):
		return KindNoSpace
	case errors.Is(err, blob.ErrBusy):
		return KindInUse
	case errors.Is(err, blob.ErrCorrupt), errors.Is(err, errDamaged):
		return KindCorrupt
	case errors.Is(err, blob.ErrNotFound):
		return KindNotFound
	case errors.Is(err, kv.ErrClosed), errors.Is(err, blob.ErrClosed):
		return KindClosed
	}
	return KindOther
}

// errDamaged reports a record that cannot be read.
var errDamaged = errors.New("record is damaged")

func fail(op string, kind Kind, format string, args ...any) error {
	return &Error{Op: op, Kind: kind, Err: fmt.Errorf(format, args...)}
}

// wrap adds the operation to an error that has none yet.
func wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return err
	}
	return &Error{Op: op, Kind: KindOf(err), Err: err}
}
