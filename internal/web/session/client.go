package session

import "strings"

// mark is what a User-Agent holds of a browser or a system, and its name. The first that is found counts: most of
// them call themselves by the names of others, too.
type mark struct{ in, name string }

var browsers = []mark{
	{"Edg/", "Edge"}, {"EdgA/", "Edge"}, {"EdgiOS/", "Edge"}, {"OPR/", "Opera"}, {"Vivaldi/", "Vivaldi"}, {"SamsungBrowser/", "Samsung Internet"},
	{"DuckDuckGo/", "DuckDuckGo"}, {"YaBrowser/", "Yandex Browser"}, {"FxiOS/", "Firefox"}, {"Firefox/", "Firefox"}, {"CriOS/", "Chrome"},
	{"HeadlessChrome/", "Chromium"}, {"Chromium/", "Chromium"}, {"Chrome/", "Chrome"}, {"Version/", "Safari"},
}

var systems = []mark{
	{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"}, {"Windows", "Windows"}, {"Macintosh", "Mac"}, {"Linux", "Linux"}, {"BSD", "BSD"},
}

// ClientOf names the browser and the system of a User-Agent, as people do: "Firefox", "Windows". What is not known is "".
func ClientOf(userAgent string) (browser, system string) {
	if len(userAgent) > 1000 {
		userAgent = userAgent[:1000]
	}
	return find(browsers, userAgent), find(systems, userAgent)
}

func find(marks []mark, in string) string {
	for _, m := range marks {
		if strings.Contains(in, m.in) {
			return m.name
		}
	}
	return ""
}
