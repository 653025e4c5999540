package probe

import (
	"context"
	"fmt"
	"strings"

	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

// tryOtherFrom asks whether the From address that the mail program uses would be
// taken, if it is not the account's own. Nothing is sent.
func (r *Run) tryOtherFrom(ctx context.Context, t *opened) error {
	c := r.Evidence.Complaint
	if c.Client == nil || c.Client.Account == nil || c.Client.Account.From == "" || strings.EqualFold(c.Client.Account.From, c.Address) {
		return nil
	}
	from, _, err := t.do(ctx, dialect.StageMail, "MAIL FROM:<"+c.Client.Account.From+">")
	if err != nil || !from.Positive {
		return err
	}
	// Some servers judge the sender only when they know the recipient.
	if _, _, err = t.do(ctx, dialect.StageRcpt, "RCPT TO:<"+c.Address+">"); err != nil {
		return err
	}
	_, _, err = t.do(ctx, dialect.StageOther, "RSET")
	return err
}

// WithoutSignIn asks the server for sending what it says to somebody who does not sign in,
// on a connection of its own. It is asked only when the mail program does not sign in to
// send, or shows an error when sending.
func (r *Run) WithoutSignIn(ep evidence.Endpoint) Probe {
	return Probe{Name: "without sign-in " + place(ep), Needs: []string{OfferName(ep)}, After: []string{clientErrors}, Run: func(ctx context.Context) error {
		if !r.maySendUnsigned() {
			return fmt.Errorf("not needed: %w", ErrBlocked)
		}
		t, _, err := r.open(ctx, ep)
		if err != nil {
			return err
		}
		defer t.close()
		c := r.Evidence.Complaint
		to := c.Recipient
		if to == "" {
			to = "postmaster@" + c.Domain()
		}
		from, _, err := t.do(ctx, dialect.StageMail, "MAIL FROM:<"+c.Address+">")
		if err != nil || !from.Positive {
			return err
		}
		if _, _, err = t.do(ctx, dialect.StageRcpt, "RCPT TO:<"+to+">"); err != nil {
			return err
		}
		_, _, err = t.do(ctx, dialect.StageOther, "RSET")
		return err
	}}
}

func (r *Run) maySendUnsigned() bool {
	c := r.Evidence.Complaint.Client
	if c == nil {
		return false
	}
	if c.Account != nil && c.Account.SMTPAuth != nil && !*c.Account.SMTPAuth {
		return true
	}
	_, found := evidence.Find(r.Evidence, func(e evidence.ClientError) bool {
		return e.Reading.Says(dialect.AuthRequired) || e.Reading.Says(dialect.RelayDenied)
	})
	return found
}

// OwnAddress asks the domain's server for incoming mail whether it takes mail for the
// account's address. Nothing is sent: the transaction is reset (RFC 5321 section 4.1.1.5).
func (r *Run) OwnAddress(ep evidence.Endpoint) Probe {
	return Probe{Name: "own address at " + place(ep), Needs: []string{OfferName(ep)}, Run: func(ctx context.Context) error {
		t, _, err := r.open(ctx, ep)
		if err != nil {
			return err
		}
		defer t.close()
		from, _, err := t.do(ctx, dialect.StageMail, "MAIL FROM:<>")
		if err != nil || !from.Positive {
			return err
		}
		if _, _, err = t.do(ctx, dialect.StageRcpt, "RCPT TO:<"+r.Evidence.Complaint.Address+">"); err != nil {
			return err
		}
		_, _, err = t.do(ctx, dialect.StageOther, "RSET")
		return err
	}}
}
