package main

import (
	"context"
	"net"

	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/settings"
	"github.com/postiljon/postiljon/internal/web/move"
)

// openMove makes what carries mail in and out over the web.
func (s *service) openMove() error {
	o := move.Options{Store: s.store, Catalogue: s.catalogue, SignIn: s.signInHTTP, Private: s.config.Web.ImportPrivate, Log: s.log}
	var err error
	if o.Table, err = settings.Load(); err != nil {
		return err
	}
	if o.Book, err = dialect.Load(s.store.Now); err != nil {
		return err
	}
	if server := s.config.Queue.Resolver; server != "" {
		o.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, server)
		}}
	}
	if file := s.certs.CAFile(); file != "" && o.Private {
		if o.Roots, err = rootsAnd(file); err != nil {
			return err
		}
	}
	s.move, err = move.New(o)
	return err
}
