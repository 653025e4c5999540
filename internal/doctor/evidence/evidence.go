// Package evidence is the vocabulary between what the doctor looks at and what
// it concludes: the complaint, and the facts that probes found.
//
// A fact is a typed observation with its raw reply. Probes add facts, causes
// read them by type; neither knows the other. What could not be looked at
// leaves no fact: that something is missing here is never evidence.
package evidence

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/doctor/dialect"
)

// Value is what a fact says. Each kind of observation is a type of its own.
type Value interface {
	// FactName tells what was looked at, such as "connect
	// imap.north.example:993 v4". It is shown in reports.
	FactName() string
}

// Fact is one observation.
type Fact struct {
	Name  string    `json:"name"`
	Value Value     `json:"value"`
	Raw   string    `json:"raw,omitempty"` // the reply as it came, without secrets, at most dialect.MaxRaw octets
	At    time.Time `json:"at"`
}

// Evidence collects the facts of one run. It may be used by several goroutines.
type Evidence struct {
	// Complaint is what the person said.
	Complaint Complaint

	now     func() time.Time
	secrets []string

	mu    sync.RWMutex
	facts []Fact
}

// New makes the evidence of a complaint. The complaint's password and every
// other secret never appear in a raw reply.
func New(c Complaint, now func() time.Time) *Evidence {
	e := &Evidence{Complaint: c, now: now}
	if c.Password != "" {
		e.secrets = []string{c.Password, "\x00" + c.Username() + "\x00" + c.Password}
		if trimmed := strings.TrimSpace(c.Password); trimmed != c.Password && trimmed != "" {
			e.secrets = append(e.secrets, trimmed)
		}
	}
	return e
}

// Add records a fact. raw is the reply it was read from, if there is one.
func (e *Evidence) Add(v Value, raw string) {
	raw = e.Clean(raw)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.facts = append(e.facts, Fact{Name: v.FactName(), Value: v, Raw: raw, At: e.now()})
}

// Clean strips secrets and control characters from a reply and shortens it.
func (e *Evidence) Clean(raw string) string {
	if raw == "" {
		return ""
	}
	return strings.ToValidUTF8(dialect.Strip(raw, e.secrets...), "\uFFFD")
}

// Facts returns all facts in the order in which they were found.
func (e *Evidence) Facts() []Fact {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return slices.Clone(e.facts)
}

// All returns the observations of one type, in the order in which they were found.
func All[T Value](e *Evidence) []T {
	e.mu.RLock()
	defer e.mu.RUnlock()
	var found []T
	for _, f := range e.facts {
		if v, ok := f.Value.(T); ok {
			found = append(found, v)
		}
	}
	return found
}

// First returns the first observation of a type.
func First[T Value](e *Evidence) (T, bool) {
	return Find(e, func(T) bool { return true })
}

// Find returns the first observation of a type that matches.
func Find[T Value](e *Evidence, match func(T) bool) (T, bool) {
	for _, v := range All[T](e) {
		if match(v) {
			return v, true
		}
	}
	var none T
	return none, false
}

// Where returns the observations of a type that match.
func Where[T Value](e *Evidence, match func(T) bool) []T {
	return slices.DeleteFunc(All[T](e), func(v T) bool { return !match(v) })
}
