package sieve

import (
	"context"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// genTree makes trees that scripts can have, whatever they mean.
func genTree(t *rapid.T, depth int) Tree {
	name := rapid.StringMatching(`[a-z_][a-z0-9_]{0,6}`)
	text := rapid.StringOfN(rapid.SampledFrom([]rune("ab \"\\\n\r.$%{}[]åö€#/*:;")), 0, 12, -1)
	args := func() (list []Argument) {
		for range rapid.IntRange(0, 3).Draw(t, "arguments") {
			a := Argument{Kind: ArgumentKind(rapid.IntRange(1, 4).Draw(t, "kind"))}
			switch a.Kind {
			case ArgumentTag:
				a.Tag = name.Draw(t, "tag")
			case ArgumentNumber:
				a.Number = rapid.Uint64Range(0, 1<<62).Draw(t, "number")
			case ArgumentString:
				a.Strings = []String{{Value: text.Draw(t, "string")}}
			case ArgumentList:
				for range rapid.IntRange(0, 3).Draw(t, "strings") {
					a.Strings = append(a.Strings, String{Value: text.Draw(t, "string")})
				}
			}
			list = append(list, a)
		}
		return list
	}
	var tests func(depth int) ([]Test, bool)
	tests = func(depth int) (list []Test, inList bool) {
		n := 0
		if depth > 0 {
			n = rapid.IntRange(0, 3).Draw(t, "tests")
		}
		for range n {
			x := Test{Name: name.Filter(func(s string) bool { return s != "text" }).Draw(t, "test"), Args: args()}
			x.Tests, x.List = tests(depth - 1)
			list = append(list, x)
		}
		return list, n > 1 || n == 1 && rapid.Bool().Draw(t, "in a list")
	}
	tree := Tree{}
	for range rapid.IntRange(0, 3).Draw(t, "commands") {
		c := Command{Name: name.Draw(t, "command"), Args: args()}
		c.Tests, c.List = tests(depth)
		if depth > 0 && rapid.Bool().Draw(t, "block") {
			c.Block = genTree(t, depth-1)
			if c.Block == nil {
				c.Block = []Command{}
			}
		}
		tree = append(tree, c)
	}
	return tree
}

// What is printed is read back as the same.
func TestPrintIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		printed := genTree(t, 3).String()
		again, err := ParseTree(printed, Limits{})
		if err != nil {
			t.Fatalf("%v in\n%s", err, printed)
		}
		if got := again.String(); got != printed {
			t.Fatalf("printed again\n%s\nnot\n%s", got, printed)
		}
	})
}

// A glob and a regular expression that mean the same agree, and the captures make up the value.
func TestGlobIsARegex(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letters := rapid.StringOfN(rapid.SampledFrom([]rune("abÅ")), 0, 12, -1)
		value := letters.Draw(t, "value")
		pattern := rapid.StringOfN(rapid.SampledFrom([]rune("abÅ*?")), 0, 8, -1).Draw(t, "pattern")
		m := &machine{ctx: context.Background(), limits: &Limits{Steps: 1 << 30}}
		captures, ok, err := m.glob(value, pattern, casemap)
		if err != nil {
			t.Fatal(err)
		}
		re, wrong := compileRegex("^"+strings.NewReplacer("*", "(.*)", "?", "(.)").Replace(pattern)+"$", casemap, Position{})
		if wrong != nil {
			t.Fatal(wrong)
		}
		// The comparator of globs folds ASCII alone.
		want := re.MatchString(value)
		if ok != want {
			t.Fatalf("%q matches %q: %t, as a regular expression %t", value, pattern, ok, want)
		}
		if !ok {
			return
		}
		var b strings.Builder
		next := 1
		for _, r := range pattern {
			if r == '*' || r == '?' {
				b.WriteString(captures[next])
				next++
				continue
			}
			b.WriteRune(r)
		}
		if !strings.EqualFold(b.String(), value) || next != len(captures) || captures[0] != value {
			t.Fatalf("%q matches %q with %q", value, pattern, captures)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, tt := range examples {
		f.Add(all + tt.script)
	}
	f.Add("if not anyof (a, b \"c\" [\"d\"], e :f 1K) { g text:\n.x\n.\n; } # h")
	f.Fuzz(func(t *testing.T, text string) {
		limits := Limits{Steps: 20_000}
		tree, err := ParseTree(text, limits)
		if err == nil {
			printed := tree.String()
			again, err := ParseTree(printed, Limits{Script: 1 << 20, String: 1 << 20})
			if err != nil || again.String() != printed {
				t.Fatalf("%q is printed %q, %v", text, printed, err)
			}
		}
		s, err := Parse(text, Options{Limits: limits, Include: func(string) (string, bool) { return "keep;", true }})
		if err != nil {
			if err.Error() == "" {
				t.Error("an error that says nothing")
			}
			return
		}
		r, err := s.Run(t.Context(), newEnv(t, letter))
		if err != nil || len(r.Actions) == 0 && r.Err == nil {
			t.Fatalf("%q gives %+v, %v", text, r, err)
		}
	})
}

// A message can be anything.
func FuzzMessage(f *testing.F) {
	f.Add(letter)
	f.Add("From: a\n\n")
	f.Add("")
	s, err := Parse(all+`
		if allof (header :matches ["from", "subject", "received"] "*a*", address :all :contains ["from", "to"] "@", body :contains "x",
		body :raw :matches "*y*", body :content "text" :contains "z", date "date" "year" "2026", duplicate) { keep; }
		if anyof (header :regex "subject" "(a|b)*c", body :content "" :count "gt" "2", date :last :index 1 "received" "hour" "1") { set "x" "${1}"; }`, Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 10_000 {
			return
		}
		if r, err := s.Run(t.Context(), newEnv(t, text)); err != nil || len(r.Actions) != 1 {
			t.Fatalf("%+v, %v", r, err)
		}
	})
}

// BenchmarkRules runs a script of 1000 rules, none of which applies.
func BenchmarkRules(b *testing.B) {
	var text strings.Builder
	text.WriteString(`require ["fileinto"];`)
	for i := range 1000 {
		word := strings.Repeat(string(rune('a'+i%26)), 8)
		text.WriteString(`if header :contains ["from", "subject"] "` + word + `" { fileinto "x"; }`)
	}
	s, err := Parse(text.String(), Options{Limits: Limits{Script: 1 << 20}})
	if err != nil {
		b.Fatal(err)
	}
	env := newEnv(b, letter)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Run(b.Context(), env); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	text := `require ["fileinto"];` + strings.Repeat(`if header :contains ["from", "subject"] "word" { fileinto "x"; stop; }`+"\n", 100)
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := Parse(text, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
