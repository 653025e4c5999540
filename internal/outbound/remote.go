package outbound

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/outbound/smtpc"
	"github.com/postiljon/postiljon/internal/store"
)

// link is an open session with a server of the destination.
type link struct {
	client *smtpc.Client
	host   string
	tls    TLSUse
	left   int // messages that it may still take
}

func (l *link) usable() bool { return l != nil && l.client.Usable() && l.left > 0 }

func (w *worker) hangUp() {
	if w.link != nil {
		w.link.client.Quit()
		w.link = nil
	}
}

// remote is one attempt to give a message to the servers of a domain.
type remote struct {
	w       *worker
	ctx     context.Context
	sub     *store.Submission
	content *content
	pending []int // recipients without an outcome
	done    []outcome
	// failure is what kept the message from those who are pending.
	failure outcome
	// batch is that of the mark, 0 before there is one.
	batch uint64
	// ended is true while a server may have the message without having said so.
	ended bool
	// unsure are the recipients for whom that stayed so, each time.
	unsure []int
}

func count(list []int, n int) (times int) {
	for _, one := range list {
		if one == n {
			times++
		}
	}
	return times
}

// attemptRemote tries the servers of the domain one after the other until each
// recipient has an outcome.
func (w *worker) attemptRemote(ctx context.Context, sub *store.Submission, indices []int) []outcome {
	if o, down := w.queue.outage(w.dest); down {
		return same(indices, o)
	}
	r := &remote{w: w, ctx: ctx, sub: sub, pending: indices}
	var err error
	if r.content, err = openContent(ctx, w.queue.opt.Store.Blobs(), sub); err != nil {
		w.queue.log.Error("outbound: open message", "trace", sub.ID, "error", err)
		return same(indices, outcome{state: store.Queued, decision: later(cause.ProviderStorageFailed)})
	}
	defer r.content.close()
	if err := w.queue.sign(ctx, sub, r.content); err != nil {
		w.queue.log.Error("outbound: sign message", "trace", sub.ID, "error", err)
		return same(indices, outcome{state: store.Queued, decision: later(cause.ProviderStorageFailed)})
	}
	// RFC 5321 section 6.3.
	if r.content.hops() > maxHops {
		return same(indices, outcome{state: store.Failed, decision: cause.Refuse(cause.RulesLoop)})
	}
	r.run()
	w.batch = r.batch
	if ctx.Err() != nil && !r.ended {
		return r.done // broken off by Close, which is no outcome for the others
	}
	if r.failure.state == "" {
		r.fail("", "", later(cause.OutboxDeferred))
	}
	all := append(r.done, same(r.pending, r.failure)...)
	for i := range all {
		all[i].unsure = count(r.unsure, all[i].index)
	}
	return all
}

// outage returns the outcome for a destination whose servers have just been
// found out of reach.
func (q *Queue) outage(d *destination) (outcome, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if d.down == nil || !q.opt.Clock.Now().Before(d.down.until) {
		return outcome{}, false
	}
	o := d.down.result
	o.echo = true
	return o, true
}

func (r *remote) run() {
	q := r.w.queue
	if r.w.link.usable() {
		if r.send(r.w.link); len(r.pending) == 0 {
			return
		}
		// The server may just have closed what was idle.
		r.failure = outcome{}
	}
	r.w.hangUp()
	hosts, why := q.route(r.ctx, r.w.dest.domain)
	if !why.Allowed() {
		r.fail("", "", why)
		return
	}
	reached := false
	for _, host := range hosts[:min(len(hosts), q.opt.Limits.Hosts)] {
		r.w.hangUp()
		l := r.connect(host)
		if l == nil {
			reached = reached || r.failure.reply != ""
			continue
		}
		r.w.link, reached = l, true
		if r.send(l); len(r.pending) == 0 || r.ctx.Err() != nil {
			return
		}
	}
	if !reached && r.failure.state == store.Queued && r.ctx.Err() == nil {
		q.mu.Lock()
		r.w.dest.down = &outage{until: q.opt.Clock.Now().Add(q.opt.Limits.Down), result: r.failure}
		q.mu.Unlock()
	}
}

// fail notes why a host did not take the message. Where one host may take it
// later, that counts more than that another never will.
func (r *remote) fail(host, reply string, d cause.Decision) {
	o := outcome{state: store.Queued, decision: d, host: host, reply: reply}
	if d.Action == cause.ActionRefuse {
		o.state = store.Failed
	}
	if r.failure.state != store.Queued || o.state == store.Queued {
		r.failure = o
	}
}

