package causes

import "testing"

func TestBrowserOf(t *testing.T) {
	for _, c := range []struct {
		agent, name string
		version     int
		old         bool
	}{
		{"Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko", "Internet Explorer", 11, true},
		{"Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 5.1)", "Internet Explorer", 8, true},
		{"Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/64.0.3282.140 Safari/537.36 Edge/17.17134", "Edge", 17, true},
		{"Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0", "Edge", 141, false},
		{"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/49.0.2623.112 Safari/537.36", "Chrome", 49, true},
		{"Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0", "Firefox", 144, false},
		{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11) AppleWebKit/601.1 (KHTML, like Gecko) Version/9.0 Safari/601.1", "Safari", 9, true},
		{"Safari 18.5", "Safari", 18, false},
		{"Firefox 52", "Firefox", 52, true},
		{"Internet Explorer 11", "Internet Explorer", 11, true},
	} {
		name, version, oldest := browserOf(c.agent)
		if name != c.name || version != c.version || (version < oldest) != c.old {
			t.Errorf("%s: %s %d, oldest %d", c.agent, name, version, oldest)
		}
	}
	for _, agent := range []string{"", "Lynx/2.8.9", "Chrome"} {
		if _, _, oldest := browserOf(agent); oldest != 0 {
			t.Errorf("%q is taken for a browser that is known", agent)
		}
	}
}
