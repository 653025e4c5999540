package probe

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"
)

func TestReverseName(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.1":   "1.2.0.192.in-addr.arpa",
		"2001:db8::1": "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
	} {
		if got := reverseName(netip.MustParseAddr(addr)); got != want {
			t.Errorf("reverseName(%s) = %s, want %s", addr, got, want)
		}
	}
}

func TestHits(t *testing.T) {
	for _, c := range []struct {
		lines []string
		want  int
	}{
		{nil, 0},
		{[]string{"* SEARCH", "p3 OK done"}, 0},
		{[]string{"* SEARCH 4 19", "* 3 EXISTS", "p3 OK done"}, 2},
	} {
		if got := hits(c.lines); got != c.want {
			t.Errorf("hits(%q) = %d, want %d", c.lines, got, c.want)
		}
	}
}

func TestPlain(t *testing.T) {
	for s, want := range map[string]bool{"bo@south.example": true, "möte": false, "a\r\nb": false, "": true} {
		if plain(s) != want {
			t.Errorf("plain(%q) is %v", s, !want)
		}
	}
}

// The states tell a wrong key from a message that was changed.
func TestSignatureState(t *testing.T) {
	if got := signatureState(nil); got != "ok" {
		t.Errorf("without an error: %s", got)
	}
	const unsigned = "From: anna@north.example\r\n\r\nhello\r\n"
	for _, c := range []struct{ body, record, want string }{
		{"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=north.example; s=k; h=From; bh=AAAA; b=AAAA\r\n" + unsigned, "", "missing"},
		{"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=north.example; s=k; h=From; bh=AAAA; b=AAAA\r\n" + unsigned, "v=DKIM1; k=ed25519; p=", "missing"},
		{"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=north.example; s=k; h=From; bh=AAAA; b=AAAA\r\n" + unsigned, "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "altered"},
		{"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=north.example; s=k; h=From; bh=AAAA; b=AAAA\r\n" + unsigned, "v=DKIM1; k=ed25519; p=AAAA", "permerror"},
	} {
		got := verify(t, c.body, c.record)
		if got != c.want {
			t.Errorf("with the record %q: %s, want %s", c.record, got, c.want)
		}
	}
}

func verify(t *testing.T, eml, record string) string {
	t.Helper()
	checked, err := dkim.VerifyWithOptions(strings.NewReader(eml), &dkim.VerifyOptions{LookupTXT: func(string) ([]string, error) {
		if record == "" {
			return nil, nil
		}
		return []string{record}, nil
	}})
	if err != nil || len(checked) != 1 {
		t.Fatalf("verify: %v, %d signatures", err, len(checked))
	}
	return signatureState(checked[0].Err)
}
