package junk_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/junk"
	"github.com/postiljon/postiljon/internal/lab/names"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/resolver"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

func dnsOf(t *testing.T, fill func(*names.Internet)) *resolver.Resolver {
	t.Helper()
	in, err := names.New(time.Now, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	fill(in)
	server, err := names.Serve(in.Resolver("r"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	dns, err := resolver.New(resolver.Options{Servers: []string{server.UDP}})
	if err != nil {
		t.Fatal(err)
	}
	return dns
}

// Lists that are well are believed; one that has ended and lists everybody, one that knows nobody, and one that
// only says that it is asked too much, are not.
func TestLists(t *testing.T) {
	dns := dnsOf(t, func(in *names.Internet) {
		in.Zone("well.example").Set("2.0.0.127 A 127.0.0.2", "7.2.0.192 A 127.0.0.4")
		in.Zone("ended.example").Set("* A 127.0.0.2")
		in.Zone("parked.example").Set("* A 198.51.100.1")
		in.Zone("empty.example").Set("7.2.0.192 A 127.0.0.2")
		in.Zone("busy.example").Set("2.0.0.127 A 127.0.0.2", "7.2.0.192 A 127.255.255.254")
		in.Zone("six.example").Set("2.0.0.127 A 127.0.0.2", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2 A 127.0.0.2")
	})
	var all []junk.ListOptions
	for _, zone := range []string{"well.example", "ended.example", "parked.example", "empty.example", "busy.example", "six.example", "nowhere.example"} {
		all = append(all, junk.ListOptions{Zone: zone, Weight: 2})
	}
	var dead sync.Map
	lists := junk.NewLists(all, dns, nil, nil, func(list string) { dead.Store(list, true) })
	for addr, want := range map[string][]string{
		"192.0.2.7": {"well.example"}, "::ffff:192.0.2.7": {"well.example"}, "192.0.2.8": nil, "2001:db8::1": {"six.example"},
	} {
		var got []string
		for _, l := range lists.Ask(t.Context(), netip.MustParseAddr(addr)) {
			got = append(got, l.List)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s is on %v, not %v", addr, got, want)
		}
	}
	for list, want := range map[string]bool{"ended.example": true, "empty.example": true, "well.example": false} {
		if _, told := dead.Load(list); told != want {
			t.Errorf("%s told as dead: %t", list, told)
		}
	}
	if got := junk.NewLists(nil, dns, nil, nil, nil).Ask(t.Context(), netip.MustParseAddr("192.0.2.7")); got != nil {
		t.Errorf("no lists: %v", got)
	}
}

// Rspamd's word counts; without it mail is judged all the same.
func TestRspamd(t *testing.T) {
	status, asked := http.StatusOK, ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		asked = r.URL.Path + " " + r.Header.Get("Helo") + " " + string(b[:min(len(b), 10)])
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(map[string]any{"score": 16.0, "required_score": 8.0, "action": "reject"})
	}))
	defer server.Close()
	st := storetest.Open(t)
	a := storetest.Account(t, st, "anna@demo.test")
	f := junk.New(junk.Options{Store: st, Rspamd: &junk.Rspamd{URL: server.URL, Client: server.Client()}})
	judge := func() junk.Verdict {
		t.Helper()
		v, err := f.Judge(t.Context(), a.ID, &junk.Message{Helo: "mx\r\nX: y", Summary: message.Summarize([]byte(plain)), Raw: strings.NewReader(plain)})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := judge(); !v.Junk || v.Certain || v.Reasons[0].ID != junk.RspamdSays || asked != "/checkv2 mxX: y From: bo@f" {
		t.Errorf("%+v; asked %q", v, asked)
	}
	status = http.StatusInternalServerError
	if v := judge(); v.Junk {
		t.Errorf("rspamd is out of order: %+v", v)
	}
}
