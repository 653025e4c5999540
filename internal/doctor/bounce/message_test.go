package bounce

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestReadMessage(t *testing.T) {
	m := ReadMessage(file(t, "messages", "plain.eml"))
	utc := func(h, min, s int) time.Time { return time.Date(2026, 11, 20, h, min, s, 0, time.UTC) }
	want := []Hop{
		{From: "pc.local", By: "mail.example.org", IP: netip.MustParseAddr("2001:db8::20"), Protocol: "ESMTPSA", TLS: true, Time: utc(9, 0, 1)},
		{From: "mail.example.org", By: "mx.example.net", IP: netip.MustParseAddr("198.51.100.7"), Protocol: "ESMTPS", TLS: true, For: "bo@example.net", Time: utc(9, 0, 5), Delay: 4 * time.Second},
		{From: "mx.example.net", By: "imap.example.net", IP: netip.MustParseAddr("203.0.113.25"), Protocol: "ESMTPS", TLS: true, For: "bo@example.net", Time: utc(9, 0, 7), Delay: 2 * time.Second},
	}
	for i := range m.Hops {
		m.Hops[i].Time = m.Hops[i].Time.UTC()
	}
	if diff := cmp.Diff(want, m.Hops, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if m.HopCount != 3 || m.Loop || !m.Aligned || m.List || m.Auto || len(m.Broken) != 0 {
		t.Errorf("%+v", m)
	}
	auth := []AuthResult{
		{Server: "mx.example.net", Method: "dkim", Result: "pass", Domain: "example.org", Reason: "2048-bit key"},
		{Server: "mx.example.net", Method: "spf", Result: "pass", Domain: "example.org", Reason: "mx.example.net: domain of anna@example.org designates 198.51.100.7 as permitted sender"},
		{Server: "mx.example.net", Method: "dmarc", Result: "pass", Domain: "example.org", Reason: "p=REJECT"},
	}
	if diff := cmp.Diff(auth, m.Auth); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Signature{{Domain: "example.org", Selector: "k2026"}}, m.Signatures); diff != "" {
		t.Error(diff)
	}
	if len(m.Attachments) != 1 || m.Attachments[0].Name != "agenda.pdf" || m.Attachments[0].Type != "application/pdf" {
		t.Errorf("attachments %+v", m.Attachments)
	}
	if len(m.Junk) != 1 || m.Junk[0].Junk || m.Junk[0].Score != -1.9 {
		t.Errorf("junk %+v", m.Junk)
	}
	if m.MessageID != "1@example.org" || m.ReturnPath != "anna@example.org" || m.Subject != "Meeting on Friday" || m.Size == 0 {
		t.Errorf("%+v", m)
	}
}

func TestMicrosoftJunk(t *testing.T) {
	m := ReadMessage(file(t, "messages", "microsoft-junk.eml"))
	var results []string
	for _, a := range m.Auth {
		results = append(results, a.Method+"="+a.Result+" "+a.Domain)
	}
	want := []string{"spf=fail shop.example.com", "dkim=none none", "dmarc=fail example.org", "compauth=fail ", "spf=fail shop.example.com"}
	if diff := cmp.Diff(want, results); diff != "" {
		t.Error(diff)
	}
	junk := 0
	for _, j := range m.Junk {
		if j.Junk {
			junk++
		}
	}
	if junk != 3 || m.Aligned || !m.List {
		t.Errorf("%d say junk; %+v", junk, m)
	}
}

func TestLoop(t *testing.T) {
	m := ReadMessage(file(t, "messages", "loop.eml"))
	if !m.Loop || m.HopCount != 6 {
		t.Errorf("loop %v after %d hops", m.Loop, m.HopCount)
	}
	many := strings.Repeat("Received: from a by b; Fri, 20 Nov 2026 10:00:00 +0100\r\n", 250)
	m = ReadMessage([]byte(many + "\r\n"))
	if !m.Loop || m.HopCount != 250 || len(m.Hops) != MaxHops {
		t.Errorf("loop %v, %d hops, %d kept", m.Loop, m.HopCount, len(m.Hops))
	}
}

func TestBroken(t *testing.T) {
	m := ReadMessage(file(t, "messages", "broken.eml"))
	for _, f := range []Fault{BareLF, LongLine, EightBitHeader, NULOctet, NoDate, ManyFrom, NoMessageID} {
		if !slices.Contains(m.Broken, f) {
			t.Errorf("%s is not found: %v", f, m.Broken)
		}
	}
	m = ReadMessage([]byte("From: a@example.org\nDate: Fri, 20 Nov 2026 10:00:00 +0100\nMessage-ID: <1@a>\n\nsaved with line feeds\n"))
	if len(m.Broken) != 0 {
		t.Errorf("a saved file is called broken: %v", m.Broken)
	}
}

