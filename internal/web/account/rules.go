package account

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/rules"
	"github.com/postiljon/postiljon/internal/sieve"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
	"github.com/postiljon/postiljon/internal/web/page"
)

// Rules are what an account wants done with its mail.
type Rules struct {
	Settings rules.Settings `json:"settings"` // the simple rules
	// Active is the script that runs, "" for none; "postiljon" is that of the simple rules.
	Active string `json:"active"`
	// ByHand tells that the script of the simple rules was changed by hand, so that Settings are empty.
	ByHand  bool         `json:"byHand,omitempty"`
	Scripts []ScriptInfo `json:"scripts"`
}

// ScriptInfo is a script without its text.
type ScriptInfo struct {
	Name    string `json:"name"`
	Active  bool   `json:"active,omitempty"`
	Size    int    `json:"size"`
	Changed string `json:"changed"`
}

// Script is a script with its text.
type Script struct {
	ScriptInfo
	Text string `json:"text"`
}

// RulesChange are other simple rules. They run from now on.
type RulesChange struct {
	Settings rules.Settings `json:"settings"`
	// Replace overwrites a script that was changed by hand.
	Replace bool `json:"replace,omitempty"`
}

// ScriptCheck says what is wrong with a script; nothing if it can run.
type ScriptCheck struct {
	Wrong []WrongPart `json:"wrong"`
}

// Trial asks what rules would do with messages that are there: those given, a script, or the rules that run.
type Trial struct {
	Settings *rules.Settings `json:"settings,omitempty"`
	Text     *string         `json:"text,omitempty"`
	Mailbox  string          `json:"mailbox,omitempty"` // its id; INBOX if ""
	Count    int             `json:"count,omitempty"`   // of the newest messages; 50 if 0, which is the most
}

// Tried is what rules would do.
type Tried struct {
	Ran      bool           `json:"ran"`     // there are rules
	Changed  int            `json:"changed"` // messages that would not just stay
	Messages []TriedMessage `json:"messages"`
}

// TriedMessage is what rules would do with one message.
type TriedMessage struct {
	ID       string      `json:"id"`
	From     string      `json:"from"`
	Subject  string      `json:"subject"`
	Received string      `json:"received"`
	Changed  bool        `json:"changed"`
	Steps    []TriedStep `json:"steps"`
	Folders  []string    `json:"folders"` // where it would be
	Forwards []string    `json:"forwards,omitempty"`
}

// TriedStep is one thing that would be done, also in words.
type TriedStep struct {
	rules.Step
	Text string `json:"text"`
}

func (a *API) rules(_ http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	return a.rulesOf(r.Context(), who)
}

func (a *API) rulesOf(ctx context.Context, who *store.Account) (*Rules, error) {
	out := &Rules{Settings: rules.Settings{Rules: []rules.Rule{}}, Scripts: []ScriptInfo{}}
	scripts, err := a.Store.Scripts(ctx, who.ID)
	if err != nil {
		return nil, err
	}
	for i := range scripts {
		x := &scripts[i]
		out.Scripts = append(out.Scripts, infoOf(x))
		if x.Active {
			out.Active = x.Name
		}
		if x.Name == rules.SettingsScript {
			settings, ours, err := rules.Read(x.Text)
			if out.ByHand = !ours || err != nil; !out.ByHand {
				out.Settings = settings
			}
		}
	}
	if out.Settings.Rules == nil {
		out.Settings.Rules = []rules.Rule{}
	}
	return out, nil
}

func infoOf(x *store.Script) ScriptInfo {
	return ScriptInfo{Name: x.Name, Active: x.Active, Size: len(x.Text), Changed: stamp(x.Changed)}
}

func (a *API) changeRules(w http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	var c RulesChange
	if err := a.read(w, r, &c); err != nil {
		return nil, err
	}
	now, err := a.rulesOf(r.Context(), who)
	if err != nil {
		return nil, err
	}
	if now.ByHand && !c.Replace {
		return nil, wrong("", a.say(r, "by_hand"))
	}
	if c.Settings.Then = now.Settings.Then; now.Active != "" && now.Active != rules.SettingsScript {
		c.Settings.Then = now.Active // what runs now goes on after the simple rules
	}
	text, err := a.written(r, who, &c.Settings)
	if err != nil {
		return nil, err
	}
	if err := a.reachable(r, who, &c.Settings); err != nil {
		return nil, err
	}
	return a.run(w, r, who, rules.SettingsScript, text, true)
}

