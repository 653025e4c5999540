package clients

import (
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// libraries are what the programs in the folders jmap and tus use; their versions and checksums are in package-lock.json there.
var libraries = map[string]*sync.Once{"jmap": {}, "tus": {}}

// node runs a program of a folder with a path of the service.
func (d *desk) node(t *testing.T, folder, name, path string, args ...string) {
	t.Helper()
	libraries[folder].Do(func() {
		npm := exec.CommandContext(t.Context(), "npm", "ci", "--no-fund", "--no-audit", "--ignore-scripts")
		npm.Dir = folder
		if out, err := npm.CombinedOutput(); err != nil {
			t.Fatalf("npm ci: %v\n%s", err, out)
		}
	})
	file, err := filepath.Abs(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	out := d.run(t, "env", append([]string{"NODE_EXTRA_CA_CERTS=" + d.CA, "node", file, "https://localhost:" + port(d.HTTPS) + path}, args...)...)
	for line := range strings.Lines(out) {
		if what, ok := strings.CutPrefix(strings.TrimSpace(line), "passed: "); ok {
			d.done.add(d.program, what)
		}
	}
	if !strings.HasSuffix(out, "end\n") {
		t.Errorf("the program did not reach its end:\n%s", tail(out))
	}
}

// testJam is a session with the JMAP library jmap-jam.
func testJam(t *testing.T, d *desk) {
	anna := d.people[0]
	d.node(t, "jmap", "jam.mjs", "/.well-known/jmap", anna.Address, anna.Password)
	if m := d.one(t, anna, "Archive", "=?utf-8?q?=C3=85ngstr=C3=B6m?="); !strings.Contains(m.Flags, `\Seen`) {
		t.Errorf("flags %q", m.Flags)
	}
}

// testJMAPTS writes and sends with the JMAP library jmap-client-ts.
func testJMAPTS(t *testing.T, d *desk) {
	anna, bjorn := d.people[0], d.people[1]
	d.node(t, "jmap", "jmapts.mjs", "/.well-known/jmap", anna.Address, anna.Password, bjorn.Address)
	if m := d.one(t, bjorn, "INBOX", "jmap-client-ts"); !strings.Contains(m.Text, "Hello from a library.") {
		t.Errorf("arrived as %q", m.Text)
	}
}
