package account

import (
	"embed"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/store"
)

//go:embed texts/*.toml
var textFiles embed.FS

// Profile is an account as its holder sees it.
type Profile struct {
	Address  string   `json:"address"`
	Name     string   `json:"name"`     // as it stands in front of the address
	Language string   `json:"language"` // sv, nb, en; "" for that of the browser
	Zone     string   `json:"zone"`     // "Europe/Stockholm"; "" for that of the browser
	Aliases  []string `json:"aliases"`  // other addresses that lead here, and nowhere else
	Groups   []string `json:"groups"`   // those that lead here among others
	Roles    []string `json:"roles"`    // of postmaster@ and abuse@, those that lead here
	Created  string   `json:"created"`
	TwoStep  bool     `json:"twoStep"`
}

// ProfileChange is what changes; what is left out stays.
type ProfileChange struct {
	Name     *string `json:"name,omitempty"`
	Language *string `json:"language,omitempty"`
	Zone     *string `json:"zone,omitempty"`
}

// maxName is how long a name may be, in characters.
const maxName = 200

func (a *API) profile(_ http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	p := Profile{
		Address: who.Address, Name: who.Name, Language: who.Language, Zone: who.Zone, Created: stamp(who.Created), TwoStep: who.TwoStep,
		Aliases: []string{}, Groups: []string{}, Roles: []string{},
	}
	aliases, err := a.Store.Aliases(r.Context(), who.Domain())
	if err != nil {
		return nil, err
	}
	for _, one := range aliases {
		switch {
		case !slices.Contains(one.Targets, who.Address):
		case len(one.Targets)+len(one.Forward) == 1:
			p.Aliases = append(p.Aliases, one.Address)
		default:
			p.Groups = append(p.Groups, one.Address)
		}
	}
	for _, role := range []string{"postmaster", "abuse"} {
		to, err := a.Store.Resolve(r.Context(), role+"@"+who.Domain())
		if err == nil && slices.ContainsFunc(to.Accounts, func(one store.Account) bool { return one.ID == who.ID }) {
			p.Roles = append(p.Roles, role+"@"+who.Domain())
		}
	}
	return p, nil
}

func (a *API) changeProfile(w http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	var c ProfileChange
	if err := a.read(w, r, &c); err != nil {
		return nil, err
	}
	if err := a.checkProfile(r, &c); err != nil {
		return nil, err
	}
	before := ""
	now, err := a.Store.UpdateAccount(r.Context(), who.ID, func(x *store.Account) error {
		before = x.Name
		set(&x.Name, c.Name)
		set(&x.Language, c.Language)
		set(&x.Zone, c.Zone)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := a.Store.NameIdentities(r.Context(), &now, before); err != nil {
		return nil, err
	}
	a.Note(r.Context(), who.ID, journal.AccountChanged, store.Field{Name: "to", Value: who.Address})
	return a.profile(w, r, &now)
}

func set(to, from *string) {
	if from != nil {
		*to = *from
	}
}

func (a *API) checkProfile(r *http.Request, c *ProfileChange) error {
	if c.Name != nil {
		*c.Name = strings.TrimSpace(*c.Name)
		if utf8.RuneCountInString(*c.Name) > maxName || strings.ContainsFunc(*c.Name, unicode.IsControl) {
			return wrong("name", a.say(r, "name"))
		}
	}
	if c.Language != nil && *c.Language != "" && !slices.Contains(cause.Languages(), cause.Lang(*c.Language)) {
		return wrong("language", a.say(r, "language"))
	}
	if c.Zone != nil && *c.Zone != "" {
		if _, err := time.LoadLocation(*c.Zone); err != nil || strings.EqualFold(*c.Zone, "local") || len(*c.Zone) > 64 {
			return wrong("zone", a.say(r, "zone"))
		}
	}
	return nil
}
