package clinic

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/store"
)

// watchFor is how long a page waits for a phone.
const watchFor = 5 * time.Minute

// watch waits for a mail program to sign in, and tells of tries that failed.
func (c *Clinic) watch(w http.ResponseWriter, r *http.Request, v visitor) {
	if v.account == nil {
		http.Redirect(w, r, c.path("/doctor", v), http.StatusSeeOther)
		return
	}
	since := c.Now()
	if at, err := time.Parse(time.RFC3339, r.FormValue("since")); err == nil && c.Now().Sub(at) < time.Hour {
		since = at
	}
	release, ok := c.runs.watching(v.account.ID)
	if !ok {
		c.sorry(w, r, v, http.StatusTooManyRequests, "sorry_busy")
		return
	}
	defer release()
	p := struct {
		frame
		Since string
	}{c.frame(r, v, "watch_title", "since", since.UTC().Format(time.RFC3339)), since.UTC().Format(time.RFC3339)}
	s := c.pages.Stream(w, v.lang)
	if s.Part("watch_top", p) != nil {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), watchFor)
	defer cancel()
	c.await(ctx, s, p.frame, v, since)
}

// part sends a part of a page.
type part interface {
	Part(name string, data any) error
}

// tryPage is a sign-in that was seen.
type tryPage struct {
	frame
	At, Program, Protocol, Remote string
	Why                           cause.Explanation
}

// await looks into the journal each second until a program has signed in.
func (c *Clinic) await(ctx context.Context, s part, f frame, v visitor, since time.Time) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for quiet := 0; ; {
		tries, connected, err := c.tries(ctx, v, since)
		for _, e := range tries {
			since, quiet = e.Time.Add(time.Microsecond), 0
			one := tryPage{frame: f, At: c.here(v).Clock(v.lang, e.Time), Program: e.Field("client"), Protocol: strings.ToUpper(e.Field("protocol")), Remote: e.Field("remote")}
			if e.Kind == journal.SignInRefused {
				one.Why = c.explain(v, e.Decision())
			}
			if s.Part("watch_try", one) != nil {
				return
			}
		}
		if connected {
			_ = s.Part("watch_done", f) // the reader knows
			return
		}
		if quiet++; quiet%int(stillEvery/time.Second) == 0 && s.Part("still", f) != nil {
			return
		}
		select {
		case <-tick.C:
		case <-c.runs.life.Done():
			return
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			_ = s.Part("watch_over", f) // a reader who is there is told
			return
		}
	}
}

// tries are the sign-ins of mail programs since a time, up to the first that succeeded.
func (c *Clinic) tries(ctx context.Context, v visitor, since time.Time) (list []store.Event, connected bool, err error) {
	err = c.Store.Events(ctx, v.account.ID, since, time.Time{}, func(e *store.Event) error {
		if connected || e.Kind != journal.SignInOK && e.Kind != journal.SignInRefused || onWeb(e.Field("protocol")) {
			return nil
		}
		list = append(list, *e)
		connected = e.Kind == journal.SignInOK
		return nil
	})
	return list, connected, err
}
