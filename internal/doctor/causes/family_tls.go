package causes

import "github.com/postiljon/postiljon/internal/doctor/infer"

func tls() []*infer.Cause {
	return []*infer.Cause{
		tlsExpired,
		tlsNameMismatch,
		tlsUntrusted,
		tlsClockWrong,
		tlsTooOld,
		tlsModeSwapped,
		tlsStarttlsMissing,
		tlsPolicyMismatch,
		tlsRequiredBySender,
	}
}
