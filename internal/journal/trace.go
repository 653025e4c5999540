package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
)

// Query is a question for what became of something.
type Query struct {
	// Text is an address, a Message-ID (with or without its angle brackets), a trace id, or words of a subject.
	Text string
	// With, if not "", is the other side: an address that the message must also be from or to.
	With string
	// From and To bound when it began; zero leaves that end open.
	From, To time.Time
	// Account asks on behalf of an account: only its own events are looked through, and of what
	// others did with its messages only what its owner may know. 0 asks on behalf of the service.
	Account store.AccountID
	// Reader is whom refusals are explained to.
	Reader cause.Audience
	// Limit is the most lines of the answer, the last ones; 1000 if 0.
	Limit int
}

// ErrQuery reports a question of nothing.
var ErrQuery = errors.New("journal: no address, Message-ID, trace id or word of a subject")

// Timeline is the answer to a Query: what happened, oldest first. Without lines, nothing is known.
type Timeline struct {
	Query     string
	Lines     []Line
	Truncated bool   // there were more lines than wanted, or than can be held
	Looked    Looked // what was looked through
	// Near are addresses of the service that are like the one asked for, which is none.
	Near []string
	// Visited tells of a message that nobody knows what the servers of its sender did in that time; nil where the sender is not known.
	Visited *Visited

	reader   cause.Audience
	texts    texts
	accounts map[store.AccountID]string // addresses of those in whose journals the lines stand; nil where one account asks
}

// Line is one event, or the same one many times.
type Line struct {
	Event store.Event // the first one
	Count int         // how often
	Last  time.Time   // the last one, that of Event if Count is 1
}

