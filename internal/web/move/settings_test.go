package move

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/settings"
)

// nowhere reaches nobody: what providers want is known by itself.
type nowhere struct{}

func (nowhere) DialContext(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("no network")
}

// What people trip over is told before they begin: that a provider wants a password made for this, or takes none at all.
func TestToldOfProviders(t *testing.T) {
	table, err := settings.Load()
	if err != nil {
		t.Fatal(err)
	}
	finder := &settings.Finder{Table: table, Dialer: nowhere{}, Patience: time.Millisecond}
	for address, want := range map[string]Settings{
		"anna@gmail.com":   {AppPassword: settings.Always},
		"anna@outlook.com": {NoPassword: true},
		"anna@icloud.com":  {AppPassword: settings.Always},
	} {
		found, err := finder.Lookup(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		got := told(found)
		if !got.Found || got.Host == "" || got.AppPassword != want.AppPassword || got.NoPassword != want.NoPassword || (want.AppPassword != "") != (got.AppPasswordURL != "") {
			t.Errorf("%s: %+v", address, got)
		}
	}
}
