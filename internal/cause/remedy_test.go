package cause

import (
	"strings"
	"testing"
)

// Programs are known by what they say of themselves.
func TestEditionOf(t *testing.T) {
	c := load(t)
	tests := []struct {
		client Client
		want   string
	}{
		{Client{"iPhone Mail", "22B83", ""}, "ios-mail"},
		{Client{"iPhone Mail", "21F90", "iOS 17.5.1 (21F90)"}, "ios-mail-17"},
		{Client{"iPhone Mail (20A362)", "", ""}, "ios-mail-17"},
		{Client{"Mail", "", "iOS 18.1"}, "ios-mail"},
		{Client{"Mail", "", "iPadOS 26.0"}, "ios-mail"},
		{Client{"iOS Mail", "", ""}, "ios-mail"},
		{Client{"Apple Mail (2.3774.300.61.1.2)", "16.0", "macOS 14.4"}, "macos-mail"},
		{Client{"Mac OS X Mail", "16.0 (3731.700.6)", ""}, "macos-mail-13"},
		{Client{"Mac OS X Mail", "16.0 (3774.300.61)", ""}, "macos-mail"},
		{Client{"Mail", "", "macOS 13.6"}, "macos-mail-13"},
		{Client{"Microsoft Outlook 16.0", "", ""}, "outlook-windows"},
		{Client{"Outlook", "16.89", "macOS 14"}, "outlook-mac"},
		{Client{"New Outlook", "1.2024.1", "Windows 11"}, "outlook-new"},
		{Client{"Outlook", "4.2440", "Android 15"}, "outlook-mobile"},
		{Client{"Outlook", "4.2440", "iOS 18"}, "outlook-mobile"},
		{Client{"Thunderbird", "140.1", "Windows 11"}, "thunderbird"},
		{Client{"Thunderbird", "128.3.1", "Windows 11"}, "thunderbird-115"},
		{Client{"Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Thunderbird/115.12.2", "", ""}, "thunderbird-115"},
		{Client{"Thunderbird", "", ""}, "thunderbird"},
		{Client{"Thunderbird", "8.0", "Android 14"}, ""}, // another program of that name
		{Client{"Gmail", "2024.10", "Android 14"}, "gmail-app"},
		{Client{"Gmail", "6.0", "iOS 18"}, ""},
		{Client{"Mail", "16005", "Windows 10"}, "windows-mail"},
		{Client{"Samsung Email", "6.1", "Android 14"}, ""},
		{Client{"Roundcube Webmail", "1.6.9", ""}, "webmail"},
		{Client{"Postiljon webmail", "", ""}, "postiljon-webmail"},
		{Client{}, ""},
		{Client{strings.Repeat("x", 10_000) + "thunderbird", "", ""}, ""},
	}
	for _, tt := range tests {
		got := ""
		if e := c.remedies.editionOf(tt.client); e != nil {
			got = e.ID
		}
		if got != tt.want {
			t.Errorf("%+v is taken for %q, want %q", tt.client, got, tt.want)
		}
	}
}

