package main

import (
	"bytes"
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
)

// The garbage collector. Go lets the heap double between two collections, so
// a service that holds little collects all the time, and one that holds much
// takes twice of that. Here the heap grows by gcBallast/2 and half of what it
// holds: half of all that counts as held, and the ballast counts. Its pages are
// never touched, so it takes no memory. (A larger percentage for a small heap
// would do the same until the heap has grown within one cycle: then it would
// let that grow many times over.) The memory limit is soft: near it the
// collector works harder before the kernel would end the process. GOGC or
// GOMEMLIMIT in the environment switch all of this off.
const (
	gcBallast      = 192 << 20
	gcBallastPiece = 4 << 20
	gcPercent      = 50
	limitShare     = 0.75 // of the memory of the machine or of its control group
)

// tuneRuntime tunes the collector until ctx ends.
func tuneRuntime(ctx context.Context) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if total := memory(); total > 0 {
		debug.SetMemoryLimit(gcBallast + int64(float64(total)*limitShare))
	}
	// In pieces: Go clears what it gives out if any of it was used before, which touches all of its pages.
	ballast := make([][]byte, gcBallast/gcBallastPiece)
	for i := range ballast {
		ballast[i] = make([]byte, gcBallastPiece)
	}
	debug.SetGCPercent(gcPercent)
	giveBack(ctx)
	runtime.KeepAlive(ballast)
}

// A service that has become calm keeps what the last work left behind until
// there is as much again: of a thousand clients that came and wait, each would
// take twice the memory. So what is left behind is collected and given back to
// the system once less than calmOctets were allocated between two looks and
// more than slackOctets since the last time.
const (
	calmLook    = time.Second
	calmOctets  = 1 << 20
	slackOctets = 16 << 20
)

// giveBack gives memory back when the service is calm, until ctx ends.
func giveBack(ctx context.Context) {
	look := time.NewTicker(calmLook)
	defer look.Stop()
	for last, collected := uint64(0), uint64(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		now := allocated()
		if now-last < calmOctets && now-collected > slackOctets {
			debug.FreeOSMemory()
			collected = now
		}
		last = now
	}
}

// allocated is how many octets were ever allocated.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}

// memory is how much the process may have: that of the machine, or of its
// control group if that is less; 0 if it is not known.
func memory() uint64 {
	total := machineMemory()
	for _, file := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if n, err := strconv.ParseUint(string(bytes.TrimSpace(text)), 10, 64); err == nil && n > 0 && n < total {
			total = n
		}
	}
	return total
}

// resident is how much memory the process takes, 0 if that is not known.
func resident() uint64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize())
}
