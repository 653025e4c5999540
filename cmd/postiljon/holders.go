package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/control"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/store"
	websession "github.com/postiljon/postiljon/internal/web/session"
)

// holderHandler tells the holder of an account what the service knows: whoever is signed in with a browser, or has the password
// (RFC 7617), over TLS alone. An account that is suspended or switched off is told of, too: that is what its
// holder asks about. The doctor asks with the password of a mail program, whatever that is for; what came and went is for no
// password that is not for the web.
type holderHandler struct {
	anyProgram bool
	signIn     *policy.SignIn
	browsers   *websession.Keeper
	tell       func(ctx context.Context, address string, query url.Values) (any, error)
}

// evidencePath is where the web server has it.
const evidencePath = "/doctor/evidence"

func (h *holderHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if one, d, shown := h.browsers.From(r); shown && d.Allowed() {
		h.answer(w, r, one.Account.Address)
		return
	}
	name, password, given := r.BasicAuth()
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if r.TLS == nil || err != nil {
		http.Error(w, "only over TLS", http.StatusForbidden)
		return
	}
	d := cause.Refuse(cause.AuthPasswordWrong)
	if given {
		_, d = h.signIn.Password(r.Context(), policy.Attempt{Protocol: store.ProtocolWeb, Remote: remote.Addr().Unmap(), TLS: true, Client: "web"}, name, password)
	}
	if !d.Allowed() && !h.passwordWasRight(d.Cause) {
		if r.Header.Get("Sec-Fetch-Mode") == "" { // programs; browsers would ask for a password in a window of their own
			w.Header().Set("WWW-Authenticate", `Basic realm="postiljon", charset="UTF-8"`)
		}
		http.Error(w, string(d.Cause), http.StatusUnauthorized)
		return
	}
	h.answer(w, r, name)
}

func (h *holderHandler) answer(w http.ResponseWriter, r *http.Request, name string) {
	told, err := h.tell(r.Context(), name, r.URL.Query())
	if errors.Is(err, control.ErrQuestion) {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err != nil {
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(told) // who went away hears nothing
}

// passwordWasRight tells of causes of refused sign-ins that are told only after the right password: the
// state of the account. Being locked out is not one of them, and a password that has expired is none any more.
func (h *holderHandler) passwordWasRight(id cause.ID) bool {
	switch id {
	case cause.AccountLockedOut, cause.AccountPasswordExpired:
		return false
	case cause.AccountProtocolDisabled:
		return h.anyProgram
	}
	return strings.HasPrefix(string(id), "account.")
}
