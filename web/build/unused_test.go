package main

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What nothing uses any more is noticed by no browser and no compiler: texts, rules of style sheets, exports.

// source are the files of web/src that end so, by their path below it.
func source(t *testing.T, endings ...string) map[string]string {
	t.Helper()
	root, files := os.DirFS(filepath.Join("..", "src")), map[string]string{}
	err := fs.WalkDir(root, ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || !slices.Contains(endings, path.Ext(name)) {
			return err
		}
		text, err := fs.ReadFile(root, name)
		files[name] = string(text)
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatal("no source", err)
	}
	return files
}

var (
	lineComment = regexp.MustCompile(`(?m)(^|\s)//.*$`)
	wordInCode  = regexp.MustCompile(`[\w-]+`)
	aroundValue = regexp.MustCompile(`([\w-]{3,})\$\{[^{}]*\}([\w-]*)`)
)

// names are the words of the source, and what its strings are put together from, such as `empty_${role}`.
type names struct {
	words    map[string]bool
	together [][2]string // beginnings and ends
}

func namesIn(files map[string]string) names {
	n := names{words: map[string]bool{}}
	for _, text := range files {
		text = lineComment.ReplaceAllString(text, "")
		for _, w := range wordInCode.FindAllString(text, -1) {
			n.words[w] = true
		}
		for _, m := range aroundValue.FindAllStringSubmatch(text, -1) {
			n.together = append(n.together, [2]string{m[1], m[2]})
		}
	}
	return n
}

func (n *names) have(name string) bool {
	return n.words[name] || slices.ContainsFunc(n.together, func(t [2]string) bool { return strings.HasPrefix(name, t[0]) && strings.HasSuffix(name, t[1]) })
}

// TestTextsAreUsed finds texts that nothing says.
func TestTextsAreUsed(t *testing.T) {
	used := namesIn(source(t, ".ts", ".tsx"))
	for key := range textsOf(t, bundle(t), "en") {
		if !used.have(key) {
			t.Errorf("nothing says %q", key)
		}
	}
}

var (
	cssComment = regexp.MustCompile(`(?s)/\*.*?\*/`)
	selectors  = regexp.MustCompile(`([^{};]+)\{`)
	class      = regexp.MustCompile(`\.([a-zA-Z][\w-]*)`)
)

// TestClassesAreUsed finds classes in style sheets that no element gets.
func TestClassesAreUsed(t *testing.T) {
	used := namesIn(source(t, ".ts", ".tsx"))
	for file, sheet := range source(t, ".css") {
		for _, s := range selectors.FindAllStringSubmatch(cssComment.ReplaceAllString(sheet, ""), -1) {
			for _, m := range class.FindAllStringSubmatch(s[1], -1) {
				if !used.have(m[1]) {
					t.Errorf("%s: nothing has the class %q", file, m[1])
				}
			}
		}
	}
}

var (
	exported = regexp.MustCompile(`(?m)^export (?:async )?(?:function|const|let|class|type|interface) (\w+)`)
	imported = regexp.MustCompile(`(?:import|export)(?: type)? \{([^}]*)\} from "(\.[^"]+)"`)
	loaded   = regexp.MustCompile(`typeof import\("(\.[^"]+)"\)`) // a part that is loaded later: what is taken of it is not named there
)

// TestExportsAreUsed finds what a module exports and nobody takes.
func TestExportsAreUsed(t *testing.T) {
	files := source(t, ".ts", ".tsx")
	taken := map[string]bool{"app App": true, "app become": true, "rehearsal rehearse": true} // by internal/web/assets/signin.js
	parts := map[string]bool{}
	for file, text := range files {
		for _, m := range imported.FindAllStringSubmatch(text, -1) {
			for name := range strings.SplitSeq(m[1], ",") {
				name, _, _ = strings.Cut(strings.TrimPrefix(strings.TrimSpace(name), "type "), " as ")
				taken[path.Join(path.Dir(file), m[2])+" "+name] = true
			}
		}
		for _, m := range loaded.FindAllStringSubmatch(text, -1) {
			parts[path.Join(path.Dir(file), m[1])] = true
		}
	}
	for file, text := range files {
		module := strings.TrimSuffix(file, path.Ext(file))
		for _, m := range exported.FindAllStringSubmatch(text, -1) {
			if !taken[module+" "+m[1]] && !(parts[module] && namedBeside(files, file, m[1])) {
				t.Errorf("%s exports %s, which nothing takes", file, m[1])
			}
		}
	}
}

// namedBeside reports whether another file names something.
func namedBeside(files map[string]string, file, name string) bool {
	word := regexp.MustCompile(`\b` + name + `\b`)
	for other, text := range files {
		if other != file && word.MatchString(text) {
			return true
		}
	}
	return false
}

var (
	shownIcon = regexp.MustCompile(`\bicon(?:=|: )"([a-z0-9-]+)"|<Icon name="([a-z0-9-]+)"`)
	drawnHere = regexp.MustCompile(`(?m)^  (\w+): "[mM]\d`) // those of src/ui/icon.tsx
)

// TestIcons finds icons that are shown and are not there, which browsers show as nothing, and those that nothing shows.
func TestIcons(t *testing.T) {
	files := source(t, ".ts", ".tsx")
	sheet := string(bundle(t)["icons.svg"])
	drawn := map[string]bool{}
	for _, m := range drawnHere.FindAllStringSubmatch(files["ui/icon.tsx"], -1) {
		drawn[m[1]] = true
	}
	for file, text := range files {
		for _, m := range shownIcon.FindAllStringSubmatch(text, -1) {
			if name := m[1] + m[2]; !drawn[name] && !strings.Contains(sheet, `<symbol id="`+name+`"`) {
				t.Errorf("%s shows the icon %q, which is not in third_party/lock.tsv", file, name)
			}
		}
	}
	used := namesIn(files)
	for _, m := range regexp.MustCompile(`<symbol id="([^"]+)"`).FindAllStringSubmatch(sheet, -1) {
		if !used.have(m[1]) {
			t.Errorf("nothing shows the icon %q", m[1])
		}
	}
}
