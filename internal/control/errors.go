package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/outbound"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/store"
)

// Error is why a call failed, as it goes over the socket.
type Error struct {
	Message string   `json:"error"`
	Cause   cause.ID `json:"cause,omitempty"`
	Next    string   `json:"next_step,omitempty"`
	// Status is that of HTTP: 404, 409, 400 or 500.
	Status int `json:"-"`
}

func (e *Error) Error() string { return e.Message }

// NextStep is what to do now, "" if there is nothing to say.
func (e *Error) NextStep() string { return e.Next }

func invalid(format string, args ...any) error {
	return &Error{Message: fmt.Sprintf(format, args...), Status: http.StatusBadRequest}
}

func missing(next, format string, args ...any) error {
	return &Error{Message: fmt.Sprintf(format, args...), Next: next, Status: http.StatusNotFound}
}

func taken(next, format string, args ...any) error {
	return &Error{Message: fmt.Sprintf(format, args...), Next: next, Status: http.StatusConflict}
}

// kinds is what errors of the store are over HTTP.
var kinds = map[store.Kind]struct {
	status int
	cause  cause.ID
}{
	store.KindNotFound:  {http.StatusNotFound, ""},
	store.KindExists:    {http.StatusConflict, ""},
	store.KindInUse:     {http.StatusConflict, ""},
	store.KindInvalid:   {http.StatusBadRequest, ""},
	store.KindLimit:     {http.StatusBadRequest, ""},
	store.KindOverQuota: {http.StatusConflict, cause.QuotaMailboxFull},
	store.KindNoSpace:   {http.StatusInsufficientStorage, cause.ProviderStorageFailed},
	store.KindCorrupt:   {http.StatusInternalServerError, cause.ProviderBackendBroken},
	store.KindClosed:    {http.StatusServiceUnavailable, cause.ProviderMaintenanceStop},
}

// public brings an error into its public shape. Who may call is the operator:
// he is told what the store says.
func public(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	switch {
	case errors.Is(err, policy.ErrWeak):
		return &Error{Message: "the password is too short or too long", Status: http.StatusBadRequest,
			Next: "Take at least 8 characters, or have one made with --generate."}
	case errors.Is(err, policy.ErrNoBan):
		return &Error{Message: err.Error(), Status: http.StatusNotFound}
	case errors.Is(err, outbound.ErrNotQueued):
		return &Error{Message: "no recipient of this message is in a state where that can be done", Status: http.StatusNotFound,
			Next: "'postiljon queue show' tells the state of each."}
	case errors.Is(err, outbound.ErrBusy):
		return &Error{Message: "the message is being sent right now", Status: http.StatusConflict,
			Next: "Try again in a minute; 'postiljon queue list' shows what became of it."}
	case errors.Is(err, journal.ErrQuery):
		return &Error{Message: "that is no address, Message-ID or trace id", Status: http.StatusBadRequest}
	case errors.Is(err, context.Canceled):
		return &Error{Message: "the call was broken off", Status: http.StatusServiceUnavailable}
	}
	if k, ok := kinds[store.KindOf(err)]; ok {
		return &Error{Message: err.Error(), Cause: k.cause, Status: k.status}
	}
	return &Error{Message: err.Error(), Status: http.StatusInternalServerError,
		Next: "The log of the service says more."}
}