func TestInstructions(t *testing.T) {
	c := load(t)
	tests := []struct {
		id     ID
		lang   Lang
		client Client
		title  string
		who    string
		step   string
	}{
		{PushOff, English, Client{Name: "iOS Mail", System: "iOS 18.1"}, "Switch push on",
			"Mail on iPhone and iPad (iOS 18 and later)", "Open Settings › Apps › Mail › Mail Accounts and tap Fetch New Data."},
		{PushOff, English, Client{Name: "iOS Mail", System: "iOS 17"}, "Switch push on",
			"Mail on iPhone and iPad (iOS 16 and 17)", "Open Settings › Mail › Accounts and tap Fetch New Data."},
		{PushOff, Swedish, Client{Name: "iOS Mail", System: "iOS 17"}, "Slå på push",
			"Mail på iPhone och iPad (iOS 16 och 17)", "Öppna Inställningar › Mail › Konton och tryck på Hämta nya data."},
		{PushOff, Norwegian, Client{}, "Slå på push", "", "Åpne innstillingene i e-postprogrammet og finn push, eller «straks»."},
		{TLSClockWrong, Swedish, Client{Name: "Thunderbird", Version: "140", System: "Windows 11"}, "Ställ in datum och tid",
			"Thunderbird (140 och senare)", "Öppna Inställningar › Tid och språk › Datum och tid."},
		{TLSClockWrong, Norwegian, Client{System: "Android 15"}, "Still dato og klokkeslett", "", "Åpne Innstillinger › System › Dato og klokkeslett."},
		{JunkFiled, Norwegian, Client{Name: "Thunderbird", Version: "128"}, "Se i søppelposten og merk det som ikke er søppel",
			"Thunderbird (115 til 139)", "Klikk på Uønsket under kontoen din."},
		{JunkFiled, English, Client{Name: "Windows Mail"}, "Look in Junk and mark good mail", "Mail for Windows", "Click Junk Email in the list of folders."},
		{AccountSuspendedUnpaid, English, Client{Name: "Thunderbird"}, "Pay the invoice", "", "Sign in on your provider's website and open the invoices."},
	}
	for _, tt := range tests {
		got := c.Instructions(tt.id, tt.lang, tt.client)
		if len(got) == 0 {
			t.Errorf("%s: no instructions", tt.id)
			continue
		}
		if x := got[0]; x.Title != tt.title || x.Program != tt.who || x.Steps[0].Plain() != tt.step {
			t.Errorf("%s in %s for %+v: %q, %q, %q", tt.id, tt.lang, tt.client, x.Title, x.Program, x.Steps[0].Plain())
		}
	}
	if x := c.Instructions(JunkFiled, English, Client{Name: "Windows Mail"})[0]; !strings.Contains(x.Note, "2024") {
		t.Errorf("Mail for Windows has ended, and that is not said: %q", x.Note)
	}
}

// Every program of every edition has whole steps for every cause: no place is
// left open, whichever version it is.
func TestEveryInstruction(t *testing.T) {
	c := load(t)
	specific := 0
	for _, lang := range Languages() {
		for _, p := range append(c.Programs(lang), Program{ID: "postiljon-webmail"}) {
			for _, row := range c.All() {
				for _, x := range c.InstructionsIn(row.ID, lang, p.ID) {
					specific++
					checkSteps(t, x)
				}
			}
		}
		for _, x := range c.Remedies(lang) {
			checkSteps(t, x)
		}
	}
	if specific < 1000 {
		t.Errorf("only %d instructions for a program of their own", specific)
	}
}

func checkSteps(t *testing.T, x Instruction) {
	t.Helper()
	if x.Title == "" || len(x.Steps) == 0 {
		t.Errorf("%s: no title or no steps", x.Remedy)
	}
	for _, s := range x.Steps {
		if text := s.Plain(); strings.ContainsAny(text, "{}*[]") || text == "" {
			t.Errorf("%s for %s: %q", x.Remedy, x.Program, text)
		}
	}
}

// Every remedy of the table helps against something.
func TestEveryRemedyIsOfUse(t *testing.T) {
	c := load(t)
	used := map[Remedy]bool{}
	for _, r := range c.remedies.Causes {
		for _, name := range r.Do {
			used[name] = true
		}
	}
	for _, x := range c.Remedies(English) {
		if !used[x.Remedy] {
			t.Errorf("no cause is helped by %s", x.Remedy)
		}
	}
}

func TestRemedyOfAProgram(t *testing.T) {
	c := load(t)
	if x, ok := c.Remedy("push", English, "ios-mail"); !ok || x.Steps[1] != "Switch *Push* on at the top." {
		t.Errorf("push on an iPhone: %+v, %v", x, ok)
	}
	for _, missing := range [][2]string{{"pay", "ios-mail"}, {"push", "pine"}, {"dance", "ios-mail"}} {
		if x, ok := c.Remedy(Remedy(missing[0]), English, missing[1]); ok {
			t.Errorf("%s in %s: %+v", missing[0], missing[1], x)
		}
	}
	if got := c.InstructionsIn(PushOff, English, "pine"); got != nil {
		t.Errorf("steps for a program that does not exist: %+v", got)
	}
}

func TestStepParts(t *testing.T) {
	got := Step("Open *A › B* and tap *C*.").Parts()
	want := []StepPart{{"Open ", false}, {"A › B", true}, {" and tap ", false}, {"C", true}, {".", false}}
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("part %d is %+v, want %+v", i, got[i], want[i])
		}
	}
}
