package inbound

import (
	"context"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/protocol/smtpd"
)

// precheckRcpt looks ahead for a recipient elsewhere of who signed in.
func (s *session) precheckRcpt(ctx context.Context, r *smtpd.Rcpt, to string) cause.Decision {
	if s.b.Precheck == nil || s.account == nil {
		return cause.Allow()
	}
	return s.b.Precheck.Recipient(ctx, s.account.ID, to, address.NormalizeDomain(r.To.Domain), s.mail.Size)
}

// precheckSender asks whether others would believe the author of a message, if it is for others.
func (s *session) precheckSender(ctx context.Context, m *message.Summary) cause.Decision {
	if s.b.Precheck == nil || len(s.remote) == 0 {
		return cause.Allow()
	}
	for _, from := range m.From {
		domain := address.NormalizeDomain(from.Email[strings.LastIndexByte(from.Email, '@')+1:])
		if d := s.b.Precheck.Sender(ctx, domain); !d.Allowed() {
			return d
		}
	}
	return cause.Allow()
}
