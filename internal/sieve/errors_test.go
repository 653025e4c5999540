package sieve

import (
	"errors"
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/cause"
)

// TestErrors has every error that reading a script can end in, with its place.
func TestErrors(t *testing.T) {
	small := Limits{Script: 2000, String: 50, Depth: 5, Nodes: 20, Items: 5}
	for _, tt := range []struct {
		script, want string
		at           Position
	}{
		{"keep", "command-end", Position{1, 5}},
		{"keep; }", "command-expected", Position{1, 7}},
		{"if true {\n  keep;", "block-open", Position{1, 9}},
		{"if true { ; }", "command-expected", Position{1, 11}},
		{"å;", "character", Position{1, 1}},
		{"/* x", "comment-open", Position{1, 1}},
		{"keep \"x", "string-open", Position{1, 6}},
		{"keep text:\nx\n", "text-open", Position{1, 6}},
		{"keep text: x\n.\n;", "text-line", Position{1, 6}},
		{"keep :;", "tag-name", Position{1, 6}},
		{"keep 12x;", "number-unit", Position{1, 6}},
		{"keep 99999999999999999999;", "number-large", Position{1, 6}},
		{"keep 9999999999999G;", "number-large", Position{1, 6}},
		{"keep [\"a\" \"b\"];", "list-comma", Position{1, 11}},
		{"keep [\"a\", 1];", "list-string", Position{1, 12}},
		{"keep (true;", "test-comma", Position{1, 11}},
		{"keep (true, 1);", "test-expected", Position{1, 13}},
		{"ke\x00ep;", "octets", Position{1, 3}},
		{"# ää\nkeep\xff;", "octets", Position{2, 5}},
		{strings.Repeat("#", 2001), "script-long", Position{1, 1}},
		{"keep \"" + strings.Repeat("x", 51) + "\";", "string-long", Position{1, 6}},
		{strings.Repeat("if true {", 6), "deep", Position{1, 40}},
		{"if " + strings.Repeat("not ", 6) + "true {}", "deep", Position{1, 20}},
		{strings.Repeat("keep;", 21), "many", Position{1, 101}},
		{"keep [\"\",\"\",\"\",\"\",\"\",\"\"];", "many-items", Position{1, 22}},
		{"keep 1 2 3 4 5 6;", "many-items", Position{1, 16}},

		{"frob;", "command-unknown", Position{1, 1}},
		{"true;", "test-as-command", Position{1, 1}},
		{"if frob {}", "test-unknown", Position{1, 4}},
		{"if keep {}", "test-unknown", Position{1, 4}},
		{"keep true;", "test-not-here", Position{1, 6}},
		{"keep {}", "block-not-here", Position{1, 1}},
		{"if true;", "block-missing", Position{1, 1}},
		{"if (true) {}", "test-one", Position{1, 1}},
		{"if {}", "test-one", Position{1, 1}},
		{"if not {}", "test-one", Position{1, 4}},
		{"if anyof true {}", "test-list", Position{1, 4}},
		{"if 1 true {}", "arguments-many", Position{1, 4}},
		{"if true true {}", "test-not-here", Position{1, 9}},
		{"else {}", "else-alone", Position{1, 1}},
		{"if true {} else {} else {}", "else-alone", Position{1, 20}},
		{"if true {} keep; elsif true {}", "else-alone", Position{1, 18}},
		{"require \"x\";", "extension-unknown", Position{1, 9}},
		{"keep; require \"copy\";", "require-late", Position{1, 7}},
		{"fileinto \"x\";", "require-missing", Position{1, 1}},
		{"redirect :copy \"x@y.z\";", "require-missing", Position{1, 10}},
		{"keep 1;", "arguments-many", Position{1, 6}},
		{"redirect;", "arguments-few", Position{1, 1}},
		{"redirect 1;", "want-string", Position{1, 10}},
		{"redirect [\"x@y.z\"];", "want-string", Position{1, 10}},
		{"redirect \"x\";", "address-wrong", Position{1, 10}},
		{"if size :over \"1\" {}", "want-number", Position{1, 9}},
		{"if size {}", "size-tag", Position{1, 4}},
		{"if size :over 1 :under 2 {}", "tags-exclude", Position{1, 17}},
		{"if header \"a\" 1 {}", "want-strings", Position{1, 15}},
		{"if header :is :is \"a\" \"b\" {}", "tag-twice", Position{1, 15}},
		{"if header :is :contains \"a\" \"b\" {}", "tags-exclude", Position{1, 15}},
		{"if header \"a\" :is \"b\" {}", "tag-late", Position{1, 15}},
		{"if header :near \"a\" \"b\" {}", "tag-unknown", Position{1, 11}},
		{"if header :comparator \"x\" \"a\" \"b\" {}", "comparator-unknown", Position{1, 23}},
		{"if header :comparator \"i;ascii-numeric\" \"a\" \"b\" {}", "require-missing", Position{1, 23}},
		{"require \"comparator-i;ascii-numeric\"; if header :contains :comparator \"i;ascii-numeric\" \"a\" \"b\" {}", "comparator-match", Position{1, 42}},
		{"require \"relational\"; if header :count \"xx\" \"a\" \"b\" {}", "relation-unknown", Position{1, 40}},
		{"require \"regex\"; if header :regex \"a\" \"(\" {}", "regex-wrong", Position{1, 39}},
		{"require \"regex\"; if header :regex \"a\" \"((a{30}){30}){30}\" {}", "regex-wrong", Position{1, 39}},
		{"require \"regex\"; if header :regex \"a\" \"(a{90}){11}(b{90}){11}...\" {}", "", Position{}},
		{"require \"envelope\"; if envelope \"by\" \"b\" {}", "envelope-part", Position{1, 33}},
		{"require \"date\"; if date \"a\" \"century\" \"b\" {}", "date-part", Position{1, 29}},
		{"require \"date\"; if date :zone \"CET\" \"a\" \"day\" \"b\" {}", "zone", Position{1, 31}},
		{"require \"index\"; if header :index 0 \"a\" \"b\" {}", "index-zero", Position{1, 35}},
		{"require \"index\"; if header :last \"a\" \"b\" {}", "last-alone", Position{1, 21}},
		{"require \"variables\"; set \"1a\" \"b\";", "variable-name", Position{1, 26}},
		{"require \"variables\"; keep; set \"x\" \"${a.b}\";", "variable-name", Position{1, 36}},
		{"require \"variables\"; set \"x\" \"${99}\";", "match-variable", Position{1, 30}},
		{"require \"encoded-character\"; if header \"x\" \"${unicode:D800}\" {}", "unicode-value", Position{1, 44}},
		{"require [\"include\", \"variables\"]; global \"global.x\";", "variable-name", Position{1, 42}},
		{"require \"imap4flags\"; setflag \"x\" \"y\";", "require-missing", Position{1, 31}},
	} {
		_, err := Parse(tt.script, Options{Limits: small})
		if tt.want == "" {
			if err != nil {
				t.Errorf("%q: %v", tt.script, err)
			}
			continue
		}
		var list Errors
		if !errors.As(err, &list) {
			t.Errorf("%q: %v, not %s", tt.script, err, tt.want)
			continue
		}
		if first := list[0]; first.Code != tt.want || first.Position != tt.at {
			t.Errorf("%q: %s at %v, not %s at %v", tt.script, first.Code, first.Position, tt.want, tt.at)
		}
		for _, lang := range cause.Languages() {
			if text := list.Say(lang); strings.ContainsAny(text, "\x00") || strings.Contains(text, "error.") || strings.Contains(text, "{found}") {
				t.Errorf("%q in %s: %s", tt.script, lang, text)
			}
		}
	}
}

