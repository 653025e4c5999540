package config

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pelletier/go-toml/v2"
)

func read(t *testing.T, text string) (Config, error) {
	t.Helper()
	return Read("test.toml", strings.NewReader(text))
}

func defaults(t *testing.T) Config {
	t.Helper()
	c, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefaultsAreValid(t *testing.T) {
	c := defaults(t)
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	empty, err := read(t, "")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c, empty, cmp.Comparer(func(a, b Network) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

// No key gets its default from Go's zero value by being forgotten in the file.
func TestEveryKeyIsDocumented(t *testing.T) {
	var tree map[string]any
	if err := toml.Unmarshal([]byte(documented), &tree); err != nil {
		t.Fatal(err)
	}
	var inFile []string
	for k, v := range tree {
		section, ok := v.(map[string]any)
		if !ok {
			inFile = append(inFile, k)
			continue
		}
		if len(section) == 0 { // a table of tables, of which there are none by default
			inFile = append(inFile, k)
		}
		for name := range section {
			inFile = append(inFile, k+"."+name)
		}
	}
	known := Keys()
	slices.Sort(inFile)
	slices.Sort(known)
	if diff := cmp.Diff(known, inFile); diff != "" {
		t.Error(diff)
	}
	commented := false
	for n, line := range strings.Split(documented, "\n") {
		switch {
		case strings.HasPrefix(line, "#"):
			commented = true
		case line == "":
			commented = false
		case !commented && !strings.HasPrefix(line, "["):
			t.Errorf("line %d, %q, belongs to no comment", n+1, line)
		}
	}
}

func TestWrittenFileParsesToDefaults(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, "post.example.net", `/srv/mail "here"`); err != nil {
		t.Fatal(err)
	}
	got, err := Read("test.toml", &b)
	if err != nil {
		t.Fatal(err)
	}
	want := defaults(t)
	want.Hostname, want.Data = "post.example.net", `/srv/mail "here"`
	if !reflect.DeepEqual(got, want) {
		t.Error(cmp.Diff(want, got, cmp.Comparer(func(a, b Network) bool { return a == b })))
	}
}

func TestErrorsSayWhereAndWhat(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"hostnam = 'a.example'", `test.toml:1: there is no key "hostnam"; did you mean "hostname"?`},
		{"[limits]\naddress_hourly = 5\naddres_hourly = 3", `test.toml:3: there is no key "limits.addres_hourly"; did you mean "limits.address_hourly"?`},
		{"[limits]\nretry = ['5m']", `test.toml:2: there is no key "limits.retry"; did you mean "queue.retry"?`},
		{"[limits]\nmessage_size = '50 megs'", `test.toml:2: limits.message_size: "50 megs" is not a size such as "50MB" or "512KiB"`},
		{"[timeouts]\nstop = 'soon'", `test.toml:2: timeouts.stop: "soon" is not a duration such as "15m", "4h" or "5d"`},
		{"[guard]\nexempt = ['10.0.0.0/8', 'home']", `test.toml:2: guard.exempt`},
		{"[limit]\nrecipients = 5", `test.toml:1: there is no key "limit"; did you mean [limits]?`},
		{"[limits]\nrecipients = 'many'", `test.toml:2: limits.recipients: the value must be a whole number without quotes`},
		{"[limits]\nmessage_size = ['5MB']", `test.toml:2: limits.message_size: the value must be a size in quotes such as "50MB" or "512KiB"`},
		{"[timeouts]\nstop = ['30s']", `test.toml:2: timeouts.stop: the value must be a duration in quotes such as "15m", "4h" or "5d"`},
		{"[listen]\nsmtp = ':25'", `test.toml:2: listen.smtp: the value must be a list such as ["a", "b"]`},
		{"[inbound]\ncheck = 'yes'", `test.toml:2: inbound.check: the value must be true or false, without quotes`},
		{"[junk]\nlisted = 'high'", `test.toml:2: junk.listed: the value must be a number such as 3.0`},
		{"hostname = 5", `test.toml:1: hostname: the value must be a text in quotes`},
		{"[limits]\nrecipients =\n", `test.toml:2: here should be a value`},
		{"limits = 5", `test.toml:1: limits: the value must be a section of its own`},
		{"hostname = 'mail'", `hostname: "mail" is not a full host name such as "mail.example.org"`},
		{"data = 'here'", `data: "here" is not an absolute path`},
		{"[listen]\nsmtp = ['25']", `listen.smtp: "25" is not an address with a port such as ":25" or "192.0.2.1:25"`},
		{"[listen]\nimap = [':993']", `listen.imaps: :993 is taken by listen.imap`},
		{"[tls]\nkey = '/k.pem'", "tls: certificate and key are set together or not at all"},
		{"[limits]\nrecipients = 10", "limits.recipients: 10 is not between 100 and 100000"},
		{"[limits]\nimap_messages = 10", "limits.imap_messages: 10 is not between 1000 and 1000000000"},
		{"[auth]\nhash_memory = '1MiB'", "auth.hash_memory: 1MiB is not between 19MiB and 64MiB"},
		{"[log]\nlevel = 'loud'", `log.level: "loud" is not debug, info, warn or error`},
		{"[auth]\nplaintext_loopback = true\n[listen]\nsubmission = ['127.0.0.1:587']\npop3 = ['localhost:110']",
			`auth.plaintext_loopback: listen.imap has ":143", which is not on loopback`},
		{"[web]\nurl = 'mail.example.org'", "web.url:"},
		{"[queue]\nresolver = 'dns'", "queue.resolver:"},
		{"[queue]\nretry = []", "queue.retry: the list is empty"},
		{"control = '/" + strings.Repeat("x", 200) + "'", "control: the path of the control socket"},
		{"[listen", "test.toml:1: "},
	} {
		_, err := read(t, c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q:\n got %v\nwant %s", c.text, err, c.want)
		}
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	_, err := read(t, "hostname = 'x'\ndata = 'y'\n[log]\nlevel = 'z'")
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("got %v", err)
	}
}

