package page

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/postiljon/postiljon/internal/web/page/pagetest"
)

// The zone is that of the account, else the browser's; what strangers write there is none.
func TestZone(t *testing.T) {
	for _, c := range []struct{ account, told, want string }{
		{"Europe/Oslo", "Asia/Tokyo", "Europe/Oslo"}, {"", "Asia/Tokyo", "Asia/Tokyo"}, {"", "America%2FNew_York", "America/New_York"},
		{"", "", ""}, {"", "Local", ""}, {"", "../../etc/passwd", ""}, {"", "Nowhere/Land", ""}, {"nonsense", "Asia/Tokyo", ""},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if c.told != "" {
			r.AddCookie(&http.Cookie{Name: zoneCookie, Value: c.told})
		}
		got := ""
		if zone := Zone(r, c.account); zone != nil {
			got = zone.String()
		}
		if got != c.want {
			t.Errorf("%q, %q: %q, not %q", c.account, c.told, got, c.want)
		}
	}
}

func TestTextsAreComplete(t *testing.T) { pagetest.Texts(t, files) }
