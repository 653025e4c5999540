package score

import (
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/probe"
)

// naive is the usual way of a checklist: look at one thing after the other, and
// take the first that fails for the cause.
func naive(r *doctor.Report) cause.ID {
	for _, step := range []struct {
		probe string
		means cause.ID
	}{
		{"interfaces", cause.NetworkOffline},
		{"canary", cause.NetworkCaptivePortal},
		{"lookup ", cause.DNSHostMisspelt},
		{"connect ", cause.ProviderOutage},
		{"tls ", cause.TLSUntrusted},
		{"greeting ", cause.ProviderOverloaded},
		{"offer ", cause.TLSStarttlsMissing},
		{"sign-in ", cause.AuthPasswordWrong},
		{"domain MX", cause.DNSMXMissing},
	} {
		for _, p := range r.Probes {
			if strings.HasPrefix(p.Name, step.probe) && (p.State == probe.Failed || p.State == probe.Timeout) {
				return step.means
			}
		}
	}
	for _, f := range r.Facts {
		switch v := f.Value.(type) {
		case evidence.Command:
			if v.Outcome == evidence.OK && !v.Positive {
				return naiveReply(v.Reading.Code)
			}
		case evidence.Bounced:
			for _, rcpt := range v.Recipients {
				return naiveReply(rcpt.Reading.Code)
			}
		}
	}
	return cause.Healthy
}

// naiveReply takes a code by its usual meaning.
func naiveReply(code int) cause.ID {
	switch code {
	case 550, 553:
		return cause.RecipientUnknown
	case 552, 452:
		return cause.QuotaMailboxFull
	case 554:
		return cause.ContentLooksLikeSpam
	case 450, 451:
		return cause.ReputationGreylisted
	case 421:
		return cause.ProviderOverloaded
	case 530:
		return cause.ClientSMTPAuthOff
	}
	return cause.Unknown
}
