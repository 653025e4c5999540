package netns

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
)

func TestSpace(t *testing.T) {
	if err := Available(); err != nil {
		t.Logf("there are no namespaces to be had: %v", err)
		if err := Sweep(); err != nil {
			t.Errorf("nor is there anything to sweep: %v", err)
		}
		return
	}
	if os.Geteuid() != 0 {
		t.Error("available without root")
	}
	s, err := New("test")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.IP("addr add 192.0.2.77/32 dev lo"); err != nil {
		t.Error(err)
	}
	var l net.Listener
	if err := s.Do(func() (err error) {
		l, err = net.Listen("tcp", "192.0.2.77:80")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Do(func() error {
		c, err := net.Dial("tcp", "192.0.2.77:80")
		if err == nil {
			c.Close()
		}
		return err
	}); err != nil {
		t.Errorf("inside: %v", err)
	}
	if _, err := net.Listen("tcp", "192.0.2.77:81"); err == nil {
		t.Error("the address is there outside, too")
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	wrong := errors.New("wrong")
	if err := s.Do(func() error { return wrong }); !errors.Is(err, wrong) {
		t.Errorf("an error inside comes out as %v", err)
	}
	for name, err := range map[string]error{"ip": s.IP("frobnicate"), "nft": s.Nft("frobnicate"), "sysctl": s.Sysctl("net/frobnicate", "1")} {
		if err == nil {
			t.Errorf("%s takes nonsense", name)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if exists(s.Name) {
		t.Error("it is still there")
	}
}

// TestSweep removes what a process left that is gone.
func TestSweep(t *testing.T) {
	if Available() != nil {
		return // TestSpace says why
	}
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	left := fmt.Sprintf("%s%d-1-left", prefix, gone.Process.Pid)
	ours := fmt.Sprintf("%s%d-1-ours", prefix, os.Getpid())
	for _, name := range []string{left, ours} {
		if err := run(nil, "ip", "netns", "add", name); err != nil {
			t.Fatal(err)
		}
	}
	defer run(nil, "ip", "netns", "del", ours)
	if err := Sweep(); err != nil {
		t.Error(err)
	}
	if exists(left) || !exists(ours) {
		t.Errorf("what a dead process left is there: %v; ours: %v", exists(left), exists(ours))
	}
}
