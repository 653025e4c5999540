package jmapd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
)

// request is the Request object (RFC 8620 section 3.3).
type request struct {
	using   []string
	calls   []invocation
	created map[string]string // creation ids of this request and those before it
	told    bool              // the client gave creation ids and wants them back
	room    *room
	asker
}

// room is what the answers to a request have room for, in octets of texts, fields and data of messages: they are in memory together.
type room struct {
	left, taken int64
	all         *atomic.Int64 // what the requests that run have taken
	most        int64         // of all of them
}

// take counts octets that an answer is to have.
func (r *room) take(n int64) error {
	if r.left -= n; r.left < 0 {
		return &methodError{Type: "requestTooLarge", Description: "the texts and data are more than the answers have room for: ask for fewer at a time"}
	}
	r.taken += n
	if r.all.Add(n) > r.most {
		return &methodError{Type: "serverUnavailable", Description: "the answers to all requests are more than there is memory for: ask again in a moment"}
	}
	return nil
}

// give gives back what was taken, once the answers went out.
func (r *room) give() { r.all.Add(-r.taken) }

// asker is what is known of who makes a request.
type asker struct {
	lang   cause.Lang     // in which causes are explained
	zone   *time.Location // of the clock that its reader looks at; nil where that is not known
	client string         // the program, as the journal names it
	with   string         // what it is signed in with (Options.With)
}

// invocation is one method call or response (RFC 8620 section 3.2).
type invocation struct {
	name string
	args map[string]json.RawMessage
	id   string
}

// response is an invocation that goes back.
type response struct {
	name string
	args any
	id   string
}

// responses are those of a request as they are made. Each is written at once: what an answer is made of takes several times the memory of its text.
type responses struct {
	text []byte
	list []responded
}

// responded is a response that is written; its arguments are between two places in the text.
type responded struct {
	name, id   string
	begin, end int
}

// add writes a response.
func (r *responses) add(one response) error {
	parts := [3][]byte{}
	for i, v := range []any{one.name, one.args, one.id} {
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		parts[i] = text
	}
	if len(r.list) > 0 {
		r.text = append(r.text, ',')
	}
	r.text = append(append(append(r.text, '['), parts[0]...), ',')
	begin := len(r.text)
	r.text = append(r.text, parts[1]...)
	r.list = append(r.list, responded{one.name, one.id, begin, len(r.text)})
	r.text = append(append(append(r.text, ','), parts[2]...), ']')
	return nil
}

// method is a method of a capability.
type method struct {
	capability string
	run        func(ctx context.Context, c *call) (any, error)
}

// isForShared reports whether the method takes accounts of others: those of mail and of blobs do. Nobody sends as another, sees
// how full his account is, or changes his rules.
func (m *method) isForShared() bool {
	return m.capability == capabilityMail || m.capability == capabilityBlob
}

// call is a method call that runs.
type call struct {
	server    *Server
	account   *store.Account // whose mail it is about
	user      *store.Account // who is signed in
	request   *request
	args      arguments
	implied   bool // by another call, whose success it follows from (RFC 8621 section 7.5)
	filings   map[filing]*filed
	names     int    // emails of them that were named, or were too many
	elsewhere string // where emails that are removed went: a mailbox of another account
}

// several are the responses of a call that has more than one; their ids are that of the call.
type several []response

