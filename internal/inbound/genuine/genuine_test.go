package genuine_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/postiljon/postiljon/internal/arc"
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/dmarc"
	"github.com/postiljon/postiljon/internal/inbound/genuine"
	"github.com/postiljon/postiljon/internal/signature"
	"github.com/postiljon/postiljon/internal/signature/dnstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	now    = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	good   = netip.MustParseAddr("192.0.2.1") // in the SPF of all domains
	bad    = netip.MustParseAddr("198.51.100.9")
	common = "v=spf1 ip4:192.0.2.1 -all"
)

// world is some domains with policies, and the key that signs for all.
type world struct {
	*testing.T
	zone *dnstest.Zone
	key  ed25519.PrivateKey
	opt  genuine.Options
}

func newWorld(t *testing.T) *world {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, key: key, zone: &dnstest.Zone{
		Texts: map[string][]string{}, Hosts: map[string][]netip.Addr{"mail.none.test": {good}},
		Names: map[netip.Addr][]string{good: {"mail.none.test"}}, Broken: map[string]bool{},
	}}
	record := "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)
	for _, domain := range []string{"reject", "quarantine", "p-none", "none", "list", "other"} {
		w.zone.Texts[domain+".test"] = []string{common}
		w.zone.Texts["s._domainkey."+domain+".test"] = []string{record}
	}
	w.zone.Texts["_dmarc.reject.test"] = []string{"v=DMARC1; p=reject; rua=mailto:d@reject.test"}
	w.zone.Texts["_dmarc.quarantine.test"] = []string{"v=DMARC1; p=quarantine"}
	w.zone.Texts["_dmarc.p-none.test"] = []string{"v=DMARC1; p=none"}
	w.opt = genuine.Options{Resolver: w.zone, AuthservID: "mx.demo.test", TrustedSealers: []string{"list.test"}, Now: func() time.Time { return now }, Chance: func() int { return 50 }}
	return w
}

func text(from string) string {
	return "From: " + from + "\r\nTo: bo@demo.test\r\nSubject: Hej\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\n\r\nHello\r\n"
}

func (w *world) sign(domain, message string) string {
	w.Helper()
	var b bytes.Buffer
	err := dkim.Sign(&b, strings.NewReader(message), &dkim.SignOptions{
		Domain: domain, Selector: "s", Signer: w.key, Hash: crypto.SHA256, HeaderCanonicalization: "relaxed", BodyCanonicalization: "relaxed",
	})
	if err != nil {
		w.Fatal(err)
	}
	return b.String()
}

func (w *world) check(remote netip.Addr, from, message string) *genuine.Result {
	w.Helper()
	return w.checkReader(remote, from, strings.NewReader(message), int64(len(message)))
}

func (w *world) checkReader(remote netip.Addr, from string, message io.ReaderAt, size int64) *genuine.Result {
	w.Helper()
	c := genuine.New(w.opt)
	early := c.Begin(context.Background(), genuine.Envelope{Remote: remote, HELO: "mail.none.test", From: from})
	defer early.Close()
	return c.Check(context.Background(), genuine.Input{Early: early, Message: message, Size: size})
}

