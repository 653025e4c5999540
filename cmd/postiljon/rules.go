package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/control"
	"github.com/postiljon/postiljon/internal/rules"
)

type rulesCommand struct {
	List     rulesList     `cmd:"" default:"withargs" help:"List the rules of an account, its forwarding and absence, and its scripts."`
	Add      rulesAdd      `cmd:"" help:"Add a rule: if a message is like this, do that."`
	Remove   rulesRemove   `cmd:"" help:"Remove a rule, or a script."`
	Vacation rulesVacation `cmd:"" help:"Answer who writes during an absence, or stop that."`
	Forward  rulesForward  `cmd:"" help:"Send all mail of an account on to other addresses, or stop that."`
	Edit     rulesEdit     `cmd:"" help:"Write a Sieve script, in an editor or from a file, and switch it on."`
	Show     rulesShow     `cmd:"" help:"Print a script, such as to keep a copy of it."`
	Use      rulesUse      `cmd:"" help:"Switch a script on, or all off."`
	Test     rulesTest     `cmd:"" help:"Say what the rules would do with a message, and why. Nothing is done."`
}

// rulesOf is what every command about rules begins with.
type rulesOf struct {
	Account string `arg:"" help:"Address of the account."`
}

// change reads the simple rules, changes them and stores them.
func (r *rulesOf) change(ctx context.Context, c *commands, replace bool, fn func(*rules.Settings) error) (now control.Rules, err error) {
	client, err := c.connect()
	if err != nil {
		return now, err
	}
	defer client.Close()
	if now, err = client.Rules(ctx, r.Account); err != nil {
		return now, err
	}
	if err := fn(&now.Settings); err != nil {
		return now, err
	}
	return client.ChangeRules(ctx, control.ChangeRules{Account: r.Account, Settings: now.Settings, Replace: replace})
}

type rulesList struct {
	rulesOf
	outputFlags
}

// Run lists the rules of an account.
func (l *rulesList) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	r, err := client.Rules(ctx, l.Account)
	if err != nil {
		return err
	}
	if l.JSON {
		return printJSON(s, r)
	}
	return showRules(s, &r)
}

func showRules(s *streams, r *control.Rules) error {
	if len(r.Scripts) == 0 {
		return s.say("%s has no rules.", r.Account)
	}
	if r.ByHand {
		if err := s.say("The rules were changed by hand, as a script: see 'postiljon rules edit %s'.", r.Account); err != nil {
			return err
		}
	}
	if r.Active == "" {
		if err := s.say("Nothing runs: 'postiljon rules use %s NAME' switches a script on; %s is that of the rules.", r.Account, rules.SettingsScript); err != nil {
			return err
		}
	} else if r.Active != rules.SettingsScript && (len(r.Settings.Rules) > 0 || r.Settings.Vacation != nil || r.Settings.Forward != nil) {
		if err := s.say("What stands here does not run, the script %s does: 'postiljon rules use %s %s' changes that.", r.Active, r.Account, rules.SettingsScript); err != nil {
			return err
		}
	}
	if v := r.Settings.Vacation; v != nil {
		if err := s.say("Absence: %s%s", vacationSpan(v), onOff(v.Off)); err != nil {
			return err
		}
	}
	if f := r.Settings.Forward; f != nil {
		keep := ", nothing stays here"
		if f.Keep {
			keep = ", a copy stays here"
		}
		if err := s.say("Forwarding: to %s%s%s", strings.Join(f.To, ", "), keep, onOff(f.Off)); err != nil {
			return err
		}
	}
	if len(r.Settings.Rules) > 0 {
		t := table{heading: []string{"RULE", "IF", "THEN"}}
		for i := range r.Settings.Rules {
			one := &r.Settings.Rules[i]
			t.add(one.Name+onOff(one.Off), ruleCondition(one), ruleActions(one))
		}
		if err := t.write(s); err != nil {
			return err
		}
	}
	t := table{heading: []string{"SCRIPT", "RUNS", "SIZE", "CHANGED"}}
	for _, script := range r.Scripts {
		runs := ""
		switch {
		case script.Active:
			runs = "yes"
		case script.Name == r.Settings.Then && r.Active == rules.SettingsScript:
			runs = "after the rules"
		}
		t.add(script.Name, runs, octets(int64(script.Size)), moment(script.Changed))
	}
	return t.write(s)
}

