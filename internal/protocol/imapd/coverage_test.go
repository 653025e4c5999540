package imapd

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestEveryCommandHasDialogues holds that the dialogues have every command with right and with wrong
// input.
func TestEveryCommandHasDialogues(t *testing.T) {
	right, wrong := map[string]bool{}, map[string]bool{}
	eachAnswer(t, func(command, status string) {
		if status == "OK" {
			right[command] = true
		} else {
			wrong[command] = true
		}
	})
	right["SETQUOTA"] = true // it is refused whoever asks (RFC 9208 section 4.1.3)
	for name := range handlers {
		if !right[name] {
			t.Errorf("no dialogue has %s answered with OK", name)
		}
		if !wrong[name] {
			t.Errorf("no dialogue has %s answered with NO or BAD", name)
		}
	}
}

// TestEveryCapabilityHasDialogues holds that each capability that is offered is tied to a dialogue.
func TestEveryCapabilityHasDialogues(t *testing.T) {
	s := &session{server: &Server{options: Options{Limits: Limits{Messages: 3}.withDefaults()}}}
	s.conn.Account, s.conn.JMAP = 1, "https://mail.example.org/.well-known/jmap"
	for _, name := range strings.Fields(string(s.appendCapabilities(nil))) {
		name, _, _ = strings.Cut(name, "=")
		file, ok := capabilityDialogues[name]
		if !ok {
			t.Errorf("no dialogue is named for %s", name)
			continue
		}
		if _, err := os.Stat(filepath.Join("testdata", file+".txt")); err != nil {
			t.Error(err)
		}
	}
}

// capabilityDialogues are the dialogues about each capability.
var capabilityDialogues = map[string]string{
	"ACL": "acl", "APPENDLIMIT": "append", "BINARY": "binary", "CATENATE": "catenate", "CHILDREN": "list", "COMPRESS": "compress",
	"CONDSTORE": "condstore", "CONTEXT": "context", "CREATE-SPECIAL-USE": "mailboxes", "ENABLE": "condstore", "ESEARCH": "search",
	"ESORT": "sort", "ID": "basics", "IDLE": "idle", "IMAP4rev1": "basics", "IMAP4rev2": "basics", "INPROGRESS": "inprogress", "JMAPACCESS": "jmapaccess",
	"LIST-EXTENDED": "list", "LIST-METADATA": "metadata", "LIST-MYRIGHTS": "acl", "LIST-STATUS": "list", "LITERAL+": "limits",
	"MESSAGELIMIT": "messagelimit", "METADATA": "metadata", "METADATA-SERVER": "metadata", "MOVE": "copymove", "MULTIAPPEND": "multiappend",
	"MULTISEARCH": "multisearch", "NAMESPACE": "basics", "NOTIFY": "notify", "OBJECTID": "fetch", "PARTIAL": "search", "PREVIEW": "fetch",
	"QRESYNC": "qresync", "QUOTA": "quota", "REPLACE": "replace", "RIGHTS": "acl", "SASL-IR": "tls", "SAVEDATE": "fetch", "SEARCHRES": "search",
	"SORT": "sort", "SPECIAL-USE": "list", "STATUS": "list", "THREAD": "thread", "UIDONLY": "uidonly", "UIDPLUS": "copymove",
	"UNAUTHENTICATE": "unauthenticate", "UNSELECT": "select", "URL-PARTIAL": "catenate", "UTF8": "utf8", "WITHIN": "search",
}

var (
	said     = regexp.MustCompile(`^(?:C([0-9]*): |@raw ([0-9]+) ")([A-Za-z0-9\]]+) ((?:[Uu][Ii][Dd] )?[A-Za-z0-9]+)`)
	answered = regexp.MustCompile(`^S([0-9]*): ([A-Za-z0-9\]]+) (OK|NO|BAD)`)
)

// eachAnswer calls fn with every command of the dialogues and how it is answered.
func eachAnswer(t *testing.T, fn func(command, status string)) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no dialogues", err)
	}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		commands := map[string]string{} // by connection and tag
		sc := bufio.NewScanner(f)
		for sc.Scan() {
			if m := said.FindStringSubmatch(sc.Text()); m != nil {
				commands[max(m[1]+m[2], "1")+" "+m[3]] = strings.ToUpper(m[4])
			}
			if m := answered.FindStringSubmatch(sc.Text()); m != nil {
				fn(commands[max(m[1], "1")+" "+m[2]], m[3])
			}
		}
		f.Close()
		if err := sc.Err(); err != nil {
			t.Fatal(file, err)
		}
	}
}

// TestHandlersAndGrammar holds that a command is parsed if and only if it is done.
func TestHandlersAndGrammar(t *testing.T) {
	var parsed, done []string
	for name := range grammar {
		parsed = append(parsed, name)
	}
	for name := range handlers {
		done = append(done, name)
	}
	slices.Sort(parsed)
	slices.Sort(done)
	if !slices.Equal(parsed, done) {
		t.Errorf("parsed: %q\ndone: %q", parsed, done)
	}
}
