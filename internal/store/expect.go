package store

import (
	"context"

	"github.com/postiljon/postiljon/internal/store/kv"
)

// Expectation is the state of something of an account in which changes of it are to begin (RFC 8620 section 5.3, ifInState). The first change under
// its context looks in its own transaction whether it is still so: then it is made, as are those after it; otherwise nothing is, by any of them.
// It belongs to one goroutine.
type Expectation struct {
	account     AccountID
	of          expected
	holds       func(kv.Reader) (bool, error)
	met, missed bool
}

// expected says what an expectation is about: whose changes look.
type expected uint8

const (
	ofMail expected = iota
	ofHanded
	ofScripts
)

type expectationKey struct{}

// Expect returns a context under which changes of an account's mail begin at a value of its change counter, or fail with KindChanged.
func Expect(ctx context.Context, a AccountID, m ModSeq) (context.Context, *Expectation) {
	return expect(ctx, a, ofMail, func(r kv.Reader) (bool, error) {
		h, err := readHead(r)
		return h.modSeq == m, err
	})
}

// ExpectSubmissions is Expect of email submissions, which begin to change in a state of theirs.
func ExpectSubmissions(ctx context.Context, a AccountID, state uint64) (context.Context, *Expectation) {
	return expect(ctx, a, ofHanded, func(r kv.Reader) (bool, error) {
		h, err := readHandedHead(r)
		return h.State == state, err
	})
}

// ExpectScripts is Expect of scripts, which begin to change if a function says of them that they are as they were.
func ExpectScripts(ctx context.Context, a AccountID, as func([]Script) bool) (context.Context, *Expectation) {
	return expect(ctx, a, ofScripts, func(r kv.Reader) (bool, error) {
		list, err := readScripts(r)
		return err == nil && as(list), err
	})
}

func expect(ctx context.Context, a AccountID, of expected, holds func(kv.Reader) (bool, error)) (context.Context, *Expectation) {
	e := &Expectation{account: a, of: of, holds: holds}
	return context.WithValue(ctx, expectationKey{}, e), e
}

// Missed tells whether somebody else made a change first; nil expects nothing.
func (e *Expectation) Missed() bool { return e != nil && e.missed }

// expectation is that of a context for something of an account, or nil.
func expectation(ctx context.Context, a AccountID, of expected) *Expectation {
	if e, ok := ctx.Value(expectationKey{}).(*Expectation); ok && e.account == a && e.of == of && !e.met {
		return e
	}
	return nil
}

// check fails unless all is as expected.
func (e *Expectation) check(r kv.Reader) error {
	if e == nil {
		return nil
	}
	holds, err := e.holds(r)
	if err != nil {
		return err
	}
	if e.missed = e.missed || !holds; e.missed {
		return fail("change in state", KindChanged, "it changed meanwhile")
	}
	return nil
}

// meet notes that the first change was made.
func (e *Expectation) meet() {
	if e != nil {
		e.met = true
	}
}