func onOff(off bool) string {
	if off {
		return " (off)"
	}
	return ""
}

func vacationSpan(v *rules.Vacation) string {
	span := "from now on"
	switch {
	case v.From != "" && v.Until != "":
		span = "from " + v.From + " until " + v.Until
	case v.From != "":
		span = "from " + v.From + " on"
	case v.Until != "":
		span = "until " + v.Until
	}
	first, _, _ := strings.Cut(strings.TrimSpace(v.Text), "\n")
	if len(first) > 50 {
		first = strings.ToValidUTF8(first[:50], "") + "…"
	}
	return fmt.Sprintf("%s, “%s”", span, first)
}

func ruleCondition(r *rules.Rule) string {
	var parts []string
	for i := range r.Conditions {
		c := &r.Conditions[i]
		op := map[string]string{"": "contains", "not": "does not contain"}[c.Op]
		if op == "" {
			op = c.Op
		}
		if c.Field == "size" {
			parts = append(parts, fmt.Sprintf("size %s %s", op, octets(c.Size)))
			continue
		}
		parts = append(parts, fmt.Sprintf("%s %s %s", strings.TrimSuffix(c.Field, ":"), op, strings.Join(c.Values, " or ")))
	}
	if len(parts) == 0 {
		return "always"
	}
	if r.Any {
		return strings.Join(parts, " or ")
	}
	return strings.Join(parts, " and ")
}

func ruleActions(r *rules.Rule) string {
	var parts []string
	add := func(on bool, text string) {
		if on {
			parts = append(parts, text)
		}
	}
	add(r.Move != "" && !r.Copy, "move to "+r.Move)
	add(r.Move != "" && r.Copy, "copy to "+r.Move)
	add(r.Delete, "move to the trash")
	add(r.Read, "mark as read")
	add(r.Star, "star")
	add(r.Label != "", "label "+r.Label)
	add(r.Forward != "", "forward to "+r.Forward)
	add(r.Stop, "stop")
	return strings.Join(parts, ", ")
}

type rulesAdd struct {
	rulesOf
	Name string `required:"" placeholder:"NAME" help:"Name of the rule. One that has it already is replaced."`

	From    []string          `placeholder:"TEXT" group:"If" help:"The sender contains this; given several times, one is enough."`
	To      []string          `placeholder:"TEXT" group:"If" help:"A recipient contains this."`
	Subject []string          `placeholder:"TEXT" group:"If" help:"The subject contains this."`
	List    []string          `placeholder:"TEXT" group:"If" help:"The mailing list contains this."`
	Body    []string          `placeholder:"TEXT" group:"If" help:"The text contains this."`
	Header  map[string]string `placeholder:"NAME=TEXT" group:"If" help:"A field of the header contains this."`
	Larger  string            `placeholder:"SIZE" group:"If" help:"The message is larger, such as 5MB."`
	Any     bool              `group:"If" help:"One of these is enough; without it, all must be so."`

	Move    string `placeholder:"FOLDER" group:"Then" help:"Move it to this folder, which is made if it does not exist."`
	Copy    bool   `group:"Then" help:"With --move: leave it where it is, too."`
	Delete  bool   `group:"Then" help:"Move it to the trash."`
	Star    bool   `group:"Then" help:"Star it."`
	Read    bool   `group:"Then" help:"Mark it as read."`
	Label   string `placeholder:"WORD" group:"Then" help:"Label it."`
	Forward string `name:"forward" placeholder:"ADDRESS" group:"Then" help:"Send it on to this address, too."`
	Stop    bool   `group:"Then" help:"Try no further rule."`

	First   bool `help:"Put the rule before all others."`
	Replace bool `help:"Replace rules that were changed by hand, as a script."`
}

