package control

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"

	"golang.org/x/sys/unix"

	dns "github.com/postiljon/postiljon/internal/resolver"
)

func netipAddr(text string) netip.Addr { return netip.MustParseAddr(text) }

// resolver knows nothing.
type resolver struct{}

func (resolver) MX(context.Context, string) ([]dns.MX, bool, error) {
	return nil, false, dns.ErrTemporary
}

func (resolver) Host(context.Context, string) (dns.Host, error) {
	return dns.Host{}, dns.ErrTemporary
}

func (resolver) CNAME(context.Context, string) (string, bool, error) {
	return "", false, dns.ErrTemporary
}

func (resolver) TLSA(context.Context, string) ([]dns.TLSA, bool, error) {
	return nil, false, dns.ErrTemporary
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
