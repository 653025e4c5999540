package view

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/inbound/genuine"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/resolver"
	"github.com/postiljon/postiljon/internal/store"
)

func (w *world) about(at string, query ...string) about {
	w.t.Helper()
	a := w.get(at + "/about" + strings.Join(query, ""))
	var told about
	if err := json.Unmarshal(a.Body.Bytes(), &told); err != nil || a.Code != http.StatusOK {
		w.t.Fatal(a.Code, a.Body)
	}
	return told
}

// arrived is what this service writes in front of a message, with what it found out.
func arrived(results, protocol, id string) string {
	if results != "" {
		results = "Authentication-Results: mx.demo.test;\n\t" + results + "\n"
	}
	return "Return-Path: <x@example.org>\n" + results + "Received: from out.example.org ([192.0.2.1]) by mx.demo.test with " + protocol + " id " + id + ";\n\tMon, 2 Nov 2026 10:00:00 +0100\n"
}

// TestAuthenticity says who a message comes from, in words.
func TestAuthenticity(t *testing.T) {
	w := newWorld(t)
	const mail = "From: Shop <shop@example.org>\nTo: anna@demo.test\nSubject: x\n\ny\n"
	const pass = "dkim=pass header.d=mail.example.org header.s=a; dmarc=pass header.from=example.org"
	for _, c := range []struct{ name, text, level, title string }{
		{"signed", arrived(pass, "ESMTPS", "x") + mail, "good", "Really from example.org"},
		{"sent by its server", arrived("spf=pass smtp.mailfrom=x@example.org; dkim=none; dmarc=none header.from=example.org", "ESMTPS", "x") + mail, "good", "Really from example.org"},
		{"forged", arrived("spf=fail smtp.mailfrom=x@example.org; dkim=none; dmarc=fail header.from=example.org", "ESMTPS", "x") + mail, "bad", "Probably not from example.org"},
		{"let through", arrived("dkim=none; dmarc=fail header.from=example.org policy.allowed-by=recipient", "ESMTPS", "x") + mail, "warn", "You let shop@example.org through, although nothing proves that this is from there"},
		{"over a list", arrived("dkim=fail header.d=example.org; dmarc=fail header.from=example.org", "ESMTPS", "x") + "List-Id: Sewing <sewing.lists.example>\n" + mail, "info", "Came over the mailing list Sewing"},
		{"unproven", arrived("spf=none smtp.mailfrom=x@example.org; dkim=none; dmarc=none header.from=example.org", "ESMTPS", "x") + mail, "warn", "Nobody vouches for the sender"},
		{"signed by another", arrived("dkim=pass header.d=sender.example; dmarc=none header.from=example.org", "ESMTPS", "x") + mail, "info", "Says that it is from example.org, and was sent through sender.example"},
		{"not known", arrived("dkim=temperror header.d=example.org; dmarc=temperror header.from=example.org", "ESMTPS", "x") + mail, "info", "The sender could not be checked"},
		{"written here", arrived("", "ESMTPSA", "x") + mail, "good", "Written by somebody who signed in here, at example.org"},
		{"written here over the web", "Return-Path: <x@example.org>\nReceived: by mx.demo.test with HTTP id x; Mon, 2 Nov 2026 10:00:00 +0100\n" + mail, "good", "Written by somebody who signed in here, at example.org"},
		{"written here in the name of another", "Return-Path: <bo@demo.test>\nReceived: by mx.demo.test with HTTP id x; Mon, 2 Nov 2026 10:00:00 +0100\n" + mail, "warn", "Written by bo@demo.test, in the name of example.org"},
		{"written here long ago", "Received: by mx.demo.test with HTTP id x; Mon, 2 Nov 2026 10:00:00 +0100\nReturn-Path: <x@example.org>\n" + mail, "info", "Written by somebody who signed in here"},
		{"trusted", arrived("", "ESMTPS", "x") + mail, "info", "Handed over by out.example.org"},
		{"put here", mail, "info", "Not checked by this service"},
		{"results of others", "Authentication-Results: other.example; " + pass + "\n" + mail, "info", "Not checked by this service"},
		{"results below", arrived("", "ESMTPS", "x") + "Authentication-Results: mx.demo.test; " + pass + "\n" + mail, "info", "Handed over by out.example.org"},
		{"results of another service above", "Authentication-Results: mx.demo.test; " + pass + "\nReceived: from a by other.example with ESMTPS id x; Mon, 2 Nov 2026 10:00:00 +0100\n" + mail, "info", "Not checked by this service"},
		{"no sender", arrived(pass, "ESMTPS", "x") + "Subject: x\n\ny\n", "warn", "It does not say who wrote it"},
		{"several senders", arrived(pass, "ESMTPS", "x") + "From: a@example.org, b@bank.example\n\ny\n", "warn", "It does not say who wrote it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := w.about(w.put(c.text)).Authenticity
			if got == nil || got.Level != c.level || got.Title != c.title || got.Text == "" || strings.ContainsAny(got.Text, "{}") {
				t.Errorf("%+v", got)
			}
		})
	}
	if got := w.about(w.put("From: anna@demo.test\n\nmy own\n")).Authenticity; got != nil {
		t.Errorf("of an own draft: %+v", got)
	}
	if got := w.about(w.put(arrived(pass, "ESMTPS", "x")+mail), "?lang=sv").Authenticity; got.Title != "Verkligen från example.org" {
		t.Errorf("%+v", got)
	}
}

