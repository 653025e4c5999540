package stress

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/test/harness"
)

// vitals are what a process holds.
type vitals struct {
	goroutines, sockets, files int
	heap, rss                  int64 // octets; heap is what lives after a collection
}

func (v vitals) String() string {
	return fmt.Sprintf("%d goroutines, %d sockets, %d files, heap %.1f MiB, RSS %.1f MiB",
		v.goroutines, v.sockets, v.files, float64(v.heap)/(1<<20), float64(v.rss)/(1<<20))
}

// How much more there may be than before. The store may be at work with a goroutine or two at any time,
// opens files as it fills them, and has a cache of what it read, outside of the heap: that and what it
// writes next fill up only with time. What the search index is made with, 11 MiB, is kept for a while or
// not. From warm to the end there are some 50,000 commands and 6,000 messages: 400 octets that each
// command left behind would be found.
const (
	moreGoroutines = 5
	moreFiles      = 50
	moreHeap       = 16 << 20
	moreRSS        = 64 << 20
)

// sameAs compares with what was held before anybody came, and memory with what it was when all was warm.
func (v vitals) sameAs(t *testing.T, rest, warm *vitals) {
	t.Helper()
	for _, c := range []struct {
		what              string
		now, before, more int64
	}{
		{"goroutines", int64(v.goroutines), int64(rest.goroutines), moreGoroutines},
		{"sockets", int64(v.sockets), int64(rest.sockets), 0},
		{"files", int64(v.files), int64(rest.files), moreFiles},
		{"octets of heap", v.heap, warm.heap, moreHeap},
		{"octets of memory", v.rss, warm.rss, moreRSS},
	} {
		if c.now > c.before+c.more {
			t.Errorf("%d %s, before it were %d", c.now, c.what, c.before)
		}
	}
}

// calm is how long nobody asks anything of the service, so that it gives back the memory that it does
// not need any more.
const calm = 2500 * time.Millisecond

// settle waits until the service is at rest, and looks at it: no connection of a client is left, and two
// looks in a row find the same.
func settle(t *testing.T, s *harness.Service) (v vitals) {
	t.Helper()
	local := localSocket(s.Control)
	defer local.CloseIdleConnections()
	time.Sleep(calm)
	last := vitals{}
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		v = look(t, s, local)
		same := v.goroutines == last.goroutines && v.sockets == last.sockets && v.heap-last.heap < 1<<20 && last.heap-v.heap < 1<<20
		if same || time.Now().After(deadline) {
			return v
		}
		last = v
	}
}

// look has the service collect its garbage, and reads what it holds then.
func look(t *testing.T, s *harness.Service, local *http.Client) (v vitals) {
	t.Helper()
	for range 2 { // what a finalizer lets go goes with the second
		get(t, local, "http://postiljon/debug/pprof/heap?gc=1")
	}
	v.sockets, v.files = handles(t, s.PID) // with that of the collection, without that of the metrics
	remote := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: s.TLS.Clone(), DisableKeepAlives: true}}
	for line := range strings.Lines(get(t, remote, "https://"+s.HTTPS+"/metrics")) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, _ := strconv.ParseFloat(value, 64)
		switch name {
		case "go_goroutines":
			v.goroutines = int(n)
		case "go_memstats_heap_alloc_bytes":
			v.heap = int64(n)
		case "process_resident_memory_bytes":
			v.rss = int64(n)
		}
	}
	if v.goroutines == 0 || v.heap == 0 || v.rss == 0 {
		t.Fatalf("the metrics lack some of these: %v", v)
	}
	return v
}

// localSocket is a client of the control socket.
func localSocket(path string) *http.Client {
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		},
	}}
}

func get(t *testing.T, c *http.Client, url string) string {
	t.Helper()
	r, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, r.Status, err)
	}
	return string(body)
}

// handles counts the open sockets and files of a process.
func handles(t *testing.T, pid int) (sockets, files int) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range all {
		target, err := os.Readlink(filepath.Join(dir, fd.Name()))
		switch {
		case err != nil: // closed meanwhile
		case strings.HasPrefix(target, "socket:"):
			sockets++
		default:
			files++
		}
	}
	return sockets, files
}
