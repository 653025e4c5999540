package control

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/rules"
	"github.com/postiljon/postiljon/internal/sieve"
	"github.com/postiljon/postiljon/internal/store"
)

// Rules are what an account wants done with its mail: the simple rules, and the scripts.
type Rules struct {
	Account  string         `json:"account"`
	Settings rules.Settings `json:"settings"`
	// Active is the script that runs, "" for none; it is rules.SettingsScript where the simple rules do.
	Active string `json:"active,omitempty"`
	// ByHand tells that the script of the simple rules was changed by hand, so that Settings are empty.
	ByHand  bool          `json:"by_hand,omitempty"`
	Scripts []RulesScript `json:"scripts"`
}

// RulesScript is a script of an account.
type RulesScript struct {
	Account string    `json:"account,omitempty"`
	Name    string    `json:"name"`
	Active  bool      `json:"active,omitempty"`
	Size    int       `json:"size,omitempty"`
	Changed time.Time `json:"changed,omitzero"`
	Text    string    `json:"text,omitempty"`
}

// ChangeRules asks for other simple rules. They are switched on; a script that was active and is not
// theirs runs after them.
type ChangeRules struct {
	Account  string         `json:"account"`
	Settings rules.Settings `json:"settings"`
	// Replace overwrites a script that was changed by hand.
	Replace bool `json:"replace,omitempty"`
}

// RulesTest asks what the rules would do with a message.
type RulesTest struct {
	Account string `json:"account"`
	From    string `json:"from,omitempty"` // return path; that of the message if empty
	To      string `json:"to,omitempty"`   // recipient; the account's address if empty
	Junk    bool   `json:"junk,omitempty"`
	Message []byte `json:"message"`
	// Script is tried in place of the active one, if it is given.
	Script *RulesScript `json:"script,omitempty"`
}

// RulesOutcome is what would be done with a message, in order.
type RulesOutcome struct {
	Ran   bool         `json:"ran"` // there is a script
	Steps []rules.Step `json:"steps"`
	// Folders and Forwards are where the message would be in the end.
	Folders  []string `json:"folders,omitempty"`
	Forwards []string `json:"forwards,omitempty"`
}

func (s *Server) showRules(ctx context.Context, r Name) (Rules, error) {
	a, err := s.find(ctx, r.Name)
	if err != nil {
		return Rules{}, err
	}
	return s.rulesOf(ctx, &a)
}

func (s *Server) rulesOf(ctx context.Context, a *store.Account) (Rules, error) {
	out := Rules{Account: a.Address, Settings: rules.Settings{Rules: []rules.Rule{}}, Scripts: []RulesScript{}}
	scripts, err := s.Store.Scripts(ctx, a.ID)
	if err != nil {
		return out, err
	}
	for i := range scripts {
		x := &scripts[i]
		out.Scripts = append(out.Scripts, RulesScript{Name: x.Name, Active: x.Active, Size: len(x.Text), Changed: x.Changed})
		if x.Active {
			out.Active = x.Name
		}
		if x.Name != rules.SettingsScript {
			continue
		}
		settings, ours, err := rules.Read(x.Text)
		if out.ByHand = !ours || err != nil; !out.ByHand {
			out.Settings = settings
		}
	}
	return out, nil
}

func (s *Server) changeRules(ctx context.Context, r ChangeRules) (Rules, error) {
	a, err := s.find(ctx, r.Account)
	if err != nil {
		return Rules{}, err
	}
	now, err := s.rulesOf(ctx, &a)
	if err != nil {
		return now, err
	}
	if now.ByHand && !r.Replace {
		return now, taken("Go on with 'postiljon rules edit "+a.Address+"', or replace the script with --replace.",
			"the rules of %s were changed by hand, as a script", a.Address)
	}
	if now.Active != "" && now.Active != rules.SettingsScript {
		r.Settings.Then = now.Active
	}
	if err := r.Settings.CheckFor(a.Address); err != nil {
		return now, wrongRules(err)
	}
	text, err := r.Settings.Script()
	if err != nil {
		return now, wrongRules(err)
	}
	if err := s.Store.PutScript(ctx, a.ID, rules.SettingsScript, text); err != nil {
		return now, err
	}
	return s.use(ctx, &a, rules.SettingsScript)
}

// use switches a script on and notes it.
func (s *Server) use(ctx context.Context, a *store.Account, name string) (Rules, error) {
	if err := s.Store.ActivateScript(ctx, a.ID, name); err != nil {
		return Rules{}, s.noScript(a, name, err)
	}
	s.note(ctx, journal.RulesChanged, a.ID, store.Field{Name: "script", Value: name}, store.Field{Name: "client", Value: "postiljon"})
	return s.rulesOf(ctx, a)
}

