// Package dist holds what browsers load of the webmail, as made by web/build from web/src.
package dist

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
)

//go:embed *.js *.css *.svg
var files embed.FS

// Files are the files by name, and Version is another one whenever any of them is.
func Files() (all map[string][]byte, version string, err error) {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil, "", fmt.Errorf("dist: %w", err)
	}
	all = map[string][]byte{}
	sum := sha256.New()
	for _, e := range entries {
		content, err := files.ReadFile(e.Name())
		if err != nil {
			return nil, "", fmt.Errorf("dist: %w", err)
		}
		all[e.Name()] = content
		fmt.Fprintf(sum, "%s %d\n", e.Name(), len(content))
		sum.Write(content)
	}
	return all, hex.EncodeToString(sum.Sum(nil)[:6]), nil
}
