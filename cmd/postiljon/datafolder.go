package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// dataVersion is the form of all that the data folder holds. A form that older programs would misread has the next number.
const dataVersion = 1

// versionFile keeps the form in the data folder. A folder without it has the first.
const versionFile = "version"

// isData refuses a folder that holds no data of a service.
func isData(dir string) error {
	for _, name := range []string{"records", "blobs"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || !info.IsDir() {
			return usagef("%s is no data folder of Postiljon", dir)
		}
	}
	return nil
}

// mustHaveData refuses to begin with an empty folder where mail should be: a service without its accounts would turn
// all their mail away for good.
func mustHaveData(dir string) error {
	_, err := os.Stat(filepath.Join(dir, "records"))
	switch {
	case errors.Is(err, fs.ErrPermission):
		return dataTrouble(err, dir)
	case err == nil:
		return nil
	}
	return &advice{fmt.Errorf("the data folder %s holds no mail service; nothing was started", dir),
		"If it is on a disk of its own, mount that. If the key data names the wrong folder, correct it. 'postiljon restore' takes it\n" +
			"from a backup, and 'postiljon serve --new' begins a new one, without domains and accounts."}
}

// checkVersion refuses a folder that a newer program wrote, and notes the form in one that has no note.
func checkVersion(dir string) error {
	noted, err := readVersion(dir)
	if err != nil || noted {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, versionFile), []byte(strconv.Itoa(dataVersion)+"\n"), 0o600); err != nil {
		return dataTrouble(err, dir)
	}
	return nil
}

// readVersion refuses a folder that a newer program wrote, and tells whether it has a note of its form.
func readVersion(dir string) (noted bool, err error) {
	file := filepath.Join(dir, versionFile)
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(text) == 0 { // written, and the machine stopped
		return false, nil
	}
	if err != nil {
		return false, dataTrouble(err, dir)
	}
	switch n, err := strconv.Atoi(strings.TrimSpace(string(text))); {
	case err != nil:
		return false, &advice{fmt.Errorf("the file %s is damaged: it should hold a number", file),
			fmt.Sprintf("If no newer Postiljon ever ran on this folder, write %d into it.", dataVersion)}
	case n > dataVersion:
		return false, newerData(fmt.Errorf("its form is %d, and this program knows up to %d", n, dataVersion), dir)
	}
	return true, nil
}

// newerData explains a folder that only a newer program can read.
func newerData(err error, data string) error {
	return &advice{fmt.Errorf("a newer Postiljon wrote the data folder %s: %w; nothing was changed", data, err),
		"Install that version again, or take a backup from before: 'postiljon restore --help'."}
}

// dataTrouble explains why a data folder cannot be opened.
func dataTrouble(err error, data string) error {
	switch {
	case isLocked(err):
		return &portError{
			fmt.Sprintf("the data folder %s is in use by another postiljon", data),
			"Only one process can keep a data folder. Stop the other one, or choose another folder.", err}
	case errors.Is(err, fs.ErrPermission):
		return &advice{fmt.Errorf("this user may not use the data folder %s: %w", data, err),
			"Start the service as the user to whom the folder belongs, or give the folder to the one of the service: chown -R postiljon: " + data}
	case strings.Contains(err.Error(), "unknown format major version"):
		return newerData(err, data)
	}
	return err
}
