package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"postiljon": main})
}

// TestScripts runs the dialogues of testdata/script with the real program.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"demo":  scriptDemo,
			"exit":  scriptExit,
			"names": scriptNames,
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("POSTILJON_SOCKET", "")
			e.Setenv("TZ", "UTC")
			return nil
		},
	})
}

// scriptDemo starts a demo in $WORK/demo: "demo [ARGUMENT...]". The commands
// that follow talk to it; $SMTP and so on say where it listens, $ANNA and
// $BJORN are the passwords.
func scriptDemo(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("! demo makes no sense")
	}
	d, err := startDemo(ts.MkAbs("demo"), args...)
	ts.Check(err)
	ts.Defer(func() {
		if err := d.stop(); err != nil {
			ts.Logf("demo: %v\n%s", err, d.log.String())
		}
	})
	ts.Setenv("POSTILJON_SOCKET", d.Control)
	for name, value := range map[string]string{
		"SMTP": d.SMTP, "SUBMISSIONS": d.Submissions, "IMAPS": d.IMAPS, "POP3S": d.POP3S, "HTTPS": d.HTTPS,
		"CA": d.CA, "PID": strconv.Itoa(d.PID), "ANNA": d.Accounts[0].Password, "BJORN": d.Accounts[1].Password,
	} {
		ts.Setenv(name, value)
	}
}

// scriptExit runs a command and compares its exit code: "exit 2 postiljon nonsense".
func scriptExit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exit CODE COMMAND ARGUMENT...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		got = e.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, not %d", got, want)
	}
}

// demo is a demo that runs in a process of its own.
type demo struct {
	demoReady
	process *exec.Cmd
	log     strings.Builder
	ended   chan struct{} // closed when the process has ended
	how     error         // then
}

// startDemo starts a demo and waits until it is ready.
func startDemo(dir string, args ...string) (*demo, error) {
	d := &demo{ended: make(chan struct{})}
	d.process = exec.Command("postiljon", append([]string{"demo", "--json", "--data", dir}, args...)...)
	d.process.Stderr = &d.log
	out, err := d.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := d.process.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReaderSize(out, 1<<20).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &d.demoReady)
	}
	go func() {
		d.how = d.process.Wait()
		close(d.ended)
	}()
	if err != nil {
		return nil, fmt.Errorf("the demo did not become ready: %w\n%s", errors.Join(err, d.stop()), d.log.String())
	}
	return d, nil
}

// stop ends the demo as systemd would, and returns how it ended.
func (d *demo) stop() error {
	// It may have ended already.
	_ = d.process.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.ended:
		return d.how
	case <-time.After(30 * time.Second):
		return errors.Join(fmt.Errorf("the demo did not end"), d.process.Process.Kill())
	}
}

// run runs a command of postiljon against the demo.
func (d *demo) run(ctx context.Context, args ...string) (string, error) {
	c := exec.CommandContext(ctx, "postiljon", args...)
	c.Env = append(os.Environ(), "POSTILJON_SOCKET="+d.Control)
	b, err := c.CombinedOutput()
	return string(b), err
}

func testDemo(t *testing.T, dir string, args ...string) *demo {
	t.Helper()
	if dir == "" {
		dir = filepath.Join(t.TempDir(), "demo")
	}
	d, err := startDemo(dir, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.stop(); err != nil {
			t.Errorf("demo: %v\n%s", err, d.log.String())
		}
	})
	return d
}
