package causes

import "github.com/postiljon/postiljon/internal/doctor/infer"

func auth() []*infer.Cause {
	return []*infer.Cause{
		authPasswordWrong, authPasswordStaleOneSide, authUsernameForm, authAppPasswordRequired, authOAuthRequired,
		authTokenRevoked, authMechanismMismatch, authPlaintextRefused, authInvisibleCharacter,
	}
}
