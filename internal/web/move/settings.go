package move

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/settings"
	"github.com/postiljon/postiljon/internal/store"
)

// Settings are those of a mailbox elsewhere, as far as they were found: what POST /api/import/imap wants, but for the
// password.
type Settings struct {
	Found    bool   `json:"found"`
	Host     string `json:"host,omitempty"`
	Port     int    `json:"port,omitempty"`
	TLS      string `json:"tls,omitempty"` // tls or starttls
	User     string `json:"user,omitempty"`
	Provider string `json:"provider,omitempty"` // its name, if it is known
	// AppPassword tells that the provider wants a password made for this alone, at AppPasswordURL; EnableURL is where access
	// for programs is switched on first.
	AppPassword    settings.Need `json:"appPassword,omitempty"`
	AppPasswordURL string        `json:"appPasswordUrl,omitempty"`
	EnableURL      string        `json:"enableUrl,omitempty"`
	// NoPassword tells that the provider lets nobody in with a password any more, or only on the person's own computer: nothing can be
	// fetched from here.
	NoPassword bool `json:"noPassword,omitempty"`
}

// lookupTime bounds a lookup.
const lookupTime = 20 * time.Second

// findSettings answers GET /api/import/imap/settings?address=.
func (s *Server) findSettings(w http.ResponseWriter, r *http.Request, a *store.Account) {
	if !s.lookups.begin(a.ID) { // each asks many servers
		s.answer.Refuse(w, r, http.StatusTooManyRequests, cause.Wait(cause.LimitConnections, time.Now().Add(lookupTime)))
		return
	}
	defer s.lookups.end(a.ID)
	ctx, cancel := context.WithTimeout(r.Context(), lookupTime)
	defer cancel()
	finder := &settings.Finder{Table: s.options.Table, Dialer: s.dialer, Roots: s.options.Roots, Patience: time.Second}
	if s.options.Resolver != nil {
		finder.Resolver = s.options.Resolver
	}
	found, err := finder.Lookup(ctx, r.URL.Query().Get("address"))
	switch {
	case errors.Is(err, settings.ErrQuery):
		s.answer.Refuse(w, r, http.StatusBadRequest, cause.Refuse(cause.RecipientAddressInvalid))
		return
	case err != nil:
		s.answer.JSON(w, Settings{}) // in time nothing was found
		return
	}
	s.answer.JSON(w, told(found))
}

func told(found *settings.Result) (t Settings) {
	if p := found.Provider; p != nil {
		t.Provider, t.AppPassword, t.AppPasswordURL, t.EnableURL = p.Name, p.AppPassword, p.AppPasswordURL, p.EnableURL
	}
	c, ok := found.Server(settings.IMAP)
	t.NoPassword = found.Provider != nil && (found.Provider.Bridge || ok && len(c.Methods) == 1 && c.Methods[0] == settings.OAuth2)
	if !ok || c.Security != settings.TLS && c.Security != settings.STARTTLS {
		return t
	}
	t.Found, t.Host, t.Port, t.User = true, c.Host, c.Port, c.Username
	if t.TLS = securityTLS; c.Security == settings.STARTTLS {
		t.TLS = securityStartTLS
	}
	if t.User == "" {
		t.User = found.Address
	}
	return t
}
