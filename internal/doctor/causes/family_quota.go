package causes

import "github.com/postiljon/postiljon/internal/doctor/infer"

func quota() []*infer.Cause {
	return []*infer.Cause{quotaMailboxFull, quotaStorageSharedFull, quotaSentCopyFailed, quotaDomainFull, quotaRecipientFull}
}
