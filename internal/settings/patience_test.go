package settings_test

import (
	"context"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/lab"
	"github.com/postiljon/postiljon/internal/settings"
)

// With patience, a web server that never answers does not hold up what the SRV
// records told long ago: the steps alone would take an hour here.
func TestPatience(t *testing.T) {
	w := lab.New(t)
	w.Provider("north.example")
	w.Host("autoconfig.north.example", "192.0.2.77")
	w.Break(lab.Where{Host: "autoconfig.north.example"}, lab.Drop())
	w.Break(lab.Where{Host: "north.example"}, lab.Drop())
	table, err := settings.Load()
	if err != nil {
		t.Fatal(err)
	}
	home := w.Home()
	f := settings.Finder{
		Table: table, Resolver: settings.ResolverAt(home, home.Resolvers()[0]), Dialer: home, Roots: home.Roots(), Now: home.Now,
		Timeout: time.Hour, Patience: 10 * time.Millisecond,
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	found, err := f.Lookup(ctx, "anna@north.example")
	if err != nil {
		t.Fatal(err)
	}
	if imap, ok := found.Server(settings.IMAP); !ok || imap.Host != "imap.north.example" {
		t.Errorf("IMAP at %s by %s: %+v", imap, imap.Origin, found.Tried)
	}
}
