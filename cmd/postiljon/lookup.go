package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/phrases"
	"github.com/postiljon/postiljon/internal/settings"
)

type lookupCommand struct {
	What         string `arg:"" name:"address|domain" help:"A mail address at any provider, or a domain."`
	Compare      string `placeholder:"FILE" help:"Compare with the account in this file (postiljon.client-state/1)."`
	IMAP         string `name:"imap" placeholder:"HOST:PORT/tls" help:"Compare with this server for reading (tls, starttls or plain)."`
	POP3         string `name:"pop3" placeholder:"HOST:PORT/tls" help:"Compare with this server for fetching."`
	SMTP         string `name:"smtp" placeholder:"HOST:PORT/tls" help:"Compare with this server for sending."`
	Username     string `group:"compare" placeholder:"NAME" help:"Compare with this user name."`
	SMTPUsername string `name:"smtp-username" placeholder:"NAME" help:"Compare with this user name for sending, if it is another."`
	Auth         string `group:"compare" placeholder:"WAY" help:"Compare with this way to sign in: password, app-password, oauth2, cram-md5, none."`
	ISPDB        string `name:"ispdb" placeholder:"PATH" help:"Look first in this file or folder of files in the format of Thunderbird's database."`
	Offline      bool   `help:"Ask nobody: only the table of providers and the files."`
	Tried        bool   `help:"Show everywhere that was looked."`
	Lang         string `enum:"sv,nb,en" default:"en" help:"Language: ${enum} (default: ${default})."`
	outputFlags
}

// Run finds the settings of a mailbox at any provider and compares them with those
// somebody has. It exits with 1 if there are none or some are wrong.
func (l *lookupCommand) Run(ctx context.Context, s *streams) error {
	v, err := l.view(s)
	if err != nil {
		return err
	}
	given, err := l.given()
	if err != nil {
		return err
	}
	finder, err := l.finder(s)
	if err != nil {
		return err
	}
	v.result, err = finder.Lookup(ctx, l.What)
	if errors.Is(err, settings.ErrQuery) {
		return usageError{err}
	}
	if err != nil {
		return err
	}
	if given != nil {
		v.rows = settings.Compare(finder.Table, v.result, given)
	}
	if l.JSON {
		err = printJSON(s, struct {
			*settings.Result
			Compared []settings.Row `json:"compared,omitempty"`
		}{v.result, v.rows})
	} else {
		err = v.write(l.Tried)
	}
	if err != nil {
		return err
	}
	return v.verdict()
}

// finder is the lookup with what the command line gives it.
func (l *lookupCommand) finder(s *streams) (*settings.Finder, error) {
	table, err := settings.Load()
	if err != nil {
		return nil, err
	}
	f := &settings.Finder{Table: table, Offline: l.Offline}
	if l.ISPDB == "" {
		return f, nil
	}
	files, bad, err := settings.ReadFiles(l.ISPDB)
	for _, b := range bad {
		fmt.Fprintf(s.err, "postiljon: %v\n", b)
	}
	f.Files = files
	return f, err
}

// given reads the settings to compare with; nil if there are none.
func (l *lookupCommand) given() (*settings.Given, error) {
	g := &settings.Given{}
	if l.Compare != "" {
		file, err := os.Open(l.Compare)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		if g, err = settings.ReadGiven(file); err != nil {
			return nil, err
		}
	}
	var auth settings.Method
	if l.Auth != "" {
		var err error
		if auth, err = settings.ParseMethod(l.Auth); err != nil {
			return nil, usageError{err}
		}
	}
	for _, one := range []struct {
		protocol settings.Protocol
		text     string
		username string
		to       **settings.GivenServer
	}{
		{settings.IMAP, l.IMAP, l.Username, &g.IMAP}, {settings.POP3, l.POP3, l.Username, &g.POP3},
		{settings.SMTP, l.SMTP, firstText(l.SMTPUsername, l.Username), &g.SMTP},
	} {
		if one.text == "" {
			continue
		}
		server, err := settings.ParseServer(one.protocol, one.text)
		if err != nil {
			return nil, usageError{err}
		}
		*one.to = &settings.GivenServer{Host: server.Host, Port: server.Port, Security: server.Security, Username: one.username, Auth: auth}
	}
	if g.IMAP == nil && g.POP3 == nil && g.SMTP == nil && !g.NoSMTP {
		if l.Username != "" || l.SMTPUsername != "" || l.Auth != "" {
			return nil, usagef("--username and --auth need the server they are for: --imap, --pop3 or --smtp")
		}
		if l.Compare == "" {
			return nil, nil
		}
	}
	return g, nil
}

