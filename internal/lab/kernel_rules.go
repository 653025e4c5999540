package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// kernelForm is how a real network makes a fault. The zero value means that it cannot.
type kernelForm struct {
	filters    []packetFilter
	forbid     bool  // by a routing rule on the device itself
	divertTo   *Host // by another destination
	divertPort int
}

// packetFilter is an expression and a verdict for the router's packet filter. {ip} in
// it is the name of the family.
type packetFilter struct {
	proto string // "tcp", "udp"
	dir   Direction
	text  string
}

// helloPacket matches a segment that begins with a client's TLS hello.
const helloPacket = "@ih,0,8 0x16 @ih,40,8 0x01"

func filterTCP(d Direction, text string) kernelForm {
	return kernelForm{filters: []packetFilter{{"tcp", d, text}}}
}

func filterAll(text string) kernelForm {
	return kernelForm{filters: []packetFilter{{"tcp", Up, text}, {"udp", Up, text}}}
}

// rejectWith is what makes the kernel of the device say e.
func rejectWith(e syscall.Errno) kernelForm {
	switch e {
	case syscall.ECONNREFUSED:
		return kernelForm{filters: []packetFilter{
			{"tcp", Up, "reject with tcp reset"}, {"udp", Up, "reject with icmpx type port-unreachable"},
		}}
	case syscall.EHOSTUNREACH:
		return filterAll("reject with icmpx type host-unreachable")
	case syscall.ENETUNREACH:
		return filterAll("reject with icmpx type no-route")
	case syscall.EACCES:
		return kernelForm{forbid: true}
	}
	return kernelForm{}
}

// apply puts the rules into the router and the devices, in place of those before.
func (k *kernelNet) apply(rules []*Rule) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var filters, diversions []string
	for _, r := range rules {
		form := r.fault.kernel
		none := len(form.filters) == 0 && !form.forbid && form.divertTo == nil
		if none || r.where.SNI != "" || r.where.Skip > 0 || r.where.Times > 0 {
			if !r.fault.touches() {
				return fmt.Errorf("lab: a real network cannot %s as the rule says", r.fault)
			}
			lines, err := k.redirections(r)
			if err != nil {
				return err
			}
			diversions = append(diversions, lines...)
			continue
		}
		for _, f := range form.filters {
			filters = append(filters, k.lines(r, f)...)
		}
		if form.divertTo != nil {
			diversions = append(diversions, k.diversions(r)...)
		}
	}
	ruleset := "table inet lab {}\ndelete table inet lab\ntable inet lab {\n" +
		"chain forward { type filter hook forward priority 0; policy accept;\n" + strings.Join(filters, "\n") + "\n}\n" +
		"chain prerouting { type nat hook prerouting priority dstnat; policy accept;\n" + strings.Join(diversions, "\n") + "\n}\n}"
	if err := k.router.Nft(ruleset); err != nil {
		return err
	}
	for _, d := range k.devices {
		if err := k.forbid(d, rules); err != nil {
			return err
		}
	}
	return nil
}

// lines are the rules of the packet filter for one of ours, one for each family.
func (k *kernelNet) lines(r *Rule, f packetFilter) (out []string) {
	if r.where.Network != "" && r.where.Network != f.proto {
		return nil
	}
	for _, family := range r.families() {
		match, ok := r.match(family, f.proto, f.dir)
		if ok {
			out = append(out, match+" "+strings.ReplaceAll(f.text, "{ip}", ipWord(family)))
		}
	}
	return out
}

func (r *Rule) families() []int {
	if r.where.Family != 0 {
		return []int{r.where.Family}
	}
	return []int{4, 6}
}

func ipWord(family int) string {
	if family == 6 {
		return "ip6"
	}
	return "ip"
}

// match is the expression for what a rule is about in one family; false means that
// nothing of that family is.
func (r *Rule) match(family int, proto string, d Direction) (string, bool) {
	side, port, device := "daddr", "dport", "iifname"
	if d == Down {
		side, port, device = "saddr", "sport", "oifname"
	}
	words := []string{"meta nfproto ipv" + strconv.Itoa(family), "meta l4proto " + proto}
	if r.where.From != "" {
		v := r.w.vantages[r.where.From]
		if v == nil {
			return "", false // the rules are applied anew when it is made
		}
		words = append(words, fmt.Sprintf("%s %q", device, portName(v)))
	}
	addrs, any := r.addrs(family)
	if len(addrs) == 0 && !any {
		return "", false
	}
	if !any {
		words = append(words, fmt.Sprintf("%s %s { %s }", ipWord(family), side, joinAddrs(addrs)))
	}
	if ports := r.ports(); ports != "" {
		words = append(words, fmt.Sprintf("%s %s { %s }", proto, port, ports))
	}
	return strings.Join(words, " "), true
}

