package control

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/postiljon/postiljon/internal/outbound"
)

func netipAddr(text string) netip.Addr { return netip.MustParseAddr(text) }

// resolver knows nothing.
type resolver struct{}

func (resolver) LookupMX(context.Context, string) ([]outbound.MX, error) {
	return nil, errors.New("no answer")
}

func (resolver) LookupIP(context.Context, string) ([]netip.Addr, error) {
	return nil, errors.New("no answer")
}

// as runs fn while this thread alone acts as another user.
func as(uid int, fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uintptr(uid), ^uintptr(0)); e != 0 {
			done <- fmt.Errorf("become another user: %w", e)
			return
		}
		done <- fn()
	}()
	return <-done
}
