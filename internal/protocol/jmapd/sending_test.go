package jmapd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/inbound"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/outbound"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/protocol/smtpd"
	"github.com/postiljon/postiljon/internal/resolver"
	"github.com/postiljon/postiljon/internal/sasl"
	"github.com/postiljon/postiljon/internal/store"
)

// desk is the policy of a world: sending can be closed by its limit.
type desk struct {
	closed atomic.Bool
	sent   atomic.Int64
	gate   sync.Mutex // held while nothing shall depart

	journal *journal.Journal
}

func (d *desk) Connect(context.Context, *smtpd.Conn) (func(), cause.Decision) {
	return func() {}, cause.Allow()
}
func (d *desk) Verifier(*smtpd.Conn) sasl.Verifier { return nil }

func (d *desk) Sending(_ context.Context, a *store.Account, recipients int) cause.Decision {
	if state := policy.StateForSending(*a); !state.Allowed() || recipients == 0 {
		return state
	}
	if d.closed.Load() {
		return cause.Wait(cause.LimitAddressHourly, time.Now().Add(time.Hour), cause.Text("address", a.Address), cause.Count("limit", 300))
	}
	return cause.Allow()
}

func (d *desk) Send(ctx context.Context, a *store.Account, recipients int) (func(), cause.Decision) {
	why := d.Sending(ctx, a, recipients)
	if why.Allowed() {
		d.sent.Add(1)
	}
	return func() { d.sent.Add(-1) }, why
}

func (d *desk) Receiving(context.Context, *store.Account, int64) cause.Decision { return cause.Allow() }
func (d *desk) Record(e store.Event)                                            { d.journal.Record(context.Background(), e) }
func (d *desk) Visit(string, string, string)                                    {}

// holder is what anna can be told: she sent 12 messages of 300.
func (w *world) holder() Holder {
	meters := func(_ context.Context, a *store.Account) ([]policy.Meter, error) {
		m := policy.Meter{Counted: policy.MessagesOfAddress, Of: a.Address, Used: 12, Limit: 300, Closed: w.desk.closed.Load()}
		if m.Closed {
			m.Resets = time.Now().Add(time.Hour)
		}
		return []policy.Meter{m}, nil
	}
	return Holder{Journal: w.desk.journal, Meters: meters}
}

// near knows example.net.
func near(_ context.Context, _ store.AccountID, domain string) string {
	if domain == "exmaple.net" {
		return "example.net"
	}
	return ""
}

// nowhere knows no names.
type nowhere struct{}

var errNoNames = errors.New("no name server answers")

func (nowhere) MX(context.Context, string) ([]resolver.MX, bool, error) {
	return nil, false, errNoNames
}
func (nowhere) Host(context.Context, string) (resolver.Host, error) {
	return resolver.Host{}, errNoNames
}
func (nowhere) CNAME(context.Context, string) (string, bool, error) { return "", false, errNoNames }
func (nowhere) TLSA(context.Context, string) ([]resolver.TLSA, bool, error) {
	return nil, false, errNoNames
}

// sends puts the road of messages into a world.
func (w *world) sends(catalogue *cause.Catalogue) Check {
	quiet := slog.New(slog.DiscardHandler)
	kept, err := journal.New(journal.Options{Store: w.store, Log: quiet})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = kept.Close() })
	w.desk = &desk{journal: kept}
	var road *inbound.Backend
	w.queue, err = outbound.New(outbound.Options{
		Store: w.store, Resolver: nowhere{}, Catalogue: catalogue, Hostname: "mail.example.org", Log: quiet,
		Local: outbound.LocalFunc(func(ctx context.Context, sub *store.Submission, to *store.SubmissionRecipient) cause.Decision {
			return road.DeliverLocal(ctx, sub, to)
		}),
		Depart: func(ctx context.Context, sub *store.Submission) cause.Decision {
			w.desk.gate.Lock()
			defer w.desk.gate.Unlock()
			return road.Depart(ctx, sub)
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	road = inbound.New(inbound.Options{
		Store: w.store, Policy: w.desk, Journal: w.desk, Queue: w.queue, Hostname: "mail.example.org",
		MaxSize: 1 << 20, MaxRecipients: 100, MaxHops: 100, Log: quiet,
	})
	if err := w.queue.Start(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = w.queue.Close(context.Background()) })
	return road.Check
}

// remember gives the submissions names that are the same each time: $1, $2 ...
func (w *world) remember() {
	var there, back []string
	_, err := w.store.EmailSubmissions(w.t.Context(), w.anna.ID, func(e *store.EmailSubmission) error {
		name := fmt.Sprintf("$%d", e.ID)
		there, back = append(there, name, e.Trace), append(back, e.Trace, name)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.traces, w.names = strings.NewReplacer(there...), strings.NewReplacer(back...)
}

// settle waits until all that is due was tried.
func (w *world) settle() {
	w.t.Helper()
	for range 1000 {
		due := false
		now := w.store.Now()
		err := w.store.AllSubmissions(w.t.Context(), func(sub *store.Submission) error {
			for _, r := range sub.Recipients {
				due = due || r.State == store.Queued && !r.Next.After(now) || r.State.Final() && !r.Next.IsZero()
			}
			due = due || sub.Account != 0 && sub.Waits() && sub.Outbox == 0
			return nil
		})
		if s := w.queue.Stats(); err == nil && !due && s.Ready+s.Active == 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	w.t.Fatal("it never comes to rest")
}