// addrs are the addresses that a rule is about in one family, or any.
func (r *Rule) addrs(family int) (out []netip.Addr, any bool) {
	if r.where.Host == "" {
		return nil, true
	}
	for a, h := range r.w.hosts {
		if a.Is6() == (family == 6) && r.where.matchesHost(&attempt{addr: netip.AddrPortFrom(a, 0), host: h}) {
			out = append(out, a)
		}
	}
	return out, false
}

func joinAddrs(addrs []netip.Addr) string {
	words := make([]string, len(addrs))
	for i, a := range addrs {
		words[i] = a.String()
	}
	return strings.Join(words, ", ")
}

func (r *Rule) ports() string {
	ports := r.where.Ports
	if r.where.Port != 0 {
		ports = []int{r.where.Port}
	}
	words := make([]string, len(ports))
	for i, p := range ports {
		words[i] = strconv.Itoa(p)
	}
	return strings.Join(words, ", ")
}

// diversions give connections another destination.
func (k *kernelNet) diversions(r *Rule) (out []string) {
	for _, family := range r.families() {
		to := r.fault.kernel.divertTo.V4()
		if family == 6 {
			to = r.fault.kernel.divertTo.V6()
		}
		match, ok := r.match(family, "tcp", Up)
		if !ok || !to.IsValid() {
			continue
		}
		target := to.String()
		if port := r.fault.kernel.divertPort; port != 0 {
			target = netip.AddrPortFrom(to, uint16(port)).String()
		}
		out = append(out, fmt.Sprintf("%s dnat %s to %s", match, ipWord(family), target))
	}
	return out
}

// redirections lead connections to the proxy, which knows the rules itself.
func (k *kernelNet) redirections(r *Rule) (out []string, err error) {
	port, err := k.proxyPort(r.w)
	if err != nil {
		return nil, err
	}
	for _, family := range r.families() {
		if match, ok := r.match(family, "tcp", Up); ok {
			out = append(out, fmt.Sprintf("%s redirect to :%d", match, port))
		}
	}
	return out, nil
}

// firstForbidden is the preference of the first routing rule of ours.
const firstForbidden = 100

// forbid gives a device the routing rules by which its own kernel refuses to connect.
func (k *kernelNet) forbid(d *device, rules []*Rule) error {
	run := map[int]func(...string) error{4: d.IP, 6: d.IP6}
	for _, family := range []int{4, 6} {
		var commands []string
		for i := range d.forbidden[family] {
			commands = append(commands, fmt.Sprintf("rule del pref %d", firstForbidden+i))
		}
		d.forbidden[family] = 0
		for _, r := range rules {
			if !r.fault.kernel.forbid || r.where.From != "" && r.where.From != d.v.Name {
				continue
			}
			for _, selector := range r.selectors(family) {
				pref := firstForbidden + d.forbidden[family]
				commands = append(commands, fmt.Sprintf("rule add pref %d %s prohibit", pref, selector))
				d.forbidden[family]++
			}
		}
		if len(commands) == 0 {
			continue
		}
		if err := run[family](commands...); err != nil {
			return err
		}
	}
	return nil
}

// selectors say to a routing rule what a rule of ours is about in one family.
func (r *Rule) selectors(family int) (out []string) {
	addrs, any := r.addrs(family)
	to := []string{""}
	if !any {
		to = nil
	}
	for _, a := range addrs {
		to = append(to, "to "+a.String()+" ")
	}
	if !slices.Contains(r.families(), family) {
		to = nil
	}
	for _, t := range to {
		for _, port := range strings.Split(r.ports(), ", ") {
			selector := t + "ipproto tcp"
			if port != "" {
				selector += " dport " + port
			}
			out = append(out, selector)
		}
	}
	return out
}