// TestNotes tells of tricks.
func TestNotes(t *testing.T) {
	w := newWorld(t)
	told := w.about(w.put("From: \"support@bank.example\" <x@evil.example>\nReply-To: y@other.example\nContent-Type: text/html\n\n" +
		`<a href="http://evil.example/">https://bank.example/</a><img src="http://pics.example/a.png"><img src="http://pics.example/b.png"><img src="http://spy.example/c.png" width=1>` + "\n"))
	var titles []string
	for _, n := range told.Notes {
		titles = append(titles, n.Level+" "+n.Title)
	}
	want := []string{"warn A link does not lead where it says", "bad The name is another address than the sender's", "info Answers go to another address"}
	if !slices.Equal(titles, want) {
		t.Errorf("%q", titles)
	}
	if told.Images.Count != 2 || !slices.Equal(told.Images.Hosts, []string{"pics.example"}) || told.Images.Trackers != 1 || told.Images.Allowed {
		t.Errorf("%+v", told.Images)
	}
}

func TestAttachmentNotes(t *testing.T) {
	w := newWorld(t)
	program := "MZ" + strings.Repeat("\x00", 100)
	encrypted := "PK\x03\x04\x14\x00\x01\x00" + strings.Repeat("\x00", 40)
	told := w.about(w.put(attached("a.pdf", "application/pdf", "%PDF-1.7", "b.exe", "application/pdf", "x", "invoice.pdf.scr", "application/pdf", "x", "c.doc", "application/msword", program,
		"d.xlsm", "application/x", "x", "e.html", "text/html", "x", "f.zip", "application/zip", encrypted, "g\u202efdp.exe", "application/pdf", "x")))
	var got []string
	for _, n := range told.Attachments {
		got = append(got, n.PartID+" "+n.Level+" "+n.Title)
		if strings.ContainsAny(n.Text, "{}") {
			t.Error(n.Text)
		}
	}
	want := []string{"4 bad A program", "5 bad A program that poses as a document", "6 bad A program under another name", "7 warn A document with a program inside",
		"8 warn A web page as an attachment", "9 warn An archive that nobody could look into", "10 bad The name of a file is turned around"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestWhyJunk says why a message was put into Junk, and what would have changed it.
func TestWhyJunk(t *testing.T) {
	w := newWorld(t)
	id := store.NewTraceID(time.Now())
	e := store.Event{Time: time.Now(), Trace: id, Account: w.anna.ID, Kind: journal.MessageFiledJunk, Fields: []store.Field{
		{Name: "score", Value: "4.0"}, {Name: "reasons", Value: "html-only +2.0, sender-known -1.0, no-date +1.0"}, {Name: "instead", Value: "html-only"}}}
	if err := w.store.RecordEvents(t.Context(), []store.Event{e}); err != nil {
		t.Fatal(err)
	}
	j := w.about(w.put(arrived("", "ESMTPS", id.String())+"From: a@example.org\n\nx\n"), "?lang=en").Junk
	if j == nil || !slices.Equal(j.Reasons, []string{"it has no plain text", "it has no date"}) || !strings.Contains(j.Change, "it has no plain text") {
		t.Errorf("%+v", j)
	}
	if j := w.about(w.put(arrived("", "ESMTPS", store.NewTraceID(time.Now()).String()) + "From: a@example.org\n\nx\n")).Junk; j != nil {
		t.Errorf("of another message: %+v", j)
	}
}

// TestUnsubscribe leaves a list with one request where the sender's signature vouches for it.
func TestUnsubscribe(t *testing.T) {
	asked := ""
	web := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		asked = r.Method + " " + r.URL.Path + " " + r.PostForm.Get("List-Unsubscribe") + r.Header.Get("Cookie")
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/x", http.StatusFound)
		}
	}))
	defer web.Close()
	client := web.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	var noted []string
	w := newWorld(t, func(o *Options) {
		o.Fetch = client
		o.Note = func(_ context.Context, _ store.AccountID, kind string, fields ...store.Field) {
			noted = append(noted, fmt.Sprint(kind, fields))
		}
	})
	mail := func(result, signed, path string) string {
		return arrived(result, "ESMTPS", "x") + "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=k; h=from:" + signed + "; bh=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=; b=AbCdEfGhIjKl\n" +
			"From: a@example.org\nList-Unsubscribe: <mailto:off@example.org>, <" + web.URL + path + ">\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\n\nx\n"
	}
	const valid, both = "dkim=pass header.d=example.org header.s=k header.b=AbCdEfGh", "list-unsubscribe:List-Unsubscribe-Post"
	for _, c := range []struct {
		name, text string
		oneClick   bool
		code       int
	}{
		{"signed", mail(valid, both, "/off"), true, 204},
		{"moved", mail(valid, both, "/moved"), true, 502},
		{"one of the fields is not signed", mail(valid, "list-unsubscribe", "/off"), false, 409},
		{"another signature was valid", mail("dkim=pass header.d=example.org header.s=k header.b=XXXXXXXX", both, "/off"), false, 409},
		{"no valid signature", mail("dkim=fail header.d=example.org header.s=k header.b=AbCdEfGh", both, "/off"), false, 409},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := w.put(c.text)
			if u := w.about(at).Unsubscribe; u == nil || u.OneClick != c.oneClick || u.Mailto != "mailto:off@example.org" || !strings.HasPrefix(u.URL, web.URL) {
				t.Errorf("%+v", u)
			}
			asked, noted = "", nil
			if a := w.ask("POST", at+"/unsubscribe"); a.Code != c.code {
				t.Errorf("%d %s", a.Code, a.Body)
			}
			if c.code == 204 && asked != "POST /off One-Click" || c.code == 409 && asked != "" {
				t.Error(asked)
			}
			// The journal says that the list was left, and only then.
			if left := len(noted) == 1 && strings.HasPrefix(noted[0], journal.MessageListLeft) && strings.Contains(noted[0], "127.0.0.1") && strings.Contains(noted[0], "a@example.org"); left != (c.code == 204) {
				t.Error(noted)
			}
		})
	}
	if u := w.about(w.put("From: a@example.org\nList-Unsubscribe: <javascript:alert(1)>, <ftp://x/>\n\nx\n")).Unsubscribe; u != nil {
		t.Errorf("%+v", u)
	}
}

