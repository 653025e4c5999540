package dialect

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// blocklist is a public list of addresses of bad repute.
type blocklist struct {
	// Name is how the list is looked up or called, Marks how replies write it.
	Name  string   `toml:"name"`
	Marks []string `toml:"marks"`
	// Ask marks a zone that is looked at without being named.
	Ask bool `toml:"ask"`
}

// listed finds which list a reply names and which address it speaks of.
func (b *Book) listed(q *question) (list string, addr netip.Addr) {
	if q.class == Positive {
		return "", netip.Addr{}
	}
	lower := strings.ToLower(q.text)
	for i := range b.lists {
		for _, mark := range b.lists[i].Marks {
			if strings.Contains(lower, mark) {
				return b.lists[i].Name, firstAddress(q.text)
			}
		}
	}
	if m := listZone.FindStringSubmatch(lower); m != nil {
		list = m[1]
	}
	return list, firstAddress(q.text)
}

var (
	// listZone finds a list that is not known by name.
	listZone = regexp.MustCompile(`(?:blocked using|listed (?:in|at|by|on)|blacklisted (?:at|by|in)|rejected by|found in|blocklist|dnsbl)[:\s]+([a-z0-9\-]+(?:\.[a-z0-9\-]+)+)`)
	ipLike   = regexp.MustCompile(`(?:[0-9]{1,3}\.){3}[0-9]{1,3}|(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{1,4}`)
)

// firstAddress finds the first IP address of a text that can be somebody's.
func firstAddress(text string) netip.Addr {
	for _, s := range ipLike.FindAllString(text, 8) {
		if a, err := netip.ParseAddr(s); err == nil && !a.IsUnspecified() && !a.IsLoopback() {
			return a
		}
	}
	return netip.Addr{}
}

// units are the beginnings of words for spans of time in several languages, folded.
var units = []struct {
	word string
	span time.Duration
}{
	{"millis", time.Millisecond}, {"ms", time.Millisecond},
	{"sec", time.Second}, {"sek", time.Second}, {"segundo", time.Second}, {"секунд", time.Second},
	{"min", time.Minute}, {"мин", time.Minute},
	{"hour", time.Hour}, {"hr", time.Hour}, {"tim", time.Hour}, {"stund", time.Hour}, {"heure", time.Hour},
	{"hora", time.Hour}, {"uur", time.Hour}, {"uren", time.Hour}, {"час", time.Hour},
	{"day", 24 * time.Hour}, {"dag", 24 * time.Hour}, {"dygn", 24 * time.Hour}, {"døgn", 24 * time.Hour},
	{"tag", 24 * time.Hour}, {"jour", 24 * time.Hour}, {"dia", 24 * time.Hour}, {"дн", 24 * time.Hour},
}

var (
	// spanPattern finds words that ask to wait and then a number with a unit, spanBefore the number first.
	spanPattern = regexp.MustCompile(`\b(?:again|retry|wait|later|back|backoff|igen|igjen|om|vent|vanta|nochmal|erneut|warten|reessayez|reessayer|dans|attend\w*|espere|intente\w*|reintent\w*|opnieuw|wacht)\b[^0-9.;]{0,30}?([0-9]{1,6}) ?([\pL]+)`)
	spanSlavic  = regexp.MustCompile(`(?:через|повтор)[^0-9.;]{0,30}?([0-9]{1,6}) ?([\pL]+)`)
	spanBefore  = regexp.MustCompile(`\bin ([0-9]{1,6}) ([\pL]+) (?:again|erneut|nochmal|wieder)`)
	clockSpan   = regexp.MustCompile(`\b(?:again|retry|wait|back|in|after)\b[^0-9.;]{0,20}([0-9]{2}):([0-5][0-9]):([0-5][0-9])(?:$|[^0-9:])`)
	clockTime   = regexp.MustCompile(`(?i)\b(?:again|until|after|kl\.?|at) ([0-2][0-9]):([0-5][0-9]) ?(?:UTC|GMT)\b`)
	dateTime    = regexp.MustCompile(`\b(20[0-9]{2}-[01][0-9]-[0-3][0-9])[T ]([0-2][0-9]:[0-5][0-9])(?::[0-5][0-9])? ?(?:UTC|GMT|Z|\+00:?00)`)
)

// maxWait is the longest time that is believed.
const maxWait = 60 * 24 * time.Hour

// waits reads how long a server asks to wait and until when.
func (b *Book) waits(folded, text string) (after time.Duration, until time.Time) {
	after = waitFor(folded)
	if m := dateTime.FindStringSubmatch(text); m != nil {
		if t, err := time.Parse("2006-01-02 15:04", m[1]+" "+m[2]); err == nil {
			return after, t
		}
	}
	if m := clockTime.FindStringSubmatch(text); m != nil {
		hour, _ := strconv.Atoi(m[1])
		minute, _ := strconv.Atoi(m[2])
		until = nextClock(b.now().UTC(), hour, minute)
	}
	return after, until
}

func waitFor(folded string) time.Duration {
	if m := clockSpan.FindStringSubmatch(folded); m != nil {
		span, err := time.ParseDuration(m[1] + "h" + m[2] + "m" + m[3] + "s")
		if err == nil {
			return span
		}
	}
	for _, pattern := range []*regexp.Regexp{spanPattern, spanBefore, spanSlavic} {
		m := pattern.FindStringSubmatch(folded)
		if m == nil {
			continue
		}
		n, err := strconv.Atoi(m[1])
		if span := time.Duration(n) * unitOf(m[2]); err == nil && span > 0 && span <= maxWait {
			return span
		}
	}
	return 0
}

func unitOf(word string) time.Duration {
	for _, u := range units {
		if strings.HasPrefix(word, u.word) {
			return u.span
		}
	}
	return 0
}

// nextClock returns the next moment at which clocks in UTC show a time; up to an hour ago counts
// as now, for clocks differ.
func nextClock(now time.Time, hour, minute int) time.Time {
	t := time.Date(now.Year(), now.Month(), now.Day(), hour, minute, 0, 0, time.UTC)
	if t.Before(now.Add(-time.Hour)) {
		t = t.AddDate(0, 0, 1)
	}
	return t
}
