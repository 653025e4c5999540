package outbound

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net/netip"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/outbound/smtpc"
	"github.com/postiljon/postiljon/internal/resolver"
	"github.com/postiljon/postiljon/internal/store"
)

// link is an open session with a server of the destination.
type link struct {
	client *smtpc.Client
	host   string
	relay  *Relay // that it goes to; nil for a server of the domain
	way    way
	bound  bool // the server's name is proven
	left   int  // messages that it may still take
}

// way is how an attempt reached a server, or tried to.
type way struct {
	from    netip.Addr // our own
	ip      netip.Addr
	tls     TLSUse
	version string // of TLS, "1.3"
	policy  TLSPolicy
	trouble string // why the policy could not be kept to
}

// fields are what events tell of it.
func (w *way) fields() (list []store.Field) {
	if w.ip.IsValid() {
		list = append(list, field("ip", w.ip.String()))
	}
	for _, f := range []store.Field{
		field("tls", string(w.tls)), field("tls-version", w.version), field("policy", string(w.policy)), field("trouble", w.trouble),
	} {
		if f.Value != "" {
			list = append(list, f)
		}
	}
	return list
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
	relay   *Relay // that the message goes to; nil for the servers of the domain
	relaxed bool   // the sender does not mind broken encryption
	pending []int  // recipients without an outcome
	done    []outcome
	// failure is what kept the message from those who are pending.
	failure outcome
	// batches are those of the marks, one for each end of the message that went out.
	batches []uint64
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
	r := &remote{w: w, ctx: ctx, sub: sub, pending: indices, relay: w.queue.relayFor(sub.Sender(), w.domain)}
	if o, down := w.queue.outage(w.dest); down && r.relay == w.dest.relay {
		return same(indices, o)
	}
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
	r.relaxed = !sub.RequireTLS && r.content.needsNoTLS()
	r.run()
	w.batches = r.batches
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
	if l := r.w.link; l.usable() && r.suits(l) {
		if r.send(l); len(r.pending) == 0 {
			return
		}
		// The server may just have closed what was idle.
		r.failure = outcome{}
	}
	r.w.hangUp()
	way, why := q.wayFor(r.ctx, r.relay, r.w.domain)
	if !why.Allowed() {
		r.fail("", "", why)
		return
	}
	q.notePolicy(way)
	reached := false
	for _, mx := range way.hosts[:min(len(way.hosts), q.opt.Limits.Hosts)] {
		r.w.hangUp()
		l := r.connect(way, mx.Host)
		if l == nil {
			reached = reached || r.failure.reply != "" || r.failure.way.trouble != ""
			continue
		}
		r.w.link, reached = l, true
		if r.send(l); len(r.pending) == 0 || r.ctx.Err() != nil {
			return
		}
	}
	if !reached && r.relay == r.w.dest.relay && r.failure.state == store.Queued && r.ctx.Err() == nil {
		q.mu.Lock()
		r.w.dest.down = &outage{until: q.opt.Clock.Now().Add(q.opt.Limits.Down), result: r.failure}
		q.mu.Unlock()
	}
}

// suits reports whether a link goes where the message must go, as it must.
func (r *remote) suits(l *link) bool {
	return l.relay == r.relay && (l.bound || !r.sub.RequireTLS) && (r.relaxed || l.way.policy != PolicyNone)
}

// fail notes why a host did not take the message. Where one host may take it
// later, that counts more than that another never will.
func (r *remote) fail(host, reply string, d cause.Decision) { r.failWay(host, reply, way{}, d) }

// failWay is fail with the way on which it was tried.
func (r *remote) failWay(host, reply string, w way, d cause.Decision) {
	o := outcome{state: store.Queued, decision: d, host: host, reply: reply, way: w}
	if d.Action == cause.ActionRefuse {
		o.state = store.Failed
	}
	if r.failure.state != store.Queued || o.state == store.Queued {
		r.failure = o
	}
}

