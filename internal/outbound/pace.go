package outbound

import (
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
)

// pace is how much a destination gets at once and how fast, learned from its
// answers. It begins with a few deliveries at once and gets one more for each that
// succeeds; trouble halves that, and from then on it grows slowly (additive
// increase, multiplicative decrease, as RFC 5681 does it for TCP). A server that
// says that it gets too much (421, or 450 in words to that effect) is left alone
// for a moment, and gets one delivery in so long, until it takes more.
type pace struct {
	window   float64 // deliveries at once
	limit    float64
	slow     bool          // there was trouble: the window grows slowly
	proven   bool          // it took mail, or refused it for good, after the last trouble
	gap      time.Duration // between two deliveries, 0 for none
	floor    time.Duration // that is kept whatever was learned
	until    time.Time     // none begins before
	deaf     time.Time     // answers before it tell nothing new
	remember time.Time     // until when all this is worth keeping
}

const (
	firstWindow = 5
	firstGap    = time.Second
	longestGap  = time.Minute
	shortestGap = 50 * time.Millisecond // below it there is none
	rememberFor = time.Hour             // after trouble
)

func newPace(l *Limits) pace {
	limit := float64(l.PerDestination)
	return pace{window: min(firstWindow, limit), limit: limit}
}

// begun notes that a delivery begins.
func (p *pace) begun(now time.Time) {
	if p.gap > 0 {
		p.deaf = now.Add(p.gap)
	}
	if gap := max(p.gap, p.floor); gap > 0 {
		p.until = now.Add(gap)
	}
}

// feeling is what an attempt tells of the pace.
type feeling uint8

const (
	feltNothing  feeling = iota // nothing was asked
	feltAnswer                  // it answers, whatever it says of the message
	feltSuccess                 // it took a message
	feltTrouble                 // it has trouble with messages, perhaps with so many
	feltThrottle                // it gets too much
	feltSilence                 // it cannot be reached
)

func (p *pace) learn(f feeling, now time.Time) {
	switch f {
	case feltNothing:
		return
	case feltAnswer:
		p.proven = true
		return
	case feltSuccess:
		p.succeeded()
		return
	case feltSilence:
		p.proven = false
	}
	// The answers to what was on its way at the same time tell nothing new.
	p.remember = now.Add(rememberFor)
	if now.Before(p.deaf) {
		return
	}
	p.slow = true
	p.window = max(p.window/2, 1)
	if f == feltThrottle {
		p.gap = min(max(2*p.gap, firstGap), longestGap)
		p.until = now.Add(p.gap)
		p.deaf = p.until
	}
}

func (p *pace) succeeded() {
	p.proven = true
	if p.gap = p.gap * 3 / 4; p.gap < shortestGap {
		p.gap = 0
	}
	switch {
	case p.gap > 0: // first faster, then more at once
	case p.slow:
		p.window += 1 / p.window
	default:
		p.window++
	}
	p.window = min(p.window, p.limit)
}

// felt reads the outcomes of an attempt; what is worst counts.
func felt(outcomes []outcome) (f feeling) {
	for i := range outcomes {
		f = max(f, feltOf(&outcomes[i]))
	}
	return f
}

func feltOf(o *outcome) feeling {
	switch {
	case o.echo:
		return feltNothing
	case o.state == store.Relayed || o.state == store.Placed:
		return feltSuccess
	case o.reply == "" && o.decision.Cause == cause.RecipientServerUnreachable:
		return feltSilence
	case o.reply == "":
		return feltNothing
	case o.state == store.Failed:
		return feltAnswer
	}
	switch o.decision.Cause {
	case cause.LimitReceiverThrottles, cause.ProviderOverloaded:
		return feltThrottle
	case cause.ReputationGreylisted, cause.QuotaRecipientFull, cause.RecipientUnknown:
		return feltAnswer
	}
	switch code, _, _ := strings.Cut(o.reply, " "); code {
	case "421":
		return feltThrottle
	case "450":
		return feltTrouble
	}
	return feltAnswer
}
