package policy

import (
	"time"

	"github.com/postiljon/postiljon/internal/cause"
)

// QuotaGrace is how long mail for a full mailbox is only delayed: the sender's server tries again
// that long, and nothing is lost if its owner makes room.
const QuotaGrace = 7 * 24 * time.Hour

// Quota decides whether a mailbox that uses so many octets of its quota takes a message of size
// more; a quota of 0 is none. FullSince is when it first did not, zero if it had room until now.
func Quota(used, quota, size int64, fullSince, now time.Time) cause.Decision {
	switch {
	case quota <= 0 || size <= quota-used:
		return cause.Allow()
	case size > quota: // no room would ever be enough
		return cause.Refuse(cause.ContentTooLargeRecipient, cause.Size("size", size), cause.Size("limit", quota))
	case !fullSince.IsZero() && now.Sub(fullSince) >= QuotaGrace:
		return cause.Refuse(cause.QuotaMailboxFull, cause.Size("used", used), cause.Size("limit", quota))
	}
	return cause.Wait(cause.QuotaMailboxFull, time.Time{}, cause.Size("used", used), cause.Size("limit", quota))
}
