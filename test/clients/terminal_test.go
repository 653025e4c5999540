package clients

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// terminal is a program on a terminal whose screen can be read, by tmux.
type terminal struct {
	desk   *desk
	socket string
}

// terminal starts a command line on a terminal of its own; the test's end ends it.
func (d *desk) terminal(t *testing.T, command string) *terminal {
	t.Helper()
	v := &terminal{desk: d, socket: filepath.Join(d.home, "tmux")}
	v.tmux(t, "-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", command)
	t.Cleanup(func() { d.try(t, "tmux", "-S", v.socket, "kill-server") })
	return v
}

func (v *terminal) tmux(t *testing.T, args ...string) string {
	t.Helper()
	return v.desk.run(t, "tmux", append([]string{"-S", v.socket}, args...)...)
}

// keys presses keys by their names.
func (v *terminal) keys(t *testing.T, names ...string) {
	t.Helper()
	v.tmux(t, append([]string{"send-keys"}, names...)...)
}

// write types a text.
func (v *terminal) write(t *testing.T, text string) {
	t.Helper()
	v.tmux(t, "send-keys", "-l", text)
}

// want waits until a text is on the screen.
func (v *terminal) want(t *testing.T, text string) {
	t.Helper()
	screen := ""
	if !eventually(20*time.Second, func() bool {
		screen = v.tmux(t, "capture-pane", "-p")
		return strings.Contains(screen, text)
	}) {
		t.Fatalf("no %q on the screen:\n%s", text, screen)
	}
}

// ended waits until the program has ended.
func (v *terminal) ended(t *testing.T) {
	t.Helper()
	if !eventually(20*time.Second, func() bool {
		_, err := v.desk.try(t, "tmux", "-S", v.socket, "has-session")
		return err != nil
	}) {
		t.Fatalf("the program does not end:\n%s", v.tmux(t, "capture-pane", "-p"))
	}
}
