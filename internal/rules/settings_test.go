package rules

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

func TestSettingsRun(t *testing.T) {
	shared := storetest.Open(t)
	for _, tt := range []struct {
		name, want string
		settings   Settings
	}{
		{"nothing", "in INBOX; kept", Settings{}},
		{"move", "in Friends; moved", Settings{Rules: []Rule{{Name: "a", Conditions: []Condition{{Field: "from", Values: []string{"nobody", "BO@"}}}, Move: "Friends", Stop: true}, {Name: "b", Delete: true}}}},
		{"move and go on", "in Friends; in Trash; moved; moved", Settings{Rules: []Rule{{Name: "a", Move: "Friends"}, {Name: "b", Delete: true}}}},
		{"copy", "in Friends; in INBOX; moved", Settings{Rules: []Rule{{Name: "a", Move: "Friends", Copy: true}}}},
		{"all must hold", "in INBOX; kept", Settings{Rules: []Rule{{Name: "a", Conditions: []Condition{{Field: "from", Values: []string{"bo"}}, {Field: "subject", Op: "is", Values: []string{"x"}}}, Delete: true}}}},
		{"any is enough", "in Trash; moved", Settings{Rules: []Rule{{Name: "a", Any: true, Conditions: []Condition{{Field: "from", Values: []string{"bo"}}, {Field: "subject", Op: "is", Values: []string{"x"}}}, Delete: true}}}},
		{"letters of any case", "in Trash; moved", Settings{Rules: []Rule{{Name: "a", Conditions: []Condition{{Field: "subject", Op: "is", Values: []string{"MÖTE"}}}, Delete: true}}}},
		{"marks", "in INBOX; flags 5 [$Work]; kept", Settings{Rules: []Rule{{Name: "a", Star: true, Read: true, Label: "$Work"}}}},
		{"off", "in INBOX; kept", Settings{Rules: []Rule{{Name: "a", Off: true, Delete: true}}, Vacation: &Vacation{Off: true, Text: "x"}, Forward: &Forward{Off: true, To: []string{"x@other.test"}}}},
		{"body, list, size and headers", "in Trash; moved", Settings{Rules: []Rule{{Name: "a", Conditions: []Condition{
			{Field: "body", Values: []string{"hej"}}, {Field: "list", Op: "not", Values: []string{"x"}}, {Field: "size", Op: "under", Size: 1000},
			{Field: "Message-ID:", Op: "matches", Values: []string{"<*@elsewhere.test>"}}, {Field: "to", Op: "is", Values: []string{own}},
		}, Delete: true}}}},
		{"forward", "to x@other.test; forwarded", Settings{Forward: &Forward{To: []string{"x@other.test"}}}},
		{"forward and keep", "in INBOX; to x@other.test; to y@other.test; forwarded; forwarded", Settings{Forward: &Forward{To: []string{"x@other.test"}, Keep: true}, Rules: []Rule{{Name: "a", Forward: "y@other.test"}}}},
		{"vacation", "in INBOX; answer bo@elsewhere.test; answered", Settings{Vacation: &Vacation{Text: "Borta \"nu\"\n.\n", Subject: "Borta", From: "2020-01-01", Until: "2999-01-01", Days: 3}}},
		{"vacation over", "in INBOX; kept", Settings{Vacation: &Vacation{Text: "x", Until: "2020-01-01"}}},
		{"then a script", "in Archive; moved", Settings{Then: "other"}},
		{"then none", "in INBOX; kept", Settings{Then: "none"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			script, err := tt.settings.Script()
			if err != nil {
				t.Fatal(err)
			}
			w := on(t, shared)
			if err := w.store.PutScript(t.Context(), w.account.ID, "other", `require "fileinto"; fileinto "Archive";`); err != nil {
				t.Fatal(err)
			}
			w.activate(script)
			o := w.run(w.input(letter()))
			if got := short(&o); got != tt.want {
				t.Errorf("%s\ngives %s\nnot   %s", script, got, tt.want)
			}
			if len(tt.settings.Rules) > 0 && o.Steps[0].Rule != "a" && o.Steps[0].Kind != StepKeep && tt.settings.Forward == nil {
				t.Errorf("it comes of the rule %q", o.Steps[0].Rule)
			}
		})
	}
}

func TestSettingsThatAreWrong(t *testing.T) {
	rule := func(r Rule) Settings { return Settings{Rules: []Rule{r}} }
	for code, s := range map[string]Settings{
		"too-many-rules":  {Rules: make([]Rule, MaxRules+1)},
		"forwards":        {Forward: &Forward{}},
		"address":         {Forward: &Forward{To: []string{"x"}}},
		"rule-name":       rule(Rule{Name: "a]", Delete: true}),
		"no-action":       rule(Rule{Name: "a"}),
		"move-and-delete": rule(Rule{Name: "a", Move: "x", Delete: true}),
		"label":           rule(Rule{Name: "a", Label: "x y"}),
		"field":           rule(Rule{Name: "a", Delete: true, Conditions: []Condition{{Field: "sender", Values: []string{"x"}}}}),
		"size":            rule(Rule{Name: "a", Delete: true, Conditions: []Condition{{Field: "size", Values: []string{"x"}}}}),
		"values":          rule(Rule{Name: "a", Delete: true, Conditions: []Condition{{Field: "from"}}}),
		"op":              rule(Rule{Name: "a", Delete: true, Conditions: []Condition{{Field: "from", Op: "like", Values: []string{"x"}}}}),
		"vacation-text":   {Vacation: &Vacation{}},
		"day":             {Vacation: &Vacation{Text: "x", From: "1.7.2026"}},
		"days-order":      {Vacation: &Vacation{Text: "x", From: "2026-07-02", Until: "2026-07-01"}},
		"vacation-days":   {Vacation: &Vacation{Text: "x", Days: 91}},
	} {
		_, err := s.Script()
		var wrong *Invalid
		if !errors.As(err, &wrong) || wrong.Code != code {
			t.Errorf("%s: %v", code, err)
			continue
		}
		for _, lang := range cause.Languages() {
			if text := wrong.Say(lang); strings.ContainsAny(text, "{}") || strings.HasPrefix(text, "invalid.") {
				t.Errorf("%s in %s: %s", code, lang, text)
			}
		}
	}
}

