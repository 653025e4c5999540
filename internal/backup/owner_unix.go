//go:build !windows

package backup

import (
	"os"
	"syscall"
)

// device is the volume that a path lies on.
func device(path string) uint64 {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return 0
	}
	return uint64(st.Dev)
}

// sameOwner gives a file the owner of another one.
func sameOwner(from, to string) error {
	var st syscall.Stat_t
	if err := syscall.Stat(from, &st); err != nil {
		return err
	}
	return os.Lchown(to, int(st.Uid), int(st.Gid))
}
