package cause

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func load(t testing.TB) *Catalogue {
	t.Helper()
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Every constant has a row in the table and the other way round.
func TestConstantsMatchTable(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "ids.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	constants := make(map[ID]bool)
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			id, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			if constants[ID(id)] {
				t.Errorf("two constants for %s", id)
			}
			constants[ID(id)] = true
		}
		return true
	})
	c := load(t)
	for _, row := range c.All() {
		if !constants[row.ID] {
			t.Errorf("%s has a row but no constant", row.ID)
		}
		delete(constants, row.ID)
	}
	for id := range constants {
		t.Errorf("%s has a constant but no row", id)
	}
}

// The checks of Load find what can go wrong in the files.
func TestLoadRejects(t *testing.T) {
	tests := []struct {
		name, file, old, new string
		want                 string // part of the error
	}{
		{"row without texts", "causes.tsv", "healthy\tnobody", "well.being\tnobody\t\ta\tb\tc\nhealthy\tnobody", "is no row|no texts"},
		{"row twice", "causes.tsv", "unknown\tnobody", "healthy\tnobody", "stands twice"},
		{"missing column", "causes.tsv", "healthy\tnobody\t\t", "healthy\tnobody\t", "columns"},
		{"unknown actor", "causes.tsv", "healthy\tnobody", "healthy\tsomebody", "actor"},
		{"text of no row", "texts/sv.toml", `[cause."healthy"]`, `[cause."hale"]`, "no row"},
		{"unknown key", "texts/nb.toml", "title = \"Alt virker\"", "titel = \"Alt virker\"", "nb.toml"},
		{"no title", "texts/nb.toml", "title = \"Alt virker\"", "", "title"},
		{"no text", "texts/sv.toml", "owner = \"Allt som prövades fungerar[ sedan {since}].\"", "", `no text "owner"`},
		{"no full stop", "texts/sv.toml", "Kanske har felet gått över.", "Kanske har felet gått över", "wrong end"},
		{"full stop on the wire", "texts/en.toml", "remote = \"Everything works\"", "remote = \"Everything works.\"", "wrong end"},
		{"placeholder in one language only", "texts/sv.toml", "prövades fungerar[ sedan {since}].", "prövades fungerar.", "placeholders"},
		{"placeholder outside brackets", "texts/sv.toml", "prövades fungerar[ sedan {since}].", "prövades fungerar sedan {since}.", "outside"},
		{"placeholder without a kind", "wire.toml", "\"healthy\"]\nparams = { since = \"time\" }", "\"healthy\"]", "no kind"},
		{"kind that does not exist", "wire.toml", "\"healthy\"]\nparams = { since = \"time\" }", "\"healthy\"]\nparams = { since = \"year\" }", "no kind"},
		{"unused parameter", "wire.toml", "\"healthy\"]\nparams = { ", "\"healthy\"]\nparams = { size = \"size\", ", "uses the parameter"},
		{"wrong class", "wire.toml", `refuse = "535 5.7.8"`, `refuse = "454 5.7.8"`, "class"},
		{"classes differ", "wire.toml", `wait = "452 4.3.4"`, `wait = "452 5.3.4"`, "class"},
		{"malformed enhanced code", "wire.toml", `refuse = "552 5.3.4"`, `refuse = "552 5.03.4"`, "class"},
		{"unknown IMAP code", "wire.toml", `imap = "TOOBIG"`, `imap = "HUGE"`, "IMAP"},
		{"unknown POP3 code", "wire.toml", `pop3 = "LOGIN-DELAY"`, `pop3 = "LATER"`, "POP3"},
		{"wire of no row", "wire.toml", `["healthy"]`, `["hale"]`, "no row"},
		{"stranger told a secret", "wire.toml", `stranger = "recipient.unknown"`, `stranger = "account.maintenance"`, "stranger"},
		{"remote text not ASCII", "texts/en.toml", "remote = \"Everything works\"", "remote = \"Everything works – always\"", "US-ASCII"},
		{"format not ASCII", "texts/en.toml", `unit_space = " "`, `unit_space = "\u00a0"`, "US-ASCII"},
		{"variant not on the wire", "texts/en.toml", "login-delay = ", "login-haste = ", "variant"},
		{"one form too many", "texts/sv.toml", "{hops:gång|gånger}", "{hops:gång|gånger|gångerna}", "forms"},
		{"forms by what is no count", "texts/en.toml", "[, and has since {since}]", "[, and has {since} {since:day|days}]", "forms"},
		{"category that the language has not", "texts/nb.toml", `plural = ["one", "other"]`, `plural = ["few", "other"]`, "category"},
		{"one unit without its forms", "texts/nb.toml", `hour = ["time", "timer"]`, `hour = ["time"]`, "hour"},
		{"remedy of no kind", "remedies.toml", `do = ["guest-network"]`, `do = ["party-network"]`, "no remedy"},
		{"nothing to do", "remedies.toml", `do = ["date-time"], `, "", "must act"},
		{"related to nothing", "remedies.toml", `see = ["tls.expired"] }`, `see = ["tls.spoilt"] }`, "related"},
		{"remedy of no row", "remedies.toml", `"push.off" = `, `"push.gone" = `, "no row"},
		{"remedy without a title", "texts/paths/nb.toml", `outbox = "Se i utboksen"`, "", "title"},
		{"no generic steps", "texts/paths/sv.toml", "[steps.pay]\ngeneric = ", "[steps.pay]\nios = ", "generic"},
		{"steps for a program that does not exist", "texts/paths/sv.toml", "[steps.junk]\ngeneric = ", "[steps.junk]\npine = [\"A.\"]\ngeneric = ", "pine"},
		{"steps for a program where they are the same in all", "texts/paths/sv.toml", "[steps.pay]\ngeneric = ", "[steps.pay]\nthunderbird = [\"A.\"]\ngeneric = ", "same"},
		{"one program less", "texts/paths/nb.toml", "[steps.sign-in-method]\ngeneric", "[steps.sign-in-method]\nwebmail = [\"A.\"]\ngeneric", "English"},
		{"unknown place", "texts/paths/sv.toml", "Öppna *{accounts}* och", "Öppna *{account}* och", "not whole"},
		{"another place", "texts/paths/sv.toml", "Öppna *{accounts}* och", "Öppna *{mail}* och", "opens"},
		{"odd asterisks", "texts/paths/sv.toml", "Tryck på bocken för att spara.", "Tryck på *bocken för att spara.", "not whole"},
		{"program without a name", "texts/paths/nb.toml", `gmail-app = "Gmail-appen på Android"`, "", "no name"},
		{"actor without a name", "texts/nb.toml", "operator = \"Kontoinnehaveren\"", "", "actor"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			broken := copyFiles(t)
			text := string(broken[tt.file].Data)
			if !strings.Contains(text, tt.old) {
				t.Fatalf("%s does not contain %q", tt.file, tt.old)
			}
			broken[tt.file].Data = []byte(strings.Replace(text, tt.old, tt.new, 1))
			_, err := loadFrom(broken)
			if !errors.Is(err, ErrCatalogue) || !containsAny(err.Error(), strings.Split(tt.want, "|")) {
				t.Fatalf("error %v, want one about %q", err, tt.want)
			}
		})
	}
}

