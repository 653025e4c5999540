package cause

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestExplainGolden(t *testing.T) {
	c := load(t)
	limit := Wait(LimitAddressHourly, half, Count("limit", 2000), Text("address", "asa@example.org"))
	full := Refuse(QuotaMailboxFull, Size("used", 53e8), Size("limit", 5e9))
	tests := []struct {
		d        Decision
		lang     Lang
		audience Audience
		want     Explanation
	}{
		{limit, English, Owner, Explanation{
			Title:    "You have sent as much as an hour allows",
			Text:     "The address asa@example.org has reached its limit of 2,000 messages for an hour. It can send again from 14:32 UTC.",
			NextStep: "If the person did not send this much, have the password changed. If they need more, a mailing list is the better way.",
			Actor:    "The person with the account",
		}},
		{limit, Swedish, Holder, Explanation{
			Title:    "Du har skickat så mycket som får skickas på en timme",
			Text:     "Din adress asa@example.org har skickat allt som är tillåtet på en timme: 2\u00a0000 meddelanden. Sändningen öppnas igen kl. 14:32 UTC. Gränsen finns för att ett stulet lösenord inte ska göra stor skada.",
			NextStep: "Meddelanden i webbmejlens utkorg går i väg av sig själva när det öppnas. Det som ett annat program nekades måste skickas igen.",
			Actor:    "Du",
		}},
		{full, Norwegian, Owner, Explanation{
			Title:    "Postboksen er full",
			Text:     "Postboksen er full: 5,3\u00a0GB av 5\u00a0GB. Ny post venter hos avsenderne i noen døgn og går så i retur.",
			NextStep: "Be personen rydde, eller gi kontoen mer plass i panelet.",
			Actor:    "Den som har kontoen",
		}},
		{Refuse("no.such-cause"), Swedish, Operator, Explanation{
			Title:    "Orsaken är inte känd än",
			Text:     "Ingen orsak når marginalen, eller så nekade kod med en orsak som katalogen inte känner till. Spårningen har det som sågs.",
			NextStep: "Läs spårningen. Saknas en orsak i katalogen, lägg till den.",
			Actor:    "Ingen",
		}},
		{Refuse(PushOff), Swedish, Owner, Explanation{
			Title:    "Ny post skickas inte direkt till enheten",
			Text:     "Push är avstängt på personens enhet. Posten kommer i tid till servern.",
			NextStep: "Säg till personen: Slå på push för kontot i enhetens e-postinställningar. Pröva genom att skicka ett meddelande till dig själv.",
			Actor:    "Den som har kontot",
		}},
		{Refuse(Healthy), "xx", 77, Explanation{
			Title:    "Everything works",
			Text:     "All that has to do with your question was tried, and it works. Perhaps the trouble has passed.",
			NextStep: "You need not do anything. If it happens again, check once more while it lasts.",
			Actor:    "Nobody",
		}},
	}
	for _, tt := range tests {
		if got := c.Explain(tt.d, tt.lang, tt.audience); got != tt.want {
			t.Errorf("%s in %s:\n got %+v\nwant %+v", tt.d.Cause, tt.lang, got, tt.want)
		}
	}
}

// blemish finds what a text looks like when its optional parts do not fit
// together: stray or doubled punctuation and spaces, or a left-over bracket.
var blemish = regexp.MustCompile(`[\[\]{}]|\s[.,;:)]|[,;:(][.,;:)]|\.[.,;:]|  |\( |^ | $|^[,.;:]`)

// Every text reads well whichever of its values are known.
func TestEveryTextWithAnyParams(t *testing.T) {
	c := load(t)
	for _, row := range c.All() {
		params := fill(row.Params)
		for known := range 1 << len(params) {
			d := Decision{Action: ActionRefuse, Cause: row.ID}
			for i, p := range params {
				if known>>i&1 == 1 {
					d.Params = append(d.Params, p)
				}
			}
			checkTexts(t, c, d)
		}
	}
}

