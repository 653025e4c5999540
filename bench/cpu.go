package main

import (
	"strconv"
	"strings"
	"time"
)

// tick is the unit of the times in /proc/*/stat.
const tick = 10 * time.Millisecond

// cpu is how long processors have worked for the server's process trees, and for
// their processes that ended.
func (s *server) cpu() (time.Duration, error) {
	ticks, err := s.sum("stat", worked)
	return time.Duration(ticks) * tick, err
}

// worked is the sum of utime, stime, cutime and cstime (proc(5)), in ticks.
func worked(stat string) (ticks int64) {
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
		ticks += n
	}
	return ticks
}
