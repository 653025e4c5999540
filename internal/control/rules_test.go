package control

import (
	"fmt"
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/rules"
)

const hostedLetter = "From: Bo <bo@elsewhere.test>\r\nTo: anna@example.org\r\nSubject: Hej\r\n\r\nHej\r\n"

func TestRules(t *testing.T) {
	w, _ := openHosted(t)
	ctx := t.Context()
	steps := func() string {
		t.Helper()
		o, err := w.TestRules(ctx, RulesTest{Account: hosted, Message: []byte(hostedLetter)})
		if err != nil {
			t.Fatal(err)
		}
		var words []string
		for _, s := range o.Steps {
			words = append(words, fmt.Sprintf("%s %s by %s", s.Kind, s.To, s.Rule))
		}
		return fmt.Sprint(o.Ran, strings.Join(words, ", "), o.Folders, o.Forwards)
	}
	if got := steps(); got != "false[INBOX] []" {
		t.Errorf("without rules: %s", got)
	}
	settings := rules.Settings{Rules: []rules.Rule{{Name: "Bo", Conditions: []rules.Condition{{Field: "from", Values: []string{"bo@"}}}, Move: "Friends", Forward: "x@elsewhere.test"}}}
	now, err := w.ChangeRules(ctx, ChangeRules{Account: hosted, Settings: settings})
	if err != nil || now.Active != rules.SettingsScript || len(now.Settings.Rules) != 1 || len(now.Scripts) != 1 {
		t.Fatalf("%+v, %v", now, err)
	}
	if got := steps(); got != "trueforward x@elsewhere.test by Bo, move Friends by Bo[Friends] [x@elsewhere.test]" {
		t.Errorf("with a rule: %s", got)
	}
	if e := w.know(t); fmt.Sprint(e.Rules) != `[{Bo header :contains "from" ["bo@"] forward  x@elsewhere.test} {Bo header :contains "from" ["bo@"] move Friends }]` {
		t.Errorf("evidence has %v", e.Rules)
	}
	// A script of one's own, alone and behind the simple rules.
	if _, err := w.StoreScript(ctx, RulesScript{Account: hosted, Name: "main", Text: "keep;", Active: true}); err != nil {
		t.Fatal(err)
	}
	if got := steps(); got != "truekeep INBOX by main:1[INBOX] []" {
		t.Errorf("with a script: %s", got)
	}
	if now, err = w.ChangeRules(ctx, ChangeRules{Account: hosted, Settings: settings}); err != nil || now.Settings.Then != "main" || now.Active != rules.SettingsScript {
		t.Errorf("%+v, %v", now, err)
	}
	if got := steps(); !strings.Contains(got, "move Friends by Bo, keep INBOX by main:1[Friends INBOX]") {
		t.Errorf("with both: %s", got)
	}
	// Changed by hand.
	script, err := w.Script(ctx, RulesScript{Account: hosted, Name: rules.SettingsScript})
	if err != nil || !script.Active {
		t.Fatalf("%+v, %v", script, err)
	}
	script.Text += "stop;\n"
	if _, err := w.StoreScript(ctx, script); err != nil {
		t.Fatal(err)
	}
	if now, err = w.Rules(ctx, hosted); err != nil || !now.ByHand {
		t.Errorf("%+v, %v", now, err)
	}
	for _, c := range []struct {
		what   string
		err    error
		status int
		text   string
	}{
		{"changed by hand", second(w.ChangeRules(ctx, ChangeRules{Account: hosted, Settings: settings})), 409, "by hand"},
		{"no account", second(w.Rules(ctx, "nobody@example.org")), 404, "no such account"},
		{"no script", second(w.Script(ctx, RulesScript{Account: hosted, Name: "other"})), 404, "no script other"},
		{"use no script", second(w.UseScript(ctx, RulesScript{Account: hosted, Name: "other"})), 404, "no script other"},
		{"remove no script", second(w.RemoveScript(ctx, RulesScript{Account: hosted, Name: "other"})), 404, "no script other"},
		{"a wrong script", second(w.StoreScript(ctx, RulesScript{Account: hosted, Name: "other", Text: "keep"})), 400, "line 1, column 5"},
		{"to itself", second(w.ChangeRules(ctx, ChangeRules{Account: hosted, Replace: true, Settings: rules.Settings{Forward: &rules.Forward{To: []string{"Anna+x@example.org"}}}})), 400, "is the account itself"},
		{"a rule to itself", second(w.ChangeRules(ctx, ChangeRules{Account: hosted, Replace: true, Settings: rules.Settings{Rules: []rules.Rule{{Name: "x", Forward: hosted}}}})), 400, "is the account itself"},
		{"a wrong rule", second(w.ChangeRules(ctx, ChangeRules{Account: hosted, Replace: true, Settings: rules.Settings{Rules: []rules.Rule{{Name: "x"}}}})), 400, "it does nothing"},
	} {
		if got := status(t, c.err); got != c.status || !strings.Contains(c.err.Error(), c.text) {
			t.Errorf("%s: %d, %v", c.what, got, c.err)
		}
	}
	if now, err = w.ChangeRules(ctx, ChangeRules{Account: hosted, Settings: settings, Replace: true}); err != nil || now.ByHand {
		t.Errorf("%+v, %v", now, err)
	}
	if now, err = w.RemoveScript(ctx, RulesScript{Account: hosted, Name: rules.SettingsScript}); err != nil || now.Active != "" || len(now.Scripts) != 1 {
		t.Errorf("%+v, %v", now, err)
	}
	if trace, err := w.Trace(ctx, TraceQuery{Text: hosted}); err != nil || !strings.Contains(trace.Text, "Rules changed: main by postiljon") {
		t.Errorf("%v, %v", trace.Text, err)
	}
	o, err := w.TestRules(ctx, RulesTest{Account: hosted, Message: []byte(hostedLetter), From: "x@y.test", Junk: true, Script: &RulesScript{Name: "try", Text: "frob;"}})
	if err != nil || o.Steps[0].Kind != rules.StepFailed || o.Folders[0] != "Junk" {
		t.Errorf("%+v, %v", o, err)
	}
}
