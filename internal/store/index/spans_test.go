package index

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSpans(t *testing.T) {
	for _, one := range []struct{ text, needles, want string }{
		{"Kaffe och kaka", "kaf", "[Kaf]fe och kaka"},
		{"ett Café, ett cafe", "CAFE", "ett [Café], ett [cafe]"},
		{"Ett cafe\u0301 till", "café", "Ett [cafe\u0301] till"},
		{"Straße", "ss", "Stra[ß]e"},
		{"Straße", "as", "Str[aß]e"},
		{"soft\u00adhyphen", "thy", "sof[t\u00adhy]phen"},
		{"aaaa", "aa", "[aaaa]"},
		{"räksmörgås", "smor", "räksmörgås"},
		{"räksmörgås", "SMÖR gås", "räk[smörgås]"},
		{"inget här", "saknas", "inget här"},
		{"", "x", ""},
	} {
		var needles []Needle
		for _, n := range strings.Fields(one.needles) {
			needles = append(needles, NewNeedle(n))
		}
		out, at := "", 0
		for _, s := range Spans([]byte(one.text), needles) {
			out += one.text[at:s.From] + "[" + one.text[s.From:s.To] + "]"
			at = s.To
		}
		if out += one.text[at:]; out != one.want {
			t.Errorf("%q in %q: %q, want %q", one.needles, one.text, out, one.want)
		}
	}
}

// TestSpansAgree holds that a text has spans if and only if the search finds the needle in it, and that each has it.
func TestSpansAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letters := rapid.SliceOfN(rapid.SampledFrom([]rune("aäåàeé\u0301\u0308ßs \u00adÅKk한й")), 0, 20)
		text, needle := []byte(string(letters.Draw(t, "text"))), NewNeedle(string(letters.Draw(t, "needle")))
		if needle.Len() == 0 {
			return
		}
		spans := Spans(text, []Needle{needle})
		if (len(spans) > 0) != needle.In(text) {
			t.Fatalf("%d spans in %q", len(spans), text)
		}
		for _, s := range spans {
			if !bytes.Contains(Fold(nil, text[s.From:s.To]), needle.folded) {
				t.Fatalf("%q of %q has it not", text[s.From:s.To], text)
			}
		}
	})
}