// Looked is what was looked through for an answer.
type Looked struct {
	Accounts int       `json:"accounts"`
	Events   int       `json:"events"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
}

// Bounds of one answer: a question that finds more gets the last of it.
const (
	maxTraces    = 20_000
	maxHeld      = 100_000
	maxMessages  = 500 // whose later fate is looked for
	defaultLimit = 1000
)

// Trace answers a question. Events are found by what they name; then all other events of the same
// messages are added, whosever account they happened to.
func (j *Journal) Trace(ctx context.Context, q Query) (*Timeline, error) {
	j.keepVisits()
	if err := j.Flush(ctx); err != nil {
		return nil, err
	}
	s, err := j.newSearch(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("journal: trace %q: %w", q.Text, err)
	}
	if err := s.find(ctx); err != nil {
		return nil, fmt.Errorf("journal: trace %q: %w", q.Text, err)
	}
	if err := s.join(ctx); err != nil {
		return nil, fmt.Errorf("journal: trace %q: %w", q.Text, err)
	}
	if err := s.follow(ctx); err != nil {
		return nil, fmt.Errorf("journal: trace %q: %w", q.Text, err)
	}
	t := s.timeline()
	if err := s.nameAccounts(ctx, t); err != nil {
		return nil, fmt.Errorf("journal: trace %q: %w", q.Text, err)
	}
	if len(t.Lines) > 0 {
		return t, nil
	}
	if t.Near, err = s.near(ctx); err != nil {
		return nil, fmt.Errorf("journal: trace %q: %w", q.Text, err)
	}
	if domain := s.stranger(ctx); domain != "" {
		visited, err := j.visitedBy(ctx, domain, t.Looked.From, q.To)
		if err != nil {
			return nil, fmt.Errorf("journal: trace %q: %w", q.Text, err)
		}
		visited.Refused = s.refused[strings.ToLower(domain)]
		if q.Account != 0 {
			visited = visited.forHolder()
		}
		t.Visited = &visited
	}
	return t, nil
}

// search is one answer in the making.
type search struct {
	journal *Journal
	query   Query
	trace   store.TraceID // zero if the text is none
	name    string        // the text as an address or Message-ID, comparable
	words   []string      // the text as words of a subject, in small letters
	with    string        // the other side, comparable
	own     map[store.AccountID]bool
	scope   []store.AccountID   // accounts to look through
	parts   []store.MentionedIn // of their events those to look at; all if there are none

	traces    map[store.TraceID]bool
	mentioned map[string]bool          // addresses of the messages found
	sent      map[store.TraceID]bool   // those that the account that asks sent
	refused   map[string]int           // by domain, what was refused of its senders before its text was known
	messages  map[string]bool          // their Message-IDs
	others    map[store.AccountID]bool // where join found more of them
	events    []store.Event
	truncated bool
	looked    int
}

// newSearch decides where to look: where an address is kept here, else everywhere the reader may.
func (j *Journal) newSearch(ctx context.Context, q Query) (*search, error) {
	s := &search{
		journal: j, query: q, own: map[store.AccountID]bool{},
		traces: map[store.TraceID]bool{}, mentioned: map[string]bool{}, messages: map[string]bool{}, refused: map[string]int{}, sent: map[store.TraceID]bool{}, others: map[store.AccountID]bool{},
	}
	text := strings.TrimSpace(q.Text)
	if id, err := store.ParseTraceID(text); err == nil {
		s.trace = id
	} else if s.name = canonical(text); !strings.Contains(s.name, "@") {
		if s.name, s.words = "", strings.Fields(strings.ToLower(strings.Trim(text, "<> "))); len(s.words) == 0 {
			return nil, ErrQuery
		}
	}
	s.with = canonical(q.With)
	if s.name != "" {
		if done, err := s.narrow(ctx, text); done || err != nil {
			return s, err
		}
	}
	if s.name != "" && !strings.HasPrefix(text, "<") {
		accounts, err := s.accountsOf(ctx, s.name)
		if err != nil {
			return nil, err
		}
		for _, a := range accounts {
			if q.Account == 0 || q.Account == a {
				s.own[a] = true
				s.scope = append(s.scope, a)
			}
		}
	}
	switch {
	case q.Account != 0:
		s.scope = []store.AccountID{q.Account}
		return s, nil
	case len(s.scope) > 0: // and what the service did for nobody's account
		s.scope = append(s.scope, 0)
		return s, nil
	}
	all, err := j.store.Accounts(ctx, "")
	if err != nil {
		return nil, err
	}
	s.scope = append(s.scope, 0)
	for _, a := range all {
		s.scope = append(s.scope, a.ID)
	}
	return s, nil
}

// narrow narrows the search to where a Message-ID is named. What is named nowhere may be an address.
func (s *search) narrow(ctx context.Context, text string) (done bool, err error) {
	in, known, err := s.journal.store.Mentioned(ctx, text, s.query.From, s.query.To)
	if err != nil || !known {
		return false, err
	}
	for _, part := range in {
		if s.query.Account != 0 && s.query.Account != part.Account {
			continue
		}
		s.parts = append(s.parts, part)
		if !slices.Contains(s.scope, part.Account) {
			s.scope = append(s.scope, part.Account)
		}
	}
	return len(s.parts) > 0, nil
}

// accountsOf resolves an address; one that is not kept here has no accounts.
func (s *search) accountsOf(ctx context.Context, address string) (ids []store.AccountID, err error) {
	r, err := s.journal.store.Resolve(ctx, address)
	if err != nil && store.KindOf(err) != store.KindNotFound {
		return nil, err
	}
	for _, a := range r.Accounts {
		ids = append(ids, a.ID)
	}
	return ids, nil
}

// find looks for the events that the question names. Events without a trace are kept; of the
// others the trace, for follow.
func (s *search) find(ctx context.Context) error {
	from := s.query.From
	if !s.trace.IsZero() {
		s.traces[s.trace] = true
		if began := s.trace.Time().Add(-time.Minute); from.Before(began) {
			from = began
		}
	}
	parts := s.parts
	if len(parts) == 0 {
		for _, a := range s.scope {
			parts = append(parts, store.MentionedIn{Account: a, From: from, To: s.query.To})
		}
	}
	for _, part := range parts {
		if part.From.Before(from) {
			part.From = from
		}
		if to := s.query.To; !to.IsZero() && part.To.After(to) {
			part.To = to
		}
		err := s.journal.store.Events(ctx, part.Account, part.From, part.To, func(e *store.Event) error {
			s.looked++
			if s.named(part.Account, e) {
				s.found(part.Account, e)
			} else if e.Kind == RecipientRefused || e.Kind == SenderRefused {
				s.turnedAway(e)
			}
			return ctx.Err()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// found takes the trace of an event that the question names, and what else of the same message can be found by.
func (s *search) found(a store.AccountID, e *store.Event) {
	if e.Trace.IsZero() {
		s.keep(e)
	} else if len(s.traces) < maxTraces {
		s.traces[e.Trace] = true
	} else {
		s.truncated = s.truncated || !s.traces[e.Trace]
	}
	s.mention(e)
	if id := e.Field("message-id"); id != "" && ofOneMessage[e.Kind] && !s.own[a] && len(s.messages) < maxMessages {
		s.messages[canonical(id)] = true
	}
}

// turnedAway counts what another server could say no more of than its sender: it may be what is asked for.
func (s *search) turnedAway(e *store.Event) {
	from := e.Field("from")
	if e.Field("by") == "" && len(s.refused) < maxTraces {
		s.refused[strings.ToLower(from[strings.LastIndexByte(from, '@')+1:])]++
	}
}

// ofOneMessage are the kinds that begin the way of a message and name it alone.
var ofOneMessage = map[string]bool{
	MessageAccepted: true, MessageDelivered: true, MessageFiledJunk: true, MessageDuplicate: true, MessageQueued: true, MessageScheduled: true, MessageRefused: true,
}

// join finds what happened to the messages found afterwards: who moves, fetches or deletes them knows of no trace, and is found
// by their Message-IDs.
func (s *search) join(ctx context.Context) error {
	parts := map[store.MentionedIn]bool{}
	for id := range s.messages {
		in, known, err := s.journal.store.Mentioned(ctx, id, s.query.From, time.Time{})
		if err != nil {
			return err
		}
		if !known { // soon after the start
			for _, a := range s.scope {
				parts[store.MentionedIn{Account: a, From: s.began(), To: s.journal.now()}] = true
			}
			break
		}
		for _, part := range in {
			if s.query.Account == 0 || part.Account == s.query.Account {
				parts[part] = true
			}
		}
	}
	for part := range parts {
		err := s.journal.store.Events(ctx, part.Account, part.From, part.To, func(e *store.Event) error {
			if !e.Trace.IsZero() && len(s.traces) < maxTraces && slices.ContainsFunc(e.Fields, func(f store.Field) bool {
				return f.Name == "message-id" && s.messages[canonical(f.Value)]
			}) {
				s.traces[e.Trace] = true
				s.others[part.Account] = true
			}
			return ctx.Err()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// named tells whether the question names an event.
func (s *search) named(a store.AccountID, e *store.Event) bool {
	if !s.trace.IsZero() {
		return e.Trace == s.trace
	}
	if s.with != "" && !names(e, s.with) {
		return false
	}
	if len(s.words) > 0 {
		if e.Kind == BlockListDead { // is found by its name
			return len(s.words) == 1 && s.words[0] == e.Field("list")
		}
		subject := strings.ToLower(e.Field("subject"))
		return subject != "" && !slices.ContainsFunc(s.words, func(w string) bool { return !strings.Contains(subject, w) })
	}
	if s.own[a] {
		return true
	}
	return names(e, s.name)
}

// names tells whether an event names an address or a Message-ID.
func names(e *store.Event, name string) bool {
	return slices.ContainsFunc(e.Fields, func(f store.Field) bool {
		switch f.Name {
		case "message-id":
			return canonical(f.Value) == name || cutOff(f.Value, name)
		case "from", "to", "key":
			return canonical(f.Value) == name
		}
		return false
	})
}

// cutOff tells whether an event has the beginning of a name that is longer than events keep.
func cutOff(value, name string) bool {
	const long = 190
	value = strings.TrimPrefix(value, "<")
	return len(value) >= long && len(name) > len(value) && strings.EqualFold(value, name[:len(value)])
}

// stranger is the domain of the side that is not kept here, "" if the question names none.
func (s *search) stranger(ctx context.Context) string {
	for _, one := range []string{s.name, s.with} {
		at := strings.LastIndexByte(one, '@')
		if at < 0 {
			continue
		}
		if local, err := s.journal.store.LocalDomain(ctx, one[at+1:]); err == nil && !local {
			return one[at+1:]
		}
	}
	return ""
}

// mention notes whose accounts may have events of the same message.
func (s *search) mention(e *store.Event) {
	for _, f := range e.Fields {
		if (f.Name == "from" || f.Name == "to") && len(s.mentioned) < maxTraces {
			s.mentioned[canonical(f.Value)] = true
		}
	}
}

// follow collects all events of the traces found, from all accounts that have some.
func (s *search) follow(ctx context.Context) error {
	if len(s.traces) == 0 {
		return nil
	}
	accounts := map[store.AccountID]bool{0: true}
	for _, a := range s.scope {
		accounts[a] = true
	}
	for a := range s.others {
		accounts[a] = true
	}
	for address := range s.mentioned {
		ids, err := s.accountsOf(ctx, address)
		if err != nil {
			return err
		}
		for _, id := range ids {
			accounts[id] = true
		}
	}
	began := s.began()
	if err := s.findSent(ctx, began); err != nil {
		return err
	}
	for a := range accounts {
		err := s.journal.store.EventsOfTraces(ctx, a, s.traces, began, func(e *store.Event) error {
			if s.mayKnow(a, e) {
				s.keep(e)
			}
			return ctx.Err()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// began is when the first of the traces found can have begun.
func (s *search) began() time.Time {
	began := s.journal.now()
	for id := range s.traces {
		if t := id.Time(); t.Before(began) {
			began = t
		}
	}
	return began.Add(-time.Minute)
}

// findSent notes which of the messages found the account that asks sent itself.
func (s *search) findSent(ctx context.Context, began time.Time) error {
	if s.query.Account == 0 {
		return nil
	}
	own := map[string]bool{} // whether an address is the account's
	return s.journal.store.EventsOfTraces(ctx, s.query.Account, s.traces, began, func(e *store.Event) error {
		from := canonical(e.Field("from"))
		if !handedIn(e) || from == "" || s.sent[e.Trace] {
			return ctx.Err()
		}
		mine, known := own[from]
		if !known {
			ids, err := s.accountsOf(ctx, from)
			if err != nil {
				return err
			}
			mine = slices.Contains(ids, s.query.Account)
			own[from] = mine
		}
		if mine {
			s.sent[e.Trace] = true
		}
		return ctx.Err()
	})
}

// handedIn tells whether an event is of a message that somebody who was signed in sent: whoever is not can claim any address.
func handedIn(e *store.Event) bool {
	switch e.Kind {
	case MessageQueued, MessageScheduled:
		return true
	case MessageAccepted:
		protocol := e.Field("protocol") // RFC 3848: the A stands for signed in
		return protocol == "JMAP" || strings.HasSuffix(protocol, "A")
	}
	return false
}

// mayKnow tells whether the one who asks may know of an event of account a: what became of a message with others is for its sender
// alone, since not even who they are is for its other recipients.
func (s *search) mayKnow(a store.AccountID, e *store.Event) bool {
	return s.query.Account == 0 || a == s.query.Account || s.sent[e.Trace] && toldToOthers[e.Kind]
}

// toldToOthers are the kinds that the sender of a message may know of where they happened to others; what people do with
// the mail that they have is their own business.
var toldToOthers = map[string]bool{
	MessageAccepted: true, MessageRefused: true, MessageDelivered: true, MessageFiledJunk: true,
	MessageDuplicate: true, RecipientRefused: true, MessageBounced: true, ReportSent: true,
}

func (s *search) keep(e *store.Event) {
	if len(s.events) >= maxHeld {
		s.truncated = true
		return
	}
	s.events = append(s.events, *e)
}

// timeline puts the events in order and folds what repeats.
func (s *search) timeline() *Timeline {
	slices.SortStableFunc(s.events, func(a, b store.Event) int { return a.Time.Compare(b.Time) })
	limit := s.query.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	lines := fold(s.events)
	truncated := s.truncated || len(lines) > limit
	from, to := s.query.From, s.query.To
	if to.IsZero() {
		to = s.journal.now()
	}
	if from.IsZero() {
		from = to.Add(-DefaultKeep)
	}
	return &Timeline{
		Query: s.query.Text, Lines: lines[max(len(lines)-limit, 0):], Truncated: truncated,
		Looked: Looked{Accounts: len(s.scope), Events: s.looked, From: from, To: to},
		reader: s.query.Reader, texts: s.journal.texts,
	}
}

// fold makes lines of events: sign-ins of one device that end the same way again and again are
// one line, until they end another way, and so are tries of one recipient that are put off with the
// same words; what two accounts have of one event is one, too.
func fold(events []store.Event) []Line {
	lines := make([]Line, 0, len(events))
	open := map[repeated]int{} // the last line of each
	for i := range events {
		e := &events[i]
		if told(lines, e) {
			continue
		}
		if of, ok := repeats(e); ok {
			if at, ok := open[of]; ok && sameOutcome(&lines[at].Event, e) && (!isTry(e.Kind) || !interrupted(lines[at+1:], e.Trace)) {
				first := lines[at].Event.Time
				lines[at] = Line{Event: *e, Count: lines[at].Count + 1, Last: e.Time} // the last one knows when it is tried next
				lines[at].Event.Time = first
				continue
			}
			open[of] = len(lines)
		}
		lines = append(lines, Line{Event: *e, Count: 1, Last: e.Time})
	}
	return lines
}

// maxTogether is how many lines of one moment told looks through.
const maxTogether = 64

// told reports whether a line of the same moment is of the same event: others may stand between,
// such as those of further recipients.
func told(lines []Line, e *store.Event) bool {
	for i := len(lines) - 1; i >= max(len(lines)-maxTogether, 0) && lines[i].Event.Time.Equal(e.Time); i-- {
		if sameEvent(&lines[i].Event, e) {
			return true
		}
	}
	return false
}

// repeated is what happens again and again: sign-ins of a device, or tries of a recipient of a message.
type repeated struct {
	account                      store.AccountID
	trace                        store.TraceID // of a message
	to, protocol, remote, client string
}

// repeats tells of what an event may be one more.
func repeats(e *store.Event) (repeated, bool) {
	switch e.Kind {
	case SignInOK, SignInRefused:
		return repeated{account: e.Account, to: e.Field("to"), protocol: e.Field("protocol"), remote: e.Field("remote"), client: e.Field("client")}, true
	}
	return repeated{account: e.Account, trace: e.Trace, to: e.Field("to")}, isTry(e.Kind)
}

// sameOutcome tells whether something ended as it did the time before.
func sameOutcome(a, b *store.Event) bool {
	return a.Kind == b.Kind && a.Cause == b.Cause && (!isTry(a.Kind) || a.Field("host") == b.Field("host") && a.Field("reply") == b.Field("reply"))
}

// isTry tells of events after which a message is tried again.
func isTry(kind string) bool { return kind == MessageDeferred || kind == MessageUnconfirmed }

// interrupted tells whether something else happened to a message meanwhile, or too much to tell.
func interrupted(since []Line, trace store.TraceID) bool {
	return len(since) > maxTogether || slices.ContainsFunc(since, func(l Line) bool { return l.Event.Trace == trace && !isTry(l.Event.Kind) })
}

func sameEvent(a, b *store.Event) bool {
	return a.Kind == b.Kind && a.Time.Equal(b.Time) && a.Trace == b.Trace && a.Account != b.Account &&
		a.Cause == b.Cause && slices.Equal(a.Fields, b.Fields)
}

// canonical is an address or Message-ID in a form in which equal ones are equal.
func canonical(s string) string {
	s = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(s), "<"), ">")
	if normalized, err := store.NormalizeAddress(s); err == nil {
		return normalized
	}
	return s
}

// jsonLine is a Line as JSON.
type jsonLine struct {
	Time    time.Time           `json:"time"`
	Count   int                 `json:"count"`
	Last    time.Time           `json:"last"`
	Trace   string              `json:"trace,omitempty"`
	Account string              `json:"account,omitempty"` // in whose journal it stands
	Kind    string              `json:"kind"`
	Action  string              `json:"action,omitempty"`
	Cause   cause.ID            `json:"cause,omitempty"`
	Variant string              `json:"variant,omitempty"`
	Until   time.Time           `json:"until,omitzero"`
	Params  map[string]any      `json:"params,omitempty"`
	Fields  map[string][]string `json:"fields,omitempty"`
}

// JSON writes the timeline for programs.
func (t *Timeline) JSON(w io.Writer) error {
	lines := make([]jsonLine, len(t.Lines))
	for i := range t.Lines {
		lines[i] = jsonOf(&t.Lines[i])
		lines[i].Account = t.accounts[t.Lines[i].Event.Account]
	}
	err := json.NewEncoder(w).Encode(struct {
		Query     string     `json:"query"`
		Lines     []jsonLine `json:"lines"`
		Near      []string   `json:"near,omitempty"`
		Truncated bool       `json:"truncated"`
		Looked    Looked     `json:"looked"`
		Visited   *Visited   `json:"visited,omitempty"`
	}{t.Query, lines, t.Near, t.Truncated, t.Looked, t.Visited})
	if err != nil {
		return fmt.Errorf("journal: write JSON: %w", err)
	}
	return nil
}

func jsonOf(l *Line) jsonLine {
	e := &l.Event
	j := jsonLine{
		Time: e.Time, Count: l.Count, Last: l.Last, Kind: e.Kind, Cause: e.Cause, Variant: e.Variant, Until: e.Until,
	}
	if !e.Trace.IsZero() {
		j.Trace = e.Trace.String()
	}
	switch e.Action {
	case cause.ActionWait:
		j.Action = "wait"
	case cause.ActionRefuse:
		j.Action = "refuse"
	}
	for _, p := range e.Params {
		if j.Params == nil {
			j.Params = map[string]any{}
		}
		j.Params[p.Name] = p.Value
	}
	for _, f := range e.Fields {
		if j.Fields == nil {
			j.Fields = map[string][]string{}
		}
		j.Fields[f.Name] = append(j.Fields[f.Name], f.Value)
	}
	return j
}
