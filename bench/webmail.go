package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// waits are what a person waits for in a browser: as webmail.mjs calls it, and as it stands in the table.
var waits = []struct{ key, suffix string }{
	{"cold", ", inbox usable after signing in, nothing cached, ms"},
	{"warm", ", inbox usable after signing in again, ms"},
	{"open", ", a message opened, ms"},
	{"middle", ", rows in the middle of the list, ms"},
	{"long", ", tasks over 50 ms while the list is flung"},
	{"search", ", search for a rare word, ms"},
}

func webmailRows() []row {
	r := row{name: "In the browser", measure: inBrowser}
	for _, w := range waits {
		r.figures = append(r.figures, figure{w.suffix, true})
	}
	return []row{r}
}

// inBrowser lets Chromium use the webmail of a server; it needs Node and what test/webmail has installed.
func inBrowser(s *server, _ settings) (map[string]float64, error) {
	kind, address := "postiljon", "https://"+s.https
	if s.https == "" {
		stop, port, err := startRoundcube(s)
		if err != nil {
			return nil, err
		}
		defer stop()
		kind, address = "roundcube", "https://127.0.0.1:"+strconv.Itoa(port)
	}
	cmd := exec.Command("node", "bench/webmail.mjs", kind, address, account(reader), password)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("webmail.mjs: %w", err)
	}
	var told map[string]float64
	if err := json.Unmarshal(out, &told); err != nil {
		return nil, fmt.Errorf("webmail.mjs: %w", err)
	}
	figures := map[string]float64{}
	for _, w := range waits {
		if ms, ok := told[w.key]; ok {
			figures[w.suffix] = ms
		}
	}
	return figures, nil
}

//go:embed roundcube.sh
var roundcubeScript string

// startRoundcube runs Roundcube over the peer's IMAP server, by the script beside this file.
func startRoundcube(s *server) (stop func(), port int, err error) {
	dir, err := os.MkdirTemp("", "postiljon-roundcube-")
	if err != nil {
		return nil, 0, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // the web server's user must get in
		return nil, 0, err
	}
	script := filepath.Join(dir, "roundcube.sh")
	if err := os.WriteFile(script, []byte(roundcubeScript), 0o755); err != nil {
		return nil, 0, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, 0, err
	}
	port = l.Addr().(*net.TCPAddr).Port
	l.Close()
	do := func(verb string) error {
		cmd := exec.Command(script, verb, dir)
		cmd.Env = append(os.Environ(), "IMAP="+s.imap, "PORT="+strconv.Itoa(port))
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		return cmd.Run()
	}
	stop = func() {
		_ = do("stop") // its folder goes in any case
		os.RemoveAll(dir)
	}
	if err := do("start"); err != nil {
		stop()
		return nil, 0, fmt.Errorf("roundcube: %w", err)
	}
	return stop, port, nil
}
