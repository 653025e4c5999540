//go:build unix

package real

import (
	"os/exec"
	"syscall"
)

// ownGroup keeps an interrupt at the terminal from a program, which is ended in order.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