func TestLoad(t *testing.T) {
	file := filepath.Join(t.TempDir(), "postiljon.toml")
	if _, err := Load(file); err == nil || !strings.Contains(err.Error(), "postiljon init") {
		t.Errorf("missing file: %v", err)
	}
	if err := os.WriteFile(file, []byte(documented), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := Load(file); err != nil || c.Hostname != "mail.example.org" {
		t.Errorf("%q, %v", c.Hostname, err)
	}
}

func TestSize(t *testing.T) {
	for _, c := range []struct {
		text string
		want Size
		back string
	}{
		{"50MB", 50e6, "50MB"}, {"512KiB", 512 << 10, "512KiB"}, {"1.5 GB", 15e8, "1500MB"},
		{"1024", 1024, "1KiB"}, {"7B", 7, "7B"}, {"0", 0, "0B"}, {"2TiB", 2 << 40, "2TiB"},
	} {
		got, err := ParseSize(c.text)
		if err != nil || got != c.want || got.String() != c.back {
			t.Errorf("%q: %d (%s), %v", c.text, got, got, err)
		}
	}
	for _, bad := range []string{"", "MB", "-1MB", "1e3MB", "NaN", "0x10", "9999999TB", "5 m"} {
		if got, err := ParseSize(bad); err == nil {
			t.Errorf("%q is %d", bad, got)
		}
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{"15m": 15 * time.Minute, "5d": 120 * time.Hour, "1h30m": 90 * time.Minute, "0s": 0} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "5", "-5m", "-1d", "d", "1.5d", "999999999d"} {
		if got, err := ParseDuration(bad); err == nil {
			t.Errorf("%q is %v", bad, got)
		}
	}
	if got := Duration(48 * time.Hour).String(); got != "2d" {
		t.Error(got)
	}
}

func TestNearest(t *testing.T) {
	domains := []string{"demo.test", "example.org"}
	for word, want := range map[string]string{"demo.tset": "demo.test", "Demo.test": "demo.test", "exmaple.org": "example.org", "x.y": ""} {
		if got := Nearest(word, domains); got != want {
			t.Errorf("%s: %q", word, got)
		}
	}
}