func TestTextsAgree(t *testing.T) {
	english, err := Texts(cause.English)
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range cause.Languages() {
		set, err := Texts(lang)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := strings.Join(set.Keys(), " "), strings.Join(english.Keys(), " "); got != want {
			t.Errorf("%s has %s\nEnglish %s", lang, got, want)
		}
		for _, kind := range []StepKind{StepKeep, StepMove, StepForward, StepDiscard, StepReject, StepAnswer, StepNoAnswer, StepNoForward, StepNoFolder, StepFailed} {
			if set.Say("step."+string(kind)) == "step."+string(kind) {
				t.Errorf("%s has no text for %s", lang, kind)
			}
		}
	}
}

// Who tries rules is told of marks, too: most of what "mark as read" does is nothing else.
func TestStepsTellMarks(t *testing.T) {
	step := Step{Kind: StepKeep, To: "INBOX", Flags: []string{`\Seen`, `\Flagged`, "work"}}
	for lang, want := range map[cause.Lang]string{
		cause.English:   "It stays in INBOX, marked as read, starred, labelled “work”",
		cause.Swedish:   "Det stannar i INBOX, markeras som läst, stjärnmärks, får etiketten ”work”",
		cause.Norwegian: "Den blir i INBOX, merkes som lest, stjernemerkes, får etiketten «work»",
	} {
		set, err := Texts(lang)
		if err != nil {
			t.Fatal(err)
		}
		if got := step.Say(set); got != want {
			t.Errorf("%s: %s", lang, got)
		}
	}
}

// What settings become is read back as the same settings, whatever people write into them.
func TestSettingsAreReadBack(t *testing.T) {
	text := rapid.StringOfN(rapid.SampledFrom([]rune("ab\"\\${}.\n\r *?å:#/]")), 1, 20, -1)
	rapid.Check(t, func(t *rapid.T) {
		s := Settings{Rules: []Rule{}, Then: rapid.SampledFrom([]string{"", "x", "\""}).Draw(t, "then")}
		for range rapid.IntRange(0, 4).Draw(t, "rules") {
			r := Rule{
				Name: rapid.StringMatching(`[a-zå "\\]{1,9}`).Draw(t, "name"), Any: rapid.Bool().Draw(t, "any"), Stop: true,
				Move: text.Draw(t, "move"), Copy: rapid.Bool().Draw(t, "copy"), Star: rapid.Bool().Draw(t, "star"),
			}
			for range rapid.IntRange(0, 3).Draw(t, "conditions") {
				r.Conditions = append(r.Conditions, Condition{
					Field: rapid.SampledFrom([]string{"from", "to", "subject", "list", "body", "X-A:"}).Draw(t, "field"),
					Op:    rapid.SampledFrom([]string{"", "contains", "is", "matches", "not"}).Draw(t, "op"), Values: []string{text.Draw(t, "value")},
				})
			}
			s.Rules = append(s.Rules, r)
		}
		if rapid.Bool().Draw(t, "vacation") {
			s.Vacation = &Vacation{Text: "x" + text.Draw(t, "text"), Subject: text.Draw(t, "subject")}
		}
		script, err := s.Script()
		if err != nil {
			t.Fatal(err)
		}
		again, ok, err := Read(script)
		if !ok || err != nil {
			t.Fatalf("%t, %v of\n%s", ok, err, script)
		}
		if second, err := again.Script(); err != nil || second != script {
			t.Fatalf("%v\n%s\nnot\n%s", err, second, script)
		}
	})
}

func TestScriptByHand(t *testing.T) {
	s := Settings{Rules: []Rule{{Name: "a", Delete: true}}}
	script, err := s.Script()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := Read(script + "stop;\n"); !ok || !errors.Is(err, ErrByHand) {
		t.Errorf("changed by hand: %t, %v", ok, err)
	}
	if _, ok, err := Read("keep;"); ok || err != nil {
		t.Errorf("written by hand: %t, %v", ok, err)
	}
}

// TestVacationForms holds that an answer in HTML and with moments as bounds becomes a script that runs and is read back.
func TestVacationForms(t *testing.T) {
	for name, v := range map[string]Vacation{
		"HTML":    {Text: "Jag är borta.", HTML: "<p>Jag är <b>borta</b>.</p>\n<p>Å</p>"},
		"moments": {Text: "Borta", From: "2026-07-01T08:00:00Z", Until: "2026-07-31T16:00:00Z"},
		"both":    {Text: "Borta", HTML: "<p>Borta</p>", Subject: "Semester", From: "2026-07-01", Until: "2026-07-31T16:00:00Z", Usual: true},
	} {
		s := Settings{Rules: []Rule{}, Vacation: &v}
		text, err := s.Script()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		back, ours, err := Read(text)
		if !ours || err != nil || *back.Vacation != v {
			t.Errorf("%s: read back as %+v, %v, from\n%s", name, back.Vacation, err, text)
		}
	}
	bad := Settings{Vacation: &Vacation{Text: "x", From: "2026-07-01T08:00:00+02:00"}}
	if bad.Check() == nil {
		t.Error("a moment that is not in UTC is taken")
	}
}
