package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"syscall"
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
	limitShare = 0.75 // of the memory of the machine or of its control group
)

// tuneRuntime sets the memory limit, and adapts the collector until ctx ends:
// after each collection, because a percentage that was right for a small heap
// lets one that has grown since grow many times over.
func tuneRuntime(ctx context.Context) {
	if os.Getenv("GOMEMLIMIT") == "" {
		if total := memory(); total > 0 {
			debug.SetMemoryLimit(int64(float64(total) * limitShare))
		}
	}
	if os.Getenv("GOGC") != "" {
		return
	}
	collected := make(chan struct{}, 1)
	tellCollection(ctx, collected)
	for {
		debug.SetGCPercent(percentFor(marked()))
		select {
		case <-ctx.Done():
			return
		case <-collected:
		}
	}
}

// tellCollection sends to c after each collection until ctx ends. The next
// collection finds an object that nobody has, and its cleanup tells.
func tellCollection(ctx context.Context, c chan<- struct{}) {
	unused := &struct{ next *int }{} // with a pointer, so that it shares its memory with no other object
	runtime.AddCleanup(unused, func(c chan<- struct{}) {
		select {
		case c <- struct{}{}:
		default:
		}
		if ctx.Err() == nil {
			tellCollection(ctx, c)
		}
	}, c)
}

// percentFor is the collector's percentage for so many marked octets.
func percentFor(marked uint64) int {
	const least = 4 << 20 // Go counts less as this
	return max(gcPercent, int(gcFloor*100/max(marked, least)))
}

// marked is what Go takes the percentage of: the live heap, stacks, globals.
func marked() uint64 {
	return sum("/gc/heap/live:bytes", "/gc/scan/stack:bytes", "/gc/scan/globals:bytes")
}

func liveHeap() uint64 { return sum("/gc/heap/live:bytes") }

// sum adds up metrics of the Go runtime.
func sum(names ...string) (total uint64) {
	samples := make([]metrics.Sample, len(names))
	for i, name := range names {
		samples[i].Name = name
	}
	metrics.Read(samples)
	for _, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 {
			total += s.Value.Uint64()
		}
	}
	return total
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