// Run adds a rule.
func (a *rulesAdd) Run(ctx context.Context, s *streams, c *commands) error {
	rule := rules.Rule{
		Name: a.Name, Any: a.Any, Move: a.Move, Copy: a.Copy, Delete: a.Delete, Star: a.Star, Read: a.Read,
		Label: a.Label, Forward: a.Forward, Stop: a.Stop,
	}
	for _, condition := range []struct {
		field  string
		values []string
	}{{"from", a.From}, {"to", a.To}, {"subject", a.Subject}, {"list", a.List}, {"body", a.Body}} {
		if len(condition.values) > 0 {
			rule.Conditions = append(rule.Conditions, rules.Condition{Field: condition.field, Values: condition.values})
		}
	}
	for name, value := range a.Header {
		rule.Conditions = append(rule.Conditions, rules.Condition{Field: name + ":", Values: []string{value}})
	}
	if a.Larger != "" {
		size, err := config.ParseSize(a.Larger)
		if err != nil {
			return usagef("--larger %q is not a size such as \"5MB\"", a.Larger)
		}
		rule.Conditions = append(rule.Conditions, rules.Condition{Field: "size", Op: "over", Size: int64(size)})
	}
	now, err := a.change(ctx, c, a.Replace, func(settings *rules.Settings) error {
		same := func(r rules.Rule) bool { return strings.EqualFold(r.Name, a.Name) }
		if i := slices.IndexFunc(settings.Rules, same); i >= 0 && !a.First {
			settings.Rules[i] = rule
			return nil
		}
		settings.Rules = slices.DeleteFunc(settings.Rules, same)
		at := len(settings.Rules)
		if a.First {
			at = 0
		}
		settings.Rules = slices.Insert(settings.Rules, at, rule)
		return nil
	})
	if err != nil {
		return err
	}
	return showRules(s, &now)
}

type rulesRemove struct {
	rulesOf
	Name   string `arg:"" help:"Name of the rule."`
	Script bool   `help:"It is the name of a script."`
}

// Run removes a rule or a script.
func (r *rulesRemove) Run(ctx context.Context, s *streams, c *commands) error {
	if r.Script {
		client, err := c.connect()
		if err != nil {
			return err
		}
		defer client.Close()
		now, err := client.RemoveScript(ctx, control.RulesScript{Account: r.Account, Name: r.Name})
		if err != nil {
			return err
		}
		return showRules(s, &now)
	}
	now, err := r.change(ctx, c, false, func(settings *rules.Settings) error {
		var names []string
		for i := range settings.Rules {
			names = append(names, settings.Rules[i].Name)
		}
		i := slices.IndexFunc(names, func(name string) bool { return strings.EqualFold(name, r.Name) })
		if i < 0 {
			if best := config.Nearest(r.Name, names); best != "" {
				return fmt.Errorf("%s has no rule %q; did you mean %q?", r.Account, r.Name, best)
			}
			return &advice{fmt.Errorf("%s has no rule %q", r.Account, r.Name), "'postiljon rules list " + r.Account + "' shows all."}
		}
		settings.Rules = slices.Delete(settings.Rules, i, i+1)
		return nil
	})
	if err != nil {
		return err
	}
	return showRules(s, &now)
}

type rulesVacation struct {
	rulesOf
	Text    string `placeholder:"TEXT" xor:"text" help:"What senders are told."`
	File    string `type:"path" placeholder:"FILE" xor:"text" help:"File with the text; - reads standard input."`
	Subject string `placeholder:"TEXT" help:"Subject of the answer (default: 'Auto: ' and that of the message)."`
	From    string `placeholder:"DAY" help:"First day, such as 2026-07-01."`
	Until   string `placeholder:"DAY" help:"Last day."`
	Days    int    `placeholder:"N" help:"Tell a sender again after so many days (default: 7)."`
	Off     bool   `help:"Answer nobody; what was written stays."`
	Replace bool   `help:"Replace rules that were changed by hand, as a script."`
}