// effectsOf adds what the rules of an account can do to its mail.
func (s *Server) effectsOf(ctx context.Context, e *Evidence, a *store.Account) error {
	active, err := s.Store.ActiveScript(ctx, a.ID)
	if store.KindOf(err) == store.KindNotFound {
		return nil
	}
	e.Rules = rules.Effects(active.Name, active.Text)
	return err
}

// wrongRules is about what the caller wrote.
func wrongRules(err error) error {
	var setting *rules.Invalid
	var script sieve.Errors
	if errors.As(err, &setting) || errors.As(err, &script) {
		return invalid("%s", err.Error())
	}
	return err
}

func (s *Server) noScript(a *store.Account, name string, err error) error {
	if store.KindOf(err) == store.KindNotFound {
		return missing("'postiljon rules list "+a.Address+"' shows the scripts.", "%s has no script %s", a.Address, name)
	}
	return err
}

func (s *Server) showScript(ctx context.Context, r RulesScript) (RulesScript, error) {
	a, err := s.find(ctx, r.Account)
	if err != nil {
		return r, err
	}
	x, err := s.Store.Script(ctx, a.ID, r.Name)
	if err != nil {
		return r, s.noScript(&a, r.Name, err)
	}
	return RulesScript{Account: a.Address, Name: x.Name, Active: x.Active, Size: len(x.Text), Changed: x.Changed, Text: x.Text}, nil
}

func (s *Server) storeScript(ctx context.Context, r RulesScript) (RulesScript, error) {
	a, err := s.find(ctx, r.Account)
	if err != nil {
		return r, err
	}
	if err := rules.Check(r.Text); err != nil {
		return r, wrongRules(err)
	}
	if err := s.Store.PutScript(ctx, a.ID, r.Name, r.Text); err != nil {
		return r, err
	}
	if r.Active {
		if _, err := s.use(ctx, &a, r.Name); err != nil {
			return r, err
		}
	}
	return s.showScript(ctx, RulesScript{Account: r.Account, Name: r.Name})
}

func (s *Server) removeScript(ctx context.Context, r RulesScript) (Rules, error) {
	a, err := s.find(ctx, r.Account)
	if err != nil {
		return Rules{}, err
	}
	x, err := s.Store.Script(ctx, a.ID, r.Name)
	if err != nil {
		return Rules{}, s.noScript(&a, r.Name, err)
	}
	if x.Active {
		if _, err := s.use(ctx, &a, ""); err != nil {
			return Rules{}, err
		}
	}
	if err := s.Store.DeleteScript(ctx, a.ID, x.Name); err != nil {
		return Rules{}, s.noScript(&a, r.Name, err)
	}
	return s.rulesOf(ctx, &a)
}

func (s *Server) useScript(ctx context.Context, r RulesScript) (Rules, error) {
	a, err := s.find(ctx, r.Account)
	if err != nil {
		return Rules{}, err
	}
	return s.use(ctx, &a, r.Name)
}

// testRules runs the rules on a message without doing anything.
func (s *Server) testRules(ctx context.Context, r RulesTest) (RulesOutcome, error) {
	a, err := s.find(ctx, r.Account)
	if err != nil {
		return RulesOutcome{}, err
	}
	in := rules.Input{
		Account: &a, Trace: store.NewTraceID(s.Store.Now()), From: r.From, To: r.To, Junk: r.Junk, Dry: true,
		Message: bytes.NewReader(r.Message), Summary: message.Summarize(r.Message),
	}
	if in.To == "" {
		in.To = a.Address
	}
	if in.From == "" {
		in.From = returnPath(r.Message, in.Summary)
	}
	var o rules.Outcome
	if r.Script != nil {
		o, err = s.Rules.Try(ctx, in, r.Script.Name, r.Script.Text)
	} else {
		o, err = s.Rules.Run(ctx, in)
	}
	if err != nil {
		return RulesOutcome{}, err
	}
	out := RulesOutcome{Ran: o.Ran, Steps: o.Steps, Forwards: o.Redirects}
	for _, p := range o.Places {
		out.Folders = append(out.Folders, p.Name)
	}
	return out, nil
}

// returnPath is the sender of a message out of a file: its Return-Path, or else who it is from.
func returnPath(text []byte, m *message.Summary) string {
	if path, ok := message.DecodedField(text[:m.HeaderSize], "Return-Path"); ok {
		return strings.Trim(path, "<> ")
	}
	if len(m.From) > 0 {
		return m.From[0].Email
	}
	return ""
}
