package causes

import "github.com/postiljon/postiljon/internal/doctor/infer"

func limit() []*infer.Cause {
	return []*infer.Cause{limitAddressHourly, limitDomainHourly, limitRecipients, limitConnections, limitBandwidth, limitReceiverThrottles}
}
