package peer

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// maxTranscript bounds how many lines a server remembers.
const maxTranscript = 50000

// Side is who said something.
type Side byte

// The two sides of a session.
const (
	FromClient Side = 'C'
	FromServer Side = 'S'
)

// Line is something that was said. Passwords and tokens are left out.
type Line struct {
	Session int
	Time    time.Time
	Port    int
	Side    Side
	Text    string
}

func (l Line) String() string { return fmt.Sprintf("%d %c: %s", l.Session, l.Side, l.Text) }

// SignIn is one attempt to sign in.
type SignIn struct {
	Time      time.Time
	User      string
	Client    string
	Mechanism string
	OK        bool
}

// Counts is what happened at a server.
type Counts struct {
	Connections      int
	Handshakes       int
	FailedHandshakes int
	SignIns          int // that succeeded
	FailedSignIns    int
	Messages         int // taken by DATA or APPEND
}

// transcript remembers.
type transcript struct {
	tmu      sync.Mutex
	lines    []Line
	signIns  []SignIn
	counts   Counts
	sessions int
}

func (t *transcript) nextSession() int {
	t.tmu.Lock()
	defer t.tmu.Unlock()
	t.sessions++
	return t.sessions
}

func (t *transcript) note(c *conn, side Side, text string) {
	t.tmu.Lock()
	defer t.tmu.Unlock()
	if len(t.lines) < maxTranscript {
		t.lines = append(t.lines, Line{Session: c.id, Time: time.Now(), Port: c.port, Side: side, Text: text})
	}
}

func (t *transcript) count(change func(*Counts)) {
	t.tmu.Lock()
	defer t.tmu.Unlock()
	change(&t.counts)
}

func (t *transcript) signedIn(c *conn, mechanism string, ok bool) {
	t.tmu.Lock()
	defer t.tmu.Unlock()
	t.signIns = append(t.signIns, SignIn{time.Now(), c.user, c.client.String(), mechanism, ok})
	if ok {
		t.counts.SignIns++
	} else {
		t.counts.FailedSignIns++
	}
}

// Transcript returns what was said, oldest first.
func (t *transcript) Transcript() []Line {
	t.tmu.Lock()
	defer t.tmu.Unlock()
	return append([]Line(nil), t.lines...)
}

// SignIns returns the attempts to sign in, oldest first.
func (t *transcript) SignIns() []SignIn {
	t.tmu.Lock()
	defer t.tmu.Unlock()
	return append([]SignIn(nil), t.signIns...)
}

// Counts returns what happened so far.
func (t *transcript) Counts() Counts {
	t.tmu.Lock()
	defer t.tmu.Unlock()
	return t.counts
}

// Said tells whether a client said a line that begins so, in any case.
func (t *transcript) Said(prefix string) bool {
	for _, l := range t.Transcript() {
		if l.Side == FromClient && len(l.Text) >= len(prefix) && strings.EqualFold(l.Text[:len(prefix)], prefix) {
			return true
		}
	}
	return false
}