func TestDecisions(t *testing.T) {
	w := newWorld(t)
	refused := cause.Refuse(cause.SenderNotAligned, cause.Text("domain", "reject.test"), cause.Text("client", bad.String()))
	for _, c := range []struct {
		name          string
		remote        netip.Addr
		sender        string
		message       string
		spf, dkim, dm signature.Outcome
		disposition   dmarc.Disposition
		decision      cause.Decision
	}{
		{"own server", good, "a@reject.test", text("a@reject.test"), "pass", "none", "pass", dmarc.None, cause.Decision{}},
		{"signed, from elsewhere", bad, "a@reject.test", w.sign("reject.test", text("a@reject.test")), "fail", "pass", "pass", dmarc.None, cause.Decision{}},
		{"forged, reject", bad, "a@reject.test", text("a@reject.test"), "fail", "none", "fail", dmarc.Reject, refused},
		{"forged, subdomain", bad, "a@reject.test", text("a@sub.reject.test"), "fail", "none", "fail", dmarc.Reject,
			cause.Refuse(cause.SenderNotAligned, cause.Text("domain", "sub.reject.test"), cause.Text("client", bad.String()))},
		{"forged, quarantine", bad, "a@quarantine.test", text("a@quarantine.test"), "fail", "none", "fail", dmarc.Quarantine, cause.Decision{}},
		{"forged, p=none", bad, "a@p-none.test", text("a@p-none.test"), "fail", "none", "fail", dmarc.None, cause.Decision{}},
		{"forged, no policy", bad, "a@none.test", text("a@none.test"), "fail", "none", "none", dmarc.None, cause.Decision{}},
		{"another's SPF and signature", good, "a@other.test", w.sign("other.test", text("a@reject.test")), "pass", "pass", "fail", dmarc.Reject,
			cause.Refuse(cause.SenderNotAligned, cause.Text("domain", "reject.test"), cause.Text("client", good.String()))},
		{"report with the null path", good, "", text("mailer@none.test"), "none", "none", "none", dmarc.None, cause.Decision{}},
		{"a domain in capitals", good, "a@REJECT.test", text("a@Reject.TEST"), "pass", "none", "pass", dmarc.None, cause.Decision{}},
	} {
		r := w.check(c.remote, c.sender, c.message)
		signed := signature.None
		if len(r.DKIM) > 0 {
			signed = r.DKIM[0].Outcome
		}
		if r.SPF.Outcome != c.spf || signed != c.dkim || r.DMARC.Outcome != c.dm || r.Disposition != c.disposition {
			t.Errorf("%s: SPF %s, DKIM %s, DMARC %s, %s", c.name, r.SPF.Outcome, signed, r.DMARC.Outcome, r.Disposition)
		}
		if d := cmp.Diff(c.decision, r.Decision); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

func TestSeveralFrom(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name, message string
		outcome       signature.Outcome
		disposition   dmarc.Disposition
	}{
		{"two fields", "From: a@none.test\r\n" + text("a@other.test"), "fail", dmarc.Quarantine},
		{"two fields, one of them protected", "From: a@reject.test\r\n" + w.sign("other.test", text("a@other.test")), "fail", dmarc.Reject},
		{"two fields, the same", "From: a@reject.test\r\n" + w.sign("reject.test", text("a@reject.test")), "fail", dmarc.Reject},
		{"two fields, the protected one proven", "From: a@none.test\r\n" + w.sign("reject.test", text("a@reject.test")), "fail", dmarc.Reject},
		{"a name with a comma", text("Doe, Anna <a@p-none.test>"), "pass", dmarc.None},
		{"two domains in one, one of them protected", text("a@none.test, b@reject.test"), "fail", dmarc.Reject},
		{"two of one domain", text("a@p-none.test, b@p-none.test"), "pass", dmarc.None},
		{"many domains", text("a@a1.test, a@a2.test, a@a3.test, a@a4.test, a@a5.test"), "fail", dmarc.Quarantine},
		{"many addresses", text(strings.Repeat("a@none.test, ", 200) + "a@reject.test"), "fail", dmarc.Quarantine},
		{"none", "To: a@b.test\r\n\r\n", "permerror", dmarc.None},
		{"no domain", text("undisclosed"), "permerror", dmarc.None},
		{"a group", text("friends:;"), "permerror", dmarc.None},
		{"an empty one", text(""), "permerror", dmarc.None},
		{"a name that looks like an address", text(`"a@reject.test" <a@none.test>`), "none", dmarc.None},
	} {
		r := w.check(good, "a@p-none.test", c.message)
		if r.DMARC.Outcome != c.outcome || r.Disposition != c.disposition || (r.Decision.Allowed() == (c.disposition == dmarc.Reject)) {
			t.Errorf("%s: %s %q %s %v", c.name, r.DMARC.Outcome, r.DMARC.Reason, r.Disposition, r.Decision)
		}
	}
}

func TestTrouble(t *testing.T) {
	for _, c := range []struct {
		name, broken string
		signed       bool
		outcome      signature.Outcome
		action       cause.Action
	}{
		{"policy", "_dmarc.reject.test", false, "temperror", cause.ActionAllow},
		{"SPF, strict policy", "reject.test", false, "temperror", cause.ActionWait},
		{"SPF, but signed", "reject.test", true, "pass", cause.ActionAllow},
		{"key, strict policy", "s._domainkey.reject.test", true, "temperror", cause.ActionWait},
		{"something else", "else.test", true, "pass", cause.ActionAllow},
	} {
		w := newWorld(t)
		w.zone.Broken[c.broken] = true
		message := text("a@reject.test")
		if c.signed {
			message = w.sign("reject.test", message)
		}
		r := w.check(bad, "a@reject.test", message)
		if r.DMARC.Outcome != c.outcome || r.Decision.Action != c.action {
			t.Errorf("%s: %s %q %v", c.name, r.DMARC.Outcome, r.DMARC.Reason, r.Decision)
		}
		w.opt.NeverWait = true
		if r := w.check(bad, "a@reject.test", message); !r.Decision.Allowed() {
			t.Errorf("%s, never to wait: %v", c.name, r.Decision)
		}
	}
}

func TestOptions(t *testing.T) {
	w := newWorld(t)
	w.opt.Lenient = true
	if r := w.check(bad, "a@reject.test", text("a@reject.test")); !r.Decision.Allowed() || r.Disposition != dmarc.Quarantine {
		t.Errorf("lenient: %s %v", r.Disposition, r.Decision)
	}
	w.opt.RefuseSPFFail = true
	want := cause.Refuse(cause.SenderSPFFail, cause.Text("domain", "none.test"), cause.Text("client", bad.String()))
	if r := w.check(bad, "a@none.test", text("a@none.test")); cmp.Diff(want, r.Decision) != "" {
		t.Errorf("SPF fail: %v", r.Decision)
	}
	if r := w.check(bad, "a@none.test", w.sign("none.test", text("a@none.test"))); !r.Decision.Allowed() {
		t.Errorf("SPF fail, but signed: %v", r.Decision)
	}
	if r := w.check(bad, "a@p-none.test", text("a@p-none.test")); !r.Decision.Allowed() {
		t.Errorf("SPF fail, but there is a policy: %v", r.Decision)
	}
}

// TestCauses: who is refused hears what would have proven the message.
func TestCauses(t *testing.T) {
	w := newWorld(t)
	w.zone.Texts["broken.test"] = []string{"v=spf1 ip4:192.0.2.1/33 -all"}
	w.zone.Texts["_dmarc.broken.test"] = []string{"v=DMARC1; p=reject"}
	signed := w.sign("reject.test", text("a@reject.test"))
	client := cause.Text("client", bad.String())
	for _, c := range []struct {
		name, sender, message string
		want                  cause.Decision
	}{
		{"changed on the way", "a@reject.test", signed + "more", cause.Refuse(cause.SenderDKIMBroken, cause.Text("domain", "reject.test"), cause.Text("selector", "s"))},
		{"no such key", "a@reject.test", strings.Replace(signed, "s=s;", "s=old;", 1), cause.Refuse(cause.SenderDKIMBroken, cause.Text("domain", "reject.test"), cause.Text("selector", "old"))},
		{"another's broken signature", "a@reject.test", w.sign("other.test", text("a@reject.test")) + "more", cause.Refuse(cause.SenderNotAligned, cause.Text("domain", "reject.test"), client)},
		{"wrong record", "a@broken.test", text("a@broken.test"), cause.Refuse(cause.SenderSPFBroken, cause.Text("domain", "broken.test"), cause.Text("detail", "ip4 has an invalid prefix length"))},
		{"another's wrong record", "a@broken.test", text("a@reject.test"), cause.Refuse(cause.SenderNotAligned, cause.Text("domain", "reject.test"), client)},
		{"forwarded", "a@reject.test", "Delivered-To: b@list.test\r\n" + text("a@reject.test"), cause.Refuse(cause.SenderForwardingBreaksSPF, cause.Text("domain", "reject.test"), cause.Text("host", bad.String()))},
	} {
		if d := cmp.Diff(c.want, w.check(bad, c.sender, c.message).Decision); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
	w.opt.RequirePTR = true
	if d := cmp.Diff(cause.Refuse(cause.SenderPTRMissing, client, cause.Text("host", "mail.none.test")), w.check(bad, "a@none.test", text("a@none.test")).Decision); d != "" {
		t.Error(d)
	}
	if r := w.check(good, "a@none.test", text("a@none.test")); !r.Decision.Allowed() {
		t.Errorf("a server with a name: %v", r.Decision)
	}
	w.zone.Broken[bad.String()] = true
	if r := w.check(bad, "a@none.test", text("a@none.test")); !r.Decision.Allowed() {
		t.Errorf("a name that cannot be looked up: %v", r.Decision)
	}
}

func TestPercent(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		record string
		want   dmarc.Disposition
	}{
		{"p=reject; pct=51", dmarc.Reject}, {"p=reject; pct=50", dmarc.Quarantine}, {"p=quarantine; pct=0", dmarc.None}, {"p=quarantine; pct=100", dmarc.Quarantine},
	} {
		w.zone.Texts["_dmarc.none.test"] = []string{"v=DMARC1; " + c.record}
		if r := w.check(bad, "a@none.test", text("a@none.test")); r.Disposition != c.want || r.DMARC.Sampled != !strings.Contains(c.record+string(c.want), "pct=51reject") && r.DMARC.Sampled {
			t.Errorf("%s: %s, sampled %v", c.record, r.Disposition, r.DMARC.Sampled)
		}
	}
}

// forward changes a message as a mailing list does, and seals it with what it found.
func (w *world) forward(domain, found, message string) string {
	w.Helper()
	changed := strings.Replace(message, "Subject: ", "Subject: [list] ", 1) + "-- \r\nthe list\r\n"
	set, err := arc.Seal(strings.NewReader(changed), int64(len(changed)), arc.Arrived{
		Results: "mx." + domain + "; " + found, Time: now,
	}, arc.Key{Domain: domain, Selector: "s", Private: w.key})
	if err != nil {
		w.Fatal(err)
	}
	return string(set) + changed
}

func TestTrustedSealer(t *testing.T) {
	w := newWorld(t)
	signed := w.sign("reject.test", text("a@reject.test"))
	for _, c := range []struct {
		name, domain, found string
		pass                bool
	}{
		{"trusted", "list.test", "dmarc=pass (p=reject) header.from=reject.test", true},
		{"not trusted", "other.test", "dmarc=pass header.from=reject.test", false},
		{"trusted, found it forged", "list.test", "dmarc=fail header.from=reject.test", false},
		{"trusted, found another", "list.test", "dmarc=pass header.from=other.test", false},
		{"trusted, in a comment", "list.test", "dmarc=fail (dmarc=pass header.from=reject.test) header.from=reject.test", false},
		{"trusted, in a value", "list.test", `spf=pass smtp.mailfrom="x;dmarc=pass header.from=reject.test"`, false},
	} {
		r := w.check(bad, "list-bounces@list.test", w.forward(c.domain, c.found, signed))
		if r.ARC.Outcome != signature.Pass || r.DMARC.Outcome != signature.Fail || r.Decision.Allowed() != c.pass || (r.DMARC.Sealer != "") != c.pass {
			t.Errorf("%s: ARC %s %q, DMARC %s, sealer %q, %v", c.name, r.ARC.Outcome, r.ARC.Reason, r.DMARC.Outcome, r.DMARC.Sealer, r.Decision)
		}
	}
	broken := strings.Replace(w.forward("list.test", "dmarc=pass header.from=reject.test", signed), "[list]", "[lost]", 1)
	if r := w.check(bad, "l@list.test", broken); r.ARC.Outcome != signature.Fail || r.Decision.Allowed() {
		t.Errorf("a broken chain: %s %v", r.ARC.Outcome, r.Decision)
	}
}

func TestManySignatures(t *testing.T) {
	w := newWorld(t)
	message := w.sign("reject.test", text("a@reject.test"))
	for range 20 {
		message = w.sign("other.test", message)
	}
	var asked atomic.Int64
	w.zone.Asked = func(string) { asked.Add(1) }
	w.opt.MaxSignatures = 3
	message = message[:len(message)-2] + " \r\n" // relaxed: nothing changes
	r := w.check(bad, "a@reject.test", message)
	if len(r.DKIM) != 3 || r.Skipped != 18 || r.DKIM[0].Domain != "reject.test" || r.DMARC.Outcome != signature.Pass {
		t.Errorf("%d signatures, %d skipped, %+v, DMARC %s", len(r.DKIM), r.Skipped, r.DKIM[0], r.DMARC.Outcome)
	}
	if n := asked.Load(); n < 4 || n > 8 { // three keys, the policy, SPF of HELO and sender, the reverse name
		t.Errorf("%d questions", n)
	}
}

// TestSlow: the time is bounded, and what is known by then counts.
func TestSlow(t *testing.T) {
	w := newWorld(t)
	w.zone.Slow = true
	w.opt.Timeout = 30 * time.Millisecond
	r := w.check(bad, "a@reject.test", w.sign("reject.test", text("a@reject.test")))
	if r.SPF.Outcome != "temperror" || r.DKIM[0].Outcome != "temperror" || r.DMARC.Outcome != "temperror" || !r.Decision.Allowed() {
		t.Errorf("SPF %s, DKIM %s, DMARC %s, %v", r.SPF.Outcome, r.DKIM[0].Outcome, r.DMARC.Outcome, r.Decision)
	}
}

// large is a message of any size that needs no memory.
type large struct {
	header string
	size   int64
}

func (l large) ReadAt(p []byte, at int64) (int, error) {
	n := 0
	if at < int64(len(l.header)) {
		n = copy(p, l.header[at:])
	}
	for i := n; i < len(p) && at+int64(i) < l.size; i++ {
		p[i] = 'x'
	}
	return int(min(int64(len(p)), l.size-at)), nil
}

func TestLarge(t *testing.T) {
	w := newWorld(t)
	header, _, _ := strings.Cut(w.sign("reject.test", text("a@reject.test")), "Hello")
	const size = 20 << 20
	allocated := testing.AllocsPerRun(1, func() {
		if r := w.checkReader(good, "a@reject.test", large{header, size}, size); r.DKIM[0].Outcome != signature.Fail || r.DMARC.Outcome != signature.Pass {
			t.Errorf("%+v", r.DKIM[0])
		}
	})
	if allocated > 5000 {
		t.Errorf("%v allocations", allocated)
	}
	for _, long := range []string{"X: " + strings.Repeat("x", 1<<20) + "\r\n", strings.Repeat("X:\r\n", 10_001)} {
		if r := w.check(bad, "a@reject.test", long+text("a@reject.test")); r.Decision.Cause != cause.ContentMalformed || r.Decision.Action != cause.ActionRefuse {
			t.Errorf("a header of %d octets: %v", len(long), r.Decision)
		}
	}
	if r := w.check(bad, "a@reject.test", strings.Repeat("X:\r\n y\r\n", 9_000)+text("a@reject.test")); r.Decision.Cause != cause.SenderNotAligned {
		t.Errorf("a header of 9,000 fields: %v", r.Decision)
	}
	if r := w.checkReader(good, "a@reject.test", strings.NewReader(header[:100]), size); r.DMARC.Outcome != signature.TempError || !r.Decision.Allowed() {
		t.Errorf("a message that cannot be read: %+v", r.DMARC)
	}
}

func TestField(t *testing.T) {
	w := newWorld(t)
	r := w.check(good, "a@reject.test", w.sign("reject.test", text("a@reject.test")))
	short := r.DKIM[0].Short
	if strings.ContainsAny(short, "/=") {
		short = `"` + short + `"`
	}
	want := "Authentication-Results: mx.demo.test;\r\n\tspf=pass\r\n\t smtp.mailfrom=a@reject.test;\r\n" +
		"\tdkim=pass (256-bit key)\r\n\t header.d=reject.test\r\n\t header.s=s\r\n\t header.a=ed25519-sha256\r\n\t header.b=" + short + ";\r\n" +
		"\tdmarc=pass (p=reject dis=none)\r\n\t header.from=reject.test;\r\n\tiprev=pass (mail.none.test)\r\n\t policy.iprev=192.0.2.1\r\n"
	if d := cmp.Diff(want, string(r.Field())); d != "" {
		t.Error(d)
	}
	id, stated, err := genuine.ReadResults(r.Value())
	if err != nil || id != "mx.demo.test" || len(stated) != 4 || stated[2].Properties["header.from"] != "reject.test" {
		t.Errorf("%s %+v %v", id, stated, err)
	}
}

func TestObservation(t *testing.T) {
	w := newWorld(t)
	signed := w.sign("reject.test", text("a@reject.test"))
	w.zone.Texts["_dmarc.other.test"] = []string{"v=DMARC1; p=reject; pct=10"}
	for _, c := range []struct {
		name, sender, message string
		remote                netip.Addr
		want                  string
	}{
		{"genuine", "a@reject.test", signed, good, "reject.test none true true  reject.test mfrom=pass 1"},
		{"forged", "x@else.test", text("a@reject.test"), bad, "reject.test reject false false  else.test mfrom=none 0"},
		{"report", "", text("a@sub.reject.test"), bad, "reject.test reject false false   helo=none 0"},
		{"forwarded", "l@list.test", w.forward("list.test", "dmarc=pass header.from=reject.test", signed), bad, "reject.test none false false trusted_forwarder list.test mfrom=fail 1"},
		{"sampled", "x@else.test", text("a@other.test"), bad, "other.test quarantine false false sampled_out else.test mfrom=none 0"},
		{"no policy", "x@none.test", text("a@none.test"), good, "not told"},
		{"no From", "x@none.test", "\r\n", good, "not told"},
	} {
		got := "not told"
		if o, ok := w.check(c.remote, c.sender, c.message).Observation(); ok {
			got = fmt.Sprintf("%s %s %v %v %s %s %s=%s %d", o.Policy.Domain, o.Disposition, o.SPF, o.DKIM, o.Reason.Type, o.Envelope, o.Sender.Scope, o.Sender.Result, len(o.Signatures))
		}
		if got != c.want {
			t.Errorf("%s: %q", c.name, got)
		}
	}
	w.opt.Lenient = true
	if o, _ := w.check(bad, "x@else.test", text("a@reject.test")).Observation(); o.Disposition != dmarc.Quarantine || o.Reason.Type != "local_policy" {
		t.Errorf("lenient: %+v", o)
	}
}

// TestFieldOfStrangers: what a stranger wrote cannot change what the field says.
func TestFieldOfStrangers(t *testing.T) {
	w := newWorld(t)
	for _, sender := range []string{`"a; dmarc=pass header.from=x.test"@none.test`, `"a\"; spf=pass"@none.test`, "å@none.test", `"a) (b"@none.test`, "a@[1.2.3.4]"} {
		r := w.check(bad, sender, "DKIM-Signature: a=;; d=x\"; dmarc=pass\r\nDKIM-Signature: v=1; s=(; d=\xff\x01; a=\"\r\n"+text("a@none.test"))
		_, stated, err := genuine.ReadResults(r.Value())
		methods := []string{}
		for _, s := range stated {
			methods = append(methods, s.Method+"="+string(s.Outcome))
		}
		if got := strings.Join(methods, " "); err != nil || !strings.HasSuffix(got, "dmarc=none iprev=permerror") || strings.Contains(got, "pass") {
			t.Errorf("%q: %s, %v in\n%s", sender, got, err, r.Field())
		}
		for i, c := range []byte(r.Value()) {
			if c >= 0x7f || c < ' ' && c != '\r' && c != '\n' && c != '\t' {
				t.Errorf("%q: octet %d is %#x", sender, i, c)
			}
		}
	}
}

func BenchmarkCheck4K(b *testing.B) {
	w := newWorld(&testing.T{})
	message := w.sign("reject.test", text("a@reject.test")+strings.Repeat("A line of text as people write it, seventy octets long or so.\r\n", 60))
	c := genuine.New(w.opt)
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	for b.Loop() {
		early := c.Begin(context.Background(), genuine.Envelope{Remote: good, HELO: "mail.none.test", From: "a@reject.test"})
		r := c.Check(context.Background(), genuine.Input{Early: early, Message: strings.NewReader(message), Size: int64(len(message))})
		early.Close()
		if r.DMARC.Outcome != signature.Pass || r.DKIM[0].Outcome != signature.Pass {
			b.Fatalf("%+v", r)
		}
	}
}
