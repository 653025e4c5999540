package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

// securityFor is how long what security.txt says holds (RFC 9116 section 2.5.5).
const securityFor = 180 * 24 * time.Hour

// security tells who hears of security holes (RFC 9116).
func (s *Server) security(w http.ResponseWriter, _ *http.Request) {
	contact := s.options.SecurityContact
	switch {
	case contact == "":
		contact = "mailto:postmaster@" + s.options.Hostname
	case strings.Contains(contact, "@") && !strings.Contains(contact, ":"):
		contact = "mailto:" + contact
	}
	expires := time.Now().Add(securityFor).UTC().Truncate(24 * time.Hour).Format(time.RFC3339)
	document(w, "text/plain; charset=utf-8", fmt.Appendf(nil, "Contact: %s\r\nExpires: %s\r\nPreferred-Languages: sv, nb, en\r\n", contact, expires))
}

// ToHTTPS leads to the same page of the encrypted web.
func ToHTTPS(base string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			say(w, http.StatusForbidden, "this is only to be had encrypted: "+base+"\n")
			return
		}
		http.Redirect(w, r, base+r.URL.RequestURI(), http.StatusMovedPermanently)
	})
}

// Plain is the web without encryption.
type Plain struct{ server *http.Server }

// NewPlain makes the web without encryption of a handler.
func NewPlain(h http.Handler, log *slog.Logger) *Plain {
	return &Plain{&http.Server{
		Handler: secure(h), ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
}

// Serve answers on l until Close is called.
func (p *Plain) Serve(l net.Listener) error {
	if err := p.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("web: %w", err)
	}
	return nil
}

// Close ends the server after the requests that run, or when ctx ends.
func (p *Plain) Close(ctx context.Context) error {
	if err := p.server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("web: %w", err), p.server.Close())
	}
	return nil
}
