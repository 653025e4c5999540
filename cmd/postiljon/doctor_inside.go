package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/postiljon/postiljon/internal/control"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/probe"
	"github.com/postiljon/postiljon/internal/journal"
)

// serverInside is the control socket of a service, which tells the doctor what
// it knows of its accounts.
type serverInside string

var _ probe.Inside = serverInside("")

// Account implements probe.Inside.
func (socket serverInside) Account(ctx context.Context, address string) (*evidence.Inside, error) {
	client := control.NewClient(string(socket))
	defer client.Close()
	e, err := client.Evidence(ctx, address)
	if err != nil {
		return nil, err
	}
	return insideOf(&e), nil
}

// insideOf says in the words of the doctor what the service said in its own.
func insideOf(e *control.Evidence) *evidence.Inside {
	in := &evidence.Inside{
		Address: e.Address, Exists: e.Exists, State: e.State, Reason: string(e.Reason), Off: e.Off, MailOff: e.MailOff, Until: e.Until,
	}
	if u := e.Usage; u != nil {
		in.Usage = &evidence.Usage{Mail: u.Mail, Limit: u.Limit}
	}
	for _, l := range e.Limits {
		in.Limits = append(in.Limits, evidence.Limit{Cause: string(l.Cause), Used: l.Used, Max: l.Max, Until: l.Until})
	}
	for _, s := range e.Sessions {
		in.Sessions = append(in.Sessions, evidence.InsideSession{Protocol: s.Protocol, Client: s.Client, Program: s.Program, Since: s.Since, LastIO: s.LastIO, Idle: s.Idle, Open: s.Open})
	}
	for _, q := range e.Queue {
		in.Queue = append(in.Queue, evidence.Queued{
			Trace: q.Trace, MessageID: q.MessageID, To: q.To, Subject: q.Subject, State: q.State,
			Cause: string(q.Cause), Reply: q.Reply, Tries: q.Tries, Next: q.Next, Since: q.Since,
		})
	}
	for _, event := range e.Events {
		in.Events = append(in.Events, eventOf(event))
	}
	for _, r := range e.Rules {
		in.Rules = append(in.Rules, evidence.ClientRule{Name: r.Rule, If: r.Condition, Action: r.Action, Folder: r.Folder, To: r.To})
	}
	for _, b := range e.Bans {
		in.Bans = append(in.Bans, evidence.Ban{Client: b.Client, Until: b.Until})
	}
	return in
}

// eventOf translates the kinds that the doctor looks for. Whom it calls the
// client is, in the journal, the remote address.
func eventOf(e control.EvidenceEvent) evidence.Event {
	told := evidence.Event{At: e.At, Kind: e.Kind, Cause: string(e.Cause), Trace: e.Trace, MessageID: e.MessageID, Text: e.Text}
	switch {
	case e.Kind == journal.SignInOK || e.Kind == journal.SignInRefused:
		told.Kind, told.Text["program"] = "sign-in", e.Text["client"]
		told.Text["client"] = e.Text["remote"]
	case e.Kind == journal.MessageExpunged:
		told.Kind = "removed"
		if strings.EqualFold(e.Text["client"], "POP3") {
			told.Text["protocol"], told.Text["client"] = "pop3", e.Text["remote"]
		}
	}
	return told
}

// webInside is the web server of a service, which tells the holder of an account what it knows.
type webInside struct {
	base     string // "https://mail.example.org"
	password string
	roots    *x509.CertPool
}

var _ probe.Inside = webInside{}

// maxInside bounds what a service tells.
const maxInside = 4 << 20

// Account implements probe.Inside. It signs in: a refusal is probe.ErrSignInRefused.
func (s webInside) Account(ctx context.Context, address string) (*evidence.Inside, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(s.base, "/")+evidencePath, nil)
	if err != nil {
		return nil, err
	}
	r.SetBasicAuth(address, s.password)
	client := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.roots}, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the password goes nowhere else
	}
	resp, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized:
		return nil, probe.ErrSignInRefused
	default:
		return nil, fmt.Errorf("%s does not tell: %s", s.base, resp.Status)
	}
	var e control.Evidence
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxInside)).Decode(&e); err != nil {
		return nil, fmt.Errorf("%s: %w", s.base, err)
	}
	return insideOf(&e), nil
}
