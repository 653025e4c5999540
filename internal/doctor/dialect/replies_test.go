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

// TestDialectsDiffer reads the same words of different servers.
func TestDialectsDiffer(t *testing.T) {
	b := load(t)
	for _, c := range []struct {
		protocol Protocol
		stage    Stage
		reply    string
		provider string
		want     Kind
		general  Kind
	}{
		{SMTP, StageOther, "550 5.1.8 Access denied, bad outbound sender", "microsoft365", AbuseBlocked, SenderDomainUnknown},
		{SMTP, StageRcpt, "550 5.4.1 Recipient address rejected: Access denied", "microsoft365", RecipientUnknown, RecipientRefuses},
		{SMTP, StageEndOfData, "554 5.7.9 Nope", "yahoo", DMARCRefused, PolicyRefused},
		{Submission, StageEndOfData, "550 5.4.6 Nope: unusual sending activity", "zoho", AbuseBlocked, AbuseBlocked},
		{Submission, StageMail, "553 Relaying disallowed", "zoho", FromNotOwned, RelayDenied},
		{SMTP, StageEndOfData, "421 4.7.27 Nope", "gmail", SPFRefused, SenderDomainUnknown},
		{SMTP, StageEndOfData, "550 5.7.30 Nope", "gmail", DKIMRefused, PolicyTLS},
		{IMAP, StageAuth, "a NO LOGIN failed.", "outlook", OAuthNeeded, CredentialsRefused},
		{Submission, StageEndOfData, "550 5.1.0 xyz policy violation", "forpsi", RateLimitedHourly, PolicyRefused},
		{SMTP, StageGreeting, "554 Nope - None/bad reputation", "t-online", IPListed, IPListed},
	} {
		if got := b.Read(c.provider, c.protocol, c.stage, c.reply); got.First().Kind != c.want {
			t.Errorf("%s of %s: %+v", c.reply, c.provider, got.Meanings)
		}
		if got := b.Read("", c.protocol, c.stage, c.reply); got.First().Kind != c.general {
			t.Errorf("%s of nobody: %+v", c.reply, got.Meanings)
		}
	}
}

// TestSoftwareIsTold reads replies without any mark by the software that Identify found.
func TestSoftwareIsTold(t *testing.T) {
	b := load(t)
	r := b.Read("ovh courier", IMAP, StageAuth, "a1 NO Temporary problem, please try again later")
	if r.Provider != "ovh" || r.Software != "courier" || r.First().Kind != AuthBackendDown {
		t.Errorf("%+v", r)
	}
}

// TestEveryKindIsSeen checks that the samples leave no meaning out.
func TestEveryKindIsSeen(t *testing.T) {
	seen := map[Kind]bool{}
	for _, s := range samples(t) {
		seen[s.want] = true
	}
	for kind := range kinds {
		if !seen[kind] {
			t.Errorf("no reply in testdata means %s", kind)
		}
	}
}
