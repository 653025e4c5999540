package jmapd

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
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
var pushed = []string{"Annotation", "Email", "EmailDelivery", "EmailSubmission", "Identity", "Mailbox", "Quota", "SieveScript", "Thread", "VacationResponse"}

// now are the states of an account, and of those that share something with it, as they are.
type now struct {
	picture  *picture                     // of its own mail
	pictures map[store.AccountID]*picture // of all, as it sees them
	states   states
}

// states are those of accounts, by type.
type states map[store.AccountID]map[string]string

func (s *Server) now(ctx context.Context, a store.AccountID) (n now, err error) {
	if n.picture, err = s.picture(ctx, a); err != nil {
		return n, err
	}
	all := n.picture.states()
	n.states, n.pictures = states{a: all}, map[store.AccountID]*picture{a: n.picture}
	if err := s.ruleStates(ctx, a, all); err != nil {
		return n, err
	}
	if all["Quota"], err = s.quotaState(ctx, a); err != nil {
		return n, err
	}
	if err := s.sendingStates(ctx, a, all); err != nil {
		return n, err
	}
	if all["Annotation"], err = s.annotationState(ctx, a); err != nil {
		return n, err
	}
	others, err := s.neighbours(ctx, a)
	for i := range others {
		if err != nil {
			break
		}
		var p *picture
		if p, err = s.look(ctx, sight{others[i].ID, a}); err == nil {
			n.states[others[i].ID], n.pictures[others[i].ID] = p.states(), p
		}
	}
	return n, err
}

func (p *picture) states() map[string]string {
	return map[string]string{
		"Email": p.emailState(), "Thread": p.emailState(), "Mailbox": p.mailboxState(), "EmailDelivery": p.sight.id('e', uint64(p.delivery)),
	}
}

// stateGone is that of an account which shares nothing any more: who asks for what changed hears that it is not found.
const stateGone = "gone"

// name is one for all of the states: what a client that comes back heard last.
func (n *now) name() string {
	sum := sha256.New()
	for _, a := range slices.Sorted(maps.Keys(n.states)) {
		fmt.Fprintln(sum, a, n.states[a]) // prints maps in order
	}
	return strconv.FormatUint(uint64(n.picture.mail.ModSeq), 10) + "-" + hex.EncodeToString(sum.Sum(nil)[:8])
}

// ruled are the states that change with the scripts of an account alone.
type ruled struct {
	changes        uint64 // the store's count of changes of scripts
	sieve, absence string
}

// ruleStates adds them to the states of an account.
func (s *Server) ruleStates(ctx context.Context, a store.AccountID, all map[string]string) error {
	known := &s.accountOf(own(a)).ruled
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

// annotated is the state of an account's annotations.
type annotated struct {
	changes uint64 // the store's count of changes of annotations
	state   string
}

// annotationState is the state of what an account notes of itself (RFC 5464), such as its labels: a type of our own.
func (s *Server) annotationState(ctx context.Context, a store.AccountID) (string, error) {
	known := &s.accountOf(own(a)).annotated
	changes := s.store.AnnotationChanges(a)
	if r := known.Load(); r != nil && r.changes == changes {
		return r.state, nil
	}
	all, err := s.store.Annotations(ctx, a, store.AccountAnnotations)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, one := range all {
		fmt.Fprintf(sum, "%q %q\n", one.Name, one.Value)
	}
	r := &annotated{changes, hex.EncodeToString(sum.Sum(nil)[:8])}
	known.Store(r)
	return r.state, nil
}

// other are the states that are others than those told before, of some types.
func (n *now) other(told states, types []string) states {
	news := states{}
	add := func(a store.AccountID, t, state string) {
		if !slices.Contains(types, t) {
			return
		}
		if news[a] == nil {
			news[a] = map[string]string{}
		}
		news[a][t] = state
	}
	for a, all := range n.states {
		for t, state := range all {
			if told[a][t] != state {
				add(a, t, state)
			}
		}
	}
	for a := range told {
		if n.states[a] == nil {
			for _, t := range []string{"Email", "Mailbox", "Thread"} {
				add(a, t, stateGone)
			}
		}
	}
	return news
}

// has reports whether a type is there, of any account.
func (s states) has(t string) bool {
	for _, all := range s {
		if _, there := all[t]; there {
			return true
		}
	}
	return false
}

// drop takes a type of an account out.
func (s states) drop(a store.AccountID, t string) {
	if delete(s[a], t); len(s[a]) == 0 {
		delete(s, a)
	}
}

// stateChange is a StateChange object (RFC 8620 section 7.1).
func stateChange(news states) object {
	changed := object{}
	for a, all := range news {
		changed[accountID(a)] = all
	}
	return object{"@type": "StateChange", "changed": changed}
}

// watch is what tells that an account, or one that shares something with it, may have changed.
type watch struct {
	s       *Server
	changed chan struct{}
	cancels map[store.AccountID]func()
}

func (s *Server) watch(a store.AccountID) *watch {
	w := &watch{s, make(chan struct{}, 1), map[store.AccountID]func(){}}
	w.add(a)
	return w
}

func (w *watch) add(a store.AccountID) {
	w.cancels[a] = w.s.store.Watch(a, func() { poke(w.changed) })
}

// follow watches the accounts that there are now.
func (w *watch) follow(n *now) {
	for a, cancel := range w.cancels {
		if n.states[a] == nil {
			cancel()
			delete(w.cancels, a)
		}
	}
	for a := range n.states {
		if w.cancels[a] == nil {
			w.add(a)
			poke(w.changed) // it may have changed since it was looked at
		}
	}
}

func (w *watch) end() {
	for _, cancel := range w.cancels {
		cancel()
	}
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
		problem{Type: "about:blank", Status: http.StatusTooManyRequests, Detail: "too many connections wait for events of the account"}.write(w)
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
	watch   *watch
	told    states
	id      string // of what was told
}

// run tells of changes until the client goes or the server closes. A client that comes back with the id of what
// it heard last is told at once of what it missed.
func (st *stream) run(ctx context.Context, last string) error {
	st.watch = st.s.watch(st.account.ID)
	defer st.watch.end()
	n, err := st.s.now(ctx, st.account.ID)
	if err != nil {
		return err
	}
	st.watch.follow(&n)
	if st.told, st.id = n.states, n.name(); last != "" && last != st.id {
		st.told = nil
		poke(st.watch.changed)
	}
	st.w.Header().Set("Content-Type", "text/event-stream")
	_ = st.control.SetReadDeadline(time.Time{}) // that of the request would end the stream
	if err := st.send(":\n\n"); err != nil {
		return err
	}
	return st.wait(ctx)
}

func (st *stream) wait(ctx context.Context) error {
	var pings <-chan time.Time
	var ticker *time.Ticker
	if st.ping > 0 {
		ticker = time.NewTicker(st.ping)
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
		case <-st.watch.changed:
			told, err := st.tell(ctx)
			if err != nil || told && st.once {
				return err
			}
			if told && ticker != nil { // pings come when nothing else did
				ticker.Reset(st.ping)
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
	st.watch.follow(&n)
	news := n.other(st.told, st.types)
	st.told, st.id = n.states, n.name()
	if len(news) == 0 {
		return false, nil
	}
	text, err := json.Marshal(stateChange(news))
	if err != nil {
		return false, err
	}
	return true, st.send(fmt.Sprintf("id: %s\nevent: state\ndata: %s\n\n", st.id, text))
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
