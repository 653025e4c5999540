package real

import "os/exec"

// ownGroup does nothing: the servers do not run here.
func ownGroup(*exec.Cmd) {}