// table are all methods.
func (s *Server) table() map[string]method {
	return map[string]method{
		"Core/echo":            {capabilityCore, echo},
		"Mailbox/get":          {capabilityMail, mailboxGet},
		"Mailbox/changes":      {capabilityMail, mailboxChanges},
		"Mailbox/query":        {capabilityMail, mailboxQuery},
		"Mailbox/queryChanges": {capabilityMail, mailboxQueryChanges},
		"Mailbox/set":          {capabilityMail, mailboxSet},
		"Thread/get":           {capabilityMail, threadGet},
		"Thread/changes":       {capabilityMail, threadChanges},
		"Email/get":            {capabilityMail, emailGet},
		"Email/changes":        {capabilityMail, emailChanges},
		"Email/query":          {capabilityMail, emailQuery},
		"Email/queryChanges":   {capabilityMail, emailQueryChanges},
		"Email/import":         {capabilityMail, emailImport},
		"Email/copy":           {capabilityMail, emailCopy},
		"Email/parse":          {capabilityMail, emailParse},
		"SearchSnippet/get":    {capabilityMail, snippetGet},
		"Email/set":            {capabilityMail, emailSet},

		"PushSubscription/get": {capabilityCore, pushGet},
		"PushSubscription/set": {capabilityCore, pushSet},
		"Blob/copy":            {capabilityCore, blobCopy},
		"Blob/upload":          {capabilityBlob, blobUpload},
		"Blob/get":             {capabilityBlob, blobGet},
		"Blob/lookup":          {capabilityBlob, blobLookup},
		"Quota/get":            {capabilityQuota, quotaGet},
		"Quota/changes":        {capabilityQuota, quotaChanges},
		"Quota/query":          {capabilityQuota, quotaQuery},
		"Quota/queryChanges":   {capabilityQuota, quotaQueryChanges},
		"SieveScript/get":      {capabilitySieve, scriptGet},
		"SieveScript/set":      {capabilitySieve, scriptSet},
		"SieveScript/query":    {capabilitySieve, scriptQuery},
		"SieveScript/validate": {capabilitySieve, scriptValidate},

		"Identity/get":                 {capabilitySubmission, identityGet},
		"Identity/changes":             {capabilitySubmission, identityChanges},
		"Identity/set":                 {capabilitySubmission, identitySet},
		"EmailSubmission/get":          {capabilitySubmission, submissionGet},
		"EmailSubmission/changes":      {capabilitySubmission, submissionChanges},
		"EmailSubmission/query":        {capabilitySubmission, submissionQuery},
		"EmailSubmission/queryChanges": {capabilitySubmission, submissionQueryChanges},
		"EmailSubmission/set":          {capabilitySubmission, submissionSet},

		"VacationResponse/get": {capabilityVacation, vacationGet},
		"VacationResponse/set": {capabilityVacation, vacationSet},

		"Outbox/get":      {capabilityVendor, outboxGet},
		"Outbox/act":      {capabilityVendor, outboxAct},
		"Delivery/get":    {capabilityVendor, deliveryGet},
		"Delivery/brief":  {capabilityVendor, deliveryBrief},
		"Trace/query":     {capabilityVendor, traceQuery},
		"Limits/get":      {capabilityVendor, limitsGet},
		"Refused/query":   {capabilityVendor, refusedQuery},
		"Refused/allow":   {capabilityVendor, refusedAllow},
		"Refused/allowed": {capabilityVendor, refusedAllowed},
	}
}

// echo is Core/echo (RFC 8620 section 4).
func echo(_ context.Context, c *call) (any, error) { return c.args, nil }

// api answers a request (RFC 8620 section 3).
func (s *Server) api(w http.ResponseWriter, r *http.Request, a *store.Account) {
	if !s.begin(a.ID) {
		problem{Type: limitExceeded, Status: http.StatusTooManyRequests, Limit: "maxConcurrentRequests"}.write(w)
		return
	}
	defer s.end(a.ID)
	control, now := http.NewResponseController(w), time.Now()
	_ = control.SetReadDeadline(now.Add(requestTime)) // else the usual ones hold, which are for pages
	_ = control.SetWriteDeadline(now.Add(requestTime + answerTime))
	req, bad := s.read(w, r)
	_ = control.SetReadDeadline(time.Time{}) // its end would be that of the work, too
	if bad != nil {
		bad.write(w)
		return
	}
	req.asker = s.askerOf(r)
	defer func() { req.room.give() }()
	text, err := s.respond(r.Context(), a, req)
	w.Header().Set("Content-Language", string(req.lang)) // RFC 8620 section 3.8
	s.answer(w, text, err)
}

