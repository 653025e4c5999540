package jmapd

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"github.com/postiljon/postiljon/internal/store"
)

// Bounds of connections by WebSocket; each takes a place of an event stream.
const (
	socketTime = time.Hour        // then the client comes again and signs in anew
	socketPing = time.Minute      // between two looks whether it is still there
	socketWait = 30 * time.Second // for it to answer that
)

// socket is one connection (RFC 8887).
type socket struct {
	who     asker
	s       *Server
	conn    *websocket.Conn
	account *store.Account
	running sync.WaitGroup
	watch   *watch
	places  chan struct{} // of requests that run

	mu    sync.Mutex
	types []string // that are told; nil: none
	told  states
}

// websocket answers requests and tells of changes on one connection (RFC 8887). A page of another origin is refused, for
// browsers send cookies with it.
func (s *Server) websocket(w http.ResponseWriter, r *http.Request, a *store.Account) {
	if !s.take(a.ID) {
		problem{Type: "about:blank", Status: http.StatusTooManyRequests, Detail: "too many connections wait for events of the account"}.write(w)
		return
	}
	defer s.give(a.ID)
	if !s.enter() {
		problem{Type: "about:blank", Status: http.StatusServiceUnavailable}.write(w)
		return
	}
	defer s.sockets.Done()
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"jmap"}})
	if err != nil {
		return // it was answered
	}
	if conn.Subprotocol() != "jmap" {
		_ = conn.Close(websocket.StatusPolicyViolation, "the subprotocol jmap is wanted") // a client that went away
		return
	}
	conn.SetReadLimit(s.options.Limits.RequestSize)
	ctx, cancel := context.WithTimeout(r.Context(), socketTime)
	defer cancel()
	c := &socket{s: s, conn: conn, account: a, who: s.askerOf(r), places: make(chan struct{}, max(1, s.options.Limits.ConcurrentRequests/2))}
	why := c.run(ctx, cancel)
	_ = conn.Close(why, "")
}

// enter counts a connection that Close waits for, unless the server closes.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closed:
		return false
	default:
		s.sockets.Add(1)
		return true
	}
}

// run goes on until the client goes or the server closes, and returns why it ended.
func (c *socket) run(ctx context.Context, cancel context.CancelFunc) websocket.StatusCode {
	c.watch = c.s.watch(c.account.ID)
	defer func() { c.watch.end() }()
	c.running.Go(func() {
		defer cancel()
		c.tellChanges(ctx)
	})
	why := c.read(ctx)
	cancel()
	c.running.Wait()
	return why
}

// read answers what comes.
func (c *socket) read(ctx context.Context) websocket.StatusCode {
	for {
		kind, text, err := c.conn.Read(ctx)
		switch {
		case websocket.CloseStatus(err) == websocket.StatusMessageTooBig || errors.Is(err, websocket.ErrMessageTooBig):
			return websocket.StatusMessageTooBig
		case err != nil:
			return websocket.StatusGoingAway
		case kind != websocket.MessageText:
			return websocket.StatusUnsupportedData
		}
		c.answer(ctx, text)
	}
}

// answer answers one message (RFC 8887 section 4.3). Requests run beside each other, as many as have room; further messages
// wait.
func (c *socket) answer(ctx context.Context, text []byte) {
	var members map[string]json.RawMessage
	if !utf8.Valid(text) || !json.Valid(text) || !isIJSON(text) {
		c.refuse(ctx, nil, &problem{Type: notJSON, Status: http.StatusBadRequest, Detail: "the message is not JSON in UTF-8 as RFC 7493 has it"})
		return
	}
	var kind string
	if json.Unmarshal(text, &members) != nil || unmarshal(members["@type"], &kind) != nil {
		c.refuse(ctx, nil, &problem{Type: notRequest, Status: http.StatusBadRequest, Detail: "the message has no @type"})
		return
	}
	id := members["id"]
	if name := new(string); id != nil && unmarshal(id, name) != nil {
		c.refuse(ctx, nil, &problem{Type: notRequest, Status: http.StatusBadRequest, Detail: "the id is not a text"})
		return
	}
	switch kind {
	case "Request":
		select {
		case c.places <- struct{}{}:
		case <-ctx.Done():
			return
		}
		c.running.Go(func() {
			defer func() { <-c.places }()
			c.request(ctx, id, text)
		})
	case "WebSocketPushEnable":
		c.enable(ctx, id, members)
	case "WebSocketPushDisable":
		c.mu.Lock()
		c.types = nil
		c.mu.Unlock()
	default:
		c.refuse(ctx, id, &problem{Type: notRequest, Status: http.StatusBadRequest, Detail: "unknown @type"})
	}
}

