package jmapd

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestEveryMethod fails for a method without dialogues of right and of wrong input.
func TestEveryMethod(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	right, wrong := map[string]bool{}, map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var calls [][]json.RawMessage
		for line := range strings.Lines(string(text)) {
			if rest, ok := strings.CutPrefix(line, "C: "); ok {
				calls = decodedCalls(t, rest)
			} else if rest, ok := strings.CutPrefix(line, "S: "); ok {
				note(calls, decodedCalls(t, rest), right, wrong)
			}
		}
	}
	w := newWorld(t)
	for _, name := range slices.Sorted(maps.Keys(w.server.methods)) {
		if !right[name] && name != "Email/copy" { // for which there are no two accounts
			t.Errorf("%s: no dialogue in which it does what it is asked", name)
		}
		if !wrong[name] && name != "Core/echo" { // which takes anything
			t.Errorf("%s: no dialogue of wrong input", name)
		}
	}
}

func decodedCalls(t *testing.T, text string) (list [][]json.RawMessage) {
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return list
}

// note finds out by the ids of calls which of them were answered and which refused, whole or in part.
func note(calls, responses [][]json.RawMessage, right, wrong map[string]bool) {
	for _, c := range calls {
		var name string
		if json.Unmarshal(c[0], &name) != nil {
			continue
		}
		for _, r := range responses {
			if string(r[2]) != string(c[2]) {
				continue
			}
			var told map[string]json.RawMessage
			failed := string(r[0]) == `"error"`
			right[name] = right[name] || string(r[0]) == string(c[0])
			if json.Unmarshal(r[1], &told) == nil {
				for _, member := range []string{"notCreated", "notUpdated", "notDestroyed", "notFound", "notParsable", "error"} {
					failed = failed || len(told[member]) > len("null")
				}
			}
			wrong[name] = wrong[name] || failed
		}
	}
}
