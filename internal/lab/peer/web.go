package peer

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Web is an HTTP server, on port 80 and, with a certificate, on 443. Its pages can be
// changed while it runs.
type Web struct {
	Name string

	now    func() time.Time
	http   *http.Server
	mu     sync.Mutex
	skew   time.Duration
	tls    *tls.Config
	pages  map[string]http.Handler
	asked  []string
	wg     sync.WaitGroup
	ending chan struct{}
	once   sync.Once
}

// NewWeb returns a server without pages. now is the clock of its Date headers.
func NewWeb(name string, now func() time.Time) *Web {
	w := &Web{Name: name, now: now, pages: make(map[string]http.Handler), ending: make(chan struct{})}
	w.http = &http.Server{
		Handler: w, ReadHeaderTimeout: sessionTime, IdleTimeout: sessionTime,
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/1.1 is enough
		ErrorLog:     log.New(io.Discard, "", 0),                               // who breaks off a handshake is part of the play
	}
	return w
}

// Serve takes connections in the background until Close.
func (w *Web) Serve(l net.Listener, implicitTLS bool) {
	if implicitTLS {
		l = tls.NewListener(l, &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.tls == nil {
				return nil, errors.New("peer: no certificate")
			}
			return w.tls, nil
		}})
	}
	w.wg.Go(func() { w.http.Serve(l) })
}

// Close ends the server and its connections, and waits for them.
func (w *Web) Close() error {
	w.once.Do(func() { close(w.ending) })
	err := w.http.Close()
	w.wg.Wait()
	return err
}

// SetCertificate gives the server a certificate.
func (w *Web) SetCertificate(cert tls.Certificate) {
	w.SetTLS(&tls.Config{Certificates: []tls.Certificate{cert}})
}

// SetTLS gives the server its TLS configuration for new connections.
func (w *Web) SetTLS(config *tls.Config) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tls = config
}

// SkewDate sets the server's clock wrong by d, which its Date headers show.
func (w *Web) SkewDate(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.skew = d
}

// Page puts a handler at a path, at "host/path" for one name of the server only, or,
// where it ends in "/", at everything below.
func (w *Web) Page(path string, h http.Handler) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pages[path] = h
}

// RemovePage takes a page away.
func (w *Web) RemovePage(path string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.pages, path)
}

// Asked returns the requests so far, "GET north.example/path", oldest first.
func (w *Web) Asked() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.asked...)
}

func (w *Web) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	w.mu.Lock()
	if len(w.asked) < maxTranscript {
		w.asked = append(w.asked, r.Method+" "+host+r.URL.Path)
	}
	page := w.page(host, r.URL.Path)
	rw.Header().Set("Date", w.now().Add(w.skew).UTC().Format(http.TimeFormat))
	w.mu.Unlock()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	w.wg.Go(func() { // a page that hangs ends with the server
		select {
		case <-w.ending:
			cancel()
		case <-ctx.Done():
		}
	})
	page.ServeHTTP(rw, r.WithContext(ctx))
}

// page finds the handler: the longest path that fits, with the host before without.
func (w *Web) page(host, path string) http.Handler {
	for _, at := range []string{host + path, path} {
		if h := w.pages[at]; h != nil {
			return h
		}
	}
	for dir := path; dir != ""; {
		dir = dir[:strings.LastIndexByte(dir, '/')]
		for _, at := range []string{host + dir + "/", dir + "/"} {
			if h := w.pages[at]; h != nil {
				return h
			}
		}
	}
	return http.NotFoundHandler()
}

// Text is a page.
func Text(contentType, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Write([]byte(body))
	})
}

// JSON is a page with a value.
func JSON(v any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(v)
	})
}

// Code is a page with a status and nothing else.
func Code(status int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) })
}

// Redirect leads elsewhere.
func Redirect(to string) http.Handler { return http.RedirectHandler(to, http.StatusFound) }

// Hang does not answer until the client gives up.
func Hang() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
}

// Abort ends the connection without an answer.
func Abort() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) })
}

// After waits before a page.
func After(d time.Duration, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(d):
			h.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	})
}
