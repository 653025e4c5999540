package handbook

import (
	"errors"
	"flag"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/phrases"
)

func load(t *testing.T) *cause.Catalogue {
	t.Helper()
	c, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var update = flag.Bool("update", false, "write docs/causes anew")

// docs/causes says what the texts say. After a change of texts:
// go test ./internal/cause/handbook -update
func TestDocsAreUpToDate(t *testing.T) {
	const dir = "../../../docs/causes"
	if *update {
		if err := Write(dir, load(t)); err != nil {
			t.Fatal(err)
		}
	}
	if err := Check(dir, load(t)); err != nil {
		t.Errorf("%v; write the pages anew with -update", err)
	}
}

// Every link leads to a page, and every anchor to a place in it.
func TestLinks(t *testing.T) {
	pages, err := Pages(load(t))
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`\]\(([^)#]+)(?:#([^)]+))?\)`)
	checked := 0
	for from, text := range pages {
		if strings.Contains(string(text), "{") || !strings.HasPrefix(string(text), made+"# ") {
			t.Errorf("%s is not whole", from)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			to := path.Join(path.Dir(from), m[1])
			target, ok := pages[to]
			if !ok || m[2] != "" && !strings.Contains(string(target), `<a id="`+m[2]+`">`) {
				t.Errorf("%s links to %s, which is not there", from, m[0])
			}
			checked++
		}
	}
	if checked < 1000 {
		t.Errorf("only %d links", checked)
	}
}

// Every language has the same words around the causes, and uses them.
func TestWords(t *testing.T) {
	var english []string
	for _, lang := range cause.Languages() {
		s, err := phrases.Load(texts, lang)
		if err != nil {
			t.Fatal(err)
		}
		if english == nil {
			english = s.Keys()
		}
		if strings.Join(s.Keys(), " ") != strings.Join(english, " ") {
			t.Errorf("%s has other words than English", lang)
		}
	}
	code, err := os.ReadFile("page.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range english {
		if strings.HasPrefix(key, "say.") && !strings.Contains(string(code), `"`+key+`"`) {
			t.Errorf("nothing says %s", key)
		}
	}
}

// Write makes what Check wants, takes away pages of what is gone, and leaves other files alone.
func TestWrite(t *testing.T) {
	dir, c := t.TempDir(), load(t)
	if err := os.WriteFile(filepath.Join(dir, "gone.cause.md"), []byte(made+"# Gone\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write(dir, c); err != nil {
		t.Fatal(err)
	}
	if err := Check(dir, c); err != nil {
		t.Error(err)
	}
	own := filepath.Join(dir, "own.md")
	if err := os.WriteFile(own, []byte("# Own\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write(dir, c); err != nil {
		t.Fatal(err)
	}
	if err := Check(dir, c); !errors.Is(err, ErrStale) {
		t.Errorf("a page that is none is not seen: %v", err)
	}
	if err := errors.Join(os.Remove(own), os.Remove(filepath.Join(dir, "sv", "push.off.md"))); err != nil {
		t.Fatal(err)
	}
	if err := Check(dir, c); !errors.Is(err, ErrStale) || !strings.Contains(err.Error(), "push.off") {
		t.Errorf("a missing page is not seen: %v", err)
	}
}
