package causes

import "github.com/postiljon/postiljon/internal/doctor/infer"

func account() []*infer.Cause {
	return []*infer.Cause{
		accountMailDisabled, accountSuspendedUnpaid, accountMaintenance, accountBlockedAbuse, accountLockedOut,
		accountGone, accountPasswordExpired, accountLocationPolicy, accountProtocolDisabled, accountWebStepRequired,
	}
}
