package causes

import "github.com/postiljon/postiljon/internal/doctor/infer"

func recipient() []*infer.Cause {
	return []*infer.Cause{
		recipientUnknown,
		recipientDomainTypo,
		recipientStaleSuggestion,
		recipientRefuses,
		recipientAddressInvalid,
		recipientNone,
		recipientServerUnreachable,
	}
}
