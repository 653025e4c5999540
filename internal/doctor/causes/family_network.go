package causes

import "github.com/postiljon/postiljon/internal/doctor/infer"

func network() []*infer.Cause {
	return []*infer.Cause{
		networkOffline,
	}
}
