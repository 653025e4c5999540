package jmapd

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/rules"
	"github.com/postiljon/postiljon/internal/store"
)

const capabilityVacation = "urn:ietf:params:jmap:vacationresponse"

// vacationID is the id of the one there is (RFC 8621 section 8).
const vacationID = "singleton"

// vacationObject is the VacationResponse of an account: the answer to absence of its simple rules. Where another script runs, it is
// off.
func vacationObject(s *rules.Stored) object {
	v := s.Settings.Vacation
	o := object{"id": vacationID, "isEnabled": false, "fromDate": nil, "toDate": nil, "subject": nil, "textBody": nil, "htmlBody": nil}
	if v == nil {
		return o
	}
	o["isEnabled"] = !v.Off && s.Runs()
	o["fromDate"], o["toDate"] = momentOf(v.From, false), momentOf(v.Until, true)
	o["subject"], o["htmlBody"] = textOrNull(v.Subject), textOrNull(v.HTML)
	if !v.Usual {
		o["textBody"] = textOrNull(v.Text)
	}
	return o
}

// momentOf is a bound as a date in UTC: of a day, its first or last second.
func momentOf(bound string, last bool) any {
	day, err := time.Parse(time.DateOnly, bound)
	switch {
	case bound == "":
		return nil
	case err != nil:
		return bound
	case last:
		day = day.Add(24*time.Hour - time.Second)
	}
	return day.Format(time.RFC3339)
}

func vacationState(s *rules.Stored) string {
	text, err := json.Marshal(vacationObject(s))
	if err != nil {
		return "" // maps of text can always be written
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// vacationGet is VacationResponse/get (RFC 8621 section 8.1).
func vacationGet(ctx context.Context, c *call) (any, error) {
	g, err := c.get(func(p string) bool { _, ok := vacationObject(&rules.Stored{})[p]; return ok })
	if err != nil {
		return nil, err
	}
	now, err := rules.Load(ctx, c.server.store, c.account.ID)
	if err != nil {
		return nil, err
	}
	var list []object
	if g.all || slices.Contains(g.ids, vacationID) {
		list = append(list, g.pick(vacationObject(&now)))
	}
	missing := slices.DeleteFunc(g.ids, func(id string) bool { return id == vacationID })
	return c.got(vacationState(&now), list, missing), nil
}

// vacationSet is VacationResponse/set (RFC 8621 section 8.2).
func vacationSet(ctx context.Context, c *call) (any, error) {
	for try := 1; ; try++ {
		if answer, missed, err := c.setVacation(ctx); !missed || try == vacationTries {
			return answer, err
		}
	}
}

// vacationTries is how often a change begins anew that somebody else's change of the rules came before: neither may be lost.
const vacationTries = 10

// setVacation is vacationSet, unless somebody changes the rules first.
func (c *call) setVacation(ctx context.Context) (answer any, missed bool, err error) {
	scripts, state, err := c.server.scripts(ctx, c.account.ID)
	if err != nil {
		return nil, false, err
	}
	now := rules.In(scripts)
	before := vacationState(&now)
	s, err := c.set(before)
	if err != nil {
		return nil, false, err
	}
	ctx, expected := c.expectingScripts(ctx, state)
	for name := range s.create {
		s.notCreated[name] = &methodError{Type: "singleton"}
	}
	for _, id := range s.destroy {
		s.notDestroyed[id] = &methodError{Type: "singleton"}
	}
	for id, patch := range s.update {
		if id != vacationID {
			s.notUpdated[id] = &methodError{Type: "notFound"}
			continue
		}
		if e := c.updateVacation(ctx, &now, patch); e != nil {
			s.notUpdated[id] = e
		} else {
			s.updated[id] = nil
		}
	}
	if now, err = rules.Load(ctx, c.server.store, c.account.ID); err != nil {
		return nil, false, err
	}
	if _, done := s.updated[vacationID]; done {
		s.updated[vacationID] = otherwise(s.update[vacationID], vacationObject(&now))
	}
	return s.answer(c, before, vacationState(&now)), expected.Missed(), nil
}

// updateVacation changes the answer to absence, and leaves all other rules as they are.
func (c *call) updateVacation(ctx context.Context, now *rules.Stored, patch map[string]json.RawMessage) *methodError {
	if now.ByHand {
		return &methodError{Type: "forbidden", Description: "the rules of the account were changed by hand, as a script"}
	}
	v := rules.Vacation{Off: true}
	if known := now.Settings.Vacation; known != nil {
		v = *known
		v.Off = v.Off || !now.Runs()
	}
	if v.Usual {
		v.Text, v.Usual = "", false
	}
	before := vacationObject(now)
	var e *methodError
	for _, name := range slices.Sorted(maps.Keys(patch)) {
		e = e.and(readVacation(&v, name, patch[name], before))
	}
	if e != nil {
		return e
	}
	if strings.TrimSpace(v.Text) == "" && v.HTML != "" {
		v.Text = message.HTMLText(strings.NewReader(v.HTML), 64<<10)
	}
	if strings.TrimSpace(v.Text) == "" {
		lang, err := c.server.store.LanguageOf(ctx, c.account)
		if err != nil {
			return c.setError(err, "textBody", "htmlBody")
		}
		v.Text, v.Usual = absence(cause.ParseLang(lang)), true
	}
	settings := now.Settings
	settings.Vacation = &v
	err := rules.Save(ctx, c.server.store, c.account, now, settings)
	if wrong, ok := errors.AsType[*rules.Invalid](err); ok {
		return &methodError{Type: "invalidProperties", Description: wrong.Say(c.request.lang)}
	}
	if err != nil {
		return c.setError(err, "textBody", "htmlBody")
	}
	c.server.options.Holder.Journal.Record(ctx, store.Event{
		Time: c.server.store.Now(), Trace: store.NewTraceID(c.server.store.Now()), Account: c.account.ID, Kind: journal.RulesChanged,
		Fields: []store.Field{{Name: "script", Value: rules.SettingsScript}, {Name: "client", Value: "JMAP"}},
	})
	return nil
}

// absence is what is said for whom says nothing.
func absence(lang cause.Lang) string {
	set, err := rules.Texts(lang)
	if err != nil {
		return "-" // the texts are tested
	}
	return set.Say("word.absence")
}

func readVacation(v *rules.Vacation, name string, raw json.RawMessage, before object) *methodError {
	text := func(to *string) bool {
		var given *string
		if json.Unmarshal(raw, &given) != nil {
			return false
		}
		if *to = ""; given != nil {
			*to = *given
		}
		return true
	}
	date := func(to *string) bool {
		var given *time.Time
		if json.Unmarshal(raw, &given) != nil {
			return false
		}
		if *to = ""; given != nil {
			*to = given.UTC().Truncate(time.Second).Format(time.RFC3339)
		}
		return true
	}
	ok := true
	switch name {
	case "isEnabled":
		var on bool
		ok = unmarshal(raw, &on) == nil
		v.Off = !on
	case "fromDate":
		ok = date(&v.From)
	case "toDate":
		ok = date(&v.Until)
	case "subject":
		ok = text(&v.Subject)
	case "textBody":
		ok = text(&v.Text)
	case "htmlBody":
		ok = text(&v.HTML)
	default:
		known, there := before[name]
		ok = there && same(raw, known)
	}
	if !ok {
		return badProperty(name, "it cannot be set so")
	}
	return nil
}
