package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
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

// TestTexts finds keys that a language lacks, placeholders that differ, and keys in the source that have no text.
func TestTexts(t *testing.T) {
	files := bundle(t)
	all := map[string]map[string]string{}
	area := map[string]string{} // the part whose words have a key, "text" for the shell
	for _, lang := range []string{"sv", "nb", "en"} {
		all[lang] = map[string]string{}
		for name, raw := range files {
			part, ok := strings.CutSuffix(name, "."+lang+".js")
			if !ok {
				continue
			}
			var texts map[string]string
			if err := json.Unmarshal(bytes.TrimPrefix(raw, []byte("export const texts=")), &texts); err != nil {
				t.Fatal(err)
			}
			for key, text := range texts {
				all[lang][key], area[key] = text, part
			}
		}
	}
	english := all["en"]
	for _, lang := range []string{"sv", "nb"} {
		for key, text := range english {
			if got := placeholders(all[lang][key]); !slices.Equal(got, placeholders(text)) {
				t.Errorf("%s of %q: placeholders %v, in English %v", lang, key, got, placeholders(text))
			}
			if all[lang][key] == "" {
				t.Errorf("%s lacks %q", lang, key)
			}
		}
		for key := range all[lang] {
			if _, ok := english[key]; !ok {
				t.Errorf("%q is in %s, not in English", key, lang)
			}
		}
	}
	for use := range usedKeys(t) {
		if _, ok := english[use.key]; !ok {
			t.Errorf("%s uses %q, which has no text", use.file, use.key)
		} else if part := area[use.key]; part != "text" && !strings.Contains(filepath.ToSlash(use.file), "/"+filepath.ToSlash(filepath.Dir(entries[part]))[len("src/"):]+"/") {
			t.Errorf("%s uses %q, which is among the words of %s alone", use.file, use.key, part)
		}
	}
}

var placeholder = regexp.MustCompile(`\{(\w+)`)

func placeholders(text string) []string {
	names := map[string]bool{}
	for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
		names[m[1]] = true
	}
	return slices.Sorted(maps.Keys(names))
}

var use = regexp.MustCompile(`\bt\("([a-z0-9_]+)"`)

// usedKey is a key that a file of the source names.
type usedKey struct{ key, file string }

// usedKeys are the keys that the source names.
func usedKeys(t *testing.T) map[usedKey]bool {
	t.Helper()
	used := map[usedKey]bool{}
	err := filepath.WalkDir(filepath.Join("..", "src"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasPrefix(filepath.Ext(path), ".ts") {
			return err
		}
		raw, err := os.ReadFile(path)
		for _, m := range use.FindAllStringSubmatch(string(raw), -1) {
			used[usedKey{m[1], path}] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return used
}

func bundle(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := Bundle("..")
	if err != nil {
		t.Fatal(err)
	}
	return files
}
