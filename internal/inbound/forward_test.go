package inbound_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/arc"
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/dkim"
	"github.com/postiljon/postiljon/internal/inbound"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/srs"
	"github.com/postiljon/postiljon/internal/store"
)

var testRewriter, _ = srs.New([]byte("0123456789abcdef"), nil)

// forwarding lets the service pass messages on, sealed by a key of demo.test.
func forwarding(key arc.Key) func(*inbound.Options) {
	return func(o *inbound.Options) {
		o.Forward = &inbound.Forwarder{
			SRS: testRewriter, Now: time.Now, Log: slog.New(slog.DiscardHandler),
			Key: func(context.Context, string) (arc.Key, error) { return key, nil },
		}
	}
}

// alias adds team@demo.test.
func (s *service) alias(t *testing.T, targets, forward []string) {
	t.Helper()
	if err := s.store.CreateAlias(t.Context(), store.Alias{Address: "team@demo.test", Targets: targets, Forward: forward}); err != nil {
		t.Fatal(err)
	}
}

// goesOut is what the queue sends of the only submission there is.
func (s *service) goesOut(t *testing.T) (sub *store.Submission, text string) {
	t.Helper()
	if len(s.queued) != 1 {
		t.Fatalf("%d submissions are queued", len(s.queued))
	}
	sub = s.queued[0]
	kept, err := s.store.Submission(t.Context(), sub.Account, sub.ID)
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.store.Blobs().Open(t.Context(), kept.Blob)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	content, err := io.ReadAll(io.NewSectionReader(b, kept.Skip, kept.Size))
	if err != nil || kept.Skip+kept.Size != b.Size() {
		t.Fatalf("%d octets after %d of %d: %v", kept.Size, kept.Skip, b.Size(), err)
	}
	return &kept, string(kept.Prefix) + string(content)
}