func (c *socket) request(ctx context.Context, id json.RawMessage, text []byte) {
	if !c.s.begin(c.account.ID) {
		c.refuse(ctx, id, &problem{Type: limitExceeded, Status: http.StatusTooManyRequests, Limit: "maxConcurrentRequests"})
		return
	}
	defer c.s.end(c.account.ID)
	req, bad := c.s.parse(text)
	if bad != nil {
		c.refuse(ctx, id, bad)
		return
	}
	req.asker = c.who
	defer func() { req.room.give() }()
	answer, err := c.s.respond(ctx, c.account, req)
	if err != nil {
		c.s.log.Error("jmapd: an answer cannot be written", "error", err)
		return
	}
	head := object{"@type": "Response"}
	if id != nil {
		head["requestId"] = id
	}
	begin, err := json.Marshal(head)
	if err != nil {
		return // what was read can be written
	}
	answer[0] = ','
	c.write(ctx, append(begin[:len(begin)-1], answer...))
}

// refuse sends a RequestError (RFC 8887 section 4.3.3).
func (c *socket) refuse(ctx context.Context, id json.RawMessage, p *problem) {
	o := object{"@type": "RequestError", "requestId": id, "type": p.Type, "status": p.Status}
	if p.Detail != "" {
		o["detail"] = p.Detail
	}
	if p.Limit != "" {
		o["limit"] = p.Limit
	}
	c.writeObject(ctx, o)
}

// enable begins to tell of changes; a client that says up to where it was told hears at once of what it missed (RFC 8887
// section 4.3.5.2).
func (c *socket) enable(ctx context.Context, id json.RawMessage, members map[string]json.RawMessage) {
	var types []string
	var state *string
	bad := json.Unmarshal(members["dataTypes"], &types) != nil && members["dataTypes"] != nil
	if raw := members["pushState"]; raw != nil {
		bad = bad || json.Unmarshal(raw, &state) != nil
	}
	if bad {
		c.refuse(ctx, id, &problem{Type: notRequest, Status: http.StatusBadRequest, Detail: "dataTypes is not a list of types, or pushState not a state"})
		return
	}
	n, err := c.s.now(ctx, c.account.ID)
	if err != nil {
		c.refuse(ctx, id, &problem{Type: "about:blank", Status: http.StatusInternalServerError, Detail: c.s.errorOf(err).Description})
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.types = typesOf(types); c.types == nil {
		c.types = []string{}
	}
	c.told = n.states
	c.watch.follow(&n)
	if state != nil && *state != n.name() {
		c.told = nil
	}
	poke(c.watch.changed)
}

// tellChanges sends a StateChange whenever something is other than what was told.
func (c *socket) tellChanges(ctx context.Context) {
	ping := time.NewTicker(socketPing)
	defer ping.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.s.closed:
			_ = c.conn.Close(websocket.StatusGoingAway, "") // a client that went away
			return
		case <-ping.C:
			wait, cancel := context.WithTimeout(ctx, socketWait)
			err := c.conn.Ping(wait)
			cancel()
			if err != nil {
				return
			}
		case <-c.watch.changed:
			if !c.tell(ctx) {
				return
			}
		}
	}
}

func (c *socket) tell(ctx context.Context) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.types == nil {
		return true
	}
	n, err := c.s.now(ctx, c.account.ID)
	if err != nil {
		return false
	}
	c.watch.follow(&n)
	news := n.other(c.told, c.types)
	c.told = n.states
	if len(news) == 0 {
		return true
	}
	o := stateChange(news)
	o["pushState"] = n.name()
	return c.writeObject(ctx, o)
}

func (c *socket) writeObject(ctx context.Context, o object) bool {
	text, err := json.Marshal(o)
	return err == nil && c.write(ctx, text)
}

func (c *socket) write(ctx context.Context, text []byte) bool {
	ctx, cancel := context.WithTimeout(ctx, timeFor(len(text)))
	defer cancel()
	return c.conn.Write(ctx, websocket.MessageText, text) == nil
}
