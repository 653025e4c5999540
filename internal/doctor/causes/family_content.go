package causes

import "github.com/postiljon/postiljon/internal/doctor/infer"

func content() []*infer.Cause {
	return []*infer.Cause{
		contentTooLargeOwn,
		contentTooLargeRecipient,
		contentAttachmentForbidden,
		contentLooksLikeSpam,
		contentMalformed,
		contentUnreadable,
	}
}