// TestForward: mail for an alias goes on unchanged below the fields of this server, under a sender
// that leads back to us.
func TestForward(t *testing.T) {
	s := start(t, forwarding(arc.Key{}))
	s.alias(t, []string{"bjorn@demo.test"}, []string{"Carl@Elsewhere.example"})
	talk(t, s.mail, "MAIL FROM:<x@sender.test>", "250", "RCPT TO:<Team@demo.test> NOTIFY=FAILURE", "250", "DATA", "354", letter, "250")
	sub, text := s.goesOut(t)
	if sub.Account != 0 || !strings.HasPrefix(sub.From, "SRS0=") || !strings.HasSuffix(sub.From, "=sender.test=x@demo.test") {
		t.Errorf("account %d, from %s", sub.Account, sub.From)
	}
	want(t, "recipients", sub.Recipients, []store.SubmissionRecipient{{
		Address: "Carl@elsewhere.example", Notify: "FAILURE", ORcpt: "rfc822;Team@demo.test", State: store.Queued,
	}})
	original := strings.TrimSuffix(letter, ".")
	if !strings.HasPrefix(text, "Delivered-To: Team@demo.test\r\nReceived: from client.test") || !strings.HasSuffix(text, "\r\n"+original) {
		t.Errorf("goes out as\n%s", text)
	}
	if strings.Contains(text, "Return-Path") {
		t.Errorf("with the field of final delivery:\n%s", text)
	}
	here := s.inbox(t, s.bjorn)
	if len(here) != 1 || !strings.HasPrefix(here[0], "Return-Path: <x@sender.test>\r\n") {
		t.Errorf("here: %q", here)
	}
	var told []string
	if err := s.store.Events(t.Context(), 0, time.Now().Add(-time.Hour), time.Now().Add(time.Hour), func(e *store.Event) error {
		told = append(told, e.Kind+" "+e.Field("to"))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want(t, "events", told, []string{journal.MessageAccepted + " Team@demo.test", journal.MessageForwarded + " Carl@elsewhere.example"})
}

// TestForwardOwn: what an account here sends to an alias is its own mail.
func TestForwardOwn(t *testing.T) {
	s := start(t, forwarding(arc.Key{}))
	s.alias(t, nil, []string{"carl@elsewhere.example"})
	talk(t, s.submission, signIn, "235", "MAIL FROM:<anna@demo.test>", "250", "RCPT TO:<team@demo.test>", "250", "DATA", "354", letter, "250")
	sub, text := s.goesOut(t)
	if sub.Account != s.anna.ID || sub.From != "anna@demo.test" || sub.Recipients[0].Address != "carl@elsewhere.example" || sub.Prefix != nil {
		t.Errorf("%+v", sub)
	}
	if !strings.HasPrefix(text, "Received:") {
		t.Errorf("goes out as\n%s", text)
	}
}

// TestForwardLoop: what comes back to an alias is refused.
func TestForwardLoop(t *testing.T) {
	s := start(t, forwarding(arc.Key{}))
	s.alias(t, nil, []string{"carl@elsewhere.example"})
	for header, reply := range map[string]string{
		"Delivered-To: team@demo.test\r\n":                                  "554 5.4.6",
		"Received: from a by b\r\ndelivered-to:  TEAM@demo.test\r\n":        "554 5.4.6",
		"Delivered-To: other@demo.test\r\n":                                 "250",
		"X: " + strings.Repeat("Delivered-To: team@demo.test ", 3) + "\r\n": "250",
	} {
		talk(t, s.mail, "MAIL FROM:<x@sender.test>", "250", "RCPT TO:<team@demo.test>", "250", "DATA", "354", header+letter, reply)
	}
	want(t, "events", s.noted(t)[:1], []string{journal.MessageRefused + " rules.loop team@demo.test"})
}

// TestBounceOfForward: bounces to rewritten addresses find back, everything else to them does not.
func TestBounceOfForward(t *testing.T) {
	rewritten := func(from string) string {
		a, err := address.Parse(from, address.Options{LongLocal: true})
		if err != nil {
			t.Fatal(err)
		}
		return testRewriter.Forward(a, "demo.test").String()
	}
	far := rewritten("x@sender.test")
	for _, c := range []struct{ about, from, to, reply string }{
		{"far", "", far, "250"},
		{"lower case", "", strings.ToLower(far), "250"},
		{"not a bounce", "y@sender.test", far, "550 5.1.1"},
		{"forged", "", strings.Replace(far, "=x@", "=y@", 1), "550 5.1.1"},
		{"of nobody", "", "SRS0=a@demo.test", "550 5.1.1"},
		{"of another server", "", strings.Replace(far, "demo.test", "third.example", 1), "554 5.7.1"},
	} {
		t.Run(c.about, func(t *testing.T) {
			s := start(t, forwarding(arc.Key{}))
			if c.reply != "250" {
				talk(t, s.mail, "MAIL FROM:<"+c.from+">", "250", "RCPT TO:<"+c.to+">", c.reply)
				return
			}
			talk(t, s.mail, "MAIL FROM:<"+c.from+">", "250", "RCPT TO:<"+c.to+">", "250", "DATA", "354", letter, "250")
			sub, _ := s.goesOut(t)
			if sub.From != "" || sub.Recipients[0].Address != "x@sender.test" {
				t.Errorf("%q goes to %s", sub.From, sub.Recipients[0].Address)
			}
		})
	}
	s := start(t, forwarding(arc.Key{}))
	talk(t, s.mail, "MAIL FROM:<>", "250", "RCPT TO:<"+rewritten("bjorn@demo.test")+">", "250", "DATA", "354", letter, "250")
	if len(s.inbox(t, s.bjorn)) != 1 {
		t.Error("the bounce for somebody here is not there")
	}
}

// TestForwardSealed: a seal of what was found out goes along, and another implementation believes it.
func TestForwardSealed(t *testing.T) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys := dkim.New(dkim.Options{
		Records: records{}, Has: func(context.Context, string) (bool, error) { return true, nil },
	})
	signers, err := keys.Signers(t.Context(), "demo.test")
	if err != nil {
		t.Fatal(err)
	}
	public, err := keys.Keys(t.Context(), "demo.test")
	if err != nil {
		t.Fatal(err)
	}
	signed, err := dkim.Sign(strings.NewReader(strings.TrimSuffix(letter, ".")), int64(len(letter)-1), time.Now(),
		dkim.Signer{Domain: "good.example", Selector: "s", Key: private})
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, checking(t), forwarding(arc.Key{Domain: "demo.test", Selector: signers[0].Selector, Private: signers[0].Key}))
	s.alias(t, nil, []string{"carl@elsewhere.example"})
	talk(t, s.mail, "MAIL FROM:<x@good.example>", "250", "RCPT TO:<team@demo.test>", "250", "DATA", "354", string(signed)+letter, "250")
	_, text := s.goesOut(t)
	for _, part := range []string{"ARC-Seal: i=1;", "ARC-Message-Signature: i=1;", "ARC-Authentication-Results: i=1; mx.demo.test;", "spf=pass"} {
		if !strings.Contains(text, part) {
			t.Fatalf("lacks %s:\n%s", part, text)
		}
	}
	if !strings.HasSuffix(text, string(signed)+strings.TrimSuffix(letter, ".")) {
		t.Errorf("the signed message was changed:\n%s", text)
	}
	file := filepath.Join(t.TempDir(), "message")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	program := `
import dkim, sys
def txt(name, timeout=5):
    return b"` + public[0].Record + `"
print(dkim.ARC(open(sys.argv[1], "rb").read()).verify(dnsfunc=txt)[0].decode())
`
	out, err := exec.Command("/usr/bin/python3", "-c", program, file).CombinedOutput()
	if err != nil || string(out) != "pass\n" {
		t.Errorf("python3-dkim says %s, %v", out, err)
	}
}

