package notice

import (
	"context"
	"fmt"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
)

// What goes to an address of the holder elsewhere, since the account itself cannot be read while its password is forgotten.

// RecoveryCode sends a code to the address that is to be written to when the password is forgotten: whoever enters it gets mail there.
func (s *Sender) RecoveryCode(a store.Account, to, code string, until time.Time, w Where) {
	s.outside(a, to, "recovery-code", until, w, cause.Text("code", code), cause.Time("until", until))
}

// Forgotten sends a link to who has forgotten the password of an account, at once: it is for jobs of Later.
func (s *Sender) Forgotten(ctx context.Context, a store.Account, to, link string, until time.Time, w Where) error {
	return s.sendOutside(ctx, &a, to, "forgotten", until, w, cause.Text("link", link), cause.Time("until", until))
}

// leftFor is how long it is worth knowing that an address is not that of an account any more.
const leftFor = 5 * 24 * time.Hour

// RecoveryLeft tells the address that was written to when the password is forgotten that it is not any more: if it was not its
// holder who changed that, he hears of it here alone.
func (s *Sender) RecoveryLeft(a store.Account, to string, w Where) {
	s.outside(a, to, "recovery-left", s.Store.Now().Add(leftFor), w)
}

// Later does in turn with the notices what nobody who waits for a page should notice.
func (s *Sender) Later(job func(context.Context) error) { s.enqueue(job) }

// outside writes to an address elsewhere about an account; what could not be delivered by then is not.
func (s *Sender) outside(a store.Account, to, kind string, until time.Time, w Where, values ...cause.Param) {
	s.enqueue(func(ctx context.Context) error { return s.sendOutside(ctx, &a, to, kind, until, w, values...) })
}

func (s *Sender) sendOutside(ctx context.Context, a *store.Account, to, kind string, until time.Time, w Where, values ...cause.Param) error {
	if s.Mail == nil {
		return nil
	}
	now := s.Store.Now()
	lang := s.language(a, w)
	_, raw := s.compose(a, message.Address{Email: to}, lang, kind, store.NewTraceID(now), append(values, s.where(lang, w, now)...))
	if err := s.Mail(ctx, to, raw, until); err != nil {
		return fmt.Errorf("notice: %s about %s: %w", kind, a.Address, err)
	}
	return nil
}
