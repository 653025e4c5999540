package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/control"
	"github.com/postiljon/postiljon/internal/outbound"
	"github.com/postiljon/postiljon/internal/resolver"
)

type configCommand struct {
	Check configCheck `cmd:"" help:"Say what is wrong with the configuration and what it leads to, before a start or a reload. Nothing is changed."`
}

type configCheck struct {
	File string `arg:"" optional:"" type:"path" help:"Configuration file to check (default: that of --config)."`
	outputFlags
}

// fault is something that the configuration leads to and that does not work.
type fault struct {
	What   string `json:"what"` // what was looked at
	OK     bool   `json:"ok"`
	Text   string `json:"text"`
	Do     string `json:"do,omitempty"`
	Needed bool   `json:"needed"` // the service does not start or does not work without it
}

// configTime bounds what is asked of others.
const configTime = 20 * time.Second

// Run checks a configuration. Its exit code is 1 if the service would not start or not work with it.
func (c *configCheck) Run(ctx context.Context, s *streams, all *commands) error {
	file := c.File
	if file == "" {
		file = all.configFile()
	}
	conf, err := config.Load(file)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, configTime)
	defer cancel()
	faults := []fault{{What: "file", OK: true, Text: file + " can be read, and all its keys are known.", Needed: true}}
	for _, look := range []func(context.Context, *config.Config) []fault{checkData, checkCertificate, checkRelays, checkPorts, checkResolver, checkClock} {
		faults = append(faults, look(ctx, &conf)...)
	}
	if c.JSON {
		err = printJSON(s, faults)
	} else {
		err = writeFaults(s, faults)
	}
	if err == nil && slices.ContainsFunc(faults, func(f fault) bool { return f.Needed && !f.OK }) {
		return exitWith{exitFailure, nil}
	}
	return err
}

func writeFaults(s *streams, faults []fault) error {
	for _, f := range faults {
		state := s.style("32", "ok   ")
		switch {
		case !f.OK && f.Needed:
			state = s.style("31", "wrong")
		case !f.OK:
			state = s.style("33", "look ")
		}
		const margin = "                      "
		text := folded(f.Text, margin)
		if err := s.say("  %s  %-13s%s", state, f.What, strings.TrimPrefix(text, margin)); err != nil {
			return err
		}
		if f.Do == "" {
			continue
		}
		if err := s.say("%s", folded(f.Do, margin)); err != nil {
			return err
		}
	}
	return nil
}

// failed is a fault of an error, with what to do about it.
func failed(what string, err error) []fault {
	f := fault{What: what, Text: err.Error(), Needed: true}
	if a, ok := errors.AsType[advised](err); ok {
		f.Do = a.NextStep()
	}
	return []fault{f}
}

// lowSpace is what a mail service soon has filled, in octets.
const lowSpace = 1 << 30

// checkData looks whether the data folder holds a mail service that this program can read.
func checkData(_ context.Context, c *config.Config) []fault {
	err := mustHaveData(c.Data)
	if err == nil {
		_, err = readVersion(c.Data)
	}
	if err != nil {
		return failed("data", err)
	}
	all := []fault{{What: "data", OK: true, Text: "The folder " + c.Data + " holds a mail service.", Needed: true}}
	if free := freeSpace(c.Data); free < lowSpace {
		all = append(all, fault{What: "room", Text: fmt.Sprintf("The disk of %s has %s left.", c.Data, octets(int64(free))),
			Do: "When it is full, mail waits with its senders and nothing is lost. Make room, or move the folder to a larger disk."})
	}
	return all
}

// checkCertificate looks whether the certificate can be shown.
func checkCertificate(_ context.Context, c *config.Config) []fault {
	f := fault{What: "certificate", OK: true, Needed: true}
	switch {
	case c.TLS.Certificate != "":
		pair, err := tls.LoadX509KeyPair(c.TLS.Certificate, c.TLS.Key)
		if err != nil {
			return failed("certificate", certificateAdvice(fmt.Errorf("%s, %s: %w", c.TLS.Certificate, c.TLS.Key, err)))
		}
		leaf := pair.Leaf
		f.Text = fmt.Sprintf("for %s, until %s.", strings.Join(leaf.DNSNames, ", "), moment(leaf.NotAfter))
		switch now := time.Now(); {
		case now.After(leaf.NotAfter) || now.Before(leaf.NotBefore):
			f.OK, f.Do = false, "It does not hold now: have it renewed, and look whether the clock of this machine is right."
		case leaf.VerifyHostname(c.Hostname) != nil:
			f.OK, f.Needed, f.Do = false, false, fmt.Sprintf("It is not for %s: programs that are told that name warn of it.", c.Hostname)
		}
	case c.ACME.Directory != "":
		f.Text = "from the public authority " + c.ACME.Directory
		if _, err := acmeRoots(c); err != nil {
			return failed("certificate", err)
		}
	default:
		f.OK, f.Needed = false, false
		f.Text = "None is set, so a private authority of this installation signs one, which no program trusts by itself."
		f.Do = "Set directory in [acme], or certificate and key in [tls]."
	}
	return []fault{f}
}

