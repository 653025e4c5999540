//go:build !linux

package netns

import (
	"errors"
	"net"
	"net/netip"
	"os/exec"
)

var errLinux = errors.New("netns: only Linux has network namespaces")

func (s *Space) enter(func() error) error { return errLinux }

// PrivateMounts lets a program that is about to be started mount what nobody else sees,
// on Linux.
func PrivateMounts(*exec.Cmd) {}

// runs says yes: there is nothing to sweep.
func runs(int) bool { return true }

// OriginalDestination returns where a redirected connection was meant for.
func OriginalDestination(*net.TCPConn) (netip.AddrPort, error) { return netip.AddrPort{}, errLinux }
