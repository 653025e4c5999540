// Package genuine finds out whether a message comes from whom it claims: SPF (RFC 7208), DKIM (RFC 6376),
// DMARC (RFC 7489), ARC (RFC 8617) and the reverse name of the client (RFC 8601 section 2.7.3). What it
// found goes into Authentication-Results, the journal and the reports to the domains, and a message that
// its own domain wants refused is refused with a cause.
//
// What depends on the envelope alone begins at MAIL (Begin), so that DNS is asked while the content comes;
// the rest is Check. Nothing takes longer than Options.Timeout: what is not known then is a temperror.
package genuine

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/arc"
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/dmarc"
	"github.com/postiljon/postiljon/internal/resolver"
	"github.com/postiljon/postiljon/internal/signature"
)

// Resolver is what asks DNS; *resolver.Resolver is one.
type Resolver interface {
	TXT(ctx context.Context, name string) (texts []string, secure bool, err error)
	MX(ctx context.Context, domain string) (list []resolver.MX, secure bool, err error)
	Addrs(ctx context.Context, host string) (addrs []netip.Addr, secure bool, err error)
	PTR(ctx context.Context, addr netip.Addr) (names []string, secure bool, err error)
}

// Options are how a Checker works. Only Resolver and AuthservID must be set.
type Options struct {
	Resolver Resolver
	// AuthservID names this server in Authentication-Results (RFC 8601 section 2.5).
	AuthservID string
	// TrustedSealers are the domains whose ARC seals are believed: forwarders and mailing lists which are
	// known to check what they take (RFC 8617 section 7.2).
	TrustedSealers []string
	// Lenient lets mail pass that its domain wants refused (DMARC p=reject); it counts as quarantine.
	Lenient bool
	// RefuseSPFFail refuses mail from a server that its domain's SPF excludes ("-all") although the domain
	// says nothing by DMARC. It refuses forwarded mail, too, so it is not the default.
	RefuseSPFFail bool
	// RequirePTR refuses mail from servers whose address has no reverse name that leads back to it.
	RequirePTR bool
	// NeverWait takes mail that would be refused if its keys and policies, which cannot be looked up now,
	// were as they seem. Otherwise such mail is to come again.
	NeverWait bool
	// Reports hears of the messages that their domains are told of; nil for none.
	Reports Reports
	// MaxSignatures is how many DKIM signatures of a message are checked, 8 if zero.
	MaxSignatures int
	// Timeout is for all of it, 10 s if zero.
	Timeout time.Duration
	Now     func() time.Time // nil for the clock
	// Chance returns a number from 0 to 99 for policies that apply to a part of the mail (pct=); nil for
	// random ones.
	Chance func() int
}

// Reports tells domains what was received in their name; *dmarc.Collector is one.
type Reports interface {
	Note(o dmarc.Observation)
}

const (
	defaultSignatures = 8
	defaultTimeout    = 10 * time.Second
)

// Checker checks messages. It may be used by several goroutines.
type Checker struct {
	opt Options
}

