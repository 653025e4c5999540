package causes

import (
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// quota.sent-copy-failed: the message went out, and its copy in Sent found no room. The
// error that the program shows is the IMAP server's, to APPEND (RFC 9051 section 6.3.12); had
// sending failed, it would be that of the server for sending.
var quotaSentCopyFailed = &infer.Cause{
	ID:       cause.QuotaSentCopyFailed,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{copyRefused},
	Explains: []infer.Link{{Sign: mailboxFull, P: infer.Usually}, {Sign: saidFull, P: infer.Usually}, {Sign: ownAddressRefused, P: infer.Sometimes}},
	Proof:    []*infer.Sign{copyRefused},
	Upstream: []cause.ID{cause.QuotaMailboxFull, cause.OutboxStuck},
	Params:   storageParams,
}

var copyRefused = &infer.Sign{Name: "copy-refused", Of: func(e *evidence.Evidence) infer.Truth {
	return anyOf(evidence.All[evidence.ClientError](e), func(c evidence.ClientError) bool {
		ofSent := c.Where == "outbox" || strings.Contains(strings.ToUpper(c.Text), "APPEND")
		return c.Protocol == evidence.IMAP && ofSent && means(c.Reading, dialect.MailboxFull)
	})
}}
