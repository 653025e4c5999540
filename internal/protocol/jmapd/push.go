package jmapd

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/rules"
	"github.com/postiljon/postiljon/internal/store"
)

// Bounds of event streams.
const (
	maxStreams  = 20               // of an account
	leastPing   = 30 * time.Second // RFC 8620 section 7.3: the server may change what is asked for
	mostPing    = 10 * time.Minute
	streamWrite = 30 * time.Second // how long a client may take to read
	streamTime  = 15 * time.Minute // then the client comes again and signs in anew
)

// pushed are the types whose states are told.
var pushed = []string{"Email", "EmailDelivery", "EmailSubmission", "Identity", "Mailbox", "Quota", "SieveScript", "Thread", "VacationResponse"}

// now are the states of an account as they are.
type now struct {
	picture *picture
	states  map[string]string // by type
}

func (s *Server) now(ctx context.Context, a store.AccountID) (n now, err error) {
	if n.picture, err = s.picture(ctx, a); err != nil {
		return n, err
	}
	p := n.picture
	n.states = map[string]string{
		"Email": p.emailState(), "Thread": p.emailState(), "Mailbox": p.mailboxState(), "EmailDelivery": fmt.Sprintf("e%d", p.delivery),
	}
	if err := s.ruleStates(ctx, a, n.states); err != nil {
		return n, err
	}
	if n.states["Quota"], err = s.quotaState(ctx, a); err != nil {
		return n, err
	}
	return n, s.sendingStates(ctx, a, n.states)
}

// ruled are the states that change with the scripts of an account alone.
type ruled struct {
	changes        uint64 // the store's count of changes of scripts
	sieve, absence string
}

// ruleStates adds them to the states of an account.
func (s *Server) ruleStates(ctx context.Context, a store.AccountID, all map[string]string) error {
	known := &s.accountOf(a).ruled
	r := known.Load()
	if changes := s.store.ScriptChanges(a); r == nil || r.changes != changes {
		sieve, err := s.scriptState(ctx, a)
		if err != nil {
			return err
		}
		now, err := rules.Load(ctx, s.store, a)
		if err != nil {
			return err
		}
		r = &ruled{changes, sieve, vacationState(&now)}
		known.Store(r)
	}
	all["SieveScript"], all["VacationResponse"] = r.sieve, r.absence
	return nil
}

// other are the states that are others than those told before, of some types.
func (n *now) other(told map[string]string, types []string) map[string]string {
	news := map[string]string{}
	for t, state := range n.states {
		if told[t] != state && slices.Contains(types, t) {
			news[t] = state
		}
	}
	return news
}

// stateChange is a StateChange object (RFC 8620 section 7.1) about one account.
func stateChange(a store.AccountID, news map[string]string) object {
	return object{"@type": "StateChange", "changed": object{accountID(a): news}}
}

// watch tells, by a channel, that an account may have changed.
func (s *Server) watch(a store.AccountID) (changed chan struct{}, cancel func()) {
	changed = make(chan struct{}, 1)
	return changed, s.store.Watch(a, func() { poke(changed) })
}

func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is told already
	}
}

// typesOf are the types that a client wants to hear of, all if it names none.
func typesOf(wanted []string) []string {
	if wanted == nil {
		return pushed
	}
	return slices.DeleteFunc(slices.Clone(pushed), func(t string) bool { return !slices.Contains(wanted, t) })
}

