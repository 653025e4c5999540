package imapd

import (
	"fmt"
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/store"
)

func TestMetadataLimits(t *testing.T) {
	w := newWorld(t, settings{plaintext: true})
	c := w.plainClient()
	last := func(lines []string) string { return lines[len(lines)-1] }
	set := func(name string, size int) string {
		return last(c.do(fmt.Sprintf("SETMETADATA INBOX (%s {%d+}\r\n%s)", name, size, strings.Repeat("x", size))))
	}
	if got := set("/private/x", store.MaxAnnotationSize); !strings.HasPrefix(got, "OK") {
		t.Error("the largest value:", got)
	}
	if got := set("/private/x", store.MaxAnnotationSize+1); !strings.HasPrefix(got, "NO [METADATA MAXSIZE 65536] ") {
		t.Error("a larger value:", got)
	}
	if got := set("/private/"+strings.Repeat("x", store.MaxAnnotationName), 1); !strings.HasPrefix(got, "BAD") {
		t.Error("a long name:", got)
	}
	got := ""
	for i := 0; i < store.MaxAnnotations/maxEntries && !strings.HasPrefix(got, "NO"); i++ {
		var entries []string
		for j := range maxEntries {
			entries = append(entries, fmt.Sprintf(`/private/n%d/%d "v"`, i, j))
		}
		got = last(c.do("SETMETADATA Sent (" + strings.Join(entries, " ") + ")"))
	}
	if !strings.HasPrefix(got, "NO [METADATA TOOMANY] ") {
		t.Error("too many:", got)
	}
}
