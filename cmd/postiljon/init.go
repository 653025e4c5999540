package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/control"
	"github.com/postiljon/postiljon/internal/dkim"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/store"
)

type initCommand struct {
	Domain   string `arg:"" help:"First domain whose mail is kept here."`
	Hostname string `placeholder:"NAME" help:"Name of this server (default: mail.DOMAIN)."`
	Data     string `type:"path" placeholder:"DIR" help:"Folder of all mail (default: /var/lib/postiljon)."`
	Account  string `placeholder:"ADDRESS" help:"First account (default: postmaster@DOMAIN)."`
	passwordFlags
}

// Run makes an installation. It overwrites nothing.
func (i *initCommand) Run(ctx context.Context, s *streams, c *commands) error {
	domain, err := domainName(i.Domain)
	if err != nil {
		return err
	}
	conf, err := i.config(domain)
	if err != nil {
		return err
	}
	file := c.configFile()
	if err := vacant(file, conf.Data); err != nil {
		return err
	}
	account := i.Account
	if account == "" {
		account = "postmaster@" + domain
	}
	password, err := i.password(s)
	if err != nil {
		return err
	}
	made, keys, err := i.make(ctx, conf, domain, account, password)
	if err != nil {
		return err
	}
	if err := writeConfig(file, conf.Hostname, conf.Data); err != nil {
		return err
	}
	return i.report(s, file, &conf, domain, account, made, keys)
}

func (i *initCommand) config(domain string) (config.Config, error) {
	conf, err := config.Default()
	if err != nil {
		return conf, err
	}
	conf.Hostname = "mail." + domain
	if i.Hostname != "" {
		conf.Hostname = i.Hostname
	}
	if i.Data != "" {
		conf.Data = i.Data
	}
	if err := conf.Validate(); err != nil {
		return conf, usageError{err}
	}
	return conf, nil
}

// vacant refuses to make an installation where one is.
func vacant(file, data string) error {
	if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return err
		}
		return &advice{fmt.Errorf("%s is there already; nothing was changed", file),
			"'postiljon domain add' adds a domain to the installation that is there. For another one give --config and --data."}
	}
	entries, err := os.ReadDir(data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case len(entries) > 0:
		return &advice{fmt.Errorf("the folder %s is not empty; nothing was changed", data), "Choose another with --data."}
	}
	return nil
}

// make makes the data folder with keys, domain and account. It returns the
// password if it was made, and the keys that messages will be signed with.
func (i *initCommand) make(ctx context.Context, conf config.Config, domain, account, password string) (made string, keys []dkim.Key, err error) {
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	s, err := openService(ctx, conf, "", quiet, new(slog.LevelVar))
	if err != nil {
		return "", nil, err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	if password == "" {
		made = policy.GeneratePassword()
		password = made
	}
	credential, err := policy.NewPassword(ctx, s.hasher, password, s.store.Now())
	if err != nil {
		return "", nil, err
	}
	if err := s.store.CreateDomain(ctx, store.Domain{Name: domain}); err != nil {
		return "", nil, err
	}
	if keys, err = s.dkim.Keys(ctx, domain); err != nil {
		return "", nil, err
	}
	_, err = s.store.CreateAccount(ctx, store.Account{Address: account}, credential)
	return made, keys, err
}

func writeConfig(file, hostname, data string) (err error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return config.Write(f, hostname, data)
}

func (i *initCommand) report(s *streams, file string, conf *config.Config, domain, account, made string, keys []dkim.Key) error {
	password := "the password that you gave"
	if made != "" {
		password = "the password " + s.bold(made) + " (shown only now)"
	}
	if err := s.say("%s\n  Configuration  %s\n  Data           %s\n  Account        %s with %s\n",
		s.bold("Postiljon is set up."), file, conf.Data, account, password); err != nil {
		return err
	}
	all := records(domain, conf)
	for _, k := range keys {
		all = append(all, keyRecords([]control.DKIMKey{{Key: k}})...)
	}
	if err := writeRecords(s, domain, conf, all, nil); err != nil {
		return err
	}
	certificate := fmt.Sprintf("Get a certificate for %s: by itself, with directory in [acme] of %s, or with files of yours in [tls]. "+
		"Until then a private authority signs one, which programs must be told to trust: %s", conf.Hostname, file, filepath.Join(conf.Data, "tls", "ca.pem"))
	return s.say("\n%s\n  1. Publish the records above.\n%s\n%s\n  4. See how it is: postiljon status", s.bold("What to do next"),
		folded(certificate, "  2. "), folded(startSteps(conf), "  3. "))
}

// startSteps says how the service is started. Its unit lets it write to the usual data folder alone, which systemd
// gives to its user.
func startSteps(conf *config.Config) string {
	text := "Start the service: postiljon serve, or with systemd: systemctl enable --now postiljon"
	if usual, err := config.Default(); err == nil && usual.Data == conf.Data {
		return text
	}
	return text + fmt.Sprintf(". Its unit may write to /var/lib/postiljon only; for %s: chown -R postiljon: %s, and "+
		"'systemctl edit postiljon' to add ReadWritePaths=%s in [Service]", conf.Data, conf.Data, conf.Data)
}
