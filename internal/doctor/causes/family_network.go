package causes

import "github.com/postiljon/postiljon/internal/doctor/infer"

func network() []*infer.Cause {
	return []*infer.Cause{
		networkOffline,
		networkCaptivePortal,
		networkSubmissionPortBlocked,
		networkProviderBlocked,
		networkSMTPIntercepted,
		networkTLSInspected,
		networkIPv6Broken,
		networkMTUBlackhole,
		networkLossy,
		networkLocalFirewall,
		networkClientBanned,
		networkIdleDropped,
	}
}