// connect opens a session with a host; nil after fail.
func (r *remote) connect(host string) *link {
	q := r.w.queue
	ips, why := q.addresses(r.ctx, host, r.w.dest.domain)
	if !why.Allowed() {
		r.fail(host, "", why)
		return nil
	}
	client, err := r.session(host, ips, false)
	var e *smtpc.Error
	if errors.As(err, &e) && e.Stage == smtpc.StageStartTLS && e.Reply.Code == 0 && r.ctx.Err() == nil {
		if r.sub.RequireTLS {
			r.fail(host, "", cause.Refuse(cause.TLSRequiredBySender))
			return nil
		}
		// Broken encryption must not be worse than none (RFC 7435 section 3).
		client, err = r.session(host, ips, true)
	}
	if err != nil {
		q.opt.Metrics.Connection(TLSNone, err)
		r.failSession(host, err)
		return nil
	}
	l := &link{client: client, host: host, tls: tlsUse(client), left: q.opt.Limits.PerConnection}
	q.opt.Metrics.Connection(l.tls, nil)
	if q.opt.Announced != nil {
		q.opt.Announced(r.w.dest.domain, client.Extensions().Size)
	}
	return l
}

// session connects and begins the dialogue.
func (r *remote) session(host string, ips []netip.Addr, noTLS bool) (*smtpc.Client, error) {
	o := &r.w.queue.opt
	conn, err := r.w.queue.dial(r.ctx, ips)
	if err != nil {
		return nil, err
	}
	return smtpc.New(r.ctx, conn, smtpc.Options{
		Hostname: o.Hostname, ServerName: strings.Trim(host, "[]"), TLSConfig: o.TLSConfig, NoTLS: noTLS,
		Timeouts: smtpc.Timeouts{Banner: o.Limits.Command, Command: o.Limits.Command, Message: o.Limits.Data},
	})
}

func tlsUse(c *smtpc.Client) TLSUse {
	switch state, unproven := c.TLS(); {
	case state == nil:
		return TLSNone
	case unproven != nil:
		return TLSUnverified
	}
	return TLSVerified
}

// failSession notes an error that ended a session, or kept it from beginning.
func (r *remote) failSession(host string, err error) {
	var e *smtpc.Error
	switch {
	case !errors.As(err, &e):
		r.fail(host, "", later(cause.RecipientServerUnreachable))
	case e.Reply.Code != 0:
		r.fail(host, e.Reply.String(), classify(e.Stage, &e.Reply))
	case errors.Is(err, smtpc.ErrContent):
		r.w.queue.log.Error("outbound: read message", "trace", r.sub.ID, "error", err)
		r.fail(host, "", later(cause.ProviderStorageFailed))
	case e.Stage == smtpc.StageBanner:
		r.fail(host, "", later(cause.RecipientServerUnreachable))
	case r.ended:
		r.fail(host, "", later(cause.OutboxAcceptedUnconfirmed))
	default:
		r.fail(host, "", later(cause.OutboxDeferred))
	}
}

// send gives the message to a server, in as many transactions as the
// recipients need. Recipients that stay pending are without answer.
func (r *remote) send(l *link) {
	for len(r.pending) > 0 && l.client.Usable() {
		m, batch := r.message(l)
		l.left--
		r.ended = false
		answers, err := l.client.Send(r.ctx, m)
		progress := r.take(l, batch, answers)
		var e *smtpc.Error
		isError := errors.As(err, &e)
		if !isError || e.Reply.Code != 0 {
			r.ended = false
		}
		if r.ended {
			r.unsure = append(r.unsure, r.pending...)
		}
		if isError {
			r.failSession(l.host, err)
			return
		}
		if err != nil {
			r.fail(l.host, "", unsuited(err))
			return
		}
		if !progress {
			return
		}
	}
}

// beforeEnd marks the attempt, once, and notes that from now on the server may
// have the message.
func (r *remote) beforeEnd(host string) (err error) {
	if r.batch == 0 {
		r.batch, err = r.w.queue.mark(r.ctx, r.sub, r.w.dest.domain, host)
	}
	r.ended = err == nil
	return err
}

