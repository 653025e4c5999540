package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/control"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/protocol/imapd"
	"github.com/postiljon/postiljon/internal/protocol/popd"
	"github.com/postiljon/postiljon/internal/protocol/sieved"
	"github.com/postiljon/postiljon/internal/protocol/smtpd"
	"github.com/postiljon/postiljon/internal/store"
)

type serveCommand struct {
	New bool `help:"Make the data folder if there is none. Otherwise an empty one is an error, as when its disk is not mounted."`
}

// Run runs the service of a configuration until it is told to stop.
func (sc *serveCommand) Run(ctx context.Context, s *streams, c *commands) error {
	file := c.configFile()
	conf, err := config.Load(file)
	if err != nil {
		return err
	}
	if !sc.New {
		if err := mustHaveData(conf.Data); err != nil {
			return err
		}
	}
	inherited, err := inherit()
	if err != nil {
		return err
	}
	open, err := listen(&conf.Listen, inherited)
	if err != nil {
		return err
	}
	return serve(ctx, s, conf, open, serveOptions{file: file})
}

// configFile is the configuration that the command line names.
func (c *commands) configFile() string {
	if c.Config != "" {
		return c.Config
	}
	return defaultConfig
}

// serveOptions are what differs between serve and demo.
type serveOptions struct {
	file string // where a reload finds the configuration; "" for none
	// ready is called once everything runs; its error ends the service.
	ready func(context.Context, *service, listeners) error
}

// serve runs a service on open sockets until ctx ends or a service fails.
func serve(ctx context.Context, out *streams, conf config.Config, open listeners, o serveOptions) (err error) {
	level := new(slog.LevelVar)
	l, err := logLevel(conf.Log.Level)
	if err != nil {
		open.close()
		return err
	}
	level.Set(l)
	log := newLog(out.err, conf.Log.Format, level)
	slog.SetDefault(log)
	if err := raiseFileLimit(); err != nil {
		log.Warn("the limit of open files stays low", "error", err)
	}
	s, err := openService(ctx, conf, o.file, log, level)
	if err != nil {
		open.close()
		return err
	}
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var background sync.WaitGroup
	if err := s.start(running, stop, &background, open); err != nil {
		stop(err)
	}
	if o.ready != nil && running.Err() == nil {
		if err := o.ready(running, s, open); err != nil {
			stop(err)
		}
	}
	s.wait(running)
	return s.stop(running, &background)
}

// start begins to serve, and the work that goes on in the background. A
// listener that fails ends the service.
func (s *service) start(ctx context.Context, stop context.CancelCauseFunc, background *sync.WaitGroup, open listeners) error {
	s.open = open
	socket, err := control.Listen(s.config.Socket())
	if err != nil {
		open.close()
		return err
	}
	background.Go(func() {
		if err := s.control.Serve(socket); err != nil {
			stop(err)
		}
	})
	background.Go(func() { tuneRuntime(ctx) })
	background.Go(func() { s.certs.Run(ctx) })
	background.Go(func() { s.maintenance.run(ctx) })
	background.Go(func() { s.runSigning(ctx) })
	for _, service := range s.config.Listen.Services() {
		for _, l := range open[service.Name] {
			s.log.Info("listening", "service", service.Name, "address", l.Addr().String())
			background.Go(func() {
				if err := s.serveListener(ctx, service.Name, l); err != nil && ctx.Err() == nil {
					stop(fmt.Errorf("%s on %s: %w", service.Name, l.Addr(), err))
				}
			})
		}
	}
	return nil
}

// serveListener serves one socket until ctx ends.
func (s *service) serveListener(ctx context.Context, name string, l net.Listener) error {
	switch name {
	case "smtp":
		return s.smtp.Serve(ctx, l, smtpd.ListenerOptions{Name: name})
	case "submission":
		return s.smtp.Serve(ctx, l, smtpd.ListenerOptions{Name: name, Submission: true, RequireAuth: true})
	case "submissions":
		return s.smtp.Serve(ctx, l, smtpd.ListenerOptions{Name: name, Submission: true, RequireAuth: true, ImplicitTLS: true})
	case "imap":
		return s.imap.Serve(ctx, l, imapd.ListenerOptions{Name: name})
	case "imaps":
		return s.imap.Serve(ctx, l, imapd.ListenerOptions{Name: name, ImplicitTLS: true})
	case "http":
		return s.plainWeb.Serve(s.webLimit.Listen(l))
	case "https":
		return s.web.Serve(s.webLimit.Listen(l))
	case "pop3":
		return s.pop3.Serve(ctx, l, popd.ListenerOptions{Name: name})
	case "pop3s":
		return s.pop3.Serve(ctx, l, popd.ListenerOptions{Name: name, ImplicitTLS: true})
	case "sieve":
		return s.sieve.Serve(ctx, l, sieved.ListenerOptions{Name: name})
	}
	return errors.Join(fmt.Errorf("no service %q", name), l.Close())
}

// wait returns when the service shall end. Until then it reloads when it is
// told to.
func (s *service) wait(ctx context.Context) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	s.note(journal.ServiceStarted, store.Field{Name: "version", Value: version()})
	s.tell("READY=1")
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			if _, err := s.reload(); err != nil {
				s.log.Error("not reloaded; the old configuration goes on", "error", err)
			}
		}
	}
}

// note leaves an event of the service itself.
func (s *service) note(kind string, fields ...store.Field) {
	now := s.store.Now()
	s.journal.Record(context.Background(), store.Event{Time: now, Trace: store.NewTraceID(now), Kind: kind, Fields: fields})
}

// tell tells systemd.
func (s *service) tell(state string) {
	if err := notify(state); err != nil {
		s.log.Warn("systemd not told", "state", state, "error", err)
	}
}

// stop ends the service: what is under way is finished, within the time that
// the configuration allows. It returns why the service ended, nil if it was
// told to.
func (s *service) stop(running context.Context, background *sync.WaitGroup) error {
	s.tell("STOPPING=1")
	s.log.Info("stopping")
	s.note(journal.ServiceStopped)
	why := context.Cause(running)
	if errors.Is(why, context.Canceled) {
		why = nil
	}
	// A moment beyond the grace that sessions get, for the store to close.
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(s.config.Timeouts.Stop))
	defer cancel()
	err := s.close(ctx)
	background.Wait()
	if errors.Is(err, context.DeadlineExceeded) {
		s.log.Warn("stopped before all sessions had ended", "error", err)
		err = nil
	}
	s.log.Info("stopped")
	return errors.Join(why, err)
}