// certificateAdvice explains why the files of a certificate cannot be used.
func certificateAdvice(err error) error {
	text := "tls.certificate must name a file in PEM form with the certificate and those above it, and tls.key one with the key that belongs to it."
	if errors.Is(err, fs.ErrPermission) {
		text = "The user of the service must be able to read both: setfacl -m u:postiljon:r FILE, and x for the folders above."
	}
	return &advice{fmt.Errorf("the files of tls.certificate and tls.key cannot be used: %w", err), text}
}

// checkRelays looks whether the passwords of relays can be read.
func checkRelays(_ context.Context, c *config.Config) []fault {
	list, err := relays(c, slog.New(slog.DiscardHandler))
	if err != nil {
		return failed("relays", err)
	}
	if len(list) == 0 {
		return nil
	}
	var names []string
	for _, r := range list {
		names = append(names, r.Name+" ("+r.Host+")")
	}
	return []fault{{What: "relays", OK: true, Text: strings.Join(names, ", "), Needed: true}}
}

// checkPorts opens the ports and closes them, unless the service has them.
func checkPorts(ctx context.Context, c *config.Config) []fault {
	client := control.NewClient(c.Socket())
	defer client.Close()
	if status, err := client.Status(ctx); err == nil {
		return []fault{{What: "ports", OK: true, Text: fmt.Sprintf("A service runs on this folder, process %d; ports were not tried.", status.PID), Needed: true}}
	}
	open, err := listen(&c.Listen, nil)
	if err != nil {
		return failed("ports", err)
	}
	open.close()
	return []fault{{What: "ports", OK: true, Text: "All can be opened by this user.", Needed: true}}
}

// checkResolver asks the name server for the name of this server.
func checkResolver(ctx context.Context, c *config.Config) []fault {
	dns, err := newResolver(c.Queue.Resolver, c.Queue.ResolverTrusted)
	if err != nil {
		return failed("DNS", err)
	}
	addresses, _, err := dns.Addrs(ctx, c.Hostname)
	switch {
	case err == nil:
		var texts []string
		for _, a := range addresses {
			texts = append(texts, a.String())
		}
		return []fault{{What: "DNS", OK: true, Text: c.Hostname + " is at " + strings.Join(texts, " and ") + ".", Needed: true}}
	case errors.Is(err, resolver.ErrNotExist), errors.Is(err, resolver.ErrNoData):
		return []fault{{What: "DNS", Text: c.Hostname + " has no address in the DNS.",
			Do: "Publish an A or AAAA record with the address of this machine; 'postiljon dns DOMAIN --check' looks at the rest."}}
	}
	return []fault{{What: "DNS", Text: "No name server answers: " + err.Error(), Needed: true,
		Do: "Without one, mail to others waits. Correct the key resolver in [queue], or without it /etc/resolv.conf."}}
}

// wrongClock is how far a clock may be off before certificates, one-time codes and times in mail suffer.
const wrongClock = 2 * time.Minute

// checkClock compares the clock with that of the authority for certificates, if there is one.
func checkClock(ctx context.Context, c *config.Config) []fault {
	if c.ACME.Directory == "" {
		return nil
	}
	roots, err := acmeRoots(c)
	if err != nil {
		return nil // which was told
	}
	dns, err := newResolver(c.Queue.Resolver, c.Queue.ResolverTrusted)
	if err != nil {
		return nil // likewise
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.ACME.Directory, nil)
	if err != nil {
		return failed("authority", err)
	}
	client := outbound.NewWebClient(outbound.WebOptions{Resolver: dns, AllowPrivate: true, TLSConfig: &tls.Config{RootCAs: roots}})
	response, err := client.Do(request)
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return []fault{{What: "clock", Text: "The certificate of the authority does not hold at the time of this machine: " + time.Now().Format(time.RFC1123) + ".", Needed: true,
			Do: "If that is not the time, set the clock and have it kept right: timedatectl set-ntp true"}}
	case err != nil:
		return []fault{{What: "authority", Text: "It cannot be reached: " + lastWords(err) + ".",
			Do: "Until it can, no certificate comes or is renewed. Look at directory and roots in [acme], and at the firewall."}}
	}
	response.Body.Close()
	theirs, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		return nil // it tells no time
	}
	if off := time.Since(theirs); off.Abs() > wrongClock {
		return []fault{{What: "clock", Text: fmt.Sprintf("The clock of this machine is %s off that of %s.", off.Abs().Round(time.Second), request.URL.Host), Needed: true,
			Do: "Set it and have it kept right: timedatectl set-ntp true"}}
	}
	return []fault{{What: "clock", OK: true, Text: "It agrees with that of " + request.URL.Host + ".", Needed: true}}
}