// unsuited is what it means that a server lacks what a message needs.
func unsuited(err error) cause.Decision {
	var large *smtpc.TooLargeError
	switch {
	case errors.As(err, &large):
		return cause.Refuse(cause.ContentTooLargeRecipient)
	case errors.Is(err, smtpc.ErrNeedsRequireTLS):
		return cause.Refuse(cause.TLSRequiredBySender)
	case errors.Is(err, smtpc.ErrNeedsUTF8):
		return cause.Refuse(cause.ClientUTF8Required)
	}
	// Content beyond 7 bits is not rewritten for the few servers left that lack
	// 8BITMIME: that would break its signatures (RFC 6152 section 3 leaves the
	// choice).
	return cause.Refuse(cause.ContentUnreadable)
}

// take turns the answers of a transaction into outcomes; false if there were
// none.
func (r *remote) take(l *link, batch []int, answers []smtpc.Answer) (progress bool) {
	accepted := slices.ContainsFunc(answers, func(a smtpc.Answer) bool { return a.Accepted })
	for n, i := range batch {
		a := &answers[n]
		switch {
		case a.Reply.Code == 0, a.Reply.Code == 421:
			continue // the session ended
		case accepted && !a.Accepted && tooMany(&a.Reply):
			continue // for the next transaction
		}
		o := outcome{index: i, host: l.host, reply: a.Reply.String(), tls: l.tls}
		if a.Accepted {
			o.state, o.promised = store.Relayed, l.client.Extensions().DSN
		} else if o.decision = classify(a.Stage, &a.Reply); o.decision.Action == cause.ActionRefuse {
			o.state = store.Failed
		} else {
			o.state = store.Queued
		}
		r.done = append(r.done, o)
		r.pending = slices.DeleteFunc(slices.Clone(r.pending), func(p int) bool { return p == i })
		progress = true
	}
	return progress
}

// tooMany reports whether a recipient was one too many for the transaction (RFC
// 5321 section 4.5.3.1.10).
func tooMany(r *smtpc.Reply) bool {
	return r.Code == 452 && (r.Enhanced == "4.5.3" || r.Enhanced == "" && strings.Contains(strings.ToLower(r.Text()), "too many"))
}

// message is the next transaction: recipients who need SMTPUTF8 go apart from
// those who do not, so that a server without it gets what it can take.
func (r *remote) message(l *link) (m *smtpc.Message, batch []int) {
	x := l.client.Extensions()
	needs := func(i int) bool { return needsUTF8(r.sub.Recipients[i].Address) }
	first := needs(r.pending[0])
	for _, i := range r.pending {
		if needs(i) == first && len(batch) < r.w.queue.opt.Limits.PerMessage {
			batch = append(batch, i)
		}
	}
	utf8 := first || needsUTF8(r.sub.From) || r.sub.SMTPUTF8 && r.content.eightBitHeader()
	m = &smtpc.Message{
		From: wireAddress(r.sub.From, utf8), EnvID: r.sub.EnvID, Ret: r.sub.Ret,
		Size: r.content.size, Content: r.content, UTF8: utf8, RequireTLS: r.sub.RequireTLS,
		Binary: r.sub.Body == "BINARYMIME", BeforeEnd: func() error { return r.beforeEnd(l.host) },
	}
	// Clients say 8BITMIME of nearly everything: where it would stand in the
	// way, the content itself decides.
	m.EightBit = r.sub.Body == "8BITMIME" && (x.EightBitMIME || r.content.eightBit())
	for _, i := range batch {
		to := &r.sub.Recipients[i]
		m.Recipients = append(m.Recipients, smtpc.Recipient{
			To: wireAddress(to.Address, utf8), Notify: to.Notify, ORcpt: to.ORcpt,
		})
	}
	return m, batch
}

// needsUTF8 reports whether an address needs SMTPUTF8: a domain beyond ASCII
// does not, it has A-labels.
func needsUTF8(addr string) bool {
	local := addr[:max(strings.LastIndexByte(addr, '@'), 0)]
	return strings.ContainsFunc(local, beyondASCII)
}

func beyondASCII(c rune) bool { return c >= 0x80 }

// wireAddress is an address as it goes out: unchanged but for a domain that a
// server without SMTPUTF8 would not know.
func wireAddress(addr string, utf8 bool) string {
	if utf8 || !strings.ContainsFunc(addr, beyondASCII) {
		return addr
	}
	i := strings.LastIndexByte(addr, '@')
	return addr[:i+1] + address.NormalizeDomain(addr[i+1:])
}
