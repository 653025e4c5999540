package netns

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// enter moves the goroutine's thread. A thread that cannot come back ends with the
// goroutine, which is locked to it.
func (s *Space) enter(f func() error) error {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("netns: %w", err)
	}
	defer home.Close()
	if err := unix.Setns(int(s.file.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("netns: enter %s: %w", s.Name, err)
	}
	err = f()
	if backErr := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); backErr != nil {
		return errors.Join(err, fmt.Errorf("netns: leave %s: %w", s.Name, backErr))
	}
	runtime.UnlockOSThread()
	return err
}

// PrivateMounts lets a program that is about to be started mount what nobody else sees.
func PrivateMounts(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
}

// runs tells whether a process is there.
func runs(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

// The options by which a connection that the packet filter redirected tells where it
// was meant for (linux/netfilter_ipv4.h and linux/netfilter_ipv6/ip6_tables.h).
const (
	soOriginalDst     = 80
	ip6tSoOriginalDst = 80
)

// OriginalDestination returns where a redirected connection was meant for.
func OriginalDestination(c *net.TCPConn) (to netip.AddrPort, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return to, fmt.Errorf("netns: %w", err)
	}
	is4 := c.LocalAddr().(*net.TCPAddr).IP.To4() != nil
	var optErr error
	if err := raw.Control(func(fd uintptr) {
		if is4 {
			to, optErr = destination4(int(fd))
		} else {
			to, optErr = destination6(int(fd))
		}
	}); err != nil {
		return to, fmt.Errorf("netns: %w", err)
	}
	if optErr != nil {
		return to, fmt.Errorf("netns: original destination: %w", optErr)
	}
	return to, nil
}

// destination4 reads a sockaddr_in, for which a larger structure is borrowed.
func destination4(fd int) (netip.AddrPort, error) {
	m, err := unix.GetsockoptIPv6Mreq(fd, unix.SOL_IP, soOriginalDst)
	if err != nil {
		return netip.AddrPort{}, err
	}
	b := m.Multiaddr // family, port and address
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), binary.BigEndian.Uint16(b[2:4])), nil
}

// destination6 reads a sockaddr_in6 likewise.
func destination6(fd int) (netip.AddrPort, error) {
	m, err := unix.GetsockoptIPv6MTUInfo(fd, unix.SOL_IPV6, ip6tSoOriginalDst)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port := m.Addr.Port // in the order of the network
	return netip.AddrPortFrom(netip.AddrFrom16(m.Addr.Addr), port<<8|port>>8), nil
}
