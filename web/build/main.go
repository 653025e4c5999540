// Command build makes web/dist from web/src and web/third_party. It needs no Node: esbuild is a Go library. It is a
// module of its own, so that the program itself does not depend on esbuild.
//
//	cd web/build && go run .
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := write(".."); err != nil {
		fmt.Fprintln(os.Stderr, "web:", err)
		os.Exit(1)
	}
}

// write makes the files of web/dist anew; those that are no longer made are removed.
func write(web string) error {
	files, err := Bundle(web)
	if err != nil {
		return err
	}
	dist := filepath.Join(web, "dist")
	old, err := os.ReadDir(dist)
	if err != nil {
		return err
	}
	for _, f := range old {
		if _, made := files[f.Name()]; !made && f.Name() != "dist.go" {
			if err := os.Remove(filepath.Join(dist, f.Name())); err != nil {
				return err
			}
		}
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dist, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
