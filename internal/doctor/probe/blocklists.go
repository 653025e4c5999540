package probe

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

// maxLists is how many blocklists are asked.
const maxLists = 12

// Blocklists asks blocklists for the addresses that the account's mail is sent
// from, and those lists that say yes, whether they say so of everybody (RFC 5782).
// Where it is only a guess from where mail is sent, and nobody refused it, there is nothing to ask.
func (r *Run) Blocklists() Probe {
	return Probe{Name: "blocklists", After: []string{OutgoingName}, Run: func(ctx context.Context) error {
		if !r.worthAsking() {
			return fmt.Errorf("no server is known that sends: %w", ErrBlocked)
		}
		var wg sync.WaitGroup
		for _, list := range r.lists() {
			wg.Go(func() { r.blocklist(ctx, list) })
		}
		wg.Wait()
		return nil
	}}
}

func (r *Run) worthAsking() bool {
	_, known := evidence.Find(r.Evidence, func(o evidence.Outgoing) bool { return o.Source != "submission" })
	_, bounced := evidence.First[evidence.Bounced](r.Evidence)
	_, told := evidence.Find(r.Evidence, evidence.Told.Replied)
	return known || bounced || told
}

// lists are those that a refusal names, and those that are widely used.
func (r *Run) lists() []string {
	var all []string
	add := func(reading dialect.Reading) {
		if strings.Contains(reading.List, ".") && !slices.Contains(all, reading.List) {
			all = append(all, reading.List)
		}
	}
	for _, b := range evidence.All[evidence.Bounced](r.Evidence) {
		for i := range b.Recipients {
			add(b.Recipients[i].Reading)
		}
	}
	for _, t := range evidence.All[evidence.Told](r.Evidence) {
		add(t.Reading)
	}
	for _, list := range r.Book.Blocklists() {
		if !slices.Contains(all, list) {
			all = append(all, list)
		}
	}
	return all[:min(len(all), maxLists)]
}

func (r *Run) blocklist(ctx context.Context, list string) {
	var found []evidence.Listed
	asked := false
	for _, o := range evidence.All[evidence.Outgoing](r.Evidence) {
		if l, ok := r.listed(ctx, list, o.Addr); ok && !o.Forwarder && o.Addr.Is4() {
			l.Role = "server"
			found = append(found, l)
			asked = asked || l.Listed
		}
	}
	// A list that works has 127.0.0.2 and never 127.0.0.1 (RFC 5782 section 5).
	if dead, ok := r.listed(ctx, list, netip.AddrFrom4([4]byte{127, 0, 0, 1})); ok && (asked || dead.Listed || dead.Dead) {
		dead.Role, dead.Dead = "test", dead.Dead || dead.Listed
		r.Evidence.Add(dead, "")
		for i := range found {
			found[i].Dead = found[i].Dead || dead.Dead
		}
	}
	for _, l := range found {
		r.Evidence.Add(l, "")
	}
}

// listed asks a list for one address; not ok where no answer came.
func (r *Run) listed(ctx context.Context, list string, addr netip.Addr) (evidence.Listed, bool) {
	l := r.Lookup(ctx, reversed(addr)+"."+list, "A")
	fact := evidence.Listed{List: list, Addr: addr}
	if l.Answer == evidence.Found {
		fact.Answer = strings.Join(l.Records, " ")
		for _, s := range l.Records {
			a, err := netip.ParseAddr(s)
			octets := a.As16()
			switch {
			case err != nil || octets[12] != 127:
				fact.Dead = true // a page for sale, not a list
			case octets[13] == 255 && octets[14] == 255:
				fact.Dead = true // the list's own errors
			default:
				fact.Listed = true
			}
		}
	}
	return fact, answered(l)
}
