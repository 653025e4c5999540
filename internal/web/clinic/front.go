package clinic

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/web/session"
)

// tiles are what somebody who is signed in can say is wrong, in the order for when nothing is seen.
var tiles = []string{"send", "receive", "message", "program", "full", "other"}

// tile is a trouble to choose, with what is known of it already.
type tile struct {
	Name    string
	Known   string // one sentence
	Trouble bool   // what is known is trouble

	rank int
}

// knownFor is how long the doctor may think about what the service knows.
const knownFor = 900 * time.Millisecond

// front is /doctor.
func (c *Clinic) front(w http.ResponseWriter, r *http.Request, v visitor) {
	if v.account == nil {
		if session.Bounce(w, r) {
			return
		}
		c.showPublic(w, r, v, http.StatusOK, publicForm{Tile: "signin", Address: r.FormValue("address")})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), knownFor)
	defer cancel()
	p := struct {
		frame
		Tiles []tile
	}{frame: c.frame(r, v, "front_title")}
	in, d, err := c.atHand(ctx, v)
	if err != nil {
		c.fail(w, r, v, err)
		return
	}
	for _, name := range tiles {
		p.Tiles = append(p.Tiles, c.tileOf(ctx, d, v, in, name))
	}
	slices.SortStableFunc(p.Tiles, func(a, b tile) int { return cmp.Compare(b.rank, a.rank) })
	c.pages.Write(w, http.StatusOK, "front.html", v.lang, p)
}

// atHand is what the service knows, and a doctor who knows the same and looks at nothing else.
func (c *Clinic) atHand(ctx context.Context, v visitor) (*evidence.Inside, *doctor.Doctor, error) {
	in, err := c.Inside(ctx, v.account.Address)
	if err != nil { // what is looked at tells
		c.Log.Warn("clinic: what is known", "error", err)
		in = &evidence.Inside{}
	}
	env := c.Env
	env.Inside, env.Interfaces = insider(func(context.Context, string) (*evidence.Inside, error) { return in, nil }), notTheDevice
	d, err := doctor.New(env, c.Catalogue)
	return in, d, err
}

// knownAtOnce is what is known of a trouble before anything was looked at.
func (c *Clinic) knownAtOnce(ctx context.Context, v visitor, name string) string {
	if v.account == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, knownFor)
	defer cancel()
	in, d, err := c.atHand(ctx, v)
	if err != nil {
		return "" // what is looked at tells
	}
	return c.tileOf(ctx, d, v, in, name).Known
}

// tileOf tells what is known of a trouble: what the doctor concludes from it, or else how things stand.
func (c *Clinic) tileOf(ctx context.Context, d *doctor.Doctor, v visitor, in *evidence.Inside, name string) tile {
	t := tile{Name: name}
	found := c.known(ctx, d, v, name)
	switch {
	case len(found) > 0:
		t.Known, t.Trouble = c.explain(v, found[0].Decision).Title, true
		t.rank = 1
		if found[0].Certainty == "proven" {
			t.rank = 2
		}
		if name == "full" {
			t.rank++ // where it is about room, that is the trouble of its own name
		}
	case name == "message":
		n := 0
		for _, m := range c.sentLately(v, in) {
			n += rank(m.Trouble)
		}
		if t.Known = c.says[v.lang].Say("words.stands_message"); n > 0 {
			t.Known, t.Trouble, t.rank = c.says[v.lang].Say("words.stands_message_trouble", "count", strconv.Itoa(n)), true, 1
		}
	default:
		if t.Known = c.stands(v, in, name); name != "full" {
			return t
		}
		if since := c.fullSince(ctx, v.account.ID); !since.IsZero() {
			t.Known, t.Trouble, t.rank = c.says[v.lang].Say("words.stands_full_since", "at", c.moment(v, since)), true, 3
		} else if nearlyFull(in) {
			t.Trouble, t.rank = true, 1
		}
	}
	return t
}

// known concludes from what the service knows alone. Of "too full", only what is about storage counts; "something else"
// has no causes of its own.
func (c *Clinic) known(ctx context.Context, d *doctor.Doctor, v visitor, name string) []doctor.Cause {
	if name == "other" || name == "message" {
		return nil
	}
	r, err := d.Known(ctx, doctor.Case{Complaint: evidence.Complaint{Address: v.account.Address, Symptom: symptomOf(name), Hosted: true}})
	if err != nil {
		c.Log.Warn("clinic: what is known", "error", err)
		return nil
	}
	switch name {
	case "full":
		return slices.DeleteFunc(append(r.Verdict.Causes, r.Verdict.Also...), func(one doctor.Cause) bool { return !aboutStorage(one.ID) })
	case "program":
		return slices.DeleteFunc(r.Verdict.Causes, func(one doctor.Cause) bool { return aboutStorage(one.ID) })
	}
	return r.Verdict.Causes
}

func aboutStorage(id cause.ID) bool {
	return id == cause.QuotaMailboxFull || id == cause.QuotaStorageSharedFull || id == cause.QuotaDomainFull || id == cause.QuotaSentCopyFailed
}

func (c *Clinic) explain(v visitor, d cause.Decision) cause.Explanation {
	return c.here(v).Explain(d, v.lang, cause.Holder)
}

