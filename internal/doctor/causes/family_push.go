package causes

import "github.com/postiljon/postiljon/internal/doctor/infer"

func push() []*infer.Cause {
	return []*infer.Cause{pushOff, pushUnsupported, pushFetchManual, pushNotificationsOff}
}