func TestErrorsAreForPeople(t *testing.T) {
	_, err := Parse("require [\"fileinto\"];\nif header :contains \"subject\" \"x\" {\n  fileinto \"A\"\n}\nfoo;\n", Options{})
	if got := err.Error(); got != "line 3, column 15: “fileinto” must end with a semicolon, but “}” follows" {
		t.Error(got)
	}
	var list Errors
	if errors.As(err, &list); list.Say("sv") != "rad 3, kolumn 15: ”fileinto” måste sluta med semikolon, men ”}” följer" {
		t.Error(list.Say("sv"))
	}
	_, err = Parse("foo;\nkeep 1;", Options{})
	if got := err.Error(); got != "line 1, column 1: there is no command “foo”\nline 2, column 6: there is too much behind “keep”, which takes 0" {
		t.Error(got)
	}
	_, err = Parse("keep", Options{})
	if got := err.Error(); got != "line 1, column 5: “keep” must end with a semicolon, but the end of the script follows" {
		t.Error(got)
	}
	_, err = Parse(strings.Repeat("x;", 100), Options{})
	if errors.As(err, &list); len(list) != maxErrors {
		t.Errorf("%d errors", len(list))
	}
	_, err = Parse(`require "include"; include "a";`, Options{Include: func(string) (string, bool) { return "\nfoo;", true }})
	if got := err.Error(); !strings.HasPrefix(got, "line 2, column 1: in the script “a” that is included: line 2") {
		t.Error(got)
	}
}