// How long requests may take, so that slow lines have the time they need.
const (
	requestTime = 2 * time.Minute // to come
	answerTime  = 5 * time.Minute // until the first of the answer goes out
	answerWait  = time.Minute     // for the client to take it, and more for what is long
	slowest     = 16 << 10        // octets in a second: an answer is kept in memory until it is taken
)

// timeFor is how long a client may take to read an answer of so many octets.
func timeFor(octets int) time.Duration { return answerWait + time.Duration(octets/slowest)*time.Second }

// respond makes the calls of a request and returns the Response object (RFC 8620 section 3.4).
func (s *Server) respond(ctx context.Context, a *store.Account, req *request) ([]byte, error) {
	done := responses{text: []byte(`{"methodResponses":`)}
	if err := s.run(ctx, a, req, &done); err != nil {
		return nil, err
	}
	session, err := s.sessionOf(ctx, a)
	if err != nil {
		return nil, err
	}
	rest := object{"sessionState": session["state"]}
	if req.told {
		rest["createdIds"] = req.created
	}
	more, err := json.Marshal(rest)
	if err != nil {
		return nil, err
	}
	more[0] = ','
	return append(done.text, more...), nil
}

// begin takes one of the places for requests of an account, which end gives back.
func (s *Server) begin(a store.AccountID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[a] >= s.options.Limits.ConcurrentRequests {
		return false
	}
	s.running[a]++
	return true
}

func (s *Server) end(a store.AccountID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[a]--; s.running[a] == 0 {
		delete(s.running, a)
	}
}

// read reads a request and holds it to the limits (RFC 8620 section 3.6.1).
func (s *Server) read(w http.ResponseWriter, r *http.Request) (*request, *problem) {
	l := &s.options.Limits
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return nil, &problem{Type: notJSON, Status: http.StatusBadRequest, Detail: "the Content-Type is not application/json"}
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, l.RequestSize))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, &problem{Type: limitExceeded, Status: http.StatusBadRequest, Limit: "maxSizeRequest"}
	}
	if err != nil {
		return nil, &problem{Type: notJSON, Status: http.StatusBadRequest, Detail: "the request did not come whole"}
	}
	return s.parse(text)
}

// parse reads the text of a request and holds it to the limits.
func (s *Server) parse(text []byte) (*request, *problem) {
	if !utf8.Valid(text) || !json.Valid(text) || !isIJSON(text) {
		return nil, &problem{Type: notJSON, Status: http.StatusBadRequest, Detail: "the request is not JSON in UTF-8 as RFC 7493 has it"}
	}
	req, err := parseRequest(text)
	if err != nil {
		return nil, &problem{Type: notRequest, Status: http.StatusBadRequest, Detail: err.Error()}
	}
	for _, u := range req.using {
		if !slices.Contains(capabilities, u) {
			return nil, &problem{Type: unknownCapability, Status: http.StatusBadRequest, Detail: u}
		}
	}
	if len(req.calls) > s.options.Limits.Calls {
		return nil, &problem{Type: limitExceeded, Status: http.StatusBadRequest, Limit: "maxCallsInRequest"}
	}
	return req, nil
}

// parseRequest reads a Request object. Names of members are compared exactly, unlike encoding/json does with structs.
func parseRequest(text []byte) (*request, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil || members == nil {
		return nil, errors.New("the request is not an object")
	}
	req := &request{created: map[string]string{}, room: &room{all: new(atomic.Int64)}}
	if err := unmarshal(members["using"], &req.using); err != nil || req.using == nil {
		return nil, errors.New("using is not a list of capabilities")
	}
	var calls [][]json.RawMessage
	if err := unmarshal(members["methodCalls"], &calls); err != nil || calls == nil {
		return nil, errors.New("methodCalls is not a list of calls")
	}
	for i, c := range calls {
		var one invocation
		if len(c) != 3 || unmarshal(c[0], &one.name) != nil || unmarshal(c[1], &one.args) != nil || one.args == nil || unmarshal(c[2], &one.id) != nil {
			return nil, fmt.Errorf("call %d is not a name, an object of arguments and an id", i)
		}
		req.calls = append(req.calls, one)
	}
	if raw, given := members["createdIds"]; given && string(raw) != "null" {
		req.told = true
		if err := unmarshal(raw, &req.created); err != nil {
			return nil, errors.New("createdIds is not an object of ids")
		}
	}
	return req, nil
}

