package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

var idleRows = []row{
	{"Idle over TLS", []figure{{", KB of memory a connection", true}, {", push p50 ms", true}, {", push p99 ms", true}}, idleOverTLS},
}

// calm is how long the server gets to settle before its memory is read.
const calm = 5 * time.Second

// idleOverTLS opens connections over TLS, leaves them in IDLE, looks how much
// more memory the server's processes take, and has them wait for mail.
func idleOverTLS(s *server, o settings) (map[string]float64, error) {
	time.Sleep(calm)
	before, err := s.memory()
	if err != nil {
		return nil, err
	}
	clients, err := idle(s, o.idle, true)
	defer hangUp(clients)
	if err != nil {
		return nil, err
	}
	time.Sleep(calm)
	after, err := s.memory()
	if err != nil {
		return nil, err
	}
	pushed, err := pushTo(s, clients)
	return map[string]float64{
		", KB of memory a connection": float64(after-before) / 1024 / float64(o.idle),
		", push p50 ms":               pushed[", p50 ms"], ", push p99 ms": pushed[", p99 ms"],
	}, err
}

// memory is the proportional share of memory of the server's process trees, in
// octets.
func (s *server) memory() (int64, error) { return s.sum("smaps_rollup", pss) }

// sum adds up what is read from a file in /proc of each process of the server's
// trees.
func (s *server) sum(file string, read func(text string) int64) (total int64, err error) {
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
		b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), file))
		if err != nil {
			continue // it ended meanwhile
		}
		total += read(string(b))
	}
	return total, nil
}

func pss(rollup string) int64 {
	for line := range strings.Lines(rollup) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				return 0
			}
			return n << 10
		}
	}
	return 0
}

// childrenOf returns the children of every process.
func childrenOf() (map[int][]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(b), ") ")
		fields := strings.Fields(rest)
		if len(fields) < 2 {
			continue
		}
		parent, err := strconv.Atoi(fields[1])
		if err != nil {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			children[parent] = append(children[parent], pid)
		}
	}
	return children, nil
}
