package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of the times in /proc/*/stat.
const tick = 10 * time.Millisecond

// cpu is how long processors have worked for the server's process trees, and for
// their processes that ended.
func (s *server) cpu() (total time.Duration, err error) {
	pids, err := s.pids()
	if err != nil {
		return 0, err
	}
	children, err := childrenOf()
	if err != nil {
		return 0, err
	}
	for len(pids) > 0 {
		pid := pids[0]
		pids = append(pids[1:], children[pid]...)
		b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		if err != nil {
			continue // it ended meanwhile
		}
		total += worked(string(b))
	}
	return total, nil
}

// worked reads utime, stime, cutime and cstime (proc(5)).
func worked(stat string) (total time.Duration) {
	_, rest, _ := strings.Cut(stat, ") ") // a name may hold anything
	fields := strings.Fields(rest)
	if len(fields) < 15 {
		return 0
	}
	for _, f := range fields[11:15] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0
		}
		total += time.Duration(n) * tick
	}
	return total
}