// events tells of changes while they happen (RFC 8620 section 7.3).
func (s *Server) events(w http.ResponseWriter, r *http.Request, a *store.Account) {
	q := r.URL.Query()
	types := pushed
	if q.Get("types") != "*" {
		wanted := strings.Split(q.Get("types"), ",")
		types = typesOf(wanted)
	}
	after := q.Get("closeafter")
	seconds, err := strconv.ParseUint(q.Get("ping"), 10, 31)
	if err != nil || after != "state" && after != "no" {
		problem{Type: "about:blank", Status: http.StatusBadRequest, Detail: "types, closeafter (state or no) and ping (seconds) are wanted"}.write(w)
		return
	}
	if !s.take(a.ID) {
		problem{Type: limitExceeded, Status: http.StatusTooManyRequests}.write(w)
		return
	}
	defer s.give(a.ID)
	ping := time.Duration(0)
	if seconds > 0 {
		ping = min(max(time.Duration(seconds)*time.Second, leastPing), mostPing)
	}
	st := &stream{s: s, w: w, control: http.NewResponseController(w), account: a, types: types, ping: ping, once: after == "state"}
	if err := st.run(r.Context(), r.Header.Get("Last-Event-ID")); err != nil {
		s.log.Debug("jmapd: event stream ended", "account", a.Address, "error", err)
	}
}

// take takes one of the places for event streams of an account, which give gives back.
func (s *Server) take(a store.AccountID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams[a] >= maxStreams {
		return false
	}
	s.streams[a]++
	return true
}

func (s *Server) give(a store.AccountID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams[a]--; s.streams[a] == 0 {
		delete(s.streams, a)
	}
}

// stream is one client that waits for events.
type stream struct {
	s       *Server
	w       http.ResponseWriter
	control *http.ResponseController
	account *store.Account
	types   []string
	ping    time.Duration // 0 for none
	once    bool          // it ends after the first event
	told    map[string]string
	id      store.ModSeq // of what was told
}

// run tells of changes until the client goes or the server closes. A client that comes back with the id of what
// it heard last is told at once of what it missed.
func (st *stream) run(ctx context.Context, last string) error {
	changed, cancel := st.s.watch(st.account.ID)
	defer cancel()
	n, err := st.s.now(ctx, st.account.ID)
	if err != nil {
		return err
	}
	st.told, st.id = n.states, n.picture.mail.ModSeq
	if missed, err := strconv.ParseUint(last, 10, 64); err == nil && store.ModSeq(missed) != st.id {
		st.told = nil
		poke(changed)
	}
	st.w.Header().Set("Content-Type", "text/event-stream")
	_ = st.control.SetReadDeadline(time.Time{}) // that of the request would end the stream
	if err := st.send(":\n\n"); err != nil {
		return err
	}
	return st.wait(ctx, changed)
}

func (st *stream) wait(ctx context.Context, changed <-chan struct{}) error {
	var pings <-chan time.Time
	if st.ping > 0 {
		ticker := time.NewTicker(st.ping)
		defer ticker.Stop()
		pings = ticker.C
	}
	over := time.NewTimer(streamTime)
	defer over.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-over.C:
			return nil
		case <-st.s.closed:
			return nil
		case <-pings:
			if err := st.send(fmt.Sprintf("event: ping\ndata: {\"interval\":%d}\n\n", int(st.ping.Seconds()))); err != nil {
				return err
			}
		case <-changed:
			told, err := st.tell(ctx)
			if err != nil || told && st.once {
				return err
			}
		}
	}
}

// tell sends a StateChange (RFC 8620 section 7.1) of what is other than before.
func (st *stream) tell(ctx context.Context) (bool, error) {
	n, err := st.s.now(ctx, st.account.ID)
	if err != nil {
		return false, err
	}
	news := n.other(st.told, st.types)
	if len(news) == 0 {
		return false, nil
	}
	st.told, st.id = n.states, n.picture.mail.ModSeq
	text, err := json.Marshal(stateChange(st.account.ID, news))
	if err != nil {
		return false, err
	}
	return true, st.send(fmt.Sprintf("id: %d\nevent: state\ndata: %s\n\n", st.id, text))
}

func (st *stream) send(text string) error {
	// A server without deadlines holds none either.
	_ = st.control.SetWriteDeadline(time.Now().Add(streamWrite))
	if _, err := st.w.Write([]byte(text)); err != nil {
		return err
	}
	if err := st.control.Flush(); err != nil {
		return err
	}
	// Over HTTP/2 a deadline that passes between two writes ends the stream, too.
	_ = st.control.SetWriteDeadline(time.Time{})
	return nil
}
