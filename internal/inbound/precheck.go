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

// precheckContent asks whether others would believe the author of a message, and take so large a one,
// if it is for others.
func (s *session) precheckContent(ctx context.Context, m *message.Summary) cause.Decision {
	if s.b.Precheck == nil || len(s.remote) == 0 {
		return cause.Allow()
	}
	if d := s.precheckSize(ctx, m.Size); !d.Allowed() {
		return d
	}
	var authors []string
	for _, from := range m.From {
		authors = append(authors, from.Email)
	}
	return s.precheckSenders(ctx, authors)
}

// precheckSenders asks whether others would believe the authors of a message.
func (s *session) precheckSenders(ctx context.Context, authors []string) cause.Decision {
	for _, from := range authors {
		domain := address.NormalizeDomain(from[strings.LastIndexByte(from, '@')+1:])
		if d := s.b.Precheck.Sender(ctx, domain); !d.Allowed() {
			return d
		}
	}
	return cause.Allow()
}

// precheckSize asks again about recipients whose client did not say the size before. Where some can
// have the message, a report tells of the others.
func (s *session) precheckSize(ctx context.Context, size int64) (last cause.Decision) {
	if s.mail.Size > 0 || len(s.local) > 0 {
		return cause.Allow()
	}
	for i := range s.remote {
		to := s.remote[i].Address
		domain := address.NormalizeDomain(to[strings.LastIndexByte(to, '@')+1:])
		if last = s.b.Precheck.Recipient(ctx, s.account.ID, to, domain, size); last.Allowed() {
			break
		}
	}
	return last
}