// reachable refuses to send mail on to addresses here that do not exist, or lead back to the account: it would come to nobody. Those
// that it goes to already do not keep anybody from changing something else.
func (a *API) reachable(r *http.Request, who *store.Account, s *rules.Settings) error {
	before := a.forwards(r.Context(), who)
	check := func(rule, to string) error {
		if to == "" || slices.Contains(before, to) {
			return nil
		}
		res, err := a.Store.Resolve(r.Context(), to)
		switch {
		case store.KindOf(err) == store.KindNotFound && res.Local:
			return a.invalid(r, &rules.Invalid{Rule: rule, Code: "nobody", Value: to})
		case store.KindOf(err) == store.KindNotFound: // elsewhere
			return nil
		case err == nil && len(res.Accounts) == 1 && res.Accounts[0].ID == who.ID && len(res.Forward) == 0:
			return a.invalid(r, &rules.Invalid{Rule: rule, Code: "itself", Value: to})
		}
		return err
	}
	if s.Forward != nil {
		for _, to := range s.Forward.To {
			if err := check("", to); err != nil {
				return err
			}
		}
	}
	for i := range s.Rules {
		if err := check(s.Rules[i].Name, s.Rules[i].Forward); err != nil {
			return err
		}
	}
	return nil
}

// written is the script of simple rules.
func (a *API) written(r *http.Request, who *store.Account, s *rules.Settings) (string, error) {
	if err := s.CheckFor(who.Address); err != nil {
		return "", a.invalid(r, err)
	}
	text, err := s.Script()
	return text, a.invalid(r, err)
}

// invalid says in words what is wrong with rules; another error stays as it is.
func (a *API) invalid(r *http.Request, err error) error {
	lang := page.Lang(r)
	var setting *rules.Invalid
	var script sieve.Errors
	switch {
	case errors.As(err, &setting):
		return wrong(setting.Rule, setting.Say(lang))
	case errors.As(err, &script):
		var parts []WrongPart
		for _, one := range script {
			parts = append(parts, WrongPart{Line: one.Line, Text: one.Say(lang)})
		}
		return invalid(parts...)
	}
	return err
}

// run keeps a script, and has it run if it is wanted. What sends mail on that did not before wants a fresh sign-in: it is how
// a stranger at an open browser would go on reading.
func (a *API) run(w http.ResponseWriter, r *http.Request, who *store.Account, name, text string, activate bool) (any, error) {
	ctx := r.Context()
	if addsForward(a.forwards(ctx, who), rules.Effects(name, text)) {
		if err := a.fresh(w, r); err != nil {
			return nil, err
		}
	}
	if err := a.Store.PutScript(ctx, who.ID, name, text); err != nil {
		return nil, err
	}
	if activate {
		if err := a.Store.ActivateScript(ctx, who.ID, name); err != nil {
			return nil, err
		}
	}
	a.Note(ctx, who.ID, journal.RulesChanged, store.Field{Name: "script", Value: name}, store.Field{Name: "client", Value: "web"})
	return a.rulesOf(ctx, who)
}

// forwards are the addresses that the script which runs sends mail to.
func (a *API) forwards(ctx context.Context, who *store.Account) (all []string) {
	active, err := a.Store.ActiveScript(ctx, who.ID)
	if err != nil {
		return nil // none
	}
	for _, e := range rules.Effects(active.Name, active.Text) {
		if e.Action == "forward" {
			all = append(all, strings.ToLower(e.To))
		}
	}
	return all
}

func addsForward(before []string, effects []rules.Effect) bool {
	return slices.ContainsFunc(effects, func(e rules.Effect) bool {
		return e.Action == "forward" && !slices.Contains(before, strings.ToLower(e.To))
	})
}

func (a *API) checkScript(w http.ResponseWriter, r *http.Request, _ *store.Account) (any, error) {
	var c struct {
		Text string `json:"text"`
	}
	if err := a.read(w, r, &c); err != nil {
		return nil, err
	}
	out := ScriptCheck{Wrong: []WrongPart{}}
	var found *Wrong
	if err := a.invalid(r, rules.Check(c.Text)); errors.As(err, &found) {
		out.Wrong = found.Wrong
	} else if err != nil {
		return nil, err
	}
	return out, nil
}

