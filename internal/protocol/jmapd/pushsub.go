package jmapd

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/alerts"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
)

// Bounds of push subscriptions.
const (
	maxPushURL     = 2000
	maxPushDevice  = 255
	mostPushTime   = 30 * 24 * time.Hour // then the device subscribes again
	maxPushCreates = 30                  // of an account in an hour: each sends a message somewhere
	maxNotified    = 5                   // emails that one message tells of
	maxNotifyText  = 140                 // characters of a field
)

func pushID(id uint64) string { return fmt.Sprintf("p%d", id) }

// pushProperties are those of RFC 8620 section 7.2 that are told, and one of ours: notify.
var pushProperties = []string{"id", "deviceClientId", "verificationCode", "expires", "types", "notify"}

// notify is what a device wants to know of mail that comes, so that it can show it without asking: our own property of a
// PushSubscription. Where it is given, a device hears of EmailDelivery only if an unread email came into one of the
// mailboxes, and the StateChange has the members emails, count and unread.
type notify struct {
	// MailboxIDs are where emails must have come to; null means where the account wants to be told of (package alerts).
	MailboxIDs []string `json:"mailboxIds"`
	// Preview says whether the message has senders, subjects and first lines, or only tells that there is mail.
	Preview bool `json:"preview"`
	// Quiet are hours in which nothing is told of mail that comes.
	Quiet *quiet `json:"quiet,omitempty"`
}

// quiet are hours of each day.
type quiet struct {
	From     string `json:"from"`     // "22:00"
	To       string `json:"to"`       // "07:00"
	TimeZone string `json:"timeZone"` // "Europe/Stockholm"
}

// holds reports whether it is quiet now; ok is false if that cannot be said.
func (q *quiet) holds(at time.Time) (holds, ok bool) {
	zone, err1 := time.LoadLocation(q.TimeZone)
	from, err2 := time.Parse("15:04", q.From)
	to, err3 := time.Parse("15:04", q.To)
	if err1 != nil || err2 != nil || err3 != nil || q.TimeZone == "Local" {
		return false, false
	}
	minutes := func(t time.Time) int { return 60*t.Hour() + t.Minute() }
	now, first, last := minutes(at.In(zone)), minutes(from), minutes(to)
	if first <= last {
		return now >= first && now < last, true
	}
	return now >= first || now < last, true
}

// pushGet is PushSubscription/get (RFC 8620 section 7.2.1). URLs and keys are told to nobody.
func pushGet(ctx context.Context, c *call) (any, error) {
	var wanted []string
	if err := c.args.read("properties", &wanted); err != nil {
		return nil, err
	}
	if slices.Contains(wanted, "url") || slices.Contains(wanted, "keys") {
		return nil, &methodError{Type: "forbidden", Description: "url and keys are not told"}
	}
	g, err := c.get(func(p string) bool { return slices.Contains(pushProperties, p) })
	if err != nil {
		return nil, err
	}
	subs, err := c.subscriptions(ctx)
	if err != nil {
		return nil, err
	}
	if g.all {
		for id := range subs {
			g.ids = append(g.ids, id)
		}
		slices.Sort(g.ids)
	}
	list, missing := []object{}, []string{}
	for _, id := range g.ids {
		if sub := subs[id]; sub != nil {
			list = append(list, g.pick(pushObject(sub)))
		} else {
			missing = append(missing, id)
		}
	}
	return object{"list": list, "notFound": missing}, nil
}

// subscriptions are those that hold and that who asks may know of, by id.
func (c *call) subscriptions(ctx context.Context) (map[string]*store.PushSubscription, error) {
	list, err := c.server.store.PushSubscriptions(ctx, c.account.ID)
	all := map[string]*store.PushSubscription{}
	for i := range list {
		if c.isOurs(&list[i]) && c.server.store.Now().Before(list[i].Expires) {
			all[pushID(list[i].ID)] = &list[i]
		}
	}
	return all, err
}

// isOurs reports whether a subscription was made with what the request is signed in with: others are not told of, and not changed
// (RFC 8620 section 7.2).
func (c *call) isOurs(sub *store.PushSubscription) bool { return sub.With == c.request.with }

func pushObject(sub *store.PushSubscription) object {
	o := object{
		"id": pushID(sub.ID), "deviceClientId": sub.Device, "verificationCode": nil, "expires": sub.Expires.UTC().Format(time.RFC3339),
		"types": nil, "notify": nil,
	}
	if sub.Verified {
		o["verificationCode"] = sub.Code
	}
	if sub.Types != nil {
		o["types"] = sub.Types
	}
	if len(sub.Notify) > 0 {
		o["notify"] = sub.Notify
	}
	return o
}

