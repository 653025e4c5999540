// Package assets holds what all pages share: the style sheet, the icon, and the little scripts.
package assets

import (
	"crypto/sha256"
	"embed"
	"fmt"
	"net/http"
)

//go:embed *.css *.js *.svg
var files embed.FS

// Exists tells whether there is an asset with a name.
func Exists(name string) bool {
	f, err := files.Open(name)
	if err != nil {
		return false
	}
	f.Close()
	return true
}

// Version is short and changes with what an asset holds, so that no browser shows a new page in an old style.
func Version(name string) (string, error) {
	b, err := files.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("assets: %w", err)
	}
	return fmt.Sprintf("%.8x", sha256.Sum256(b)), nil
}

// Serve answers with an asset that exists.
func Serve(w http.ResponseWriter, r *http.Request, name string) {
	w.Header().Set("Cache-Control", "public, max-age=86400")
	http.ServeFileFS(w, r, files, name)
}
