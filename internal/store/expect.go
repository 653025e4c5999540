package store

import "context"

// Expectation is the state of an account's mail in which changes are to begin (RFC 8620 section 5.3, ifInState). The first change under its
// context looks in its own transaction whether it is still so: then it is made, as are those after it; otherwise nothing is, by any of them.
// It belongs to one goroutine.
type Expectation struct {
	account     AccountID
	modSeq      ModSeq
	met, missed bool
}

type expectationKey struct{}

// Expect returns a context under which changes of an account's mail begin at a value of its change counter, or fail with KindChanged.
func Expect(ctx context.Context, a AccountID, m ModSeq) (context.Context, *Expectation) {
	e := &Expectation{account: a, modSeq: m}
	return context.WithValue(ctx, expectationKey{}, e), e
}

// Missed tells whether somebody else changed the mail first; nil expects nothing.
func (e *Expectation) Missed() bool { return e != nil && e.missed }

// expectation is that of a context for an account, or nil.
func expectation(ctx context.Context, a AccountID) *Expectation {
	if e, ok := ctx.Value(expectationKey{}).(*Expectation); ok && e.account == a && !e.met {
		return e
	}
	return nil
}

// check fails unless the change counter is as expected.
func (e *Expectation) check(now ModSeq) error {
	if e == nil {
		return nil
	}
	if e.missed = e.missed || now != e.modSeq; e.missed {
		return fail("change mail", KindChanged, "it changed meanwhile")
	}
	return nil
}

// meet notes that the first change was made.
func (e *Expectation) meet() {
	if e != nil {
		e.met = true
	}
}
