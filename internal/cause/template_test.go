package cause

import (
	"strings"
	"testing"
)

func TestParseTemplate(t *testing.T) {
	got, err := parseTemplate("Limit[ of {n} in {span}] reached[, {until}]")
	if err != nil {
		t.Fatal(err)
	}
	if names := strings.Join(got.names, " "); names != "n span until" || got.plain() != "Limit reached" {
		t.Errorf("names %q, plain %q", names, got.plain())
	}
	counted, err := parseTemplate("Limit[ of {n} {n:message|messages}] reached")
	if err != nil || strings.Join(counted.names, " ") != "n" || counted.counted()["n"] != 2 {
		t.Errorf("%+v, %v", counted, err)
	}
	dated, err := parseTemplate("It is tried again[ {next:on}][ {n:a|b} {n}]")
	if err != nil || strings.Join(dated.names, " ") != "next n" || strings.Join(dated.dated(), " ") != "next" {
		t.Errorf("%+v, %v", dated, err)
	}
	for _, bad := range []string{
		"[{:a|b}]", "[{n:}]", "[{:on}]", "[{n:a|b}]", "[{n} {n:{a}|b}]",
		"{n}", "a {n} b", "a]", "a}", "[no placeholder]", "[", "[{n}", "[{n]", "[{}]", "[{a b}]", "[n}]", "[[{n}]]", "[{n}", "[]", "[{{n}}]",
	} {
		if _, err := parseTemplate(bad); err == nil {
			t.Errorf("parseTemplate(%q) finds no error", bad)
		}
	}
}

// What parses is shown in full: its plain text has no brackets, and every
// placeholder stands in the text it came from.
func FuzzParseTemplate(f *testing.F) {
	f.Add("Limit[ of {n} in {span}] reached[, {until}]")
	f.Add("[{a}][{b}]")
	f.Add("][}{")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parseTemplate(s)
		if err != nil {
			return
		}
		if strings.ContainsAny(got.plain(), "[]{}") {
			t.Errorf("%q reads %q", s, got.plain())
		}
		for _, name := range got.names {
			if !strings.Contains(s, "{"+name+"}") && !strings.Contains(s, "{"+name+":") {
				t.Errorf("%q has no placeholder %q", s, name)
			}
		}
	})
}
