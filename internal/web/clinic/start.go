package clinic

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/probe"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/store"
)

// publicTiles are what somebody who is not signed in can say is wrong.
var publicTiles = []string{"signin", "send", "receive", "other"}

// publicForm is what the public form asks.
type publicForm struct {
	Tile, Address string
	Wrong         string // the key of what is wrong with the address
	Blocked       *cause.Explanation
	Tiles         []string
}

// showPublic is /doctor for somebody who is not signed in. What the service knows of where they come from is told at once.
func (c *Clinic) showPublic(w http.ResponseWriter, r *http.Request, v visitor, status int, form publicForm) {
	form.Tiles = publicTiles
	if d := c.Admit(v.remote); !d.Allowed() {
		x := c.explain(v, d)
		form.Blocked = &x
	}
	p := struct {
		frame
		publicForm
	}{c.frame(r, v, "public_title"), form}
	c.pages.Write(w, status, "public.html", v.lang, p)
}

// order is a look that was asked for.
type order struct {
	visitor
	tile, address, password string
	message, to             string // the trace of a message, and whom it is for
	awaited                 string // the address from which a message is waited for
	before                  *kept  // what was found the last time
	hosted                  bool
}

// start begins a look and leads to its page.
func (c *Clinic) start(w http.ResponseWriter, r *http.Request, v visitor) {
	o := order{visitor: v, tile: r.PostFormValue("tile"), password: r.PostFormValue("password"), message: r.PostFormValue("message"), to: r.PostFormValue("to")}
	if id, err := ParseReference(r.PostFormValue("before")); err == nil {
		if o.before, err = c.load(r.Context(), v, id); err != nil {
			c.fail(w, r, v, err)
			return
		}
	}
	if v.account != nil {
		o.address, o.password, o.hosted, o.awaited = v.account.Address, "", true, strings.TrimSpace(r.PostFormValue("awaited"))
		if !slices.Contains(tiles, o.tile) {
			o.tile = "other"
		}
	} else if !c.orderPublic(w, r, &o) {
		return
	}
	id := store.NewTraceID(c.Now())
	one := &run{id: id, account: v.id(), tile: o.tile, address: o.address}
	err := c.runs.begin(one, o.counts(), func(ctx context.Context, one *run) *kept { return c.look(ctx, one, o) })
	var often errOften
	switch {
	case errors.As(err, &often):
		w.Header().Set("Retry-After", "60")
		c.sorry(w, r, v, http.StatusTooManyRequests, "sorry_often", "at", c.here(v).Clock(v.lang, often.until))
	case err != nil:
		w.Header().Set("Retry-After", "60")
		c.sorry(w, r, v, http.StatusServiceUnavailable, "sorry_busy")
	default:
		http.Redirect(w, r, c.path("/doctor/report/"+reference(id), v), http.StatusSeeOther)
	}
}

// orderPublic completes what somebody who is not signed in asks for; false if it was answered already.
func (c *Clinic) orderPublic(w http.ResponseWriter, r *http.Request, o *order) bool {
	o.address, o.message = strings.TrimSpace(r.PostFormValue("address")), ""
	if !slices.Contains(publicTiles, o.tile) {
		o.tile = "signin"
	}
	if _, err := address.Parse(o.address, address.Options{UTF8: true}); err != nil {
		c.showPublic(w, r, o.visitor, http.StatusUnprocessableEntity, publicForm{Tile: o.tile, Address: o.address, Wrong: "address_wrong"})
		return false
	}
	hosted, err := c.Hosted(r.Context(), evidence.DomainOf(o.address))
	if err != nil {
		c.fail(w, r, o.visitor, err)
		return false
	}
	o.hosted = hosted
	return true
}

// counts says what a look counts for.
func (o *order) counts() []counted {
	if o.account != nil {
		return []counted{{perAccount, "account " + o.account.Address}}
	}
	list := []counted{{perAddress, "from " + network(o.remote)}}
	if !o.hosted {
		list = append(list, counted{perDomain, "domain " + evidence.DomainOf(o.address)})
	}
	return list
}

