package bounce

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/postiljon/postiljon/internal/message"
)

// junkFields are the fields that filters write, and how each tells what it thinks.
var junkFields = map[string]func(value string) (junk bool, score float64){
	"x-spam-flag":                            yes,
	"x-spam":                                 yes,
	"x-suspected-spam":                       yes,
	"x-spam-status":                          spamStatus,
	"x-barracuda-spam-status":                spamStatus,
	"x-spam-score":                           scored,
	"x-spamd-result":                         rspamd,
	"x-spamd-bar":                            neutral,
	"x-rspamd-score":                         scored,
	"x-rspamd-action":                        rspamdAction,
	"x-spam-level":                           stars,
	"x-spam-action":                          rspamdAction,
	"x-ms-exchange-organization-scl":         scl,
	"x-forefront-antispam-report":            forefront,
	"x-forefront-antispam-report-untrusted":  neutral,
	"x-microsoft-antispam":                   bulkLevel,
	"x-ms-exchange-antispam-report-cfa-test": neutral,
	"x-proofpoint-spam-details":              neutral,
	"x-gmx-antispam":                         gmx,
	"x-ui-filterresults":                     junkWord,
	"x-yandex-spam":                          yandex,
	"x-mailru-sender":                        neutral,
	"x-bogosity":                             bogosity,
	"x-dspam-result":                         junkWord,
	"x-virus-status":                         infected,
}

// junk collects what filters wrote into the header.
func (m *Message) junk(header []byte) {
	for f := range message.HeaderFields(header) {
		read := junkFields[strings.ToLower(string(f.Name))]
		if read == nil {
			continue
		}
		value := cut(message.DecodeHeader(string(f.Value())), 1<<10)
		junk, score := read(value)
		m.Junk = append(m.Junk, Marker{Field: string(f.Name), Value: value, Junk: junk, Score: score})
		if len(m.Junk) == maxMarkers {
			return
		}
	}
}

var (
	number     = regexp.MustCompile(`-?[0-9]+(?:\.[0-9]+)?`)
	scoreIs    = regexp.MustCompile(`(?i)(?:score|hits)=\s*(-?[0-9]+(?:\.[0-9]+)?)`)
	sclIs      = regexp.MustCompile(`(?i)\bSCL:(-?[0-9]+)`)
	verdictIs  = regexp.MustCompile(`(?i)\bSFV:([A-Z]+)`)
	bclIs      = regexp.MustCompile(`(?i)\bBCL:([0-9]+)`)
	rspamdNums = regexp.MustCompile(`\[(-?[0-9]+(?:\.[0-9]+)?) / `)
)

func toNumber(s string) float64 {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0
	}
	return n
}

func neutral(string) (bool, float64) { return false, 0 }

func yes(v string) (bool, float64) {
	return strings.HasPrefix(strings.ToLower(v), "y") || strings.HasPrefix(strings.ToLower(v), "true"), 0
}

func spamStatus(v string) (bool, float64) {
	score := 0.0
	if m := scoreIs.FindStringSubmatch(v); m != nil {
		score = toNumber(m[1])
	}
	junk, _ := yes(v)
	return junk, score
}

func scored(v string) (bool, float64) { return false, toNumber(number.FindString(v)) }

func rspamd(v string) (bool, float64) {
	score := 0.0
	if m := rspamdNums.FindStringSubmatch(v); m != nil {
		score = toNumber(m[1])
	}
	return strings.Contains(v, ": True"), score
}

func rspamdAction(v string) (bool, float64) {
	v = strings.ToLower(v)
	return strings.Contains(v, "add header") || strings.Contains(v, "reject") || strings.Contains(v, "rewrite subject") || strings.Contains(v, "junk"), 0
}

func stars(v string) (bool, float64) { return false, float64(strings.Count(v, "*")) }

// scl reads Microsoft's spam confidence level: 5 and above goes to Junk.
func scl(v string) (bool, float64) {
	n := toNumber(number.FindString(v))
	return n >= 5, n
}

func forefront(v string) (bool, float64) {
	var junk bool
	var score float64
	if m := sclIs.FindStringSubmatch(v); m != nil {
		junk, score = scl(m[1])
	}
	if m := verdictIs.FindStringSubmatch(v); m != nil {
		junk = junk || m[1] == "SPM" || m[1] == "SKB" || m[1] == "SKS"
	}
	return junk, score
}

// bulkLevel reads Microsoft's bulk complaint level: 7 and above is taken for bulk mail.
func bulkLevel(v string) (bool, float64) {
	m := bclIs.FindStringSubmatch(v)
	if m == nil {
		return false, 0
	}
	n := toNumber(m[1])
	return n >= 7, n
}

// gmx reads "X-GMX-Antispam: 6 (…)": 0 is clean.
func gmx(v string) (bool, float64) {
	n := toNumber(number.FindString(v))
	return n > 0, n
}

func yandex(v string) (bool, float64) {
	n := toNumber(number.FindString(v))
	return n >= 4, n
}

func junkWord(v string) (bool, float64) {
	v = strings.ToLower(v)
	return strings.HasPrefix(v, "junk") || strings.HasPrefix(v, "spam"), 0
}

func bogosity(v string) (bool, float64) {
	return strings.HasPrefix(strings.ToLower(v), "spam") || strings.HasPrefix(strings.ToLower(v), "yes"), 0
}

func infected(v string) (bool, float64) { return strings.HasPrefix(strings.ToLower(v), "infected"), 0 }
