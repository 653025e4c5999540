// Package webmail_test uses the webmail of the real program in a real browser: each file in flows is one thing that a
// person does, as a program of Node that drives Chromium through playwright-core.
package webmail_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// flowTime bounds one flow; the longest looks at every page in every way.
const flowTime = 6 * time.Minute

func TestFlows(t *testing.T) {
	modules(t)
	flows, err := filepath.Glob("flows/*.mjs")
	if err != nil || len(flows) == 0 {
		t.Fatal("no flows", err)
	}
	for _, f := range flows {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".mjs"), func(t *testing.T) { run(t, f) })
	}
}

// writesFar are the flows that need another provider beside the service.
var writesFar = map[string]bool{"cameback.mjs": true, "doctor.mjs": true, "move.mjs": true, "toolarge.mjs": true}

// run starts a service of its own and lets the flow use it. What the flow prints is shown if it fails; a picture of the
// page goes to the folder in POSTILJON_SHOTS, if that is set.
func run(t *testing.T, flow string) {
	// Flows may be servers, too: with the certificate of the demo, which the service trusts.
	data := filepath.Join(t.TempDir(), "data")
	o := harness.Options{Data: data, Domain: "example.test", Accounts: 3, Env: []string{"SSL_CERT_FILE=" + filepath.Join(data, "tls", "ca.pem")}}
	if writesFar[filepath.Base(flow)] {
		f := elsewhere(t, harness.Password)
		o.Args = []string{"--resolver", f.resolver, "--remote-port", f.port}
		o.Env = append(o.Env, "SSL_CERT_DIR="+f.certs)
	}
	s := harness.Start(t, o)
	info, err := json.Marshal(s.Info)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), flowTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", flow)
	cmd.Env = append(os.Environ(), "POSTILJON="+string(info), "POSTILJON_BIN="+harness.Binary(t))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// modules installs what the flows need, as package-lock.json says, once.
func modules(t *testing.T) {
	t.Helper()
	lock, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	const mark = "node_modules/.installed"
	if have, err := os.ReadFile(mark); err == nil && bytes.Equal(have, lock) {
		return
	}
	if out, err := exec.CommandContext(t.Context(), "npm", "ci", "--no-fund", "--no-audit").CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	if err := os.WriteFile(mark, lock, 0o644); err != nil {
		t.Fatal(err)
	}
}