func (a *API) script(_ http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	x, err := a.Store.Script(r.Context(), who.ID, r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	return Script{infoOf(&x), x.Text}, nil
}

func (a *API) putScript(w http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	var c struct {
		Text     string `json:"text"`
		Activate bool   `json:"activate"`
	}
	if err := a.read(w, r, &c); err != nil {
		return nil, err
	}
	if err := a.invalid(r, rules.Check(c.Text)); err != nil {
		return nil, err
	}
	return a.run(w, r, who, r.PathValue("name"), c.Text, c.Activate)
}

func (a *API) deleteScript(_ http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	ctx := r.Context()
	x, err := a.Store.Script(ctx, who.ID, r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	if x.Active {
		if err := a.Store.ActivateScript(ctx, who.ID, ""); err != nil {
			return nil, err
		}
	}
	if err := a.Store.DeleteScript(ctx, who.ID, x.Name); err != nil {
		return nil, err
	}
	a.Note(ctx, who.ID, journal.RulesChanged, store.Field{Name: "script", Value: ""}, store.Field{Name: "client", Value: "web"})
	return a.rulesOf(ctx, who)
}

func (a *API) activate(w http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	var c struct {
		Name string `json:"name"`
	}
	if err := a.read(w, r, &c); err != nil {
		return nil, err
	}
	ctx := r.Context()
	if c.Name != "" {
		x, err := a.Store.Script(ctx, who.ID, c.Name)
		if err != nil {
			return nil, err
		}
		if addsForward(a.forwards(ctx, who), rules.Effects(x.Name, x.Text)) {
			if err := a.fresh(w, r); err != nil {
				return nil, err
			}
		}
	}
	if err := a.Store.ActivateScript(ctx, who.ID, c.Name); err != nil {
		return nil, err
	}
	a.Note(ctx, who.ID, journal.RulesChanged, store.Field{Name: "script", Value: c.Name}, store.Field{Name: "client", Value: "web"})
	return a.rulesOf(ctx, who)
}

// maxTried is how many messages rules are tried on.
const maxTried = 50

// tryRules runs rules on messages that are there, without doing anything.
func (a *API) tryRules(w http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	var t Trial
	if err := a.read(w, r, &t); err != nil {
		return nil, err
	}
	var text string
	switch {
	case t.Settings != nil:
		var err error
		if text, err = a.written(r, who, t.Settings); err != nil {
			return nil, err
		}
	case t.Text != nil:
		if text = *t.Text; rules.Check(text) != nil {
			return nil, a.invalid(r, rules.Check(text))
		}
	}
	box, err := a.Store.MailboxByRole(r.Context(), who.ID, store.RoleInbox)
	if t.Mailbox != "" {
		box, err = a.mailbox(r.Context(), who, t.Mailbox)
	}
	if err != nil {
		return nil, err
	}
	if t.Count <= 0 || t.Count > maxTried {
		t.Count = maxTried
	}
	return a.tryOn(r, who, box.ID, t.Count, text)
}

func (a *API) tryOn(r *http.Request, who *store.Account, box store.MailboxID, count int, text string) (*Tried, error) {
	ctx := r.Context()
	newest, err := a.newest(ctx, who, box, count)
	if err != nil {
		return nil, err
	}
	out := &Tried{Messages: []TriedMessage{}}
	err = a.Store.Messages(ctx, who.ID, box, newest, func(m *store.Message) error {
		one, ran, err := a.tryOne(r, who, m, text)
		if err != nil {
			return err
		}
		if out.Ran = out.Ran || ran; one.Changed {
			out.Changed++
		}
		out.Messages = append(out.Messages, *one)
		return nil
	})
	slices.Reverse(out.Messages) // the newest first
	return out, err
}

// newest are the UIDs of the newest messages of a mailbox.
func (a *API) newest(ctx context.Context, who *store.Account, box store.MailboxID, count int) (uid.Set, error) {
	v, err := a.Store.View(ctx, who.ID, box)
	if err != nil {
		return nil, err
	}
	var set uid.Set
	for n, last := v.UIDs.Len(), v.UIDs.Len(); n > max(0, last-count); n-- {
		set = set.Add(v.UIDs.UID(n))
	}
	return set, nil
}

func (a *API) tryOne(r *http.Request, who *store.Account, m *store.Message, text string) (*TriedMessage, bool, error) {
	ctx := r.Context()
	summary, err := m.Email.Summary.Summary()
	if err != nil {
		return nil, false, err
	}
	body, err := a.Store.Body(ctx, &m.Email)
	if err != nil {
		return nil, false, err
	}
	defer body.Close()
	in := rules.Input{Account: who, Trace: store.NewTraceID(a.Store.Now()), From: a.returnPath(ctx, &m.Email, summary), To: who.Address, Message: body, Summary: summary, Dry: true}
	var o rules.Outcome
	if text != "" {
		o, err = a.Rules.Try(ctx, in, rules.SettingsScript, text)
	} else {
		o, err = a.Rules.Run(ctx, in)
	}
	if err != nil {
		return nil, false, err
	}
	set, err := rules.Texts(page.Lang(r))
	if err != nil {
		return nil, false, err
	}
	one := &TriedMessage{ID: emailID(m.Placement.Email), From: firstOf(summary.From), Subject: summary.Subject, Received: stamp(m.Email.Received), Steps: []TriedStep{}, Folders: []string{}, Forwards: o.Redirects}
	for _, s := range o.Steps {
		one.Steps = append(one.Steps, TriedStep{s, s.Say(set)})
		one.Changed = one.Changed || s.Kind != rules.StepKeep || len(s.Flags) > 0
	}
	for _, p := range o.Places {
		one.Folders = append(one.Folders, p.Name)
	}
	return one, o.Ran, nil
}

// returnPath is the sender of a message that is there: its Return-Path, or else who it is from.
func (a *API) returnPath(ctx context.Context, e *store.Email, m *message.Summary) string {
	header, err := a.Store.ReadBody(ctx, nil, e, 0, m.HeaderSize)
	if err == nil {
		if path, ok := message.DecodedField(header, "Return-Path"); ok {
			return strings.Trim(path, "<> ")
		}
	}
	if len(m.From) > 0 {
		return m.From[0].Email
	}
	return ""
}

// firstOf is the first of some addresses, as it is shown.
func firstOf(list []message.Address) string {
	switch {
	case len(list) == 0:
		return ""
	case list[0].Name != "":
		return list[0].Name + " <" + list[0].Email + ">"
	}
	return list[0].Email
}