// records keeps nothing.
type records struct{}

func (records) Setting(context.Context, string) ([]byte, error)  { return nil, nil }
func (records) PutSetting(context.Context, string, []byte) error { return nil }

// precheck answers as a test wants.
type precheck struct {
	recipient, sender cause.Decision
	limit             int64 // of a size, for addresses that begin with "bo"
}

func (p precheck) Recipient(_ context.Context, _ store.AccountID, to, _ string, size int64) cause.Decision {
	if p.limit > 0 && size > p.limit && strings.HasPrefix(to, "bo") {
		return cause.Refuse(cause.ContentTooLargeRecipient, cause.Text("address", to), cause.Size("size", size), cause.Size("limit", p.limit))
	}
	return p.recipient
}
func (p precheck) Sender(context.Context, string) cause.Decision { return p.sender }

// TestPrecheck: each refusal as the client hears it, and as it is told in three languages.
func TestPrecheck(t *testing.T) {
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	to := cause.Text("address", "bo@gmial.example")
	for _, c := range []struct {
		p     precheck
		reply string
		told  []string // to the holder, in Swedish, Norwegian and English
	}{
		{precheck{recipient: cause.Refuse(cause.RecipientDomainTypo, to, cause.Text("suggestion", "bo@gmail.example"))},
			"550 5.1.2 The domain of the recipient does not exist; did you mean bo@gmail.example?",
			[]string{"Du menar troligen bo@gmail.example.", "Du mener nok bo@gmail.example.", "You probably mean bo@gmail.example."}},
		{precheck{recipient: cause.Refuse(cause.DNSMXNull, cause.Text("domain", "null.example"))},
			"556 5.1.10 The domain null.example declares that it takes no mail",
			[]string{"Domänen null.example uppger", "Domenet null.example oppgir", "The domain null.example declares"}},
		{precheck{recipient: cause.Refuse(cause.DNSMXMissing, cause.Text("domain", "bare.example"))},
			"550 5.4.4 The domain bare.example has no mail server",
			[]string{"Domänen bare.example", "Domenet bare.example", "The domain bare.example"}},
		{precheck{recipient: cause.Refuse(cause.ContentTooLargeRecipient, to, cause.Size("size", 30e6), cause.Size("limit", 20e6))},
			"552 5.2.3 The message is too large for this recipient, at most 20",
			[]string{"högst 20", "høyst 20", "at most 20"}},
		{precheck{sender: cause.Refuse(cause.SenderNotAligned, cause.Text("domain", "demo.test"))},
			"550 5.7.26 The mail could not be proven to come from its sender's domain demo.test (DMARC)",
			[]string{"demo.test", "demo.test", "demo.test"}},
	} {
		s := start(t, func(o *inbound.Options) { o.Precheck = c.p })
		dialogue := []string{signIn, "235", "MAIL FROM:<anna@demo.test>", "250", "RCPT TO:<bo@gmial.example>"}
		d := c.p.recipient
		if d.Allowed() {
			d = c.p.sender
			dialogue = append(dialogue, "250", "DATA", "354", letter)
		}
		talk(t, s.submission, append(dialogue, c.reply)...)
		for i, lang := range []cause.Lang{cause.Swedish, cause.Norwegian, cause.English} {
			if told := catalogue.Explain(d, lang, cause.Holder); !strings.Contains(told.Text, c.told[i]) || told.NextStep == "" {
				t.Errorf("%s in %s: %+v", d.Cause, lang, told)
			}
		}
		// Mail between accounts here is nobody else's business.
		talk(t, s.submission, signIn, "235", "MAIL FROM:<anna@demo.test>", "250", "RCPT TO:<bjorn@demo.test>", "250", "DATA", "354", letter, "250")
	}
}

// TestPrecheckSize: a client that does not say the size hears at the end, unless somebody can have the message.
func TestPrecheckSize(t *testing.T) {
	s := start(t, func(o *inbound.Options) { o.Precheck = precheck{limit: 10} })
	for _, c := range []struct {
		to    []string
		reply string
	}{
		{[]string{"bo@far.example"}, "552 5.2.3"},
		{[]string{"bo@far.example", "bosse@far.example"}, "552 5.2.3"},
		{[]string{"bo@far.example", "carl@far.example"}, "250"},
		{[]string{"bo@far.example", "bjorn@demo.test"}, "250"},
	} {
		dialogue := []string{signIn, "235", "MAIL FROM:<anna@demo.test>", "250"}
		for _, to := range c.to {
			dialogue = append(dialogue, "RCPT TO:<"+to+">", "250")
		}
		talk(t, s.submission, append(dialogue, "DATA", "354", letter, c.reply)...)
	}
	talk(t, s.submission, signIn, "235", "MAIL FROM:<anna@demo.test> SIZE=11", "250", "RCPT TO:<bo@far.example>", "552 5.2.3")
}