func firstText(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

func (l *lookupCommand) view(s *streams) (*lookupView, error) {
	speech, err := settings.SpeechIn(cause.Lang(l.Lang))
	if err != nil {
		return nil, err
	}
	catalogue, err := cause.Load()
	if err != nil {
		return nil, err
	}
	return &lookupView{streams: s, Set: speech, catalogue: catalogue, lang: cause.Lang(l.Lang)}, nil
}

// lookupView shows a result to people.
type lookupView struct {
	*streams
	*phrases.Set
	catalogue *cause.Catalogue
	lang      cause.Lang
	result    *settings.Result
	rows      []settings.Row
}

// verdict is the error to end with, if settings are missing or wrong.
func (v *lookupView) verdict() error {
	what := firstText(v.result.Address, v.result.Domain)
	if len(v.result.Chosen) == 0 && !v.tellsOfProvider() {
		err := errors.New(v.Say("say.found-nothing", "what", what))
		return &advice{err, firstText(v.nearest(), v.Say("say.tried-hint"))}
	}
	wrong := 0
	for _, r := range v.rows {
		if r.Verdict == settings.Wrong {
			wrong++
		}
	}
	switch wrong {
	case 0:
		return nil
	case 1:
		return errors.New(v.Say("say.wrong-one"))
	}
	return errors.New(v.Say("say.wrong-many", "count", strconv.Itoa(wrong)))
}

// tellsOfProvider reports whether the table knows more of the provider than its name: where its webmail is, if it has
// no servers for mail programs.
func (v *lookupView) tellsOfProvider() bool {
	p := v.result.Provider
	return p != nil && (len(p.Servers) > 0 || p.Webmail != "")
}

// nearest asks whether a known domain was meant, if one is that similar.
func (v *lookupView) nearest() string {
	if v.result.Nearest == "" {
		return ""
	}
	what := v.result.Nearest
	if i := strings.LastIndexByte(v.result.Address, '@'); i >= 0 {
		what = v.result.Address[:i+1] + what
	}
	return v.Say("say.nearest", "what", what)
}

func (v *lookupView) write(tried bool) error {
	if v.result.NullMX {
		if err := v.say("%s", v.Say("say.null-mx", "domain", v.result.Domain)); err != nil {
			return err
		}
	}
	if len(v.result.Chosen) > 0 || v.tellsOfProvider() {
		if err := v.writeSettings(); err != nil {
			return err
		}
		if hint := v.nearest(); hint != "" {
			if err := v.say("  %s", hint); err != nil {
				return err
			}
		}
	}
	if tried {
		if err := v.writeTried(); err != nil {
			return err
		}
	}
	return v.writeRows()
}

// writeSettings shows what was found, a line a setting.
func (v *lookupView) writeSettings() error {
	title := v.Say("say.found-for", "what", firstText(v.result.Address, v.result.Domain))
	name := ""
	if p := v.result.Provider; p != nil {
		name = p.Name
	} else if len(v.result.Candidates) > 0 {
		name = v.result.Candidates[0].Name
	}
	if err := v.say("%s  %s", v.bold(title), v.dim(printable(name))); err != nil {
		return err
	}
	var lines []string
	add := func(label, text string) { lines = append(lines, "  "+v.Say("say."+label), text) }
	reading := "read"
	for _, c := range v.result.Chosen {
		label := reading
		switch {
		case c.Protocol == settings.SMTP:
			label = "send"
		case c.Protocol == settings.POP3 && reading != "read":
			label = "read-pop"
		}
		reading = "read-pop"
		add(label, v.Say("say.place", "host", c.Host, "port", strconv.Itoa(c.Port), "security", v.Say("security."+string(c.Security)))+
			"  "+v.dim(strings.ToUpper(string(c.Protocol))))
	}
	v.addSignIn(add)
	if len(v.result.Candidates) > 0 && v.result.Candidates[0].EnableURL != "" {
		add("enable", v.Say("say.enable-first", "url", printable(v.result.Candidates[0].EnableURL)))
	}
	if p := v.result.Provider; p != nil {
		v.addProvider(p, add)
	}
	v.addSources(add)
	return pairs(v.out, lines...)
}

// addSignIn says how to sign in: once, or apart for sending where that differs.
func (v *lookupView) addSignIn(add func(label, text string)) {
	said := map[string]bool{}
	for _, c := range v.result.Chosen {
		text := v.usernames(c)
		if text == "" || said["name"+text] {
			continue
		}
		if len(said) > 0 {
			text += "  " + v.dim(strings.ToUpper(string(c.Protocol)))
		}
		said["name"+text] = true
		add("username", text)
	}
	for _, c := range v.result.Chosen {
		text := ""
		for _, m := range c.Methods {
			word := v.Say("method." + string(m))
			if text != "" {
				word = v.Say("say.or", "first", text, "second", word)
			}
			text = word
		}
		if text != "" && !said["method"+text] {
			said["method"+text] = true
			add("sign-in", text)
		}
	}
}

// usernames says which user name a server wants.
func (v *lookupView) usernames(c settings.Choice) string {
	var forms []string
	for _, u := range c.Usernames {
		switch u {
		case settings.WholeAddress:
			forms = append(forms, v.Say("form.address"))
		case settings.LocalPart:
			forms = append(forms, v.Say("form.local"))
		case "%ACCOUNTNAME%":
			forms = append(forms, v.Say("form.account"))
		}
	}
	text := c.Username
	if len(forms) > 0 {
		form := forms[0]
		if len(forms) > 1 {
			form = v.Say("form.both", "first", form, "second", forms[1])
		}
		if text == "" {
			return form
		}
		text = printable(text) + "  " + v.dim("("+form+")")
	}
	return text
}

// addProvider says what the table knows beside the servers.
func (v *lookupView) addProvider(p *settings.Provider, add func(label, text string)) {
	if len(p.Servers) == 0 && p.IMAP == settings.No {
		add("bridge", v.Say("say.no-programs", "name", p.Name, "webmail", p.Webmail))
	}
	switch p.AppPassword {
	case settings.Always:
		add("app-password", strings.TrimSpace(v.Say("say.app-always")+"  "+p.AppPasswordURL))
	case settings.TwoStep:
		add("app-password", strings.TrimSpace(v.Say("say.app-two-step")+"  "+p.AppPasswordURL))
	}
	switch {
	case p.IMAP == settings.Enable && p.EnableURL == "":
		add("enable", v.Say("say.enable-first-where"))
	case p.IMAP == settings.PaidFor:
		add("paid", v.Say("say.paid-plan"))
	}
	if p.Bridge {
		add("bridge", v.Say("say.bridge-text"))
	}
	add("limits", v.limits(p.Limits))
	add("webmail", p.Webmail)
	add("status", p.Status.URL)
}

func (v *lookupView) limits(l settings.Limits) string {
	var all []string
	for _, one := range []struct {
		key   string
		count int
	}{
		{"limit-size", l.MessageMB}, {"limit-attachments", l.AttachmentsMB}, {"limit-hour", l.MessagesHour}, {"limit-day", l.MessagesDay},
		{"limit-recipients-day", l.RecipientsDay}, {"limit-recipients", l.Recipients}, {"limit-domain-hour", l.DomainHour},
	} {
		if one.count > 0 {
			all = append(all, v.Say("say."+one.key, "count", v.catalogue.Number(v.lang, int64(one.count))))
		}
	}
	return strings.Join(all, ", ")
}

// addSources says whose word the servers are.
func (v *lookupView) addSources(add func(label, text string)) {
	said := map[string]bool{}
	for _, c := range v.result.Chosen {
		origin := v.Say("origin." + string(c.Origin))
		text := origin + "  " + v.dim(printable(c.Where))
		if p := v.result.Provider; p != nil && (c.Origin == settings.FromTable || c.Origin == settings.FromMXTable) {
			text = v.Say("say.from-source", "origin", origin, "url", p.Source.URL, "date", p.Source.Date)
		}
		if !said[text] {
			said[text] = true
			add("from", text)
		}
	}
}

// writeTried shows everywhere that was looked.
func (v *lookupView) writeTried() error {
	if err := v.say("\n%s", v.bold(v.Say("say.looked"))); err != nil {
		return err
	}
	for _, a := range v.result.Tried {
		line := fmt.Sprintf("  %-14s %s", v.Say("outcome."+string(a.Outcome)), v.Say("origin."+string(a.Origin)))
		if err := v.say("%s  %s", line, v.dim(strings.TrimSpace(printable(a.Where)+"  "+printable(a.Detail)))); err != nil {
			return err
		}
	}
	return nil
}

// The marks of verdicts, and their colours on a terminal.
var verdictMarks = map[settings.Verdict]struct{ mark, colour string }{
	settings.Right: {"✓", "32"}, settings.Wrong: {"✗", "31"}, settings.WorksToo: {"~", "33"}, settings.Uncertain: {"?", "2"},
}

// writeRows shows the comparison: a table, and what to do about each wrong setting.
func (v *lookupView) writeRows() error {
	if len(v.rows) == 0 {
		return nil
	}
	t := table{heading: []string{" ", v.Say("say.heading-setting"), v.Say("say.heading-given"), " ", v.Say("say.heading-right"), v.Say("say.heading-verdict")}}
	wrong := false
	for _, r := range v.rows {
		arrow := " "
		if r.Verdict == settings.Wrong && r.Right != "" {
			arrow = "→"
		}
		wrong = wrong || r.Verdict == settings.Wrong
		t.add(verdictMarks[r.Verdict].mark, v.Say("name."+string(r.Protocol))+" "+v.Say("name."+string(r.Field)),
			printable(v.value(r.Field, r.Given)), arrow, v.value(r.Field, r.Right), strings.TrimSpace(v.Say("verdict."+string(r.Verdict))+"  "+string(r.Cause)))
	}
	t.colour = func(row []string, line string) string {
		for _, m := range verdictMarks {
			if m.mark == row[0] {
				return v.style(m.colour, line)
			}
		}
		return line
	}
	if err := v.say("\n%s", v.bold(v.Say("say.compared"))); err != nil {
		return err
	}
	if err := t.write(v.streams); err != nil {
		return err
	}
	if !wrong {
		return nil
	}
	return v.writeCauses()
}

// writeCauses tells of each cause once what it is and what to do.
func (v *lookupView) writeCauses() error {
	told := map[cause.ID]bool{}
	for _, r := range v.rows {
		if r.Verdict != settings.Wrong || told[r.Cause] {
			continue
		}
		told[r.Cause] = true
		e := v.catalogue.Explain(r.Decision, v.lang, cause.Holder)
		if err := v.say("\n%s  %s\n  %s\n  %s", v.bold(e.Title), v.dim(string(r.Cause)), e.Text, e.NextStep); err != nil {
			return err
		}
	}
	return nil
}

// value says the value of a setting in words where it is one.
func (v *lookupView) value(f settings.Field, text string) string {
	switch {
	case text == "":
		return ""
	case f == settings.FieldSecurity:
		return v.Say("security." + text)
	case f == settings.FieldAuth:
		return v.Say("method." + text)
	}
	return text
}

// printable keeps what strangers wrote from moving the cursor.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return '·'
	}, text)
}
