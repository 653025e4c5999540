//go:build !windows

package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// raiseFileLimit lets the process have as many connections as it may.
func raiseFileLimit() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("read the limit of open files: %w", err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("raise the limit of open files: %w", err)
	}
	return nil
}

// monotonicMicroseconds is the time by which systemd tells a reload from the
// one before it.
func monotonicMicroseconds() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0
	}
	return now.Nano() / 1000
}

// freeSpace is how much a folder's volume has left for us, in octets; 0 if that is not known.
func freeSpace(dir string) uint64 {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0
	}
	return st.Bavail * uint64(st.Bsize)
}

// keepOwner gives all files in a folder the owner of the folder, if root runs it.
func keepOwner(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	var owner syscall.Stat_t
	if err := syscall.Stat(dir, &owner); err != nil {
		return err
	}
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st syscall.Stat_t
		if err := syscall.Lstat(path, &st); err != nil || st.Uid == owner.Uid {
			return err
		}
		return os.Lchown(path, int(owner.Uid), int(owner.Gid))
	})
}