// look looks, and keeps what was found.
func (c *Clinic) look(ctx context.Context, one *run, o order) *kept {
	k := &kept{ID: one.id, Account: one.account, Tile: o.tile, Address: o.address, Message: o.message, To: o.to, Awaited: o.awaited, Began: c.Now()}
	var err error
	switch {
	case o.message != "":
		err = c.followMessage(ctx, k)
	case o.awaited != "":
		err = c.followAwaited(ctx, k)
	case o.account != nil:
		err = c.diagnose(ctx, one, k, o, c.envHere(k))
	case o.hosted:
		err = c.lookAtHosted(ctx, one, k, o)
	default:
		err = c.diagnose(ctx, one, k, o, c.envElsewhere(o.address, k))
	}
	if err != nil {
		c.Log.Error("clinic: look failed", "error", err)
		k.State, k.Note = doctor.Unknown, "note_failed"
	}
	k.Ended = c.Now()
	k.compareWith(o.before)
	if err := c.keep(context.WithoutCancel(ctx), k); err != nil {
		c.Log.Error("clinic: report not kept", "reference", reference(k.ID), "error", err)
	}
	return k
}

// envHere is where accounts of this service are looked at from.
func (c *Clinic) envHere(k *kept) probe.Env {
	env := c.Env
	env.Inside, env.Interfaces, env.Dialer = insider(c.Inside), notTheDevice, c.dialer(c.Own, k.hold)
	return env
}

// envElsewhere is where accounts at other providers are looked at from.
func (c *Clinic) envElsewhere(address string, k *kept) probe.Env {
	env := c.Env
	env.Interfaces, env.Dialer, env.Inside = notTheDevice, c.dialer(nil, k.hold), nil
	if c.Anywhere {
		env.Dialer = c.Env.Dialer
	}
	if c.Elsewhere != nil {
		env.Reference = c.Elsewhere(address)
	}
	return env
}

// hold notes what was not looked at on purpose; the dialer tells one at a time.
func (k *kept) hold(key string) {
	if !slices.Contains(k.Held, key) {
		k.Held = append(k.Held, key)
	}
}

// diagnose has the doctor look.
func (c *Clinic) diagnose(ctx context.Context, one *run, k *kept, o order, env probe.Env) error {
	d, err := doctor.New(env, c.Catalogue)
	if err != nil {
		return err
	}
	seen := map[step]bool{}
	r, err := d.Diagnose(ctx, doctor.Case{
		Complaint: evidence.Complaint{Symptom: symptomOf(o.tile), Address: o.address, Password: o.password, Recipient: o.to, Hosted: o.hosted, Given: c.given(o)},
		Progress: func(p probe.Result) {
			if s, ok := stepOf(p); ok && !seen[s] {
				seen[s] = true
				one.add(s)
			}
		},
	})
	if err != nil {
		return err
	}
	if err := k.concluded(r); err != nil {
		return err
	}
	if o.tile == "full" {
		in, err := c.Inside(ctx, o.address)
		if err != nil {
			return err
		}
		k.onlyStorage(nearlyFull(in))
		if u := in.Usage; len(k.Causes) == 0 && u != nil && !c.fullSince(ctx, k.Account).IsZero() {
			k.Note = ""
			k.proven(cause.Refuse(cause.QuotaMailboxFull, cause.Size("used", u.Mail), cause.Size("limit", u.Limit)))
		}
	}
	return nil
}

// given are the servers that an account here uses: those of the service.
func (c *Clinic) given(o order) []evidence.Endpoint {
	if !o.hosted {
		return nil
	}
	return slices.Clone(c.Own)
}

// onlyStorage leaves of what was found that which is about storage; the rest was seen beside it.
func (k *kept) onlyStorage(nearlyFull bool) {
	other := func(f finding) bool { return !aboutStorage(f.ID) }
	all := append(slices.Clone(k.Causes), k.Also...)
	k.Causes = slices.DeleteFunc(slices.Clone(all), other)
	k.Also = slices.DeleteFunc(all, func(f finding) bool { return !other(f) })
	if len(k.Causes) == 0 {
		if k.State, k.Note = doctor.Healthy, "note_room"; nearlyFull {
			k.State, k.Note = doctor.Proven, "note_nearly_full"
		}
	}
}

