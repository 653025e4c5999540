// Package brief remembers values for a short while: what was asked of a browser that has not answered yet.
package brief

import (
	"sync"
	"time"
)

// Map has values by name. A flood of them does not fill the memory: then some are forgotten early. It is safe for
// concurrent use.
type Map[V any] struct {
	keep time.Duration
	most int

	mu    sync.Mutex
	all   map[string]item[V]
	swept time.Time
}

type item[V any] struct {
	value V
	until time.Time
}

// New makes a map that keeps at most so many values, and each no longer than keep.
func New[V any](keep time.Duration, most int) *Map[V] {
	return &Map[V]{keep: keep, most: most, all: map[string]item[V]{}}
}

// Put remembers a value.
func (m *Map[V]) Put(name string, v V, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.Sub(m.swept) >= m.keep { // what is over by then was put before the last time
		m.swept = now
		for k, i := range m.all {
			if !now.Before(i.until) {
				delete(m.all, k)
			}
		}
	}
	if len(m.all) >= m.most {
		drop := max(m.most/8, 1) // an eighth goes at once, so that this is rarely done
		for k := range m.all {
			delete(m.all, k)
			if drop--; drop == 0 {
				break
			}
		}
	}
	m.all[name] = item[V]{v, now.Add(m.keep)}
}

// Get returns a value that is remembered still.
func (m *Map[V]) Get(name string, now time.Time) (v V, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, ok := m.all[name]
	if !ok || !now.Before(i.until) {
		return v, false
	}
	return i.value, true
}

// Take is Get, and forgets the value: of several that take it at once one gets it.
func (m *Map[V]) Take(name string, now time.Time) (v V, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, ok := m.all[name]
	delete(m.all, name)
	if !ok || !now.Before(i.until) {
		return v, false
	}
	return i.value, true
}