// pushSet is PushSubscription/set (RFC 8620 section 7.2.2).
func pushSet(ctx context.Context, c *call) (any, error) {
	if c.args.given("ifInState") || c.args.given("accountId") {
		return nil, invalid("push subscriptions have no state and no account")
	}
	s, err := c.set("")
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(s.create)) {
		o, e := c.createPush(ctx, s.create[name])
		if e != nil {
			s.notCreated[name] = e
			continue
		}
		s.created[name], c.request.created[name] = o, o["id"].(string)
	}
	s.settle(c)
	for id, patch := range s.update {
		if o, e := c.updatePush(ctx, id, patch); e != nil {
			s.notUpdated[id] = e
		} else {
			s.updated[id] = o
		}
	}
	for _, id := range s.destroy {
		n, _ := parseID[uint64]('p', id)
		if e := c.mayEnd(ctx, n); e != nil {
			s.notDestroyed[id] = e
			continue
		}
		if err := c.server.store.DeletePushSubscription(ctx, c.account.ID, n); err != nil {
			s.notDestroyed[id] = c.setError(err)
			continue
		}
		c.server.pusher.end(c.account.ID, n)
		s.destroyed = append(s.destroyed, id)
	}
	answer := s.answer(c, "", "")
	for _, name := range []string{"accountId", "oldState", "newState"} {
		delete(answer, name)
	}
	return answer, nil
}

// mayEnd finds a subscription that is to end, also one that holds no more.
func (c *call) mayEnd(ctx context.Context, id uint64) *methodError {
	list, err := c.server.store.PushSubscriptions(ctx, c.account.ID)
	if err != nil {
		return c.setError(err)
	}
	if !slices.ContainsFunc(list, func(sub store.PushSubscription) bool { return sub.ID == id && c.isOurs(&sub) }) {
		return &methodError{Type: "notFound"}
	}
	return nil
}

func (c *call) createPush(ctx context.Context, properties map[string]json.RawMessage) (object, *methodError) {
	p := c.server.pusher
	now := c.server.store.Now()
	sub := store.PushSubscription{With: c.request.with, Code: rand.Text(), Created: now.UTC(), Expires: now.Add(mostPushTime)}
	var e *methodError
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		e = e.and(c.server.readPush(&sub, name, properties[name], true))
	}
	if sub.Device == "" && !e.names("deviceClientId") {
		e = e.and(badProperty("deviceClientId", "it is missing"))
	}
	if !e.names("url") && !p.mayPush(sub.URL) {
		e = e.and(badProperty("url", "an https URL of the internet is wanted"))
	}
	switch {
	case e != nil:
		return nil, e
	case !p.mayCreate(c.account.ID, now):
		return nil, &methodError{Type: "rateLimit", Description: "too many subscriptions were made in the last hour"}
	}
	sub, gone, err := c.server.store.CreatePushSubscription(ctx, c.account.ID, sub)
	if err != nil {
		return nil, c.setError(err)
	}
	for _, id := range gone {
		p.end(c.account.ID, id)
	}
	p.verify(c.account.ID, sub)
	o := pushObject(&sub)
	for name := range properties {
		if name != "expires" {
			delete(o, name)
		}
	}
	delete(o, "verificationCode")
	return o, nil
}

// mayCreate counts a subscription that is made, or tested, if there were not too many lately.
func (p *pusher) mayCreate(a store.AccountID, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	lately := slices.DeleteFunc(p.created[a], func(t time.Time) bool { return now.Sub(t) > time.Hour })
	if len(lately) < maxPushCreates {
		p.created[a] = append(lately, now)
		return true
	}
	p.created[a] = lately
	return false
}

