package settings

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func loadTable(t testing.TB) *Table {
	t.Helper()
	table, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// TestTable: the table that is part of the program is sound. Load itself checks hosts,
// ports, sources and that no domain stands twice.
func TestTable(t *testing.T) {
	table := loadTable(t)
	for _, id := range []string{
		"icloud", "gmail", "outlook", "microsoft365", "yahoo", "aol", "fastmail", "proton", "gmx", "web-de", "mail-ru", "zoho", "one-com",
		"loopia", "websupport", "telia", "telenor-no", "bahnhof", "domeneshop", "simply", "infomaniak", "ovh", "gandi", "ionos", "hostinger",
		"mailbox-org", "posteo", "migadu", "tuta",
	} {
		if table.ByID(id) == nil {
			t.Errorf("%s is missing", id)
		}
	}
	today := time.Now().AddDate(1, 0, 0).Format(time.DateOnly)
	for _, p := range table.Providers() {
		for _, s := range append([]Source{p.Source}, values(p.Sources)...) {
			if s.URL == "" || s.Date < "2015-01-01" || s.Date > today {
				t.Errorf("%s: source %+v", p.ID, s)
			}
		}
		if p.Limits != (Limits{}) && p.Sources["limits"].URL == "" && strings.Contains(p.Source.URL, "autoconfig") {
			t.Errorf("%s: nobody said these limits", p.ID)
		}
		if len(p.Servers) > 0 && !p.Bridge && !slices.ContainsFunc(p.Servers, func(s Server) bool { return s.Protocol == SMTP }) {
			t.Errorf("%s: mail can be read and not sent", p.ID)
		}
		for _, d := range p.Domains {
			if table.ByDomain(strings.ToUpper(d)) != p {
				t.Errorf("%s does not lead to %s", d, p.ID)
			}
		}
	}
}

func values(m map[string]Source) (all []Source) {
	for _, s := range m {
		all = append(all, s)
	}
	return all
}

func TestByMX(t *testing.T) {
	table := loadTable(t)
	for host, want := range map[string]string{
		"aspmx.l.google.com.":                          "gmail",
		"ALT1.aspmx.l.google.com":                      "gmail",
		"smtp.google.com":                              "gmail",
		"contoso-com.mail.protection.outlook.com":      "microsoft365",
		"contoso-com.o-v1.mx.microsoft":                "microsoft365",
		"eur.olc.protection.outlook.com":               "outlook",
		"mx01.mail.icloud.com":                         "icloud",
		"mta5.am0.yahoodns.net":                        "yahoo",
		"mx-aol.mail.gm0.yahoodns.net":                 "aol",
		"in1-smtp.messagingengine.com":                 "fastmail",
		"mailsec.protonmail.ch":                        "proton",
		"mx1.pub.mailpod5-cph3.one.com":                "one-com",
		"mailcluster.loopia.se":                        "loopia",
		"mx.domeneshop.no":                             "domeneshop",
		"mx.simply.com":                                "simply",
		"mta-gw.infomaniak.ch":                         "infomaniak",
		"mx1.mail.ovh.net":                             "ovh",
		"spool.mail.gandi.net":                         "gandi",
		"mx00.ionos.de":                                "ionos",
		"mx1.hostinger.com":                            "hostinger",
		"mxext1.mailbox.org":                           "mailbox-org",
		"aspmx1.migadu.com":                            "migadu",
		"mail.tutanota.de":                             "tuta",
		"mx.example.org":                               "",
		"evilgoogle.com":                               "",
		"aspmx.l.google.com.example.org":               "",
		"notmessagingengine.com":                       "",
		"mail.protection.outlook.com.attacker.invalid": "",
	} {
		got := ""
		if p := table.ByMX(host); p != nil {
			got = p.ID
		}
		if got != want {
			t.Errorf("MX %s is of %q, not %q", host, got, want)
		}
	}
}

func TestNearestDomain(t *testing.T) {
	table := loadTable(t)
	for domain, want := range map[string]string{
		"gmial.com": "gmail.com", "gmai.com": "gmail.com", "gmaill.com": "gmail.com", "gmail.co": "gmail.com", "GMIAL.COM": "gmail.com",
		"hotmial.com": "hotmail.com", "hotmail.con": "hotmail.com", "hotnail.se": "hotmail.se", "outlok.com": "outlook.com", "outloook.com": "outlook.com",
		"iclod.com": "icloud.com", "icluod.com": "icloud.com", "yaho.com": "yahoo.com", "yhaoo.com": "yahoo.com", "telai.com": "telia.com",
		// No misspellings: known, or too far from any.
		"gmail.com": "", "me.com": "", "hey.com": "", "gmx.de": "", "live.se": "", "example.org": "", "north.example": "", "ab.cd": "", "": "",
	} {
		if got := table.NearestDomain(domain); got != want {
			t.Errorf("nearest to %q is %q, not %q", domain, got, want)
		}
	}
	for host, want := range map[string]string{
		"imap.gmial.com": "imap.gmail.com", "smtp.gmail.con": "smtp.gmail.com", "imap.gmail.com": "", "imap.example.org": "",
		"outlook.ofice365.com": "outlook.office365.com",
	} {
		if got := table.NearestHost(host); got != want {
			t.Errorf("nearest to host %q is %q, not %q", host, got, want)
		}
	}
}

// TestDistance: the bounded distance is that of the plain definition.
func TestDistance(t *testing.T) {
	word := rapid.StringMatching(`[abc.]{0,9}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b, limit := word.Draw(t, "a"), word.Draw(t, "b"), rapid.IntRange(0, 4).Draw(t, "limit")
		want := min(plainDistance(a, b), limit+1)
		if got := distance(a, b, limit); got != want {
			t.Fatalf("distance(%q, %q, %d) is %d, not %d", a, b, limit, got, want)
		}
		if there, back := distance(a, b, limit), distance(b, a, limit); there != back {
			t.Fatalf("%q to %q is %d, back %d", a, b, there, back)
		}
	})
}

// plainDistance is the definition of the distance, without limit and in no hurry.
func plainDistance(a, b string) int {
	known := map[[2]int]int{}
	var of func(i, j int) int
	of = func(i, j int) int {
		if i == 0 || j == 0 {
			return i + j
		}
		if d, ok := known[[2]int{i, j}]; ok {
			return d
		}
		cost := 1
		if a[i-1] == b[j-1] {
			cost = 0
		}
		d := min(of(i-1, j)+1, of(i, j-1)+1, of(i-1, j-1)+cost)
		if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
			d = min(d, of(i-2, j-2)+1)
		}
		known[[2]int{i, j}] = d
		return d
	}
	return of(len(a), len(b))
}

// TestBadTable: what is wrong in a table is found when it is read.
func TestBadTable(t *testing.T) {
	const good = `
[source.us]
url = "https://example.org/help"
date = 2026-11-22
[[provider]]
id = "north"
name = "North"
domains = ["north.example"]
mx = ["mx.north.example"]
imap = ["imap.north.example:993/tls"]
smtp = ["smtp.north.example:465/tls"]
usernames = ["address"]
methods = ["password"]
source = "us"
`
	if _, err := ReadTable([]byte(good)); err != nil {
		t.Fatalf("the good one: %v", err)
	}
	for _, c := range []struct{ old, new string }{
		{`id = "north"`, ``},
		{`name = "North"`, `name = ""`},
		{`"north.example"]`, `"North.example"]`},
		{`"north.example"]`, `"north"]`},
		{`"north.example"]`, `"north.example", "north.example"]`},
		{`["mx.north.example"]`, `["mx north"]`},
		{`993/tls`, `143/tls`},
		{`993/tls`, `465/tls`},
		{`993/tls`, `9930/tls`},
		{`993/tls`, `99999/tls`},
		{`993/tls`, `993/ssh`},
		{`imap.north.example:`, `imap_north:`},
		{`usernames = ["address"]`, ``},
		{`methods = ["password"]`, `methods = ["pass"]`},
		{`source = "us"`, `source = "them"`},
		{`source = "us"`, ``},
		{`source = "us"`, "source = \"us\"\nsources = { limit = \"us\" }"},
		{`source = "us"`, "source = \"us\"\nsources = { limits = \"them\" }"},
		{`url = "https://example.org/help"`, `url = "example.org"`},
		{`date = 2026-11-22`, ``},
		{`source = "us"`, "source = \"us\"\ncolour = \"red\""},
		{`source = "us"`, "source = \"us\"\nimap_access = \"no\""},
		{`source = "us"`, "source = \"us\"\npop3_access = \"maybe\""},
		{`source = "us"`, "source = \"us\"\napp_password = \"sometimes\""},
		{`source = "us"`, "source = \"us\"\nwebmail = \"javascript:alert(1)\""},
		{`source = "us"`, "source = \"us\"\nstatus = { url = \"https://s.example.org\", feed = \"rss\" }"},
	} {
		raw := strings.Replace(good, c.old, c.new, 1)
		if raw == good {
			t.Fatalf("%q is not in the good one", c.old)
		}
		if _, err := ReadTable([]byte(raw)); !errors.Is(err, ErrTable) {
			t.Errorf("with %q: %v", c.new, err)
		}
	}
	second := good[strings.Index(good, "[[provider]]"):]
	for _, again := range []string{second, strings.Replace(second, `id = "north"`, `id = "south"`, 1)} {
		if _, err := ReadTable([]byte(good + again)); !errors.Is(err, ErrTable) {
			t.Errorf("twice: %v", err)
		}
	}
}

func ExampleTable_NearestDomain() {
	table, err := Load()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(table.NearestDomain("gmial.com"))
	// Output: gmail.com
}
