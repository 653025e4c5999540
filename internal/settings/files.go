package settings

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Files are configurations from files in the format of Thunderbird's database
// (ISPDB), found by the domains that they name. The zero value is empty.
type Files struct {
	paths map[string]string // by domain
}

// maxFiles is how many files a folder may hold.
const maxFiles = 10000

// ReadFiles reads one file, or all files of a folder (hidden ones and folders
// within it left out). Files that are no configuration are named in the second
// result and do no harm; the error is that nothing could be read at all.
func ReadFiles(path string) (*Files, []error, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, fmt.Errorf("settings: %w", err)
	}
	f := &Files{paths: map[string]string{}}
	if !info.IsDir() {
		return f, nil, f.read(path)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, nil, fmt.Errorf("settings: %w", err)
	}
	if len(entries) > maxFiles {
		return nil, nil, fmt.Errorf("settings: %s holds more than %d files", path, maxFiles)
	}
	var bad []error
	for _, e := range entries {
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if err := f.read(filepath.Join(path, e.Name())); err != nil {
			bad = append(bad, err)
		}
	}
	if len(f.paths) == 0 {
		return nil, bad, fmt.Errorf("%w: none in %s", ErrConfig, path)
	}
	return f, bad, nil
}

func (f *Files) read(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	defer file.Close()
	// A file for several domains may hold placeholders for the one asked for; it
	// is read again for each.
	c, err := ParseConfig(file, strings.TrimSuffix(filepath.Base(path), ".xml"))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, d := range append(slices.Clone(c.Domains), strings.TrimSuffix(filepath.Base(path), ".xml")) {
		if f.paths[d] == "" && validHost(d) {
			f.paths[d] = path
		}
	}
	return nil
}

// Len returns how many domains the files are about.
func (f *Files) Len() int {
	if f == nil {
		return 0
	}
	return len(f.paths)
}

// lookup returns the configuration of a domain and the file it is from. Without a
// file for the domain the path is empty.
func (f *Files) lookup(domain string) (c *Config, path string, err error) {
	if f == nil || f.paths[domain] == "" {
		return nil, "", nil
	}
	path = f.paths[domain]
	file, err := os.Open(path)
	if err != nil {
		return nil, path, fmt.Errorf("settings: %w", err)
	}
	defer file.Close()
	c, err = ParseConfig(file, domain)
	return c, path, err
}
