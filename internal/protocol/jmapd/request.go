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
	room    *int64            // octets of texts, fields and data of messages that the answers have room for still
	asker
}

// take counts octets that an answer is to have: those of a request are in memory together.
func (r *request) take(n int64) error {
	if *r.room -= n; *r.room < 0 {
		return &methodError{Type: "requestTooLarge", Description: "the texts and data are more than the answers have room for: ask for fewer at a time"}
	}
	return nil
}

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

// encoded writes responses. A json.Marshaler's result would be gone through once more.
func encoded(list []response) ([]byte, error) {
	b := []byte{'['}
	for i := range list {
		for j, v := range []any{list[i].name, list[i].args, list[i].id} {
			text, err := json.Marshal(v)
			if err != nil {
				return nil, err
			}
			b = append(append(b, separators[min(i, 1)][j]...), text...)
		}
		b = append(b, ']')
	}
	return append(b, ']'), nil
}

// separators stand before the three members of the first response and of the others.
var separators = [2][3]string{{"[", ",", ","}, {",[", ",", ","}}

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
	req, bad := s.read(w, r)
	if bad != nil {
		bad.write(w)
		return
	}
	req.asker = s.askerOf(r)
	text, err := s.respond(r.Context(), a, req)
	w.Header().Set("Content-Language", string(req.lang)) // RFC 8620 section 3.8
	s.answer(w, text, err)
}

// respond makes the calls of a request and returns the Response object (RFC 8620 section 3.4).
func (s *Server) respond(ctx context.Context, a *store.Account, req *request) ([]byte, error) {
	responses, err := encoded(s.run(ctx, a, req))
	if err != nil {
		return nil, err
	}
	session, err := s.sessionOf(ctx, a)
	if err != nil {
		return nil, err
	}
	text := append([]byte(`{"methodResponses":`), responses...)
	rest := object{"sessionState": session["state"]}
	if req.told {
		rest["createdIds"] = req.created
	}
	more, err := json.Marshal(rest)
	if err != nil {
		return nil, err
	}
	more[0] = ','
	return append(text, more...), nil
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
	req := &request{created: map[string]string{}, room: new(int64)}
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
func (s *Server) run(ctx context.Context, a *store.Account, req *request) []response {
	*req.room = s.options.Limits.Answers
	done := []response{}
	for _, in := range req.calls {
		answer, err := s.call(ctx, a, req, in, done)
		if err != nil {
			done = append(done, response{"error", s.errorOf(err), in.id})
			continue
		}
		if all, ok := answer.(several); ok {
			for _, one := range all {
				done = append(done, response{one.name, one.args, in.id})
			}
			continue
		}
		done = append(done, response{in.name, answer, in.id})
	}
	return done
}

func (s *Server) call(ctx context.Context, a *store.Account, req *request, in invocation, done []response) (any, error) {
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
func resolve(args map[string]json.RawMessage, done []response) (arguments, error) {
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

func reference(raw json.RawMessage, done []response) (json.RawMessage, error) {
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
	at := slices.IndexFunc(done, func(r response) bool { return r.id == ref.ResultOf })
	if at < 0 {
		return nil, errors.New("no call before has this id")
	}
	if done[at].name != ref.Name {
		return nil, errors.New("the response has another name")
	}
	text, err := json.Marshal(done[at].args)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
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
