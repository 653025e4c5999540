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

// units are words for spans of time in several languages, folded, by their beginnings.
var units = []struct {
	word string
	span time.Duration
}{
	{"second", time.Second}, {"sek", time.Second}, {"secs", time.Second}, {"sec", time.Second}, {"s ", time.Second},
	{"segundo", time.Second}, {"секунд", time.Second},
	{"minut", time.Minute}, {"mins", time.Minute}, {"min", time.Minute}, {"минут", time.Minute}, {"минуты", time.Minute},
	{"hour", time.Hour}, {"timm", time.Hour}, {"timer", time.Hour}, {"time", time.Hour}, {"stund", time.Hour}, {"heure", time.Hour},
	{"hora", time.Hour}, {"uur", time.Hour}, {"uren", time.Hour}, {"час", time.Hour}, {"hr", time.Hour},
	{"day", 24 * time.Hour}, {"dag", 24 * time.Hour}, {"dygn", 24 * time.Hour}, {"døgn", 24 * time.Hour}, {"døgn", 24 * time.Hour},
	{"tag", 24 * time.Hour}, {"jour", 24 * time.Hour}, {"dia", 24 * time.Hour}, {"дня", 24 * time.Hour}, {"дней", 24 * time.Hour},
}

// span finds "again in 5 minutes" and its like: words that ask to wait, then a number and a unit.
var (
	spanPattern = regexp.MustCompile(`(?:again|retry|wait|later|after|within|om|nochmal|erneut|versuch|vent|prov|attend|essay|dans|espere|intent|reintent|wacht|over|через|повтор)[^0-9.;]{0,40}?([0-9]{1,6}) ?([\pL]+ ?)`)
	clockTime   = regexp.MustCompile(`(?i)\b(?:again|until|after|kl\.?|at) ([0-2][0-9]):([0-5][0-9]) ?(?:UTC|GMT)\b`)
	dateTime    = regexp.MustCompile(`\b(20[0-9]{2}-[01][0-9]-[0-3][0-9])[T ]([0-2][0-9]:[0-5][0-9])(?::[0-5][0-9])? ?(?:UTC|GMT|Z|\+00:?00)`)
)

// maxWait is the longest time that is believed.
const maxWait = 60 * 24 * time.Hour

// waits reads how long a server asks to wait and until when.
func (b *Book) waits(folded, text string) (after time.Duration, until time.Time) {
	if m := spanPattern.FindStringSubmatch(folded); m != nil {
		n, err := strconv.Atoi(m[1])
		unit := unitOf(m[2])
		if span := time.Duration(n) * unit; err == nil && unit > 0 && span <= maxWait {
			after = span
		}
	}
	if m := dateTime.FindStringSubmatch(text); m != nil {
		if t, err := time.Parse("2006-01-02 15:04", m[1]+" "+m[2]); err == nil {
			return after, t
		}
	}
	if m := clockTime.FindStringSubmatch(text); m != nil {
		h, _ := strconv.Atoi(m[1])
		minute, _ := strconv.Atoi(m[2])
		until = nextClock(b.now().UTC(), h, minute)
	}
	return after, until
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