// Run switches the answer to absence on or off.
func (v *rulesVacation) Run(ctx context.Context, s *streams, c *commands) error {
	text := v.Text
	if v.File != "" {
		raw, err := readInput(s, v.File)
		if err != nil {
			return err
		}
		text = string(raw)
	}
	now, err := v.change(ctx, c, v.Replace, func(settings *rules.Settings) error {
		old := settings.Vacation
		switch {
		case v.Off && old == nil:
			return fmt.Errorf("%s has no answer to absence", v.Account)
		case v.Off:
			old.Off = true
			return nil
		case text == "" && old == nil:
			return usagef("what shall senders be told? Give --text or --file")
		case text == "":
			text = old.Text
		}
		settings.Vacation = &rules.Vacation{Text: text, Subject: v.Subject, From: v.From, Until: v.Until, Days: v.Days}
		return nil
	})
	if err != nil {
		return err
	}
	return showRules(s, &now)
}

type rulesForward struct {
	rulesOf
	To      []string `arg:"" optional:"" help:"Addresses that get all mail."`
	Keep    bool     `help:"Keep a copy here."`
	Off     bool     `help:"Send nothing on; the addresses stay."`
	Replace bool     `help:"Replace rules that were changed by hand, as a script."`
}

// Run switches forwarding on or off.
func (f *rulesForward) Run(ctx context.Context, s *streams, c *commands) error {
	now, err := f.change(ctx, c, f.Replace, func(settings *rules.Settings) error {
		old := settings.Forward
		switch {
		case f.Off && old == nil:
			return fmt.Errorf("mail of %s is not sent on", f.Account)
		case f.Off:
			old.Off = true
			return nil
		case len(f.To) == 0 && old == nil:
			return usagef("to whom? Give one or more addresses")
		case len(f.To) == 0:
			f.To = old.To
		}
		settings.Forward = &rules.Forward{To: f.To, Keep: f.Keep}
		return nil
	})
	if err != nil {
		return err
	}
	return showRules(s, &now)
}

type rulesEdit struct {
	rulesOf
	Name string `default:"main" placeholder:"NAME" help:"Name of the script (default: ${default}); 'postiljon' is that of the simple rules."`
	File string `type:"path" placeholder:"FILE" help:"File with the script; - reads standard input. Without it, $EDITOR is opened."`
	Off  bool   `help:"Do not switch it on."`
}

// Run stores a script.
func (e *rulesEdit) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	script := control.RulesScript{Account: e.Account, Name: e.Name, Active: !e.Off}
	if e.File != "" {
		raw, err := readInput(s, e.File)
		if err != nil {
			return err
		}
		script.Text = string(raw)
		if _, err := client.StoreScript(ctx, script); err != nil {
			return err
		}
	} else if err := e.edit(ctx, s, client, script); err != nil {
		return err
	}
	now, err := client.Rules(ctx, e.Account)
	if err != nil {
		return err
	}
	return showRules(s, &now)
}