// updatePush changes a subscription. What is told besides is what came out otherwise than was wanted.
func (c *call) updatePush(ctx context.Context, id string, patch map[string]json.RawMessage) (any, *methodError) {
	n, _ := parseID[uint64]('p', id)
	var now store.PushSubscription
	var expires any
	var test string
	err := c.server.store.UpdatePushSubscription(ctx, c.account.ID, n, func(sub *store.PushSubscription) error {
		if !c.isOurs(sub) {
			return &methodError{Type: "notFound"}
		}
		before := pushObject(sub)
		expires, test = nil, "" // of a try before
		var e *methodError
		for _, name := range slices.Sorted(maps.Keys(patch)) {
			raw := patch[name]
			switch {
			case name == "test": // our own: a message that shows how long it takes
				if unmarshal(raw, &test) != nil || len(test) > maxPushDevice {
					e = e.and(badProperty(name, "not a text"))
				}
			case slices.Contains([]string{"id", "deviceClientId"}, name):
				if !same(raw, before[name]) {
					e = e.and(badProperty(name, "it cannot be changed"))
				}
			default:
				e = e.and(c.server.readPush(sub, name, raw, false))
			}
			if name == "expires" && !same(raw, sub.Expires.UTC().Format(time.RFC3339)) {
				expires = object{"expires": sub.Expires.UTC().Format(time.RFC3339)}
			}
		}
		if test != "" {
			e = e.and(c.mayTest(sub))
		}
		if e != nil {
			return e
		}
		sub.ID = n
		now = *sub
		return nil
	})
	if err != nil {
		return nil, c.setError(err)
	}
	c.server.pusher.begin(c.account.ID, &now)
	if test != "" {
		c.server.pusher.aside(c.account.ID, now, object{"@type": "PushTest", "pushSubscriptionId": id, "test": test, "sent": c.server.store.Now().UTC().Format(time.RFC3339Nano)})
	}
	return expires, nil
}

// mayTest reports why a message for a test is not sent: nobody is written to who did not ask for it (RFC 8620 section 7.2.2), nor
// too often.
func (c *call) mayTest(sub *store.PushSubscription) *methodError {
	switch {
	case !sub.Verified:
		return badProperty("test", "the subscription is not verified")
	case !c.server.pusher.mayCreate(c.account.ID, c.server.store.Now()):
		return &methodError{Type: "rateLimit", Description: "too many messages were sent in the last hour"}
	}
	return nil
}

// readPush reads a property of a subscription.
func (s *Server) readPush(sub *store.PushSubscription, name string, raw json.RawMessage, create bool) *methodError {
	null := string(raw) == "null"
	switch {
	case name == "deviceClientId" && create:
		if unmarshal(raw, &sub.Device) != nil || sub.Device == "" || len(sub.Device) > maxPushDevice {
			return badProperty(name, "not a text of 1 to 255 octets")
		}
	case name == "url" && create:
		if unmarshal(raw, &sub.URL) != nil {
			return badProperty(name, "not a URL")
		}
	case name == "keys" && create:
		var keys struct{ P256dh, Auth string }
		if !null && (json.Unmarshal(raw, &keys) != nil || !goodKeys(keys.P256dh, keys.Auth)) {
			return badProperty(name, "not the keys p256dh and auth")
		}
		sub.P256dh, sub.Auth = keys.P256dh, keys.Auth
	case name == "verificationCode":
		var code string
		if null && create {
			return nil
		}
		if unmarshal(raw, &code) != nil || create || code != sub.Code {
			return badProperty(name, "it is another one")
		}
		sub.Verified = true
	case name == "expires":
		most := s.store.Now().Add(mostPushTime)
		if sub.Expires = most; !null {
			var wanted time.Time
			if json.Unmarshal(raw, &wanted) != nil {
				return badProperty(name, "not a date")
			}
			if wanted.Before(most) {
				sub.Expires = wanted
			}
		}
	case name == "types":
		if sub.Types = nil; json.Unmarshal(raw, &sub.Types) != nil || len(sub.Types) > 100 {
			return badProperty(name, "not a list of types")
		}
	case name == "notify":
		return readNotify(sub, raw, null)
	default:
		return badProperty(name, "it cannot be set")
	}
	return nil
}

func readNotify(sub *store.PushSubscription, raw json.RawMessage, null bool) *methodError {
	if sub.Notify = nil; null {
		return nil
	}
	n := notify{Preview: true}
	if json.Unmarshal(raw, &n) != nil || len(n.MailboxIDs) > 1000 {
		return badProperty("notify", "not an object with mailboxIds, preview and quiet")
	}
	if n.Quiet != nil {
		if _, ok := n.Quiet.holds(time.Time{}); !ok {
			return badProperty("notify", "quiet has no hours as 22:00 or no time zone as Europe/Stockholm")
		}
	}
	text, err := json.Marshal(n)
	if err != nil {
		return badProperty("notify", err.Error())
	}
	sub.Notify = text
	return nil
}

// goodKeys holds keys to RFC 8291 section 3.
func goodKeys(p256dh, auth string) bool {
	point, err1 := base64.RawURLEncoding.DecodeString(trimPadding(p256dh))
	secret, err2 := base64.RawURLEncoding.DecodeString(trimPadding(auth))
	if err1 != nil || err2 != nil || len(secret) != 16 {
		return false
	}
	_, err := ecdh.P256().NewPublicKey(point)
	return err == nil
}