// connect opens a session with a host; nil after fail.
func (r *remote) connect(to *route, host string) *link {
	q := r.w.queue
	at, why := q.locate(r.ctx, to, host)
	if !why.Allowed() {
		if r.relay != nil { // a mistake of ours
			why = later(cause.OutboxDeferred)
		}
		r.fail(host, "", why)
		return nil
	}
	p, why := r.protection(to, at, host)
	if !why.Allowed() {
		r.failWay(host, "", way{policy: p.policy, trouble: p.trouble}, why)
		return nil
	}
	l, err := r.session(to, host, at, &p)
	if r.encryptionBroke(err) && !p.encrypt && !p.authenticate {
		q.noteFailed(&p, l, err)
		// Broken encryption must not be worse than none (RFC 7435 section 3).
		p.plain = true
		l, err = r.session(to, host, at, &p)
	} else if err != nil {
		q.noteFailed(&p, l, err)
	}
	if err != nil {
		q.opt.Metrics.Connection(TLSNone, err)
		if p.violated(err) {
			l.way.trouble = troubleOf(err)
			if r.relay != nil {
				q.log.Error("outbound: encrypt to relay", "host", host, "error", err)
			}
			r.failWay(host, "", l.way, p.refusal())
		} else {
			r.failSession(l, err)
		}
		return nil
	}
	if !p.plain {
		q.noteSession(&p, l)
	}
	q.opt.Metrics.Connection(l.way.tls, nil)
	if q.opt.Announced != nil && r.relay == nil {
		q.opt.Announced(r.w.domain, l.client.Extensions().Size)
	}
	return l
}

// protection is what the domain and the sender want of the connection to a host. Who says
// that encryption does not matter overrides the domain (RFC 8689 section 5).
func (r *remote) protection(to *route, at resolver.Host, host string) (protection, cause.Decision) {
	if r.relaxed && to.relay == nil {
		return protection{policy: PolicyNone, names: []string{strings.Trim(host, "[]")}}, cause.Allow()
	}
	p, why := r.w.queue.protect(r.ctx, to, at, host)
	if p.missed != nil {
		r.w.queue.opt.Reports.Note(*p.missed)
	}
	if why.Allowed() && r.sub.RequireTLS {
		why = p.require()
	}
	return p, why
}

// encryptionBroke reports whether a handshake failed that had begun.
func (r *remote) encryptionBroke(err error) bool {
	var e *smtpc.Error
	return errors.As(err, &e) && e.Stage == smtpc.StageStartTLS && e.Reply.Code == 0 && r.ctx.Err() == nil
}

// maxDoors bounds at how many addresses of a host the greeting is waited for.
const maxDoors = 2

// session connects and begins the dialogue. A host that does not greet us at one of its
// addresses may at another, of the other family first: many turn away IPv6 that has no
// name, and take IPv4 (RFC 5321 section 5.1 wants two tried). Of a link that failed, only
// the way is known.
func (r *remote) session(to *route, host string, at resolver.Host, p *protection) (*link, error) {
	addrs := at.Addrs
	l, err := r.knock(to, host, addrs, p)
	for range maxDoors - 1 {
		var e *smtpc.Error
		if !errors.As(err, &e) || e.Stage != smtpc.StageBanner && e.Stage != smtpc.StageHello || r.ctx.Err() != nil {
			break
		}
		tried := l.way.ip
		addrs = slices.DeleteFunc(slices.Clone(addrs), func(ip netip.Addr) bool { return ip == tried })
		slices.SortStableFunc(addrs, func(a, b netip.Addr) int {
			return cmp.Compare(family(a, tried), family(b, tried))
		})
		if len(addrs) == 0 {
			break
		}
		if next, nextErr := r.knock(to, host, addrs, p); nextErr == nil || errors.As(nextErr, &e) {
			l, err = next, nextErr // where nobody answers, what was said before counts
		}
	}
	return l, err
}

