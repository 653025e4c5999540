//go:build unix

package real

import (
	"os/exec"
	"syscall"
)

// ownGroup keeps an interrupt at the terminal from a program, which is ended in order.
func ownGroup(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Setpgid = true
}
