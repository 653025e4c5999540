package jmapd

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

// dial opens a connection as a program does, or as a page of some origin.
func (w *world) dial(web *httptest.Server, protocol, origin string) (*websocket.Conn, *http.Response, error) {
	h := http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(w.anna.Address+":secret"))}}
	if origin != "" {
		h.Set("Origin", origin)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	return websocket.Dial(ctx, web.URL+"/jmap/ws", &websocket.DialOptions{HTTPClient: web.Client(), HTTPHeader: h, Subprotocols: []string{protocol}})
}

// TestWebSocket is a dialogue over one connection (RFC 8887).
func TestWebSocket(t *testing.T) {
	w := newWorld(t)
	web := httptest.NewTLSServer(w.server)
	defer web.Close()
	conn, _, err := w.dial(web, "jmap", "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	send := func(text string) {
		t.Helper()
		if err := conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	hear := func(want string) {
		t.Helper()
		_, text, err := conn.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		got := decoded(t, text).(object)
		delete(got, "sessionState")
		if diff := cmp.Diff(decoded(t, []byte(want)), any(got)); diff != "" {
			t.Error(diff)
		}
	}
	send(`{"@type":"Request","id":"r1","using":["urn:ietf:params:jmap:core"],"methodCalls":[["Core/echo",{"a":1},"0"]]}`)
	hear(`{"@type":"Response","requestId":"r1","methodResponses":[["Core/echo",{"a":1},"0"]]}`)
	send(`{"@type":"Request","using":["urn:ietf:params:jmap:core"],"methodCalls":[],"createdIds":{"k":"F1"}}`)
	hear(`{"@type":"Response","methodResponses":[],"createdIds":{"k":"F1"}}`)
	for message, want := range map[string]string{
		`{"@type":"Request","id":"r2","using":["urn:x"],"methodCalls":[]}`: `{"@type":"RequestError","requestId":"r2","type":"urn:ietf:params:jmap:error:unknownCapability","status":400,"detail":"urn:x"}`,
		`{"@type":"Request","id":"r3"}`:                                    `{"@type":"RequestError","requestId":"r3","type":"urn:ietf:params:jmap:error:notRequest","status":400,"detail":"using is not a list of capabilities"}`,
		`{"@type":"Other","id":"r4"}`:                                      `{"@type":"RequestError","requestId":"r4","type":"urn:ietf:params:jmap:error:notRequest","status":400,"detail":"unknown @type"}`,
		`{"id":"r5"}`:                                                      `{"@type":"RequestError","requestId":null,"type":"urn:ietf:params:jmap:error:notRequest","status":400,"detail":"the message has no @type"}`,
		`{`:                                                                `{"@type":"RequestError","requestId":null,"type":"urn:ietf:params:jmap:error:notJSON","status":400,"detail":"the message is not JSON in UTF-8 as RFC 7493 has it"}`,
		`{"@type":"Request","@type":"Request"}`:                            `{"@type":"RequestError","requestId":null,"type":"urn:ietf:params:jmap:error:notJSON","status":400,"detail":"the message is not JSON in UTF-8 as RFC 7493 has it"}`,
		`{"@type":"Request","id":5}`:                                       `{"@type":"RequestError","requestId":null,"type":"urn:ietf:params:jmap:error:notRequest","status":400,"detail":"the id is not a text"}`,
		`{"@type":"WebSocketPushEnable","dataTypes":"Email","id":"r6"}`: `{"@type":"RequestError","requestId":"r6","type":"urn:ietf:params:jmap:error:notRequest","status":400,"detail":"dataTypes is not a list of types, or pushState not a state"}`,
	} {
		send(message)
		hear(want)
	}
	send(`{"@type":"WebSocketPushEnable","dataTypes":["Email"],"pushState":"0"}`)
	hear(`{"@type":"StateChange","changed":{"a1":{"Email":"1.1"}},"pushState":"` + w.state() + `"}`)
	w.put(store.InboxID, 1, storetest.Text(1), store.Flags{})
	hear(`{"@type":"StateChange","changed":{"a1":{"Email":"2.2"}},"pushState":"` + w.state() + `"}`)
	send(`{"@type":"WebSocketPushEnable","dataTypes":null,"pushState":"` + w.state() + `"}`)
	send(`{"@type":"WebSocketPushDisable"}`)
	send(`{"@type":"Request","id":"r7","using":["urn:ietf:params:jmap:core"],"methodCalls":[]}`)
	hear(`{"@type":"Response","requestId":"r7","methodResponses":[]}`)
	w.put(store.InboxID, 2, storetest.Text(2), store.Flags{}) // nobody is told
	send(`{"@type":"Request","id":"` + strings.Repeat("x", 20_000) + `"}`)
	if _, text, err := conn.Read(ctx); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
		t.Errorf("%v %q", err, text)
	}
}

// TestWebSocketRefusals holds who gets no connection, and that the server's end ends them.
func TestWebSocketRefusals(t *testing.T) {
	w := newWorld(t)
	web := httptest.NewTLSServer(w.server)
	defer web.Close()
	if _, answer, err := w.dial(web, "jmap", "https://evil.example"); err == nil || answer.StatusCode != http.StatusForbidden {
		t.Error(err, answer)
	}
	conn, _, err := w.dial(web, "xmpp", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Error(err)
	}
	for n := 0; n < maxStreams; { // when the one before has given its place back
		if w.server.take(w.anna.ID) {
			n++
		}
	}
	if _, answer, err := w.dial(web, "jmap", ""); err == nil || answer.StatusCode != http.StatusTooManyRequests {
		t.Error(err, answer)
	}
	for range maxStreams {
		w.server.give(w.anna.ID)
	}
	conn, _, err = w.dial(web, "jmap", strings.Replace(web.URL, "http:", "https:", 1))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() {
		_, _, err := conn.Read(context.Background())
		ended <- err
	}()
	if err := w.server.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-ended; websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Error(err)
	}
}