func checkTexts(t *testing.T, c *Catalogue, d Decision) {
	t.Helper()
	for _, lang := range Languages() {
		for _, audience := range []Audience{Holder, Owner, Operator} {
			x := c.Explain(d, lang, audience)
			for _, s := range []string{x.Title, x.Text, x.NextStep, x.Actor} {
				if s == "" || blemish.MatchString(mask(s)) {
					t.Errorf("%s to %d in %s with %v: %q", d.Cause, audience, lang, d.Params, s)
				}
			}
		}
		w := c.Why(d.Cause, lang, d.Params...)
		for _, s := range []string{w.Title, w.Text, w.NextStep, w.Actor} {
			if s == "" || blemish.MatchString(mask(s)) {
				t.Errorf("why page of %s in %s: %q", d.Cause, lang, s)
			}
		}
	}
}

// mask takes out marks that stand as themselves: the root of the DNS and the
// dot of Swedish and Norwegian abbreviations.
func mask(s string) string {
	return strings.NewReplacer("”.”", "”", "«.»", "«", "“.”", "“").Replace(s)
}

func TestExplainInZone(t *testing.T) {
	c := load(t).In(time.FixedZone("CET", 3600))
	d := Wait(LimitBandwidth, half)
	tests := map[Lang]string{
		English:   "It opens again by itself (22 November 2026 at 15:32 CET).",
		Swedish:   "Det öppnas igen av sig självt 22 november 2026 kl. 15:32 CET.",
		Norwegian: "Den åpner igjen av seg selv 22. november 2026 kl. 15:32 CET.",
	}
	for lang, want := range tests {
		if got := c.Explain(d, lang, Holder).Text; !strings.Contains(got, want) {
			t.Errorf("%s: %q lacks %q", lang, got, want)
		}
	}
	if got := c.SMTP(d).Text; got != "The amount of data for today is used up, open again 22 November 2026 at 14:32 UTC" {
		t.Errorf("the wire does not speak UTC: %q", got)
	}
}

// What strangers wrote stays on one line, visible and bounded.
func TestExplainStrangersText(t *testing.T) {
	c := load(t)
	d := Refuse(OutboxPoison, Text("reply", "550 no\r\n\u202eevil\x00"+strings.Repeat("x", 9000)))
	got := c.Explain(d, English, Holder).Text
	if strings.ContainsAny(got, "\r\n\u202e\x00") || len(got) > 1000 {
		t.Errorf("a stranger's text got through: %.80q (%d octets)", got, len(got))
	}
}

func TestWhy(t *testing.T) {
	c := load(t)
	got := c.Why(LimitAddressHourly, Swedish, Count("limit", 300), Time("until", half))
	if want := "Gränsen för utgående meddelanden, 300 i timmen, är nådd, öppnas igen kl. 14:32 UTC."; got.Text != want {
		t.Errorf("text %q, want %q", got.Text, want)
	}
	if got.ID != LimitAddressHourly || got.Actor != "Den som har kontot eller enheten" || got.Holder.Actor != "Du" {
		t.Errorf("%+v", got)
	}
	if got := c.Why(ReputationIPListed, English, Text("list", "you are all fools")); strings.Contains(got.Text, "fools") {
		t.Errorf("a query puts words into the page: %q", got.Text)
	}
	if got := c.Why("no.such-cause", English); got.ID != Unknown {
		t.Errorf("page of a cause that does not exist: %s", got.ID)
	}
}

func TestParseLang(t *testing.T) {
	tests := []struct {
		accept string
		want   Lang
	}{
		{"sv", Swedish},
		{"sv-SE,sv;q=0.9,en;q=0.5", Swedish},
		{"sv-FI", Swedish},
		{"nb-NO", Norwegian},
		{"no", Norwegian},
		{"nn-NO,nn;q=0.9", Norwegian},
		{"en-GB", English},
		{"de,fr;q=0.5", English},
		{"fi,sv;q=0.8", Swedish},
		{"", English},
		{"*", English},
		{";;;", English},
		{strings.Repeat("sv,", 1000), English},
	}
	for _, tt := range tests {
		if got := ParseLang(tt.accept); got != tt.want {
			t.Errorf("ParseLang(%.20q) = %s, want %s", tt.accept, got, tt.want)
		}
	}
}