// unmarshal reads a value that must be there and must not be null.
func unmarshal(raw json.RawMessage, v any) error {
	if len(raw) == 0 || string(raw) == "null" {
		return errors.New("missing")
	}
	return json.Unmarshal(raw, v)
}

// methodError is the error of one call (RFC 8620 section 3.6.2) or of one object of a set (section 5.3).
type methodError struct {
	Type        string   `json:"type"`
	Description string   `json:"description,omitempty"`
	Properties  []string `json:"properties,omitempty"`
	NotFound    []string `json:"notFound,omitempty"`   // blobNotFound (RFC 8621 section 4.6)
	ExistingID  string   `json:"existingId,omitempty"` // alreadyExists (RFC 8620 section 5.4)
	// Those of RFC 8621 section 7.5.
	MaxSize           int64    `json:"maxSize,omitempty"`           // tooLarge
	MaxRecipients     int      `json:"maxRecipients,omitempty"`     // tooManyRecipients
	InvalidRecipients []string `json:"invalidRecipients,omitempty"` // invalidRecipients
	// Why is a refusal in words for people, Recipients those of recipients.
	Why        *explained            `json:"why,omitempty"`
	Recipients map[string]*explained `json:"recipients,omitempty"`
	TraceID    string                `json:"traceId,omitempty"` // by which Trace/query tells of a submission that was refused
	taken      bool                  // something else has what was wanted
}

func (e *methodError) Error() string { return e.Type + ": " + e.Description }

func invalid(format string, args ...any) error {
	return &methodError{Type: "invalidArguments", Description: fmt.Sprintf(format, args...)}
}

// run makes the calls of a request, one after the other (RFC 8620 section 3.10).
func (s *Server) run(ctx context.Context, a *store.Account, req *request, done *responses) error {
	req.room = &room{left: s.options.Limits.Answers, all: &s.answering, most: s.options.Limits.AllAnswers}
	done.text = append(done.text, '[')
	for _, in := range req.calls {
		answer, err := s.call(ctx, a, req, in, done)
		all, ok := answer.(several)
		switch {
		case err != nil:
			all = several{{"error", s.errorOf(err), ""}}
		case !ok:
			all = several{{in.name, answer, ""}}
		}
		for _, one := range all {
			if err := done.add(response{one.name, one.args, in.id}); err != nil {
				return err
			}
		}
	}
	done.text = append(done.text, ']')
	return nil
}

func (s *Server) call(ctx context.Context, a *store.Account, req *request, in invocation, done *responses) (any, error) {
	m, ok := s.methods[in.name]
	if !ok || !slices.Contains(req.using, m.capability) {
		return nil, &methodError{Type: "unknownMethod"}
	}
	args, err := resolve(in.args, done)
	if err != nil {
		return nil, err
	}
	c := &call{server: s, account: a, user: a, request: req, args: args}
	if m.capability != capabilityCore {
		id, err := c.args.text("accountId")
		if err != nil {
			return nil, err
		}
		there, err := s.reach(ctx, a, id)
		switch {
		case err != nil:
			return nil, err
		case there.ID != a.ID && !m.isForShared():
			return nil, &methodError{Type: "accountNotSupportedByMethod"}
		case there.readOnly && c.changes(in.name):
			return nil, &methodError{Type: "accountReadOnly"}
		}
		c.account = &there.Account
	}
	return m.run(ctx, c)
}

// sight is the account that the call is about, as the one that is signed in sees it.
func (c *call) sight() sight { return sight{c.account.ID, c.user.ID} }

// picture is the mail that the call is about, as it is now.
func (c *call) picture(ctx context.Context) (*picture, error) { return c.server.look(ctx, c.sight()) }

