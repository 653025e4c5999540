package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// account.password-expired: the password ran out; the server says so in place of refusing it as wrong.
var accountPasswordExpired = &infer.Cause{
	ID:       cause.AccountPasswordExpired,
	Requires: []*infer.Sign{passwordExpired},
	Explains: refusesSignIns(infer.Usually),
	Proof:    []*infer.Sign{passwordExpired},
}

var passwordExpired = saidAtSignIn("password-expired", dialect.PasswordExpired)