func TestValues(t *testing.T) {
	c := load(t)
	sv, en := c.speech[Swedish], c.speech[English]
	count := func(s *speech, n int64) string { return string(s.appendCount(nil, n)) }
	size := func(s *speech, n Bytes) string { return string(s.appendSize(nil, n)) }
	span := func(s *speech, d time.Duration) string { return string(s.appendSpan(nil, d)) }
	tests := []struct{ got, want string }{
		{count(en, 0), "0"},
		{count(en, 999), "999"},
		{count(en, 1000), "1,000"},
		{count(en, -1234567), "-1,234,567"},
		{count(en, -1<<63), "-9,223,372,036,854,775,808"},
		{count(sv, 12345), "12\u00a0345"},
		{size(en, 0), "0 bytes"},
		{size(en, 999), "999 bytes"},
		{size(en, 1500), "1.5 kB"},
		{size(en, 25e6), "25 MB"},
		{size(en, 9_960_000), "10 MB"},
		{size(en, 2_849_999), "2.8 MB"},
		{size(en, 999_499), "999 kB"},
		{size(en, 999_500), "1 MB"},
		{size(en, 1<<63-1), "9,223,372 TB"},
		{size(en, -1), "0 bytes"},
		{size(sv, 15e8), "1,5\u00a0GB"},
		{span(en, 0), "0 seconds"},
		{span(en, time.Second), "1 second"},
		{span(en, 59700*time.Millisecond), "1 minute"},
		{span(en, time.Minute), "1 minute"},
		{span(en, 90*time.Minute), "1 hour 30 minutes"},
		{span(en, 25*time.Hour), "1 day 1 hour"},
		{span(en, 24*time.Hour+time.Minute), "1 day"},
		{span(en, -time.Hour), "0 seconds"},
		{span(sv, 12*time.Minute), "12\u00a0minuter"},
		{span(sv, time.Hour), "1\u00a0timme"},
		{span(c.speech[Norwegian], 48*time.Hour), "2\u00a0døgn"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

// Plural forms follow the rules of CLDR in each language.
func TestPlural(t *testing.T) {
	c := load(t)
	tests := []struct {
		n          int64
		en, sv, nb string
	}{
		{0, "0 messages", "0 meddelanden", "0 meldinger"},
		{1, "1 message.", "1 meddelande.", "1 melding."},
		{2, "2 messages", "2 meddelanden", "2 meldinger"},
		{5, "5 messages", "5 meddelanden", "5 meldinger"},
		{21, "21 messages", "21 meddelanden", "21 meldinger"},
		{1_000_001, "1,000,001 messages", "1\u00a0000\u00a0001 meddelanden", "1\u00a0000\u00a0001 meldinger"},
	}
	for _, tt := range tests {
		d := Refuse(LimitAddressHourly, Count("limit", tt.n))
		for lang, want := range map[Lang]string{English: tt.en, Swedish: tt.sv, Norwegian: tt.nb} {
			if got := c.Explain(d, lang, Holder).Text; !strings.Contains(got, want) {
				t.Errorf("%d in %s: %q lacks %q", tt.n, lang, got, want)
			}
		}
	}
	if got := c.SMTP(Refuse(LimitAddressHourly, Count("limit", 1))).Text; got != "Sending limit of 1 message an hour reached" {
		t.Errorf("on the wire: %q", got)
	}
	lowest := string(c.speech[English].appendUnit(nil, -1<<63, []string{"one", "other"}))
	if !strings.HasSuffix(lowest, "other") {
		t.Errorf("the lowest number has the form of %q", lowest)
	}
}

// Every text with a count reads well with none, one, few and many; so does a length of time.
func TestEveryTextWithEveryCount(t *testing.T) {
	c := load(t)
	for _, row := range c.All() {
		if !slices.ContainsFunc(row.Params, func(p Placeholder) bool { return p.Kind == KindCount || p.Kind == KindSpan }) {
			continue
		}
		for _, n := range []int64{0, 1, 2, 5, 21} {
			d := Decision{Action: ActionRefuse, Cause: row.ID}
			for _, p := range fill(row.Params) {
				switch p.Value.(type) {
				case int64:
					p.Value = n
				case time.Duration:
					p.Value = time.Duration(n) * time.Minute
				}
				d.Params = append(d.Params, p)
			}
			checkTexts(t, c, d)
			if lone := regexp.MustCompile(`\b1[ \x{a0}](messages|meddelanden|meldinger|minutes|minuter|minutter|times|gånger|ganger|stops|levels|octets|recipients)\b`); n == 1 {
				for _, lang := range Languages() {
					x := c.Explain(d, lang, Holder)
					if text := x.Text + x.NextStep + c.Explain(d, lang, Owner).Text + c.SMTP(d).Text; lone.MatchString(text) {
						t.Errorf("%s in %s: %q", row.ID, lang, lone.FindString(text))
					}
				}
			}
		}
	}
}

// Whose clock it is can always be seen.
func TestZoneIsNamed(t *testing.T) {
	c := load(t)
	tests := []struct {
		zone *time.Location
		want string
	}{
		{time.UTC, "14:32 UTC"},
		{time.FixedZone("CET", 3600), "15:32 CET"},
		{time.FixedZone("", 0), "14:32 UTC"},
		{time.FixedZone("", 5*3600+1800), "20:02 UTC+5:30"},
		{time.FixedZone("+03", 3*3600), "17:32 UTC+3"},
		{time.FixedZone("", -9*3600-300), "05:27 UTC-9:05"},
	}
	for _, tt := range tests {
		if got := c.In(tt.zone).Clock(Swedish, half); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.zone, got, tt.want)
		}
	}
}

// Who reads by a clock of their own is not told whose it is, nor what day today is.
func TestReadersClock(t *testing.T) {
	stockholm := time.FixedZone("CET", 3600)
	c := load(t).Here(stockholm, half.Add(-time.Hour))
	locked := Wait(AccountLockedOut, half)
	for lang, want := range map[Lang]string{English: "no sign-ins until today at 15:32,", Swedish: "i dag kl. 15:32", Norwegian: "i dag kl. 15:32"} {
		if got := c.Explain(locked, lang, Holder).Text; !strings.Contains(got, want) {
			t.Errorf("%s: %s", lang, got)
		}
	}
	waits := Refuse(OutboxDeferred, Time("next", half), Time("giveup", half.Add(24*time.Hour)))
	for lang, want := range map[Lang]string{English: "again today at 15:32 and given up on 23 November 2026 at 15:32.", Swedish: "nästa i dag kl. 15:32; de upphör den 23 november 2026 kl. 15:32.", Norwegian: "det neste i dag kl. 15:32; de opphører 23. november 2026 kl. 15:32."} {
		if got := c.Explain(waits, lang, Holder).Text; !strings.HasSuffix(got, want) {
			t.Errorf("%s: %s", lang, got)
		}
	}
	if got := load(t).Explain(waits, English, Holder).Text; !strings.Contains(got, "again on 22 November 2026 at 14:32 UTC and") {
		t.Error(got)
	}
	if got := c.Moment(Swedish, half.Add(24*time.Hour)); got != "23 november 2026 kl. 15:32" {
		t.Error(got)
	}
	if got := load(t).Here(nil, half).Explain(locked, English, Holder).Text; !strings.Contains(got, "14:32 UTC") {
		t.Error(got)
	}
}

// What an account holder reads has no codes and no jargon; the ports and names
// that stand in settings are what they must look for there.
func TestNoCodesToHolders(t *testing.T) {
	c := load(t)
	code := regexp.MustCompile(`\b([245]\.\d+\.\d+|[2-5]\d\d|[A-Z][A-Z0-9]{2,})\b`)
	known := []string{"VPN", "POP3", "IMAP", "SSL", "TLS", "STARTTLS", "DNS", "MTU", "465", "587"}
	for _, lang := range Languages() {
		for _, row := range c.All() {
			x := c.Explain(Refuse(row.ID), lang, Holder)
			for _, word := range code.FindAllString(x.Title+" "+x.Text+" "+x.NextStep, -1) {
				if !slices.Contains(known, word) {
					t.Errorf("%s in %s says %q", row.ID, lang, word)
				}
			}
		}
	}
}
