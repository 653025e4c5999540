package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestDistIsTrue makes everything anew and compares with what is committed.
func TestDistIsTrue(t *testing.T) {
	files := bundle(t)
	for name, content := range files {
		have, err := os.ReadFile(filepath.Join("..", "dist", name))
		if err != nil || !bytes.Equal(have, content) {
			t.Errorf("web/dist/%s is stale: make web", name)
		}
	}
	entries, err := os.ReadDir(filepath.Join("..", "dist"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, made := files[e.Name()]; !made && e.Name() != "dist.go" {
			t.Errorf("web/dist/%s is made from nothing", e.Name())
		}
	}
}

// TestBudget keeps what a browser loads small: compressed octets.
func TestBudget(t *testing.T) {
	files := bundle(t)
	for _, b := range []struct {
		what  string
		most  int
		files []string
	}{
		{"the shell of the mail", 60 << 10, []string{"shared.js", "app.js", "app.css", "text.en.js"}},
		{"writing, with the editor", 40 << 10, []string{"compose.js", "editor.js"}},
	} {
		sum := 0
		for _, name := range b.files {
			sum += compressed(t, files[name])
		}
		if t.Logf("%s: %d octets of %d", b.what, sum, b.most); sum > b.most {
			t.Errorf("%s has %d octets, more than %d", b.what, sum, b.most)
		}
	}
}

func compressed(t *testing.T, content []byte) int {
	t.Helper()
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(z, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Len()
}

// text is what is said for a key, and the part whose words have it: "text" for the shell.
type text struct{ says, part string }

// textsOf are all texts of a language, by their keys.
func textsOf(t *testing.T, files map[string][]byte, lang string) map[string]text {
	t.Helper()
	all := map[string]text{}
	for name, raw := range files {
		part, ok := strings.CutSuffix(name, "."+lang+".js")
		if !ok {
			continue
		}
		var some map[string]string
		if err := json.Unmarshal(bytes.TrimPrefix(raw, []byte("export const texts=")), &some); err != nil {
			t.Fatal(err)
		}
		for key, says := range some {
			all[key] = text{says, part}
		}
	}
	return all
}

// TestTexts finds keys that a language lacks, and placeholders that differ.
func TestTexts(t *testing.T) {
	files := bundle(t)
	english := textsOf(t, files, "en")
	for _, lang := range []string{"sv", "nb"} {
		all := textsOf(t, files, lang)
		for key, e := range english {
			if all[key].says == "" {
				t.Errorf("%s lacks %q", lang, key)
			} else if got, want := placeholders(all[key].says), placeholders(e.says); !slices.Equal(got, want) {
				t.Errorf("%s of %q: placeholders %v, in English %v", lang, key, got, want)
			}
		}
		for key := range all {
			if english[key].says == "" {
				t.Errorf("%q is in %s, not in English", key, lang)
			}
		}
	}
}

// TestTextsAreThere finds keys in the source that have no text, or one that is loaded later than what says it.
func TestTextsAreThere(t *testing.T) {
	english := textsOf(t, bundle(t), "en")
	for file, code := range source(t, ".ts", ".tsx") {
		for _, m := range said.FindAllStringSubmatch(code, -1) {
			if e, ok := english[m[1]]; !ok {
				t.Errorf("%s says %q, which has no text", file, m[1])
			} else if e.part != "text" && path.Dir("src/"+file) != path.Dir(entries[e.part]) {
				t.Errorf("%s says %q, which is among the words of %s alone", file, m[1], e.part)
			}
		}
	}
}

var said = regexp.MustCompile(`\bt\("([a-z0-9_]+)"`)

var placeholder = regexp.MustCompile(`\{(\w+)`)

func placeholders(text string) []string {
	names := map[string]bool{}
	for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
		names[m[1]] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// made is web/dist, made anew once for all tests.
var made = sync.OnceValues(func() (map[string][]byte, error) { return Bundle("..") })

func bundle(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := made()
	if err != nil {
		t.Fatal(err)
	}
	return files
}
