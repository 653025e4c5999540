package lab

import (
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
)

// Where says which connections a rule is about. A zero field means any.
type Where struct {
	From    string // vantage point
	Host    string // a host's name, "*.north.example" for all below it, or an address
	Port    int
	Ports   []int  // any of them
	Family  int    // 4 or 6
	Network string // "tcp" or "udp"
	SNI     string // the name in the client's TLS hello; the fault begins with it
	Skip    int    // leaves the first connections alone
	Times   int    // hits only so many
}

// Rule is a fault at work.
type Rule struct {
	w     *World
	where Where
	fault Fault

	mu   sync.Mutex
	seen int
	hits atomic.Int64
}

// Break puts a fault where it says, until the rule is removed. What several rules
// do to one connection adds up, in the order they were made.
func (w *World) Break(where Where, f Fault) *Rule {
	r := &Rule{w: w, where: where, fault: f}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rules = append(w.rules, r)
	w.applyRules()
	return r
}

// Break puts a fault where it says, for this vantage point only.
func (v *Vantage) Break(where Where, f Fault) *Rule {
	where.From = v.Name
	return v.w.Break(where, f)
}

// Remove ends the rule for new connections.
func (r *Rule) Remove() {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	for i, other := range r.w.rules {
		if other == r {
			r.w.rules = append(r.w.rules[:i:i], r.w.rules[i+1:]...)
			r.w.applyRules()
			return
		}
	}
}

// applyRules tells a real network what is broken now. w.mu is held.
func (w *World) applyRules() {
	if w.kernel != nil {
		w.check(w.kernel.apply(w.rules))
	}
}

// Hits returns how many connections the rule was applied to. A real network does not
// count them.
func (r *Rule) Hits() int { return int(r.hits.Load()) }

// attempt is one connection being made.
type attempt struct {
	v       *Vantage
	network string
	addr    netip.AddrPort
	host    *Host  // nil where nobody has the address
	number  uint64 // of the attempts from there to this address
}

// attemptKey is what attempts are counted by: so the count does not depend on what else
// goes on at the same time.
type attemptKey struct {
	v       *Vantage
	network string
	addr    netip.AddrPort
}

// matching returns the rules for an attempt, in order.
func (w *World) matching(a *attempt) []*Rule {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := attemptKey{a.v, a.network, a.addr}
	w.attempts[key]++
	a.number = w.attempts[key]
	var found []*Rule
	for _, r := range w.rules {
		if r.where.matches(a) && r.count() {
			found = append(found, r)
		}
	}
	return found
}

func (r *Rule) count() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen++
	return r.seen > r.where.Skip && (r.where.Times == 0 || r.seen <= r.where.Skip+r.where.Times)
}

func (m *Where) matches(a *attempt) bool {
	if m.From != "" && m.From != a.v.Name {
		return false
	}
	if m.Family != 0 && (m.Family == 6) != a.addr.Addr().Is6() {
		return false
	}
	if m.Network != "" && !strings.HasPrefix(a.network, m.Network) {
		return false
	}
	return m.matchesPort(int(a.addr.Port())) && m.matchesHost(a)
}

func (m *Where) matchesPort(port int) bool {
	if m.Port != 0 {
		return m.Port == port
	}
	for _, p := range m.Ports {
		if p == port {
			return true
		}
	}
	return len(m.Ports) == 0
}

func (m *Where) matchesHost(a *attempt) bool {
	if m.Host == "" || m.Host == a.addr.Addr().String() {
		return true
	}
	if a.host == nil {
		return false
	}
	if suffix, below := strings.CutPrefix(m.Host, "*"); below {
		return strings.HasSuffix(a.host.Name, suffix) || a.host.Name == strings.TrimPrefix(suffix, ".")
	}
	return strings.EqualFold(m.Host, a.host.Name)
}