// TestLimits ends runs that would cost too much.
func TestLimits(t *testing.T) {
	env := newEnv(t, letter)
	for _, tt := range []struct {
		name, script, want string
		limits             Limits
	}{
		{"steps", strings.Repeat(`if header :contains "subject" "x" { keep; }`, 100), "implicit; error steps", Limits{Steps: 150}},
		{"steps of globs", `if body :matches "*a*a*a*a*a*a*a*b" { keep; }`, "implicit; error steps", Limits{Steps: 2}},
		{"actions", strings.Repeat(`discard;`, 9), "implicit; error actions-many", Limits{Actions: 8}},
		{"redirects", `redirect "a@x.y"; redirect "b@x.y"; redirect "c@x.y";`, "implicit; error redirects-many", Limits{Redirects: 2}},
		{"variables", `set "a" "1"; set "b" "2"; set "b" "3"; set "c" "4";`, "implicit; error variables-many", Limits{Variables: 2}},
		{"values", `set "a" "0123456789"; set "a" "${a}${a}"; set "a" "${a}${a}"; fileinto "${a}å";`, "into 01234567890123456789", Limits{Value: 20}},
		{"characters are whole", `set "a" "0123456789åäö"; fileinto "${a}";`, "into 0123456789", Limits{Value: 11}},
	} {
		if got := run(t, env, all+tt.script, Options{Limits: tt.limits}); got != tt.want {
			t.Errorf("%s: %s, not %s", tt.name, got, tt.want)
		}
	}
	// What takes long by its nature, on a body of the largest size.
	large := newEnv(t, "Subject: x\n\n"+strings.Repeat("a", maxBody))
	many := strings.Repeat("a", 10_000) + "b"
	for _, tt := range []struct{ script, want string }{
		{`if body :raw :contains "` + many + `" { discard; }`, "implicit"},
		{`if body :raw :matches "*` + many + `*" { discard; }`, "implicit; error steps"},
		{`if body :raw :regex "(a|b|c){200}(a|b){100}x" { discard; }`, "implicit; error steps"},
		{strings.Repeat(`if body :contains ["`+many+`", "x"] { discard; }`, 6), "implicit"},
	} {
		if got := run(t, large, all+tt.script, Options{}); got != tt.want {
			t.Errorf("%.60s: %s, not %s", tt.script, got, tt.want)
		}
	}
	count := 0
	_, err := Parse(`require "include"; include "0";`, Options{Include: func(name string) (string, bool) {
		count++
		return `require "include"; include "` + name + `x";`, true
	}})
	if err != nil || count > 20 {
		t.Errorf("%d scripts are included, %v", count, err)
	}
}