// stands tells how things stand where nothing is wrong.
func (c *Clinic) stands(v visitor, in *evidence.Inside, name string) string {
	say := c.says[v.lang]
	last := func(key string, match func(*evidence.Event) bool) string {
		for i := len(in.Events) - 1; i >= 0; i-- {
			if e := &in.Events[i]; match(e) {
				return say.Say("words."+key, "at", c.moment(v, e.At), "program", programOf(e))
			}
		}
		return say.Say("words." + key + "_none")
	}
	switch name {
	case "send":
		return last("stands_send", func(e *evidence.Event) bool { return e.Kind == journal.MessageQueued })
	case "receive":
		return last("stands_receive", func(e *evidence.Event) bool { return e.Kind == journal.MessageDelivered })
	case "program":
		return last("stands_program", func(e *evidence.Event) bool {
			return e.Kind == "sign-in" && e.Cause == "" && !onWeb(e.Text["protocol"])
		})
	case "full":
		return c.room(v, in)
	}
	return say.Say("words.stands_other")
}

// room tells how full the account is.
func (c *Clinic) room(v visitor, in *evidence.Inside) string {
	say := c.says[v.lang]
	if in.Usage == nil {
		return say.Say("words.stands_other")
	}
	used := c.Catalogue.Value(v.lang, cause.Size("used", in.Usage.Mail))
	if in.Usage.Limit == 0 {
		return say.Say("words.stands_full_unbounded", "used", used)
	}
	percent := strconv.FormatInt(in.Usage.Mail*100/in.Usage.Limit, 10)
	return say.Say("words.stands_full", "used", used, "limit", c.Catalogue.Value(v.lang, cause.Size("limit", in.Usage.Limit)), "percent", percent)
}

// fullSince is since when mail is refused for want of room, zero if it is not.
func (c *Clinic) fullSince(ctx context.Context, a store.AccountID) time.Time {
	u, err := c.Store.Usage(ctx, a)
	if err != nil {
		c.Log.Warn("clinic: how full an account is", "error", err)
	}
	return u.FullSince
}

// nearlyFull tells that there is room for little more: larger messages are turned away.
func nearlyFull(in *evidence.Inside) bool {
	const percent = 90
	return in.Usage != nil && in.Usage.Limit > 0 && in.Usage.Mail >= in.Usage.Limit/100*percent
}

// onWeb tells protocols of browsers from those of mail programs.
func onWeb(protocol string) bool {
	return strings.EqualFold(protocol, "webmail") || strings.EqualFold(protocol, "jmap")
}

// programOf is what signed in, as it calls itself.
func programOf(e *evidence.Event) string { return cmp.Or(e.Text["program"], e.Text["credential"]) }

// tell is a tile that needs one thing more before a look: which message it is about.
func (c *Clinic) tell(w http.ResponseWriter, r *http.Request, v visitor) {
	if v.account == nil || r.PathValue("tile") != "message" {
		http.Redirect(w, r, c.path("/doctor", v), http.StatusSeeOther)
		return
	}
	in, err := c.Inside(r.Context(), v.account.Address)
	if err != nil {
		c.fail(w, r, v, err)
		return
	}
	p := struct {
		frame
		Messages []sent
	}{frame: c.frame(r, v, "tile_message")}
	p.Messages = c.sentLately(v, in)
	c.pages.Write(w, http.StatusOK, "message.html", v.lang, p)
}

// sent is a message to choose from.
type sent struct {
	Trace, To, Subject, At string
	Trouble                bool
}

// maxSent is how many messages are offered.
const maxSent = 20

// sentLately lists the messages that the account sent, the newest first; what is on its way with trouble before them.
func (c *Clinic) sentLately(v visitor, in *evidence.Inside) (list []sent) {
	trouble, corrected := map[[2]string]bool{}, map[[2]string]bool{} // by trace and recipient
	for _, q := range in.Queue {
		if q.State == "failed" || q.State == "deferred" {
			trouble[[2]string{q.Trace, strings.ToLower(q.To)}] = true
		}
	}
	for i := len(in.Events) - 1; i >= 0; i-- {
		e := &in.Events[i]
		of := [2]string{e.Trace, strings.ToLower(e.Text["to"])}
		switch e.Kind {
		case journal.MessageCorrected: // what was wrong with the address before is no trouble any more
			corrected[of] = true
		case journal.MessageBounced, journal.MessageExpired:
			trouble[of] = !corrected[of]
		}
		if e.Kind != journal.MessageQueued {
			continue
		}
		list = append(list, sent{Trace: e.Trace, To: e.Text["to"], Subject: e.Text["subject"], At: c.moment(v, e.At), Trouble: trouble[of]})
	}
	slices.SortStableFunc(list, func(a, b sent) int { return cmp.Compare(rank(b.Trouble), rank(a.Trouble)) })
	return list[:min(len(list), maxSent)]
}

func rank(trouble bool) int {
	if trouble {
		return 1
	}
	return 0
}

// path is a path with the language that was chosen.
func (c *Clinic) path(path string, v visitor) string { return path + "?lang=" + string(v.lang) }

// fail says that something did not work.
func (c *Clinic) fail(w http.ResponseWriter, r *http.Request, v visitor, err error) {
	c.Log.Error("clinic: page not made", "path", r.URL.Path, "error", err)
	c.sorry(w, r, v, http.StatusServiceUnavailable, "sorry_failed")
}

// sorry is a page of one sentence.
func (c *Clinic) sorry(w http.ResponseWriter, r *http.Request, v visitor, status int, key string, pairs ...string) {
	p := struct {
		frame
		Sentence string
	}{frame: c.frame(r, v, "front_title")}
	p.Sentence = p.Say(key, pairs...)
	c.pages.Write(w, status, "sorry.html", v.lang, p)
}
