package dialect

import (
	"bufio"
	"os"
	"regexp"
	"strings"
	"testing"
)

// sample is a line of testdata/replies.txt.
type sample struct {
	line      string
	provider  string
	protocol  Protocol
	stage     Stage
	want      Kind
	onlyCodes bool
	reply     string
}

func samples(t testing.TB) []sample {
	t.Helper()
	f, err := os.Open("testdata/replies.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var list []sample
	for in := bufio.NewScanner(f); in.Scan(); {
		line := in.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		cols := strings.SplitN(line, " | ", 4)
		if len(cols) != 4 {
			t.Fatalf("not four columns: %s", line)
		}
		protocol, stage, _ := strings.Cut(cols[1], "/")
		want, onlyCodes := strings.CutPrefix(cols[2], "!")
		s := sample{line: line, provider: cols[0], protocol: Protocol(protocol), stage: Stage(stage),
			want: Kind(want), onlyCodes: onlyCodes, reply: strings.ReplaceAll(cols[3], `\n`, "\r\n") + "\r\n"}
		if !s.want.Known() {
			t.Fatalf("no meaning %q: %s", s.want, line)
		}
		list = append(list, s)
	}
	return list
}

func TestReplies(t *testing.T) {
	b := load(t)
	list := samples(t)
	if len(list) < 250 {
		t.Errorf("only %d replies", len(list))
	}
	for _, s := range list {
		r := b.Read(s.provider, s.protocol, s.stage, s.reply)
		if r.First().Kind != s.want {
			t.Errorf("%s\n\tread as %+v", s.line, r.Meanings[:min(3, len(r.Meanings))])
		}
	}
}

var (
	anyEnhanced = regexp.MustCompile(`([0-9]{3}[ \-])#?[245]\.[0-9]{1,3}\.[0-9]{1,3} ?| ?\(#[45]\.[0-9]\.[0-9]\)`)
	anyResponse = regexp.MustCompile(`(NO|BAD|BYE|-ERR) \[[A-Z/\-]+\]`)
)

// TestRepliesWithoutCodes takes the precise codes away: wording must do, as many servers send no codes.
func TestRepliesWithoutCodes(t *testing.T) {
	b := load(t)
	wrong := 0
	list := samples(t)
	for _, s := range list {
		bare := anyResponse.ReplaceAllString(anyEnhanced.ReplaceAllString(s.reply, "$1"), "$1")
		if s.onlyCodes || bare == s.reply {
			continue
		}
		r := b.Read(s.provider, s.protocol, s.stage, bare)
		if r.First().Kind != s.want {
			wrong++
			t.Errorf("%s\n\twithout codes %q\n\tread as %+v", s.line, bare, r.Meanings[:min(3, len(r.Meanings))])
		}
	}
}
