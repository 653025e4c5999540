// Package handbook makes the handbook of causes, docs/causes: a page for each
// cause and each remedy in every language, in Markdown, from the same texts as
// the refusals and the why pages.
package handbook

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
)

//go:embed texts/*.toml
var texts embed.FS

// Pages makes all pages, by their path below docs/causes with slashes, such as
// "sv/push.off.md". An error means that the program was built wrong.
func Pages(catalogue *cause.Catalogue) (map[string][]byte, error) {
	pages := make(map[string][]byte)
	for _, lang := range cause.Languages() {
		b, err := newBook(catalogue, lang)
		if err != nil {
			return nil, err
		}
		folder := folderOf(lang)
		pages[folder+"README.md"] = b.index()
		for _, c := range catalogue.All() {
			pages[folder+string(c.ID)+".md"] = b.cause(c)
		}
		for _, r := range catalogue.Remedies(lang) {
			pages[folder+"steps/"+string(r.Remedy)+".md"] = b.remedy(r)
		}
	}
	return pages, nil
}

// Write writes all pages below dir, and removes pages of causes and remedies
// that there are no more.
func Write(dir string, catalogue *cause.Catalogue) error {
	pages, err := Pages(catalogue)
	if err != nil {
		return err
	}
	for _, path := range slices.Sorted(maps.Keys(pages)) {
		file := filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return fmt.Errorf("handbook: %w", err)
		}
		if err := os.WriteFile(file, pages[path], 0o644); err != nil {
			return fmt.Errorf("handbook: %w", err)
		}
	}
	return removeOthers(dir, pages)
}

// removeOthers removes files that look like pages and are none: in folders of
// pages, and beginning as pages do.
func removeOthers(dir string, pages map[string][]byte) error {
	return fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || pages[path] != nil || !strings.HasSuffix(path, ".md") {
			return err
		}
		file := filepath.Join(dir, filepath.FromSlash(path))
		text, err := os.ReadFile(file)
		if err == nil && bytes.HasPrefix(text, []byte(made)) {
			err = os.Remove(file)
		}
		return err
	})
}

// made is the first line of every page.
const made = "<!-- Made by 'postiljon causes --write docs/causes'; do not edit. -->\n"

// ErrStale is wrapped when pages differ from what the texts say.
var ErrStale = errors.New("handbook: pages are not up to date")

// Check compares the pages below dir with what Write would write.
func Check(dir string, catalogue *cause.Catalogue) error {
	pages, err := Pages(catalogue)
	if err != nil {
		return err
	}
	err = fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(path)))
		if err == nil && !bytes.Equal(text, pages[path]) {
			err = fmt.Errorf("%w: %s", ErrStale, path)
		}
		delete(pages, path)
		return err
	})
	if err == nil && len(pages) > 0 {
		err = fmt.Errorf("%w: %s is missing", ErrStale, slices.Sorted(maps.Keys(pages))[0])
	}
	return err
}

// folderOf is where the pages in a language lie; those in English lie at the top.
func folderOf(lang cause.Lang) string {
	if lang == cause.English {
		return ""
	}
	return string(lang) + "/"
}
