package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// account.location-policy: signing in is not allowed from here. The server says
// that, in place of a wrong password, or its journal does; from elsewhere it works.
var accountLocationPolicy = &infer.Cause{
	ID:       cause.AccountLocationPolicy,
	Requires: []*infer.Sign{notFromHere},
	Explains: refusesSignIns(infer.Usually),
	Proof:    []*infer.Sign{notFromHere},
	Params: func(e *evidence.Evidence) []cause.Param {
		i, ok := fromInside(e)
		if !ok {
			return nil
		}
		var params []cause.Param
		for _, event := range i.Events {
			if event.Cause == string(cause.AccountLocationPolicy) && len(params) == 0 {
				for _, name := range []string{"client", "place"} {
					if event.Text[name] != "" {
						params = append(params, cause.Text(name, event.Text[name]))
					}
				}
			}
		}
		return params
	},
}

var notFromHere = &infer.Sign{Name: "not-from-here", Of: func(e *evidence.Evidence) infer.Truth {
	told := []infer.Truth{signInMeans(e, dialect.LocationRefused), clientMeans(e, dialect.LocationRefused)}
	if i, ok := fromInside(e); ok {
		told = append(told, infer.Is(lastSignInEvent(i) == string(cause.AccountLocationPolicy)))
	}
	return either(told...)
}}
