package causes

import "github.com/postiljon/postiljon/internal/doctor/infer"

func device() []*infer.Cause {
	return []*infer.Cause{deviceRestart, deviceAccountDamaged}
}