func containsAny(s string, parts []string) bool {
	for _, part := range parts {
		if strings.Contains(s, part) {
			return true
		}
	}
	return false
}

// copyFiles returns the embedded files in a form that can be changed.
func copyFiles(t *testing.T) fstest.MapFS {
	t.Helper()
	m := make(fstest.MapFS)
	for _, name := range []string{
		"causes.tsv", "wire.toml", "remedies.toml", "texts/en.toml", "texts/sv.toml", "texts/nb.toml",
		"texts/paths/en.toml", "texts/paths/sv.toml", "texts/paths/nb.toml",
	} {
		data, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		m[name] = &fstest.MapFile{Data: data}
	}
	return m
}

func TestCause(t *testing.T) {
	c := load(t)
	got, ok := c.Cause(LimitAddressHourly)
	if !ok || got.Actor != ActorUser || len(got.Seeds) != 1 || got.Seeds[0] != "S2-4" {
		t.Errorf("Cause(%s) = %+v, %v", LimitAddressHourly, got, ok)
	}
	want := []Placeholder{{"address", KindText}, {"limit", KindCount}, {"until", KindClock}}
	if len(got.Params) != len(want) || got.Params[0] != want[0] || got.Params[1] != want[1] || got.Params[2] != want[2] {
		t.Errorf("parameters %v, want %v", got.Params, want)
	}
	if _, ok := c.Cause("no.such-cause"); ok {
		t.Error("found a cause that does not exist")
	}
	all := c.All()
	if all[0].ID != NetworkOffline || all[len(all)-1].ID != Unknown {
		t.Errorf("All begins with %s and ends with %s", all[0].ID, all[len(all)-1].ID)
	}
	all[0].ID = "changed"
	if c.All()[0].ID != NetworkOffline {
		t.Error("All hands out its own memory")
	}
}

func TestCheck(t *testing.T) {
	c := load(t)
	at := time.Date(2026, 11, 22, 14, 32, 0, 0, time.UTC)
	good := []Decision{
		Allow(),
		Wait(LimitAddressHourly, at, Count("limit", 300), Text("address", "a@example.org")),
		Refuse(ClientProtocolError).As("sequence"),
		Refuse(Healthy, Time("since", at)),
	}
	for _, d := range good {
		if err := c.Check(d); err != nil {
			t.Errorf("Check(%+v): %v", d, err)
		}
	}
	bad := []Decision{
		Refuse("no.such-cause"),
		Refuse(ClientProtocolError).As("no-such-variant"),
		Refuse(LimitAddressHourly, Count("speed", 1)),
		Refuse(LimitAddressHourly, Text("limit", "300")),
		Refuse(LimitAddressHourly, Count("limit", 1), Count("limit", 2)),
		Refuse(LimitAddressHourly, Param{"limit", 300}), // an int, not an int64
	}
	for _, d := range bad {
		if err := c.Check(d); !errors.Is(err, ErrDecision) {
			t.Errorf("Check(%+v) = %v, want ErrDecision", d, err)
		}
	}
}

// A stranger learns neither the state of an account nor, from the link, the
// cause that tells it.
func TestStrangerLearnsNothing(t *testing.T) {
	c := load(t).WithWhyBase("https://mail.example.org")
	disguised := 0
	for _, row := range c.All() {
		d := c.ToStranger(Wait(row.ID, time.Time{}))
		if d.Cause == row.ID {
			continue
		}
		disguised++
		if text := c.SMTP(d).Text; strings.Contains(text, string(row.ID)) || d.Action != ActionWait {
			t.Errorf("%s: a stranger is told %q", row.ID, text)
		}
	}
	if disguised == 0 {
		t.Error("nothing is kept from strangers")
	}
	got := c.ToStranger(Refuse(AccountSuspendedUnpaid, Text("domain", "example.org")))
	if got.Cause != RecipientRefuses || len(got.Params) != 0 || got.Action != ActionRefuse {
		t.Errorf("an unpaid account is told to a stranger as %+v", got)
	}
	if got := c.ToStranger(Refuse(RecipientUnknown)); got.Cause != RecipientUnknown {
		t.Errorf("an unknown recipient is told as %s", got.Cause)
	}
}
