// Package junk decides whether mail from other servers is wanted: by what its account has taught, whom the account
// writes to, whether the mail is genuine, what block lists say of its server, and how it is made. Every verdict keeps
// its reasons and says what would have changed it. Nothing is dropped: junk goes to Junk, and only what is
// certain is refused.
package junk

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/inbound/genuine"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/signature"
	"github.com/postiljon/postiljon/internal/store"
)

// Store is what is remembered; *store.Store is one.
type Store interface {
	LearnedFeatures(ctx context.Context, a store.AccountID, features []uint64) ([]store.Learned, store.Learned, error)
	Correspondent(ctx context.Context, a store.AccountID, address string) (store.Correspondent, error)
	SenderAllowed(ctx context.Context, a store.AccountID, from string) (bool, error)
}

// Options are how a Filter judges. Only Store must be set.
type Options struct {
	Store Store
	// Threshold is the weight from which mail is junk, Certain that from which it is refused. A weight is the natural
	// logarithm of odds: 3 is twenty to one. By default 3 and 14.
	Threshold, Certain float64
	// Lists are the block lists that are asked about servers; Rspamd, if any, is asked about each message.
	Lists  *Lists
	Rspamd *Rspamd
	Log    *slog.Logger // nil is silent
}

// Filter judges messages. It is safe for concurrent use.
type Filter struct{ opt Options }

// New makes a Filter.
func New(o Options) *Filter {
	o.Threshold, o.Certain = cmp.Or(o.Threshold, 3), cmp.Or(o.Certain, 14)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Filter{o}
}

// Message is a message to be judged, whatever the number of its recipients.
type Message struct {
	Checked  *genuine.Result // what was found out about its sender; nil if nobody looked
	Unproven bool            // nobody looked, though it comes from elsewhere
	Helo     string
	Listed   []Listing // where its server is listed
	Summary  *message.Summary
	Raw      io.ReaderAt // where the offsets of the summary lead

	signs    []Reason
	features []uint64
	read     bool
}

// Reason is one thing that speaks for or against a message.
type Reason struct {
	ID     ReasonID
	Weight float64 // above 0 for junk
	Detail string  // such as a block list; "" for none
}

// ReasonID is a stable name of a reason; its texts are in texts/.
type ReasonID string

// Verdict is what a Filter thinks of a message for one account.
type Verdict struct {
	Junk    bool
	Certain bool // refuse it
	Score   float64
	Reasons []Reason // the weightiest first
	// Instead are those reasons of a message that is junk without any one of which it would not be.
	Instead []ReasonID
}

// prior is what is thought of mail of which nothing is known.
const prior = -1

// Judge decides about a message for an account.
func (f *Filter) Judge(ctx context.Context, a store.AccountID, m *Message) (Verdict, error) {
	if !m.read {
		m.signs, m.features, m.read = signsOf(m), Features(m.Summary, m.Raw), true
		if f.opt.Rspamd != nil {
			m.signs = append(m.signs, f.opt.Rspamd.ask(ctx, m, f.opt.Log)...)
		}
	}
	reasons := slices.Clone(m.signs)
	sender, err := f.sender(ctx, a, m)
	if err != nil {
		return Verdict{}, err
	}
	reasons = append(reasons, sender...)
	learned, err := f.learned(ctx, a, m.features)
	if err != nil {
		return Verdict{}, err
	}
	reasons = append(reasons, learned...)
	return f.conclude(reasons), nil
}

// conclude adds up.
func (f *Filter) conclude(reasons []Reason) Verdict {
	v := Verdict{Score: prior}
	for _, r := range reasons {
		v.Score += r.Weight
		if r.Weight != 0 {
			v.Reasons = append(v.Reasons, r)
		}
	}
	slices.SortStableFunc(v.Reasons, func(a, b Reason) int { return cmp.Compare(math.Abs(b.Weight), math.Abs(a.Weight)) })
	v.Junk = v.Score >= f.opt.Threshold
	kinds := 0
	for _, r := range v.Reasons {
		if r.Weight >= 2 {
			kinds++
		}
		if v.Junk && r.Weight > 0 && v.Score-r.Weight < f.opt.Threshold {
			v.Instead = append(v.Instead, r.ID)
		}
	}
	// One reason is never enough to refuse.
	v.Certain = v.Score >= f.opt.Certain && kinds >= 3
	return v
}

// Author is the address that a message says it is from.
func Author(s *message.Summary) string {
	if len(s.From) == 0 {
		return ""
	}
	return strings.ToLower(s.From[0].Email)
}

// proven tells whether a message comes from the domain that it says.
func proven(m *Message) bool {
	return m.Checked != nil && (m.Checked.DMARC.SPF || m.Checked.DMARC.DKIM || m.Checked.DMARC.Outcome == signature.Pass)
}

// sender weighs what the account has to do with the author. Of a forged author nothing good is believed.
func (f *Filter) sender(ctx context.Context, a store.AccountID, m *Message) ([]Reason, error) {
	author := Author(m.Summary)
	if author == "" {
		return nil, nil
	}
	c, err := f.opt.Store.Correspondent(ctx, a, author)
	if err != nil {
		return nil, fmt.Errorf("junk: correspondent: %w", err)
	}
	var all []Reason
	allowed, err := f.opt.Store.SenderAllowed(ctx, a, author)
	if err != nil {
		return nil, fmt.Errorf("junk: allowed sender: %w", err)
	}
	if allowed && len(m.Summary.From) == 1 {
		all = append(all, Reason{SenderAllowed, -20, author})
	}
	believed := proven(m) || m.Checked == nil && !m.Unproven
	if c.Sent > 0 && believed {
		all = append(all, Reason{SenderKnown, -6, author})
	}
	if n := float64(c.Wanted) - float64(c.Junk); n > 0 && believed {
		all = append(all, Reason{SenderWanted, -min(1.5*n, 4), author})
	} else if n < 0 {
		all = append(all, Reason{SenderJunk, min(-1.5*n, 4), author})
	}
	return all, nil
}

// Decision is what a message that is certainly junk is refused with.
func (v *Verdict) Decision() cause.Decision {
	if !v.Certain {
		return cause.Allow()
	}
	return cause.Refuse(cause.ContentLooksLikeSpam)
}

// Text is the verdict in few words, for an event: weights of the main reasons.
func (v *Verdict) Text() string {
	var b []byte
	for _, r := range v.Reasons {
		one := fmt.Sprintf("%s %+.1f", r.ID, r.Weight)
		if len(b)+len(one) > 180 {
			break
		}
		if len(b) > 0 {
			b = append(b, ", "...)
		}
		b = append(b, one...)
	}
	return string(b)
}

// InsteadText lists what would have changed the verdict.
func (v *Verdict) InsteadText() string {
	var ids []string
	for _, id := range v.Instead[:min(len(v.Instead), 5)] {
		ids = append(ids, string(id))
	}
	return strings.Join(ids, ", ")
}
