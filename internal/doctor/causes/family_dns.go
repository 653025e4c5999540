package causes

import "github.com/postiljon/postiljon/internal/doctor/infer"

func dns() []*infer.Cause {
	return []*infer.Cause{}
}
