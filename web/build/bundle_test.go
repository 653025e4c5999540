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
		{"writing", 40 << 10, []string{"compose.js"}},
		{"the editor and the sanitiser, fetched beside it", 40 << 10, []string{"editor.js"}},
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
	all := map[string]map[string]string{}
	for _, lang := range []string{"sv", "nb", "en"} {
		raw := bundle(t)["text."+lang+".js"]
		var texts map[string]string
		if err := json.Unmarshal(bytes.TrimPrefix(raw, []byte("export const texts=")), &texts); err != nil {
			t.Fatal(err)
		}
		all[lang] = texts
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
	for key, file := range usedKeys(t) {
		if _, ok := english[key]; !ok {
			t.Errorf("%s uses %q, which has no text", file, key)
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

// usedKeys are the keys that the source names, with a file that does.
func usedKeys(t *testing.T) map[string]string {
	t.Helper()
	used := map[string]string{}
	err := filepath.WalkDir(filepath.Join("..", "src"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasPrefix(filepath.Ext(path), ".ts") {
			return err
		}
		raw, err := os.ReadFile(path)
		for _, m := range use.FindAllStringSubmatch(string(raw), -1) {
			used[m[1]] = path
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
