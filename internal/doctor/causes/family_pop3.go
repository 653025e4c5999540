package causes

import "github.com/postiljon/postiljon/internal/doctor/infer"

func pop3() []*infer.Cause {
	return []*infer.Cause{pop3Locked, pop3DeletedElsewhere, pop3Unsupported}
}