// errorOf is what a client hears of an error. Those of the store are told by their causes.
func (s *Server) errorOf(err error) *methodError {
	if e, ok := errors.AsType[*methodError](err); ok {
		return e
	}
	kind, d := "serverFail", cause.Wait(cause.ProviderBackendBroken, s.store.Now())
	switch store.KindOf(err) {
	case store.KindNoSpace:
		kind, d = "serverUnavailable", cause.Wait(cause.ProviderStorageFailed, s.store.Now())
	case store.KindClosed:
		kind, d = "serverUnavailable", cause.Wait(cause.ProviderMaintenanceStop, s.store.Now())
	}
	if errors.Is(err, context.Canceled) { // who asked went away
		s.log.Debug("jmapd: method not finished", "error", err)
	} else {
		s.log.Error("jmapd: method failed", "error", err)
	}
	return &methodError{Type: kind, Description: s.reason(d)}
}

// resolve puts results of earlier calls in the place of references to them (RFC 8620 section 3.7).
func resolve(args map[string]json.RawMessage, done *responses) (arguments, error) {
	out := arguments{}
	for name, raw := range args {
		if !strings.HasPrefix(name, "#") {
			out[name] = raw
			continue
		}
		name = name[1:]
		if _, both := args[name]; both {
			return nil, invalid("%s and #%s are both given", name, name)
		}
		value, err := reference(raw, done)
		if err != nil {
			return nil, &methodError{Type: "invalidResultReference", Description: name + ": " + err.Error()}
		}
		out[name] = value
	}
	return out, nil
}

func reference(raw json.RawMessage, done *responses) (json.RawMessage, error) {
	var ref struct{ ResultOf, Name, Path string }
	var members map[string]json.RawMessage
	if err := unmarshal(raw, &members); err != nil {
		return nil, errors.New("not a ResultReference")
	}
	for name, v := range map[string]*string{"resultOf": &ref.ResultOf, "name": &ref.Name, "path": &ref.Path} {
		if err := unmarshal(members[name], v); err != nil {
			return nil, errors.New("not a ResultReference")
		}
	}
	at := slices.IndexFunc(done.list, func(r responded) bool { return r.id == ref.ResultOf })
	if at < 0 {
		return nil, errors.New("no call before has this id")
	}
	one := done.list[at]
	if one.name != ref.Name {
		return nil, errors.New("the response has another name")
	}
	decoder := json.NewDecoder(bytes.NewReader(done.text[one.begin:one.end]))
	decoder.UseNumber()
	var value any
	err := decoder.Decode(&value)
	if err != nil {
		return nil, err
	}
	if value, err = pointed(value, ref.Path); err != nil {
		return nil, err
	}
	return json.Marshal(value)
}

// pointed evaluates a JSON Pointer (RFC 6901), with * for every item of an array (RFC 8620 section 3.7).
func pointed(value any, path string) (any, error) {
	if path == "" {
		return value, nil
	}
	if path[0] != '/' {
		return nil, errors.New("a path begins with /")
	}
	token, rest, more := strings.Cut(path[1:], "/")
	if more {
		rest = "/" + rest
	}
	switch v := value.(type) {
	case map[string]any:
		member, ok := v[unescape(token)]
		if !ok {
			return nil, fmt.Errorf("nothing is at %q", token)
		}
		return pointed(member, rest)
	case []any:
		if token == "*" {
			return each(v, rest)
		}
		n, err := strconv.Atoi(token)
		if err != nil || n < 0 || n >= len(v) || strconv.Itoa(n) != token {
			return nil, fmt.Errorf("nothing is at %q", token)
		}
		return pointed(v[n], rest)
	}
	return nil, fmt.Errorf("nothing is at %q", token)
}

// each evaluates a path for all items; results that are arrays are put together.
func each(items []any, path string) (any, error) {
	out := []any{}
	for _, item := range items {
		value, err := pointed(item, path)
		if err != nil {
			return nil, err
		}
		if list, ok := value.([]any); ok {
			out = append(out, list...)
		} else {
			out = append(out, value)
		}
	}
	return out, nil
}
