package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/template"
)

// demoReady is what --json prints.
type demoReady struct {
	SMTP        string        `json:"smtp"`
	Submission  string        `json:"submission"`
	Submissions string        `json:"submissions"`
	IMAP        string        `json:"imap"`
	IMAPS       string        `json:"imaps"`
	POP3S       string        `json:"pop3s"`
	Sieve       string        `json:"sieve"`
	HTTPS       string        `json:"https"`
	Control     string        `json:"control"`
	CA          string        `json:"ca"`
	Data        string        `json:"data"`
	PID         int           `json:"pid"`
	Accounts    []demoAccount `json:"accounts"`
}

// present tells that the demo is ready and how to use it.
func (d *demoCommand) present(out *streams, s *service, open listeners, state demoState, moved bool) error {
	ready := demoReady{
		SMTP: open.first("smtp"), Submission: open.first("submission"), Submissions: open.first("submissions"),
		IMAP: open.first("imap"), IMAPS: open.first("imaps"), POP3S: open.first("pop3s"), Sieve: open.first("sieve"), HTTPS: open.first("https"),
		Control: s.config.Socket(), CA: s.certs.CAFile(), Data: s.config.Data, PID: os.Getpid(), Accounts: state.Accounts,
	}
	if d.JSON {
		return json.NewEncoder(out.out).Encode(ready)
	}
	screen := demoScreen{demoReady: ready, Program: os.Args[0], Domain: d.Domain, Base: state.Base, Web: s.config.BaseURL() + "/", Moved: moved, Bench: d.Accounts > 0}
	screen.First, screen.Second = state.Accounts[0], state.Accounts[min(1, len(state.Accounts)-1)]
	for _, a := range []*demoAccount{&screen.First, &screen.Second} {
		if a.Password == "" {
			a.Password = "PASSWORD"
		}
	}
	if screen.Bench {
		screen.Accounts = state.Accounts[:1]
	}
	return screen.write(out.out, out.terminal)
}

// demoScreen is what the template below shows.
type demoScreen struct {
	demoReady
	Program       string // as it was called, so that it can be called again
	Domain        string
	Base          int
	Web           string // where the webmail is
	Moved, Bench  bool
	First, Second demoAccount
}

func (s demoScreen) write(w io.Writer, colours bool) error {
	style := func(code string) func(string) string {
		return func(text string) string {
			if !colours {
				return text
			}
			return "\x1b[" + code + "m" + text + "\x1b[0m"
		}
	}
	t, err := template.New("demo").Funcs(template.FuncMap{
		"title": style("1"), "dim": style("2"), "quote": quote, "pad": func(n int, text string) string { return fmt.Sprintf("%-*s", n, text) },
	}).Parse(demoText)
	if err != nil {
		return fmt.Errorf("demo screen: %w", err)
	}
	return t.Execute(w, s)
}

// quote makes one word of the shell.
func quote(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@%+=,", r)
	}
	if text != "" && strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// demoText is the screen. Its commands are meant to be pasted, and a test
// pastes them.
const demoText = `
{{title "Postiljon is ready."}} A mail service for {{.Domain}}, reachable from this machine only.
{{- if .Moved}}
The usual ports were taken, so these begin at {{.Base}}.{{end}}
{{- if .Bench}}
For measurements: this machine is exempt from sending limits, connection limits and bans.{{end}}

{{title "Open"}}
  {{.Web}}
  and sign in as one of these. The browser warns once, since nobody vouches for
  this demo's certificate.

{{title "Accounts"}}
{{- range .Accounts}}
  {{pad 24 .Address}} {{or .Password "(the one that you have set)"}}{{end}}
{{- if .Bench}}
  ... and so on with the same password; all are in {{.Data}}/demo.json{{end}}

{{title "Services"}}
  SMTP         {{pad 18 .SMTP}} {{dim "mail from other servers"}}
  Submission   {{pad 18 .Submission}} {{dim "STARTTLS"}}    {{pad 18 .Submissions}} {{dim "TLS"}}
  IMAP         {{pad 18 .IMAP}} {{dim "STARTTLS"}}    {{pad 18 .IMAPS}} {{dim "TLS"}}
  POP3         {{pad 18 .POP3S}} {{dim "TLS"}}
  ManageSieve  {{pad 18 .Sieve}} {{dim "STARTTLS; programs edit rules"}}
  Web          https://{{.HTTPS}}/ {{dim "also /connect, /why, /doctor"}}
  Certificate  {{.CA}} {{dim "is the authority to trust"}}
  Data         {{.Data}} {{dim "keeps everything; delete it to begin anew"}}

{{title "Send a message"}} {{dim "(with curl, or with swaks)"}}
  printf 'From: {{.First.Address}}\r\nTo: {{.Second.Address}}\r\nSubject: Hello\r\n\r\nIt works.\r\n' |
    curl -sS --cacert {{quote .CA}} --url smtps://{{.Submissions}} --user {{quote (print .First.Address ":" .First.Password)}} \
    --mail-from {{.First.Address}} --mail-rcpt {{.Second.Address}} -T -
  swaks --server {{.SMTP}} --from friend@example.org --to {{.First.Address}} --h-Subject Hello

{{title "Read it"}}
  curl -sS --cacert {{quote .CA}} --user {{quote (print .Second.Address ":" .Second.Password)}} 'imaps://{{.IMAPS}}/INBOX;UID=*'
  openssl s_client -quiet -CAfile {{quote .CA}} -connect {{.IMAPS}}

{{title "Ask what happened"}}
  {{quote .Program}} --socket {{quote .Control}} trace {{.Second.Address}}

Stop with Ctrl-C. The next start finds the mail again.
`
