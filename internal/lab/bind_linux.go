package lab

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// portLater lets the kernel choose a client's port when it connects and not
// when its address is set: with many connections at once the search for a port that is free
// at every address takes longer than all the rest.
func portLater(_, _ string, c syscall.RawConn) error {
	var err error
	if controlErr := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	}); controlErr != nil {
		return controlErr
	}
	return err
}