func TestJunkFields(t *testing.T) {
	for _, c := range []struct {
		field, value string
		junk         bool
		score        float64
	}{
		{"X-Spam-Flag", "YES", true, 0},
		{"X-Spam-Status", "Yes, score=8.2 required=5.0", true, 8.2},
		{"X-Spam-Status", "No, hits=1.0", false, 1},
		{"X-Spam-Level", "*****", false, 5},
		{"X-Spamd-Result", "default: True [16.20 / 15.00]", true, 16.2},
		{"X-Rspamd-Action", "add header", true, 0},
		{"X-MS-Exchange-Organization-SCL", "-1", false, -1},
		{"X-MS-Exchange-Organization-SCL", "6", true, 6},
		{"X-Forefront-Antispam-Report", "CIP:192.0.2.1;SCL:1;SFV:NSPM;", false, 1},
		{"X-GMX-Antispam", "6 (Mail is spam)", true, 6},
		{"X-Yandex-Spam", "1", false, 1},
		{"X-Bogosity", "Spam, tests=bogofilter", true, 0},
	} {
		m := ReadMessage([]byte(c.field + ": " + c.value + "\r\n\r\n"))
		if len(m.Junk) != 1 || m.Junk[0].Junk != c.junk || m.Junk[0].Score != c.score {
			t.Errorf("%s: %s: %+v", c.field, c.value, m.Junk)
		}
	}
}

func TestAligned(t *testing.T) {
	for _, c := range []struct {
		from, path, signature string
		want                  bool
	}{
		{"a@example.org", "a@example.org", "", true},
		{"a@example.org", "b@bounce.example.org", "", true},
		{"a@example.org", "b@shop.example.com", "mail.example.org", true},
		{"a@example.co.uk", "b@other.co.uk", "", false},
		{"a@example.org", "", "", false},
		{"", "a@example.org", "", false},
	} {
		text := "Return-Path: <" + c.path + ">\r\n"
		if c.from != "" {
			text += "From: " + c.from + "\r\n"
		}
		if c.signature != "" {
			text += "DKIM-Signature: v=1; d=" + c.signature + "; s=k\r\n"
		}
		if m := ReadMessage([]byte(text + "\r\n")); m.Aligned != c.want {
			t.Errorf("%+v: %v", c, m.Aligned)
		}
	}
}

func FuzzRead(f *testing.F) {
	dialects := book(f)
	for _, name := range []string{"gmail-unknown", "several", "qmail-two", "exchange-text-sv", "html-only", "exim-delayed"} {
		f.Add(file(f, "bounces", name+".eml"))
	}
	f.Add([]byte("From: mailer-daemon\n\n<a@b>:\n550 5.1.1 no"))
	f.Fuzz(func(t *testing.T, eml []byte) {
		b, err := Read(dialects, eml)
		if err != nil {
			return
		}
		if len(b.Recipients) == 0 || len(b.Recipients) > MaxRecipients || len(b.Text) > maxText {
			t.Fatalf("%d recipients", len(b.Recipients))
		}
		for _, r := range b.Recipients {
			if !utf8.ValidString(r.Diagnostic) || !utf8.ValidString(b.Text) {
				t.Fatalf("%+v", r)
			}
			if r.Address == "" || len(r.Diagnostic) > maxReply || len(r.Reading.Meanings) == 0 || r.Action == "" || r.Stage == "" {
				t.Fatalf("%+v", r)
			}
		}
	})
}

func FuzzReadMessage(f *testing.F) {
	for _, name := range []string{"plain", "microsoft-junk", "loop", "broken"} {
		f.Add(file(f, "messages", name+".eml"))
	}
	f.Fuzz(func(t *testing.T, eml []byte) {
		m := ReadMessage(eml)
		if len(m.Hops) > MaxHops || len(m.Auth) > maxAuth || len(m.Junk) > maxMarkers || len(m.Attachments) > maxAttachments {
			t.Fatalf("%+v", m)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	dialects := book(b)
	eml := file(b, "bounces", "exchange-text-sv.eml")
	b.ReportAllocs()
	for range b.N {
		if _, err := Read(dialects, eml); err != nil {
			b.Fatal(err)
		}
	}
}

func TestResult(t *testing.T) {
	m := ReadMessage(file(t, "messages", "microsoft-junk.eml"))
	if a, ok := m.Result("dmarc"); !ok || a.Result != "fail" || !m.SaysJunk() {
		t.Errorf("%+v %v", a, ok)
	}
	if _, ok := m.Result("arc"); ok {
		t.Error("a result that is not there")
	}
}