// family is 1 for an address of the same family as another, else 0.
func family(a, as netip.Addr) int {
	if a.Is4() == as.Is4() {
		return 1
	}
	return 0
}

// knock is one try of session.
func (r *remote) knock(to *route, host string, addrs []netip.Addr, p *protection) (*link, error) {
	q := r.w.queue
	l := &link{host: host, relay: r.relay, bound: p.bound, left: q.opt.Limits.PerConnection, way: way{policy: p.policy}}
	options, port := p.options(&q.opt), q.opt.Port
	if to.relay != nil {
		options.Credentials, port = to.relay.Credentials, to.relay.Port
	}
	conn, ip, err := q.dial(r.ctx, addrs, port)
	if err != nil {
		return l, err
	}
	l.way.ip = ip
	if local, err := netip.ParseAddrPort(conn.LocalAddr().String()); err == nil {
		l.way.from = local.Addr().Unmap().WithZone("")
	}
	if l.client, err = smtpc.New(r.ctx, conn, options); err != nil {
		return l, err
	}
	l.way.tls = tlsUse(l.client)
	if state, _ := l.client.TLS(); state != nil {
		l.way.version = strings.TrimPrefix(tls.VersionName(state.Version), "TLS ")
	}
	return l, nil
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

// meaning is what a refusal means here. A relay that we signed in to knows who we are: a list of addresses is then asked about
// ours by mistake.
func (r *remote) meaning(stage smtpc.Stage, reply *smtpc.Reply) cause.Decision {
	d := classify(stage, reply)
	if d.Cause == cause.ReputationIPListed && r.relay != nil && r.relay.Credentials != nil && stage != smtpc.StageBanner {
		d.Cause = cause.ReputationHomeIPListed
	}
	return d
}

// failSession notes an error that ended a session, or kept it from beginning.
func (r *remote) failSession(l *link, err error) {
	fail := func(reply string, d cause.Decision) { r.failWay(l.host, reply, l.way, d) }
	var e *smtpc.Error
	switch {
	case !errors.As(err, &e):
		fail("", later(cause.RecipientServerUnreachable))
	case e.Stage == smtpc.StageAuth:
		// A mistake of ours, or of who runs the relay: the message waits until it is mended.
		r.w.queue.log.Error("outbound: sign in to relay", "host", l.host, "error", err)
		fail(e.Reply.String(), later(cause.OutboxDeferred))
	case e.Reply.Code != 0:
		fail(e.Reply.String(), r.meaning(e.Stage, &e.Reply))
	case errors.Is(err, smtpc.ErrContent):
		r.w.queue.log.Error("outbound: read message", "trace", r.sub.ID, "error", err)
		fail("", later(cause.ProviderStorageFailed))
	case e.Stage == smtpc.StageBanner:
		fail("", later(cause.RecipientServerUnreachable))
	case r.ended:
		fail("", later(cause.OutboxAcceptedUnconfirmed))
	default:
		fail("", later(cause.OutboxDeferred))
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
			r.failSession(l, err)
			return
		}
		if err != nil {
			r.failWay(l.host, "", l.way, unsuited(err))
			return
		}
		if !progress {
			return
		}
	}
}

// beforeEnd marks the attempt and notes that from now on the server may have the
// message.
func (r *remote) beforeEnd(host string) error {
	batch, err := r.w.queue.mark(r.ctx, r.sub, r.w.domain, host)
	if err != nil {
		return err
	}
	r.batches, r.ended = append(r.batches, batch), true
	return nil
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
		o := outcome{index: i, host: l.host, reply: a.Reply.String(), way: l.way}
		if a.Accepted {
			o.state, o.promised = store.Relayed, l.client.Extensions().DSN
		} else if o.decision = r.meaning(a.Stage, &a.Reply); o.decision.Action == cause.ActionRefuse {
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
