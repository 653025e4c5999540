package causes

import "github.com/postiljon/postiljon/internal/doctor/infer"

func provider() []*infer.Cause {
	return []*infer.Cause{
		providerOutage,
		providerSMTPDown,
		providerIMAPDown,
		providerAuthBackendDown,
		providerOverloaded,
		providerBackendBroken,
		providerStorageFailed,
		providerMaintenanceStop,
	}
}
