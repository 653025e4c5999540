package main

import (
	"testing"
	"time"
)

func TestMoment(t *testing.T) {
	oslo := time.FixedZone("CET", 3600)
	now := time.Date(2026, 11, 22, 15, 30, 0, 0, oslo)
	for _, c := range []struct {
		text string
		end  bool
		want string
	}{
		{"2h", false, "2026-11-22T13:30:00+01:00"},
		{"3d", true, "2026-11-19T15:30:00+01:00"},
		{"today", false, "2026-11-22T00:00:00+01:00"},
		{"today", true, "2026-11-23T00:00:00+01:00"},
		{" Yesterday ", false, "2026-11-21T00:00:00+01:00"},
		{"yesterday", true, "2026-11-22T00:00:00+01:00"},
		{"yesterday 14:30", true, "2026-11-21T14:30:00+01:00"},
		{"2026-11-01", false, "2026-11-01T00:00:00+01:00"},
		{"2026-11-01", true, "2026-11-02T00:00:00+01:00"},
		{"2026-11-01 08:05", false, "2026-11-01T08:05:00+01:00"},
		{"2026-11-01T08:05", false, "2026-11-01T08:05:00+01:00"},
		{"2026-11-01T08:05:06Z", false, "2026-11-01T08:05:06Z"},
		{"14:30", false, "2026-11-22T14:30:00+01:00"},
		{"16:00", false, "2026-11-21T16:00:00+01:00"}, // the last one
	} {
		at, err := parseMoment(c.text, now, c.end)
		if got := at.Format(time.RFC3339); err != nil || got != c.want {
			t.Errorf("%q: %s %v, want %s", c.text, got, err, c.want)
		}
	}
	if at, err := parseMoment("", now, true); err != nil || !at.IsZero() {
		t.Error(at, err)
	}
	for _, text := range []string{"soon", "yesterday noon", "2026-13-01", "25:00", "tomorrow"} {
		if at, err := parseMoment(text, now, false); err == nil {
			t.Errorf("%q is %s", text, at)
		}
	}
}
