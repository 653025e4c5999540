package brief

import (
	"strconv"
	"testing"
	"time"
)

func TestMap(t *testing.T) {
	m, now := New[int](time.Minute, 100), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	m.Put("a", 1, now)
	if v, ok := m.Get("a", now.Add(59*time.Second)); !ok || v != 1 {
		t.Error(v, ok)
	}
	if _, ok := m.Get("a", now.Add(time.Minute)); ok {
		t.Error("kept too long")
	}
	if v, ok := m.Take("a", now); !ok || v != 1 {
		t.Error(v, ok)
	}
	if _, ok := m.Take("a", now); ok {
		t.Error("taken twice")
	}
	for i := range 1000 {
		m.Put(strconv.Itoa(i), i, now)
		if len(m.all) > 100 {
			t.Fatal("too many")
		}
	}
	if v, ok := m.Get("999", now); !ok || v != 999 {
		t.Error("the last was forgotten")
	}
	m.Put("late", 1, now.Add(time.Minute))
	if len(m.all) != 1 {
		t.Errorf("%d kept that are over", len(m.all)-1)
	}
}

func TestTally(t *testing.T) {
	y, now := NewTally(2, time.Hour, 100), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i, step := range []struct {
		name  string
		after time.Duration
		want  bool
	}{{"a", 0, true}, {"a", 59 * time.Minute, true}, {"a", 59 * time.Minute, false}, {"b", 59 * time.Minute, true}, {"a", time.Hour, true}} {
		if got := y.Allow(step.name, now.Add(step.after)); got != step.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
}

func TestPace(t *testing.T) {
	p, now := NewPace(24*time.Hour, 100, time.Minute, time.Hour), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i, step := range []struct {
		name  string
		after time.Duration
		want  bool
	}{
		{"a", 0, true}, {"a", 59 * time.Second, false}, {"a", time.Minute, true},
		{"a", 60 * time.Minute, false}, {"b", 60 * time.Minute, true}, {"a", 61 * time.Minute, true},
		{"a", 24*time.Hour - 1, false}, {"a", 24 * time.Hour, true}, {"a", 24*time.Hour + 1, false}, {"a", 24*time.Hour + time.Minute, true},
	} {
		if got := p.Allow(step.name, now.Add(step.after)); got != step.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
}
