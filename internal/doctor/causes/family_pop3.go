package causes

import "github.com/postiljon/postiljon/internal/doctor/infer"

func pop3() []*infer.Cause {
	return []*infer.Cause{}
}
