package main

import (
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/lab"
	"github.com/postiljon/postiljon/internal/lab/netns"
)

func TestCommandLine(t *testing.T) {
	for _, tc := range []struct {
		args   string
		code   int
		output string
	}{
		{"dialects", 0, "gmail\n"},
		{"dialects gmail", 0, "Gimap ready"},
		{"dialects klingon", exitFailure, "no dialect"},
		{"faults", 0, "black-hole"},
		{"--help", 0, "Small internets"},
		{"frobnicate", exitUsage, "frobnicate"},
	} {
		var out strings.Builder
		if code := run(strings.Fields(tc.args), &out, &out); code != tc.code || !strings.Contains(out.String(), tc.output) {
			t.Errorf("%s: exit %d, %q; want %d and %q", tc.args, code, out.String(), tc.code, tc.output)
		}
	}
}

func TestParseFault(t *testing.T) {
	for text, want := range map[string]struct {
		where lab.Where
		fault string
	}{
		"drop":                          {lab.Where{}, "drop"},
		"drop:587":                      {lab.Where{Port: 587}, "drop"},
		"refuse:993@imap.north.example": {lab.Where{Port: 993, Host: "imap.north.example"}, "connection refused"},
		"lose=50@192.0.2.10":            {lab.Where{Host: "192.0.2.10"}, "lose 50%"},
		"black-hole":                    {lab.Where{}, "lose packets above 1400 octets"},
	} {
		where, fault, err := parseFault(text)
		if err != nil || where.Port != want.where.Port || where.Host != want.where.Host || fault.String() != want.fault {
			t.Errorf("%s: %+v %s %v", text, where, fault, err)
		}
	}
	for _, text := range []string{"", "explode", "drop:x", "drop:0", "drop=3", "lose=x", "lose=0"} {
		if _, _, err := parseFault(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// TestRun runs a program in a world, where this user may make one.
func TestRun(t *testing.T) {
	var out strings.Builder
	const url = "http://imap.north.example:993/"
	code := run([]string{"run", "--break", "refuse:993", "--", "curl", "-sS", url}, &out, &out)
	if netns.Available() != nil {
		if code != exitFailure || !strings.Contains(out.String(), "only root") {
			t.Errorf("without root: exit %d, %q", code, out.String())
		}
		return
	}
	const couldNotConnect = 7 // of curl
	if code != couldNotConnect {
		t.Errorf("exit %d, %q", code, out.String())
	}
	out.Reset()
	if code := run([]string{"run", "--", "sh", "-c", "echo password $LAB_PASSWORD; curl -sS imap://imap.north.example:143/ -u anna@north.example:$LAB_PASSWORD --ssl-reqd"}, &out, &out); code != 0 {
		t.Errorf("a sign-in: exit %d, %q", code, out.String())
	}
}
