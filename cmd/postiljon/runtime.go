package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"syscall"
	"time"
)

// The garbage collector. Go's default lets the heap double between two
// collections. A service that holds little would then collect all the time, so
// the heap may always grow by gcFloor first; one that holds much grows by half
// of what it holds. The memory limit is soft: near it the collector works
// harder before the kernel would end the process. GOGC and GOMEMLIMIT in the
// environment win over all of this.
const (
	gcFloor    = 96 << 20
	gcPercent  = 50
	gcInterval = 5 * time.Second
	limitShare = 0.75 // of the memory of the machine or of its control group
)

// tuneRuntime sets the memory limit, and adapts the collector until ctx ends.
func tuneRuntime(ctx context.Context) {
	if os.Getenv("GOMEMLIMIT") == "" {
		if total := memory(); total > 0 {
			debug.SetMemoryLimit(int64(float64(total) * limitShare))
		}
	}
	if os.Getenv("GOGC") != "" {
		return
	}
	tick := time.NewTicker(gcInterval)
	defer tick.Stop()
	for {
		debug.SetGCPercent(percentFor(liveHeap()))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// percentFor is the collector's percentage for so many live octets.
func percentFor(live uint64) int {
	const least = 4 << 20 // Go counts less as this
	return max(gcPercent, int(gcFloor*100/max(live, least)))
}

func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}

// memory is how much the process may have: that of the machine, or of its
// control group if that is less.
func memory() uint64 {
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err != nil {
		return 0
	}
	total := uint64(info.Totalram) * uint64(info.Unit)
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