func trimPadding(s string) string {
	for len(s) > 0 && s[len(s)-1] == '=' {
		s = s[:len(s)-1]
	}
	return s
}

// notice tells of the emails that came since the device was told the last time, nil if there are none that it wants to
// show, and in which accounts they are.
func (d *device) notice(ctx context.Context, now *now) (notice object, in map[store.AccountID]bool, err error) {
	var n notify
	if err := json.Unmarshal(d.sub.Notify, &n); err != nil {
		return nil, nil, err
	}
	if n.Quiet != nil {
		if holds, _ := n.Quiet.holds(d.p.s.store.Now()); holds {
			return nil, nil, nil
		}
	}
	wanted, err := alerts.Of(ctx, d.p.s.store, d.account)
	if err != nil {
		return nil, nil, err
	}
	all := arrivals{list: []object{}, wanted: &wanted}
	in = map[store.AccountID]bool{}
	for _, a := range slices.Sorted(maps.Keys(now.pictures)) {
		p, before := now.pictures[a], d.told.pictures[a]
		boxes := map[store.MailboxID]bool{}
		for m, b := range p.boxes {
			id := p.sight.mailboxID(m)
			told := wanted.Tells(id)
			if n.MailboxIDs != nil {
				told = slices.Contains(n.MailboxIDs, id)
			}
			if told {
				boxes[m] = true
			}
			if wanted.Counts(id, told) {
				all.unread += b.unreadThreads
			}
		}
		if before == nil || len(boxes) == 0 { // what was there when it was shared did not come
			continue
		}
		count := all.count
		if err := d.arrived(ctx, p, before.mail, boxes, n.Preview, &all); err != nil {
			return nil, nil, err
		}
		in[a] = all.count > count
	}
	if all.count == 0 {
		return nil, in, nil
	}
	return object{"emails": all.list, "count": all.count, "unread": all.unread, "badge": wanted.Badge}, in, nil
}

// arrivals are emails that came, the first few of them in full.
type arrivals struct {
	list   []object
	count  int
	unread int              // conversations that the badge counts
	wanted *alerts.Settings // of who is told
}

// arrived adds what came into some mailboxes of an account since before.
func (d *device) arrived(ctx context.Context, p *picture, before *store.Mail, boxes map[store.MailboxID]bool, preview bool, all *arrivals) error {
	touches, ok, err := d.p.s.touches(ctx, p, before.ModSeq, before.NextEmail)
	if err != nil || !ok {
		return err
	}
	in := map[store.EmailID]string{}
	var ids []store.EmailID
	for _, t := range slices.Backward(touches) {
		if t.now == nil || t.id < before.NextEmail || t.now.Flags().Has(store.FlagSeen) || !p.delivered(t.now) {
			continue
		}
		for i := range t.now.At {
			if m := t.now.At[i].Mailbox; boxes[m] && in[t.id] == "" {
				in[t.id] = p.sight.mailboxID(m)
				ids = append(ids, t.id)
			}
		}
	}
	all.count += len(ids)
	own := p.sight.owner == d.account
	if own {
		d.announcing.n += len(ids)
	}
	return d.p.s.store.EmailsOf(ctx, p.sight.owner, ids[:min(len(ids), maxNotified-len(all.list))], func(e *store.Email) error {
		if sum, err := e.Summary.Summary(); own && err == nil && sum.MessageID != "" {
			d.announcing.ids = append(d.announcing.ids, strings.Clone(sum.MessageID))
		}
		o := object{"id": p.sight.emailID(e.ID), "threadId": p.sight.threadID(e.Thread), "mailboxId": in[e.ID], "sound": all.wanted.SoundOf(in[e.ID])}
		if preview {
			o["from"], o["subject"], o["preview"] = addresses(shorten(e.Summary.Addresses(message.FieldFrom))), short(string(e.Summary.Subject())), short(string(e.Summary.Preview()))
		}
		all.list = append(all.list, o)
		return nil
	})
}

// shorten keeps the first address, without what is too long.
func shorten(list []message.Address) []message.Address {
	if len(list) == 0 {
		return nil
	}
	return []message.Address{{Name: short(list[0].Name), Email: short(list[0].Email)}}
}

func short(text string) string {
	if runes := []rune(text); len(runes) > maxNotifyText {
		return string(runes[:maxNotifyText-1]) + "…"
	}
	return text
}