// New makes a Checker.
func New(o Options) *Checker {
	if o.MaxSignatures <= 0 {
		o.MaxSignatures = defaultSignatures
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Chance == nil {
		o.Chance = func() int { return rand.IntN(100) }
	}
	o.TrustedSealers = slices.Clone(o.TrustedSealers)
	for i, domain := range o.TrustedSealers {
		o.TrustedSealers[i] = strings.ToLower(domain)
	}
	return &Checker{opt: o}
}

// Input is what is checked.
type Input struct {
	// Early is what was begun at MAIL.
	Early *Early
	// Message is the message of Size octets, header and body as they came, without fields that we add.
	Message io.ReaderAt
	Size    int64
	// Allowed tells whether everybody who is to get the message wants mail of an author let through, whatever proves it. It is asked
	// of messages with one author that would be refused or put into Junk for that; nil for never.
	Allowed func(ctx context.Context, author string) bool
}

// Result is what was found out.
type Result struct {
	Envelope Envelope
	SPF      SPF    // of the sender in MAIL, or of HELO where that is empty
	HELO     SPF    // of the name in HELO
	IPRev    IPRev  // of the address of the client
	DKIM     []DKIM // the signatures that were looked at, those of the domain in From first
	ARC      arc.Result
	DMARC    DMARC
	// Disposition is what is to be done with the message by the policy of the domain in From, after all
	// exceptions: none, quarantine (Junk) or reject.
	Disposition dmarc.Disposition
	// Decision refuses the message or has it come again, with a cause; it is zero for all else.
	Decision cause.Decision
	// Author is the address in From, "" unless there is exactly one.
	Author string
	// Allowed tells that the message would have been refused, or put into Junk, had its recipients not let its author through.
	Allowed bool
	// Skipped is how many DKIM signatures were too many to be looked at.
	Skipped int
	// Took is the time from the beginning of Check.
	Took time.Duration

	authservID string
	forwarded  bool  // the header has traces of a forwarder
	unreadable error // why the message could not be read, if so
}

// Check finds out all about a message. It reads the message once, and never fails: what could not be
// found out is a temperror.
func (c *Checker) Check(ctx context.Context, in Input) *Result {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, c.opt.Timeout)
	defer cancel()
	r := &Result{Envelope: in.Early.envelope, authservID: c.opt.AuthservID, Disposition: dmarc.None}
	header, body, err := signature.ReadHeader(in.Message, in.Size)
	if err != nil {
		r.unreadable = err
		header, body = signature.ParseHeader(nil), in.Size
	}
	r.forwarded = hasForwarder(header)
	from := readFrom(header)
	signatures := c.readSignatures(header, from, r)
	chain := arc.Read(header)
	var bodies signature.Bodies
	for _, s := range signatures {
		s.need(&bodies)
	}
	chain.Need(&bodies)

	var wg sync.WaitGroup
	for _, s := range signatures {
		wg.Go(func() { s.findKey(ctx, c.opt.Resolver) })
	}
	wg.Go(func() { chain.FindKeys(ctx, c.opt.Resolver) })
	policies := make([]found, len(from.domains))
	for i, domain := range from.domains {
		wg.Go(func() { policies[i].policy, policies[i].err = dmarc.Discover(ctx, c.opt.Resolver, domain) })
	}
	readErr := stream(ctx, &bodies, in, body)
	wg.Wait()
	in.Early.wait(ctx)

	now := c.opt.Now()
	r.SPF, r.HELO, r.IPRev = in.Early.results()
	for _, s := range signatures {
		r.DKIM = append(r.DKIM, s.conclude(header, now, readErr))
	}
	if r.ARC = chain.Verify(now); readErr != nil && r.ARC.Outcome != signature.None {
		r.ARC.Outcome, r.ARC.Reason = signature.TempError, readErr.Error()
	}
	c.judge(r, from, policies)
	r.Author = from.author
	r.overrule(ctx, in.Allowed)
	if o, tell := r.Observation(); tell && c.opt.Reports != nil {
		c.opt.Reports.Note(o)
	}
	r.Took = time.Since(start)
	return r
}

// stream reads the body to those who hash it.
func stream(ctx context.Context, bodies *signature.Bodies, in Input, from int64) error {
	if bodies.Empty() {
		return nil
	}
	buf := make([]byte, min(64<<10, in.Size-from))
	for from < in.Size {
		if ctx.Err() != nil {
			return fmt.Errorf("there was no time to read the message")
		}
		p := buf[:min(int64(len(buf)), in.Size-from)]
		if n, err := in.Message.ReadAt(p, from); n < len(p) {
			return fmt.Errorf("the message cannot be read: %w", err)
		}
		_, _ = bodies.Write(p)
		from += int64(len(p))
	}
	return nil
}
