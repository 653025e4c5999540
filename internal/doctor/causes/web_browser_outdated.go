package causes

import (
	"regexp"
	"strconv"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// web.browser-outdated: the browser is older than what a webmail can count on. Its
// version alone says so, as its user agent or its own name tells it. What else fails in
// the page then follows from it; an old copy in the cache of a new browser is another thing.
var webBrowserOutdated = &infer.Cause{
	ID:       cause.WebBrowserOutdated,
	About:    []evidence.Symptom{evidence.Webmail},
	Requires: []*infer.Sign{browserOld},
	Explains: []infer.Link{{Sign: webPartBlocked, P: infer.Sometimes}},
	Proof:    []*infer.Sign{browserOld},
	Params: func(e *evidence.Evidence) []cause.Param {
		name, version, _ := browserOf(shown(e).Browser)
		return textParam("version", name+" "+strconv.Itoa(version))
	},
}

var browserOld = &infer.Sign{Name: "browser-outdated", Of: func(e *evidence.Evidence) infer.Truth {
	_, version, oldest := browserOf(shown(e).Browser)
	if oldest == 0 {
		return infer.Unknown
	}
	return infer.Is(version < oldest)
}}

// browser tells how a browser names itself, and the oldest version that will do.
type browser struct {
	name   string
	says   *regexp.Regexp
	oldest int
}

// browsers are in the order in which a user agent is read: most name those that they descend
// from behind themselves. The oldest are those with modules, grid layout and TLS 1.3 (2020);
// Internet Explorer never had them.
var browsers = []browser{
	{"Internet Explorer", regexp.MustCompile(`(?i)(?:MSIE|Internet Explorer|\bIE)[ /]([0-9]+)|Trident/.*rv:([0-9]+)`), 1000},
	{"Opera", regexp.MustCompile(`(?i)(?:OPR|Opera)[ /]([0-9]+)`), 67},
	{"Edge", regexp.MustCompile(`(?i)(?:EdgA|EdgiOS|Edge|Edg)[ /]([0-9]+)`), 80},
	{"Samsung Internet", regexp.MustCompile(`(?i)Samsung(?:Browser| Internet)[ /]([0-9]+)`), 13},
	{"Firefox", regexp.MustCompile(`(?i)(?:Firefox|FxiOS)[ /]([0-9]+)`), 78},
	{"Chrome", regexp.MustCompile(`(?i)(?:Chrome|Chromium|CriOS)[ /]([0-9]+)`), 80},
	{"Safari", regexp.MustCompile(`Version/([0-9]+).*Safari|(?i)^Safari[ /]([0-9]+)`), 13},
}

// browserOf reads a browser's name or user agent; oldest is 0 where it is not known.
func browserOf(agent string) (name string, version, oldest int) {
	for _, b := range browsers {
		m := b.says.FindStringSubmatch(agent)
		if m == nil {
			continue
		}
		for _, group := range m[1:] {
			if n, err := strconv.Atoi(group); err == nil {
				return b.name, n, b.oldest
			}
		}
	}
	return "", 0, 0
}
