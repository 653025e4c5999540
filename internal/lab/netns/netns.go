// Package netns makes network namespaces and lets functions run inside them, so that
// a test has machines with addresses, routes and packet filters of their own. It needs
// root and the programs ip and nft.
package netns

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
)

// prefix begins the names of our namespaces; the number of the process follows, so that
// what a killed one left can be told.
const prefix = "pjlab"

const folder = "/run/netns"

// Available tells why namespaces cannot be had, nil if they can.
func Available() error {
	if os.Geteuid() != 0 {
		return errors.New("netns: only root may make network namespaces")
	}
	for _, program := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("netns: %w", err)
		}
	}
	s, err := New("probe")
	if err != nil {
		return err
	}
	return errors.Join(s.Nft("table inet probe {}"), s.Close())
}

// Space is a network namespace.
type Space struct {
	Name string
	file *os.File
}

var made atomic.Uint64 // namespaces of this process, for their names

// New makes a namespace whose loopback interface is up. Close removes it.
func New(role string) (*Space, error) {
	name := fmt.Sprintf("%s%d-%d-%s", prefix, os.Getpid(), made.Add(1), role)
	if err := run(nil, "ip", "netns", "add", name); err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(folder, name))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("netns: %w", err), run(nil, "ip", "netns", "del", name))
	}
	s := &Space{Name: name, file: f}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// prepare lets addresses be used at once, without asking whether others have them
// (RFC 4862 section 5.4), and ICMP messages go out as often as there is reason.
func (s *Space) prepare() error {
	for name, value := range map[string]string{
		"net/ipv6/conf/all/accept_dad": "0", "net/ipv6/conf/default/accept_dad": "0", "net/ipv6/conf/default/dad_transmits": "0",
		"net/ipv4/icmp_ratelimit": "0", "net/ipv6/icmp/ratelimit": "0",
	} {
		if err := s.Sysctl(name, value); err != nil {
			return fmt.Errorf("netns: %s: %w", s.Name, err)
		}
	}
	return s.IP("link set lo up")
}

// Close removes the namespace. Sockets that are still open in it go on.
func (s *Space) Close() error {
	return errors.Join(s.file.Close(), run(nil, "ip", "netns", "del", s.Name))
}

// IP runs commands of ip, one a line, in the namespace: "addr add 192.0.2.1/32 dev lo".
func (s *Space) IP(commands ...string) error {
	return s.run(strings.Join(commands, "\n"), "ip", "-batch", "-")
}

// IP6 is IP for commands that cannot tell by their words that they are about IPv6.
func (s *Space) IP6(commands ...string) error {
	return s.run(strings.Join(commands, "\n"), "ip", "-6", "-batch", "-")
}

// Nft replaces rules of the packet filter as a file for nft says.
func (s *Space) Nft(ruleset string) error {
	return s.run(ruleset, "nft", "-f", "-")
}

// run starts a program in the namespace.
func (s *Space) run(stdin, name string, args ...string) error {
	return s.Do(func() error { return run([]byte(stdin+"\n"), name, args...) })
}

// Sysctl sets a value: "net/ipv4/ip_forward".
func (s *Space) Sysctl(name, value string) error {
	return s.Do(func() error { return os.WriteFile("/proc/sys/"+name, []byte(value), 0o644) })
}

// Do runs f inside the namespace: sockets that it opens belong there, wherever they are
// used afterwards. f must open them in its own goroutine.
func (s *Space) Do(f func() error) error {
	done := make(chan error, 1)
	go func() { done <- s.enter(f) }()
	return <-done
}

// Sweep removes the namespaces of processes that are gone.
func Sweep() error {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("netns: %w", err)
	}
	var errs []error
	for _, e := range entries {
		rest, ours := strings.CutPrefix(e.Name(), prefix)
		number, _, _ := strings.Cut(rest, "-")
		pid, err := strconv.Atoi(number)
		if !ours || err != nil || runs(pid) {
			continue
		}
		if err := run(nil, "ip", "netns", "del", e.Name()); err != nil && exists(e.Name()) {
			errs = append(errs, err) // otherwise another process was faster
		}
	}
	return errors.Join(errs...)
}

func exists(name string) bool {
	_, err := os.Stat(filepath.Join(folder, name))
	return err == nil
}

func run(stdin []byte, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("netns: %s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}
