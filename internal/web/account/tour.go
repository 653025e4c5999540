package account

import (
	"net/http"
	"slices"

	"github.com/postiljon/postiljon/internal/store"
)

// tourName is the annotation of an account that says that its holder was shown around.
const tourName = "/private/vendor/postiljon/tour"

// Tour tells whether the holder of an account was shown around in the webmail, in any browser.
type Tour struct {
	Seen bool `json:"seen"`
}

func (a *API) tour(_ http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	all, err := a.Store.Annotations(r.Context(), who.ID, store.AccountAnnotations)
	return Tour{slices.ContainsFunc(all, func(one store.Annotation) bool { return one.Name == tourName })}, err
}

// changeTour remembers that somebody was shown around, or wants to be again.
func (a *API) changeTour(w http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	var t Tour
	if err := a.read(w, r, &t); err != nil {
		return nil, err
	}
	seen := store.Annotation{Name: tourName}
	if t.Seen {
		seen.Value = []byte("seen")
	}
	return t, a.Store.Annotate(r.Context(), who.ID, store.AccountAnnotations, []store.Annotation{seen})
}
