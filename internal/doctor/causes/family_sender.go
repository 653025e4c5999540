package causes

import "github.com/postiljon/postiljon/internal/doctor/infer"

func sender() []*infer.Cause {
	return []*infer.Cause{
		senderSPFFail,
		senderSPFBroken,
		senderDKIMBroken,
		senderNotAligned,
		senderForwardingBreaksSPF,
		senderPTRMissing,
		senderAddressInvalid,
		senderDomainMissing,
	}
}