func TestInvitation(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name, method, event string
		want                invitation
	}{
		{"a zone, and a long line", "REQUEST", "SUMMARY:Coffee\\, at\n  three\nDTSTART;TZID=Europe/Stockholm:20261124T150000\nDTEND:20261124T150000Z\nORGANIZER;CN=\"A: b; c\":mailto:a@example.org",
			invitation{Summary: "Coffee, at three", Start: "2026-11-24T14:00:00Z", End: "2026-11-24T15:00:00Z", Said: []string{"Invitation from A: b; c"}}},
		{"a zone of Windows, every week", "REQUEST", "DTSTART;TZID=W. Europe Standard Time:20260701T100000\nRRULE:FREQ=WEEKLY;COUNT=4\nORGANIZER:MAILTO:a@example.org",
			invitation{Start: "2026-07-01T08:00:00Z", Said: []string{"Invitation from a@example.org", "Repeats every week"}}},
		{"a zone nobody knows", "PUBLISH", "DTSTART;TZID=Our Office:20260701T100000\nRRULE:FREQ=DAILY;INTERVAL=3",
			invitation{Start: "2026-07-01T10:00:00", Zone: "Our Office", Said: []string{"Repeats"}}},
		{"the zone of no machine of ours", "PUBLISH", "DTSTART;TZID=Local:20260701T100000", invitation{Start: "2026-07-01T10:00:00", Zone: "Local", Said: []string{}}},
		{"all day", "REQUEST", "DTSTART;VALUE=DATE:20261224\nDTEND;VALUE=DATE:20261225", invitation{Start: "2026-12-24", End: "2026-12-24", Said: []string{}}},
		{"three days", "REQUEST", "DTSTART;VALUE=DATE:20261224\nDTEND;VALUE=DATE:20261227", invitation{Start: "2026-12-24", End: "2026-12-26", Said: []string{}}},
		{"cancelled, with an alarm", "CANCEL", "SUMMARY:Tea\nBEGIN:VALARM\nSUMMARY:Alarm\nEND:VALARM\nLOCATION:Here\nDTSTART:nonsense", invitation{Summary: "Tea", Location: "Here", Said: []string{"Whoever invited you has cancelled it."}}},
		{"answered", "REPLY", "ATTENDEE;CN=Bo;PARTSTAT=DECLINED:mailto:bo@example.org", invitation{Said: []string{"Bo has declined"}}},
	} {
		c.want.PartID = "1"
		got := w.about(w.put("From: a@example.org\nContent-Type: text/calendar\n\nBEGIN:VCALENDAR\nMETHOD:" + c.method + "\nBEGIN:VEVENT\n" + c.event + "\nEND:VEVENT\nEND:VCALENDAR\n")).Invitation
		if got == nil || !reflect.DeepEqual(*got, c.want) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// TestInvitationAttached lists an invitation once that is attached as a file, too, and both where they differ.
func TestInvitationAttached(t *testing.T) {
	w := newWorld(t)
	const calendar = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Tea\nEND:VEVENT\nEND:VCALENDAR\n"
	for file, want := range map[string][]string{calendar: {"4"}, strings.ReplaceAll(calendar, "Tea", "Coffee"): {}} {
		id := w.put("From: a@example.org\nContent-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: multipart/alternative; boundary=a\n\n--a\n\nCome.\n--a\nContent-Type: text/calendar; method=REQUEST\n\n" +
			calendar + "--a--\n--m\nContent-Type: application/ics; name=invite.ics\nContent-Disposition: attachment\nContent-Transfer-Encoding: base64\n\n" +
			base64.StdEncoding.EncodeToString([]byte(strings.ReplaceAll(file, "\n", "\r\n"))) + "\n--m--\n")
		if told := w.about(id); !slices.Equal(told.Inline, want) || told.Invitation == nil || told.Invitation.Summary != "Tea" {
			t.Errorf("%q, want %q: %+v", told.Inline, want, told.Invitation)
		}
		archive := w.get(id + "/attachments.zip").Body.Bytes()
		z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
		if err != nil || len(z.File) != 2-len(want) {
			t.Errorf("%v, %+v", err, z)
		}
	}
}

// TestSealed: of what can be read in other programs alone, that is said, and of what says nothing, too.
func TestSealed(t *testing.T) {
	w := newWorld(t)
	for header, want := range map[string]string{
		"application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m": "This message is encrypted",
		"application/x-pkcs7-mime; smime-type=signed-data":                  "The text is inside the file",
		"multipart/encrypted; boundary=b":                                   "This message is encrypted",
		"application/ms-tnef":                                               "Sent by Outlook in a form of its own",
	} {
		id := w.put("From: a@example.org\nContent-Type: " + header + "\n\n--b\n\nx\n--b--\n")
		if got := w.about(id).Notes; len(got) != 1 || got[0].Title != want {
			t.Errorf("%s: %+v", header, got)
		}
	}
}

// TestWords looks whether the three languages say the same, with the same placeholders.
func TestWords(t *testing.T) {
	all, err := loadWords()
	if err != nil {
		t.Fatal(err)
	}
	placeholder := regexp.MustCompile(`\{[a-z]+\}`)
	for id, text := range all[cause.English].Words {
		want := placeholder.FindAllString(text, -1)
		slices.Sort(want)
		for lang, w := range all {
			got := placeholder.FindAllString(w.Words[id], -1)
			slices.Sort(got)
			if w.Words[id] == "" || !slices.Equal(slices.Compact(got), slices.Compact(slices.Clone(want))) || len(w.Words) != len(all[cause.English].Words) {
				t.Errorf("%s: %s: %q", lang, id, w.Words[id])
			}
		}
	}
}

// dns answers for example.org, whose one server is 192.0.2.1.
type dns struct{}

func (dns) TXT(_ context.Context, name string) ([]string, bool, error) {
	switch name {
	case "example.org":
		return []string{"v=spf1 ip4:192.0.2.1 -all"}, false, nil
	case "_dmarc.example.org":
		return []string{"v=DMARC1; p=none"}, false, nil
	}
	return nil, false, resolver.ErrNotExist
}
func (dns) MX(context.Context, string) ([]resolver.MX, bool, error) {
	return nil, false, resolver.ErrNotExist
}
func (dns) Addrs(context.Context, string) ([]netip.Addr, bool, error) {
	return nil, false, resolver.ErrNotExist
}
func (dns) PTR(context.Context, netip.Addr) ([]string, bool, error) {
	return nil, false, resolver.ErrNotExist
}

// TestForgedByProgram: whoever may put messages into a mailbox writes what the service would have written, and nobody is told that
// it is true: neither who it comes from nor that a list is left with one click, and its pictures are not those of a proven sender.
func TestForgedByProgram(t *testing.T) {
	w := newWorld(t)
	text := arrived("dkim=pass header.d=example.org header.s=k header.b=AbCdEfGh; dmarc=pass header.from=example.org", "ESMTPS", "x") +
		"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=k; h=from:list-unsubscribe:list-unsubscribe-post; bh=AAAA; b=AbCdEfGhIjKl\n" +
		"From: a@example.org\nList-Unsubscribe: <https://example.org/off>\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\n\nx\n"
	for _, came := range []bool{true, false} {
		a := w.about(w.place(text, came))
		if a.Authenticity == nil || (a.Authenticity.Level == "good") != came || a.Images.Proven != came || a.Unsubscribe == nil || a.Unsubscribe.OneClick != came {
			t.Errorf("came by mail: %v, told %+v, %+v", came, a.Authenticity, a)
		}
	}
	user := "Return-Path: <b@demo.test>\nReceived: from pc ([192.0.2.1]) by mx.demo.test with ESMTPSA id x; Sun, 22 Nov 2026 16:38:57 +0000\nFrom: b@demo.test\n\nx\n"
	if a := w.about(w.place(user, false)); a.Authenticity == nil || a.Authenticity.Level != "info" {
		t.Errorf("in the name of somebody here: %+v", a.Authenticity)
	}
}

// TestFoundOut reads what the road of a message in writes in front of it.
func TestFoundOut(t *testing.T) {
	w := newWorld(t)
	checker := genuine.New(genuine.Options{Resolver: dns{}, AuthservID: "mx.demo.test"})
	const mail = "From: a@example.org\r\nSubject: x\r\n\r\ny\r\n"
	for from, level := range map[string]string{"192.0.2.1": "good", "192.0.2.2": "bad"} {
		ip := netip.MustParseAddr(from)
		early := checker.Begin(t.Context(), genuine.Envelope{Remote: ip, HELO: "out.example.org", From: "a@example.org"})
		found := checker.Check(t.Context(), genuine.Input{Early: early, Message: strings.NewReader(mail), Size: int64(len(mail))})
		early.Close()
		trace := message.Received{HELO: "out.example.org", IP: ip, By: "mx.demo.test", Protocol: message.Protocol(true, true, false, false), ID: store.NewTraceID(time.Now()).String(), Date: time.Now()}
		text := string(trace.AppendTo(append([]byte("Return-Path: <a@example.org>\r\n"), found.Field()...))) + mail
		got := w.about(w.put(strings.ReplaceAll(text, "\r\n", "\n"))).Authenticity
		if got == nil || got.Level != level || level == "bad" && !strings.Contains(got.Text, "out.example.org (192.0.2.2)") {
			t.Errorf("%s: %+v in %s", from, got, text)
		}
	}
}
