package dmarc_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/dmarc"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/signature/dnstest"
)

// memory keeps the counts.
type memory struct {
	doc  []byte
	fail error
}

func (m *memory) Load(context.Context) ([]byte, error) { return m.doc, m.fail }

func (m *memory) Save(_ context.Context, doc []byte) error {
	m.doc = doc
	return m.fail
}

// office is a collector with its surroundings.
type office struct {
	zone   *dnstest.Zone
	record *memory
	now    time.Time
	sent   map[string][]byte
	refuse map[string]bool
}

func newOffice() *office {
	return &office{
		zone: &dnstest.Zone{Texts: map[string][]string{
			"_dmarc.a.test":                      {"v=DMARC1; p=reject; rua=mailto:dmarc@a.test,mailto:reports@service.test!1m,mailto:victim@other.test,mailto:tiny@sub.a.test!10"},
			"a.test._report._dmarc.service.test": {"v=DMARC1"},
			"_dmarc.quiet.test":                  {"v=DMARC1; p=reject"},
		}, Broken: map[string]bool{}},
		record: &memory{}, now: time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC), sent: map[string][]byte{}, refuse: map[string]bool{},
	}
}

func (o *office) open(t *testing.T) *dmarc.Collector {
	t.Helper()
	c, err := dmarc.New(context.Background(), dmarc.Options{
		Organization: "mx.demo.test", From: func() string { return "dmarc-noreply@demo.test" }, Resolver: o.zone, Record: o.record,
		Now: func() time.Time { return o.now },
		Mail: func(_ context.Context, from, to string, raw []byte) error {
			if o.refuse[to] || from != "dmarc-noreply@demo.test" {
				return errors.New("not now")
			}
			o.sent[to] = raw
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (o *office) close(t *testing.T, c *dmarc.Collector) {
	t.Helper()
	if err := c.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func observation(domain, source string) dmarc.Observation {
	return dmarc.Observation{
		Policy: &dmarc.Policy{Record: &dmarc.Record{Policy: "reject", Subdomains: "reject", Nonexistent: "reject", Percent: 100}, Domain: domain, Apply: "reject"},
		Source: source, Disposition: "reject", From: domain, Envelope: "b.test",
		Sender:     dmarc.Sender{Domain: "b.test", Scope: "mfrom", Result: "pass"},
		Signatures: []dmarc.Signature{{Domain: "b.test", Selector: "s", Result: "pass"}},
		Reason:     dmarc.Reason{Type: "local_policy", Comment: "a <reason> & more"},
	}
}

func TestReports(t *testing.T) {
	o := newOffice()
	c := o.open(t)
	for range 3 {
		c.Note(observation("a.test", "192.0.2.1"))
	}
	o.close(t, c)
	c = o.open(t) // the service was started anew
	defer func() { o.close(t, c) }()
	c.Note(observation("a.test", "192.0.2.1"))
	c.Note(observation("a.test", "2001:db8::1"))
	c.Note(observation("quiet.test", "192.0.2.1"))
	c.Note(observation("none.test", "192.0.2.1"))
	c.Send(context.Background(), o.now)
	if len(o.sent) != 0 {
		t.Fatalf("reports on a day that is not over: %v", o.sent)
	}
	o.now = o.now.Add(4 * time.Hour)
	c.Send(context.Background(), o.now)
	var to []string
	for address := range o.sent {
		to = append(to, address)
	}
	slices.Sort(to)
	if d := cmp.Diff([]string{"dmarc@a.test", "reports@service.test"}, to); d != "" {
		t.Fatal(d)
	}
	raw := o.sent["dmarc@a.test"]
	r, err := dmarc.Read(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Records) != 2 || r.Records[0].Count != 4 || r.Records[1].Count != 1 || r.Records[1].Source != "2001:db8::1" || r.Published.Policy != "reject" ||
		r.Records[0].Reasons[0].Comment != "a <reason> & more" || r.Records[0].Passed() || r.Metadata.Begin.Time() != time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC) {
		t.Errorf("%+v", r)
	}
	s := message.Summarize(raw)
	if want := "Report Domain: a.test Submitter: mx.demo.test Report-ID: <" + r.Metadata.ID + ">"; s.Subject != want || len(s.From) != 1 {
		t.Errorf("%q", s.Subject)
	}
	if !strings.Contains(string(raw), "On 2026-11-21, mx.demo.test received 5 messages in the name of a.test; 5 of them") {
		t.Errorf("%s", raw)
	}
	clear(o.sent)
	c.Send(context.Background(), o.now)
	if len(o.sent) != 0 {
		t.Error("reports are sent twice")
	}
}

func TestReportsLater(t *testing.T) {
	o := newOffice()
	c := o.open(t)
	defer func() { o.close(t, c) }()
	c.Note(observation("a.test", "192.0.2.1"))
	o.now = o.now.Add(24 * time.Hour)
	o.zone.Broken["_dmarc.a.test"] = true
	c.Send(context.Background(), o.now)
	delete(o.zone.Broken, "_dmarc.a.test")
	o.refuse["dmarc@a.test"], o.refuse["reports@service.test"] = true, true
	c.Send(context.Background(), o.now)
	if len(o.sent) != 0 {
		t.Error("sent")
	}
	clear(o.refuse)
	c.Send(context.Background(), o.now)
	if len(o.sent) != 2 {
		t.Errorf("not sent when it could be: %d", len(o.sent))
	}
	clear(o.sent)
	c.Note(observation("a.test", "192.0.2.1"))
	o.refuse["dmarc@a.test"], o.refuse["reports@service.test"] = true, true
	c.Send(context.Background(), o.now.Add(5*24*time.Hour))
	clear(o.refuse)
	c.Send(context.Background(), o.now.Add(5*24*time.Hour))
	if len(o.sent) != 0 {
		t.Error("a report that was given up is sent")
	}
}

// TestFlood: a forger of many domains and addresses cannot fill the memory.
func TestFlood(t *testing.T) {
	o := newOffice()
	c := o.open(t)
	for i := range 5_000 {
		c.Note(observation("a.test", fmt.Sprintf("192.0.%d.%d", i/256, i%256)))
		c.Note(observation(fmt.Sprintf("d%d.test", i), "192.0.2.1"))
	}
	o.close(t, c)
	if n := bytes.Count(o.record.doc, []byte(`"Count"`)); n != 2000+5000 {
		t.Errorf("%d rows", n)
	}
}

func TestRecordTrouble(t *testing.T) {
	o := newOffice()
	o.record.doc = []byte("{")
	if _, err := dmarc.New(context.Background(), dmarc.Options{Record: o.record}); err == nil {
		t.Error("a record that cannot be read is taken")
	}
	o.record.doc = nil
	c := o.open(t)
	c.Note(observation("a.test", "192.0.2.1"))
	o.record.fail = errors.New("disk full")
	if err := c.Close(context.Background()); err == nil {
		t.Error("the error of saving is lost")
	}
}

const sample = `<?xml version="1.0" encoding="ISO-8859-1"?><!-- by hand --><feedback xmlns="urn:x"><version>1.0</version>
<report_metadata><org_name>Företag & Co</org_name><email>d@big.test</email><report_id>7</report_id><date_range><begin>1763683200</begin><end>1763769599</end></date_range></report_metadata>
<policy_published><domain>a.test</domain><p>none</p><unknown><deep>1</deep></unknown></policy_published>
<record><row><source_ip>192.0.2.7</source_ip><count>12</count><policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row>
<identifiers><header_from>a.test</header_from></identifiers><auth_results><dkim><domain>a.test</domain><result>pass</result></dkim><spf><domain>b.test</domain><result>fail</result></spf></auth_results></record>
<record><row><source_ip>198.51.100.1</source_ip><count>3</count><policy_evaluated><disposition>quarantine</disposition><dkim>fail</dkim><spf>fail</spf></policy_evaluated></row><identifiers><header_from>a.test</header_from></identifiers></record>
</feedback>
`

func zipped(name, content string) string {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, _ := z.Create(name)
	_, _ = w.Write([]byte(content))
	_ = z.Close()
	return b.String()
}

func gzipped(content string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(content))
	_ = z.Close()
	return b.String()
}

func TestRead(t *testing.T) {
	latin := strings.Replace(sample, "ö", "\xf6", 1)
	attached := "From: d@big.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n<hello>\r\n" +
		"--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString([]byte(zipped("r.xml", latin))) + "\r\n--b--\r\n"
	alone := "From: d@big.test\r\nContent-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString([]byte(zipped("r.XML", latin)))
	for name, file := range map[string]string{
		"XML": latin, "gzip": gzipped(latin), "zip": zipped("a!b.xml", latin), "message": attached, "message that is the report": alone, "UTF-8 with a mark": "\xef\xbb\xbf" + strings.Replace(sample, "ISO-8859-1", "utf-8", 1),
	} {
		r, err := dmarc.Read(strings.NewReader(file))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		all, failed, refused, junk := r.Total()
		if r.Metadata.Organization != "Företag & Co" || all != 15 || failed != 3 || refused != 0 || junk != 3 || r.Records[0].Signatures[0].Result != "pass" {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestReadTrouble(t *testing.T) {
	record := sample[strings.Index(sample, "<record>") : strings.Index(sample, "</record>")+9]
	head := strings.Replace(sample[:strings.Index(sample, "<record>")], "ISO-8859-1", "utf-8", 1)
	bomb := head + "<x>" + strings.Repeat(" ", 33<<20) + "</x></feedback>"
	for name, c := range map[string]struct {
		file string
		want error
	}{
		"nothing": {"", dmarc.ErrNoReport}, "text": {"hello", dmarc.ErrNoReport}, "HTML": {"<html></html>", dmarc.ErrNoReport}, "no domain": {"<feedback></feedback>", dmarc.ErrNoReport},
		"cut off": {head + record, nil}, "zip without XML": {zipped("r.exe", sample), dmarc.ErrNoReport}, "broken gzip": {"\x1f\x8b\x00", nil}, "broken zip": {"PK\x03\x04", nil},
		"a gzip bomb": {gzipped(bomb), dmarc.ErrTooLarge}, "a zip bomb": {zipped("r.xml", bomb), dmarc.ErrTooLarge}, "deep": {strings.Repeat("<feedback>", 100_000), nil},
		"a message without": {"From: a@b.test\r\n\r\nhello", dmarc.ErrNoReport}, "a strange count": {strings.Replace(head+record, "<count>12<", "<count>x<", 1), nil},
	} {
		if r, err := dmarc.Read(strings.NewReader(c.file)); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v %v", name, r, err)
		}
	}
	r, err := dmarc.Read(strings.NewReader(gzipped(head + strings.Repeat("<record/>", 100_001) + "</feedback>")))
	if err != nil || len(r.Records) != 100_000 || !r.Truncated {
		t.Errorf("many records: %v", err)
	}
}

func TestSpeech(t *testing.T) {
	var keys []string
	for _, lang := range []cause.Lang{"en", "sv", "nb"} {
		s, err := dmarc.SpeechIn(lang)
		if err != nil {
			t.Fatal(err)
		}
		if keys == nil {
			keys = s.Keys()
		}
		if d := cmp.Diff(keys, s.Keys()); d != "" {
			t.Errorf("%s: %s", lang, d)
		}
	}
}

func FuzzReadReport(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte(gzipped(sample)))
	f.Add([]byte(zipped("r.xml", sample)))
	f.Fuzz(func(t *testing.T, file []byte) {
		if len(file) > 1<<16 {
			return
		}
		if r, err := dmarc.Read(bytes.NewReader(file)); err == nil && r.Published.Domain == "" {
			t.Error("a report about nothing")
		}
	})
}

func BenchmarkNote(b *testing.B) {
	c, err := dmarc.New(context.Background(), dmarc.Options{Record: &memory{}})
	if err != nil {
		b.Fatal(err)
	}
	o := observation("a.test", "192.0.2.1")
	b.ReportAllocs()
	for b.Loop() {
		c.Note(o)
	}
	if err := c.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
}