// lookAtHosted looks after somebody who is not signed in and has, or means to have, an account here. A password is tried
// once, here, from where they are: so it counts as any other try, and this page is no way around the bounds of sign-ins.
func (c *Clinic) lookAtHosted(ctx context.Context, one *run, k *kept, o order) error {
	if d := c.Admit(o.remote); !d.Allowed() {
		k.proven(d)
		return nil
	}
	if o.password == "" {
		env := c.envHere(k)
		env.Inside = nil // what the service knows of an account is told to its holder alone
		err := c.diagnose(ctx, one, k, o, env)
		if err == nil && k.State == doctor.Healthy {
			k.Note = "note_no_password"
		}
		return err
	}
	account, d := c.Password(ctx, o.remote, o.address, o.password)
	one.add(step{Key: "signin", State: stateOf(d.Allowed())})
	if !d.Allowed() && !rightPassword(d.Cause) {
		k.proven(c.Catalogue.ToStranger(d))
		return nil
	}
	k.SignIns = doctor.SignIns{Tried: 1}
	if !d.Allowed() {
		k.proven(d)
		return nil
	}
	o.address, o.password = account.Address, ""
	err := c.diagnose(ctx, one, k, o, c.envHere(k))
	if err == nil && k.State == doctor.Healthy && o.tile == "signin" {
		k.Note = "note_signs_in"
	}
	return err
}

// rightPassword tells of causes that are told only after the right password: the state of the account.
func rightPassword(id cause.ID) bool {
	return strings.HasPrefix(string(id), "account.") && id != cause.AccountLockedOut
}

func stateOf(ok bool) probe.State {
	if ok {
		return probe.Done
	}
	return probe.Failed
}

// followMessage finds what became of a message that the account sent.
func (c *Clinic) followMessage(ctx context.Context, k *kept) error {
	t, err := c.Trace(ctx, journal.Query{Text: k.Message, Account: k.Account, Reader: cause.Holder})
	if errors.Is(err, journal.ErrQuery) {
		t, err = &journal.Timeline{}, nil
	}
	if err != nil {
		return err
	}
	k.State, k.Note = doctor.Unknown, "note_message_unknown"
	for i := range t.Lines {
		e := &t.Lines[i].Event
		if k.To != "" && e.Field("to") != "" && !strings.EqualFold(e.Field("to"), k.To) && e.Kind != journal.MessageQueued {
			continue
		}
		switch e.Kind {
		case journal.MessageBounced, journal.MessageExpired, journal.MessageDeferred, journal.MessageRefused, journal.RecipientRefused, journal.MessageUnconfirmed:
			if e.Cause != "" {
				k.Note, k.Causes = "", nil
				k.proven(e.Decision())
			}
		case journal.MessageRelayed:
			k.State, k.Note, k.Causes = doctor.Healthy, "note_message_taken", nil
		case journal.MessageDelivered, journal.MessageFiledJunk:
			k.State, k.Note, k.Causes = doctor.Healthy, "note_message_here", nil
		case journal.MessageCancelled:
			k.State, k.Note, k.Causes = doctor.Healthy, "note_message_cancelled", nil
		case journal.MessageCorrected:
			k.State, k.Note, k.Causes = doctor.Healthy, "note_message_corrected", nil
		}
	}
	return nil
}

// followAwaited finds what became of the last message from somebody.
func (c *Clinic) followAwaited(ctx context.Context, k *kept) error {
	t, err := c.Trace(ctx, journal.Query{Text: k.Awaited, Account: k.Account, Reader: cause.Holder})
	if errors.Is(err, journal.ErrQuery) {
		t, err = &journal.Timeline{}, nil
	}
	if err != nil {
		return err
	}
	k.State, k.Note = doctor.Unknown, "note_awaited_absent"
	if t.Visited != nil && t.Visited.Here {
		k.Note = "note_awaited_never"
	}
	for i := range t.Lines {
		e := &t.Lines[i].Event
		if !strings.EqualFold(e.Field("from"), k.Awaited) {
			continue
		}
		switch e.Kind {
		case journal.MessageDelivered:
			k.State, k.Note, k.Place = doctor.Healthy, "note_awaited_here", e.Field("mailbox")
		case journal.MessageFiledJunk:
			k.State, k.Note = doctor.Healthy, "note_awaited_junk"
		case journal.MessageRefused, journal.RecipientRefused, journal.SenderRefused:
			k.State, k.Note, k.Refused = doctor.Proven, "note_awaited_refused", e.Cause
		case journal.RulesDiscarded, journal.RulesRejected:
			k.State, k.Note = doctor.Proven, "note_awaited_rule"
		}
	}
	return nil
}