// edit opens an editor again and again, until the script is right or nothing changes any more.
func (e *rulesEdit) edit(ctx context.Context, s *streams, client *control.Client, script control.RulesScript) error {
	editor := os.Getenv("EDITOR")
	if editor == "" {
		return usagef("no editor is set; set EDITOR, or give --file")
	}
	old, err := client.Script(ctx, script)
	var failed *control.Error
	if err != nil && (!errors.As(err, &failed) || failed.Status != 404) {
		return err
	}
	dir, err := os.MkdirTemp("", "postiljon-rules-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "script.sieve")
	if err := os.WriteFile(file, []byte(old.Text), 0o600); err != nil {
		return err
	}
	for before := old.Text; ; before = script.Text {
		words := append(strings.Fields(editor), file)
		run := exec.CommandContext(ctx, words[0], words[1:]...)
		run.Stdin, run.Stdout, run.Stderr = s.in, s.out, s.err
		if err := run.Run(); err != nil {
			return fmt.Errorf("run the editor: %w", err)
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if script.Text = string(raw); script.Text == before {
			return errors.New("nothing was changed, and nothing stored")
		}
		if _, err = client.StoreScript(ctx, script); err == nil {
			return nil
		}
		if fmt.Fprintln(s.err, err); !s.terminal {
			return errors.New("the script was not stored")
		}
	}
}

type rulesShow struct {
	rulesOf
	Name string `arg:"" optional:"" help:"Name of the script (default: the one that runs)."`
}

// Run prints a script.
func (r *rulesShow) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	if r.Name == "" {
		now, err := client.Rules(ctx, r.Account)
		if err != nil {
			return err
		}
		if r.Name = now.Active; r.Name == "" {
			return &advice{fmt.Errorf("no script of %s runs", now.Account), "'postiljon rules list " + now.Account + "' shows those that are there."}
		}
	}
	script, err := client.Script(ctx, control.RulesScript{Account: r.Account, Name: r.Name})
	if err != nil {
		return err
	}
	_, err = io.WriteString(s.out, script.Text)
	return err
}

type rulesUse struct {
	rulesOf
	Name string `arg:"" optional:"" help:"Name of the script; without it, none runs."`
}

// Run switches a script on.
func (u *rulesUse) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	now, err := client.UseScript(ctx, control.RulesScript{Account: u.Account, Name: u.Name})
	if err != nil {
		return err
	}
	return showRules(s, &now)
}

type rulesTest struct {
	rulesOf
	Message string `required:"" type:"path" placeholder:"FILE" help:"File with the message; - reads standard input."`
	Script  string `type:"path" placeholder:"FILE" help:"Try this script instead of the one that runs."`
	From    string `placeholder:"ADDRESS" help:"Return path (default: that of the message)."`
	To      string `placeholder:"ADDRESS" help:"Recipient (default: the account)."`
	Junk    bool   `help:"As if the message had been judged to be junk."`
	Lang    string `enum:"sv,nb,en" default:"en" help:"Language: ${enum} (default: ${default})."`
	outputFlags
}

// Run says what the rules would do with a message.
func (t *rulesTest) Run(ctx context.Context, s *streams, c *commands) error {
	raw, err := readInput(s, t.Message)
	if err != nil {
		return err
	}
	test := control.RulesTest{Account: t.Account, From: t.From, To: t.To, Junk: t.Junk, Message: crlf(raw)}
	if t.Script != "" {
		text, err := readInput(s, t.Script)
		if err != nil {
			return err
		}
		test.Script = &control.RulesScript{Name: filepath.Base(t.Script), Text: string(text)}
	}
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	o, err := client.TestRules(ctx, test)
	if err != nil {
		return err
	}
	if t.JSON {
		return printJSON(s, o)
	}
	return t.show(s, &o)
}

func (t *rulesTest) show(s *streams, o *control.RulesOutcome) error {
	set, err := rules.Texts(cause.Lang(t.Lang))
	if err != nil {
		return err
	}
	if !o.Ran {
		return s.say("%s", set.Say("word.no-script", "to", strings.Join(o.Folders, ", ")))
	}
	for i := range o.Steps {
		step := &o.Steps[i]
		if err := s.say("%s. %s", strconv.Itoa(i+1), s.bold(step.Say(set))); err != nil {
			return err
		}
		if step.Rule != "" {
			if err := s.say("   %s", set.Say("word.because", "rule", step.Rule)); err != nil {
				return err
			}
		}
		if step.Condition != "" && step.Condition != "else" {
			if err := s.say("   %s", s.dim(set.Say("word.condition", "condition", step.Condition))); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxInput is the largest file that a command takes as message or script.
const maxInput = 2 << 20

// readInput reads a file, or standard input for "-".
func readInput(s *streams, name string) ([]byte, error) {
	in := s.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	raw, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err == nil && len(raw) > maxInput {
		err = fmt.Errorf("%s is larger than %s", name, octets(maxInput))
	}
	return raw, err
}

// crlf gives a message out of a file the line ends that it has under way.
func crlf(text []byte) []byte {
	return []byte(strings.ReplaceAll(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n", "\r\n"))
}
