package probe

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/settings"
)

// CompareName is the name of the probe that sets the given settings beside the right ones.
const CompareName = "given settings"

// CompareGiven sets the settings of the mail program beside the right ones,
// setting by setting. It asks nobody, but needs what the lookup of the settings found.
func (r *Run) CompareGiven() Probe {
	return Probe{Name: CompareName, Run: func(context.Context) error {
		p, ok := evidence.First[*evidence.Provider](r.Evidence)
		given := r.givenSettings()
		if !ok || given == nil {
			return fmt.Errorf("nothing to compare: %w", ErrBlocked)
		}
		for _, row := range settings.Compare(r.Table, p.Result, given) {
			r.Evidence.Add(evidence.GivenSetting{Row: row}, "")
		}
		return nil
	}}
}

// givenSettings returns what is known of the mail program's settings; nil if nothing is.
func (r *Run) givenSettings() *settings.Given {
	c := r.Evidence.Complaint
	g := &settings.Given{Address: c.Address}
	var auth settings.Method
	noAuth := false
	if c.Client != nil && c.Client.Account != nil {
		a := c.Client.Account
		auth, _ = settings.ParseMethod(a.AuthMethod) // a name that is not known is left out
		g.NoSMTP = a.OutgoingSelected != nil && !*a.OutgoingSelected
		noAuth = a.SMTPAuth != nil && !*a.SMTPAuth
	}
	for _, ep := range c.Given {
		s := &settings.GivenServer{Host: ep.Host, Port: ep.Port, Security: settings.Security(ep.Security), Username: c.GivenUsername, Auth: auth}
		switch ep.Protocol {
		case evidence.IMAP:
			g.IMAP = s
		case evidence.POP3:
			g.POP3 = s
		case evidence.Submission:
			if noAuth {
				s.Auth = settings.None
			}
			if !g.NoSMTP {
				g.SMTP = s
			}
		}
	}
	if g.IMAP == nil && g.POP3 == nil && g.SMTP == nil && !g.NoSMTP {
		return nil
	}
	return g
}

// ReadClientErrors reads the errors that the mail program shows, as far as they
// are what a server replied: in the words of the servers that greeted.
func (r *Run) ReadClientErrors(endpoints []evidence.Endpoint) Probe {
	var after []string
	for _, ep := range endpoints {
		after = append(after, GreetingName(ep))
	}
	return Probe{Name: clientErrors, After: after, Run: func(context.Context) error {
		c := r.Evidence.Complaint.Client
		if c == nil {
			return fmt.Errorf("nothing is known of the mail program: %w", ErrBlocked)
		}
		if c.LastError != "" {
			r.addClientError("last-error", c.LastError)
		}
		seen := map[string]bool{}
		for _, m := range c.Outbox[:min(len(c.Outbox), 50)] {
			if m.LastError != "" && !seen[m.LastError] {
				seen[m.LastError] = true
				r.addClientError("outbox", m.LastError)
			}
		}
		return nil
	}}
}

// clientErrors is the name of the probe that reads the mail program's errors.
const clientErrors = "client errors"

func (r *Run) addClientError(where, text string) {
	text = text[:min(len(text), dialect.MaxRaw)]
	e := evidence.ClientError{Where: where, Text: r.Evidence.Clean(text), Protocol: errorProtocol(where, text)}
	e.Stage, e.Reading = r.readError(e.Protocol, text)
	e.Reading.Text = r.Evidence.Clean(e.Reading.Text)
	r.Evidence.Add(e, "")
}

var (
	smtpCode  = regexp.MustCompile(`^\s*[245]\d\d[ -]`)
	smtpError = regexp.MustCompile(`(?i)\bsmtp\b|outgoing`)
	imapError = regexp.MustCompile(`^\s*(\* |\w+ )?(NO|BAD|BYE)\b|(?i:\bIMAP\b|\[(AUTHENTICATIONFAILED|OVERQUOTA|LIMIT|UNAVAILABLE|ALERT|INUSE)\]|APPEND)`)
	popError  = regexp.MustCompile(`(?i)^\s*-ERR|\bPOP3?\b`)
)

// errorProtocol tells whose reply an error reads like.
func errorProtocol(where, text string) evidence.Protocol {
	switch {
	case smtpCode.MatchString(text):
		return evidence.Submission
	case popError.MatchString(text):
		return evidence.POP3
	case imapError.MatchString(text):
		return evidence.IMAP
	case smtpError.MatchString(text), where == "outbox":
		return evidence.Submission
	}
	return ""
}

// readError reads an error at the stages at which it can have come, and keeps
// the reading that says most: programs do not tell at which command a server said no.
func (r *Run) readError(p evidence.Protocol, text string) (dialect.Stage, dialect.Reading) {
	stages := map[evidence.Protocol][]dialect.Stage{
		evidence.Submission: {dialect.StageMail, dialect.StageRcpt, dialect.StageEndOfData, dialect.StageAuth},
		evidence.IMAP:       {dialect.StageAuth, dialect.StageAppend, dialect.StageSelect},
		evidence.POP3:       {dialect.StageAuth, dialect.StageSelect},
		"":                  {dialect.StageAuth},
	}[p]
	switch {
	case p != evidence.Submission:
	case authError.MatchString(text):
		stages = stages[3:]
	case aboutMail.MatchString(text):
		stages = stages[:1]
	case aboutRcpt.MatchString(text):
		stages = stages[1:2]
	case !aboutAuth.MatchString(text):
		stages = stages[:3]
	}
	if p == "" {
		p = evidence.IMAP
	}
	provider := ""
	if known, ok := evidence.First[*evidence.Provider](r.Evidence); ok {
		provider = known.ID
	}
	if g, ok := evidence.Find(r.Evidence, func(g evidence.Greeting) bool {
		return (g.Endpoint.Protocol == p || p == "") && g.Endpoint.Origin != evidence.Reference && g.Software+g.Provider != ""
	}); ok && provider == "" {
		provider = strings.TrimSpace(g.Provider + " " + g.Software)
	}
	text = strings.TrimSpace(text)
	stage, best := stages[0], dialect.Reading{}
	for _, s := range stages {
		reading := r.Book.Read(provider, dialect.Protocol(p), s, text)
		if len(best.Meanings) == 0 || reading.First().Weight > best.First().Weight {
			stage, best = s, reading
		}
		if s == dialect.StageAuth && p != evidence.Submission && reading.First().Weight >= 0.5 {
			break // what reads like an answer to a sign-in is one
		}
	}
	return stage, best
}

// authError are the codes that belong to signing in alone (RFC 4954 section 6).
var authError = regexp.MustCompile(`^\s*(534|535|538|525|454|432)[ -]`)

// What tells that a reply with another code was to a command or not.
var (
	aboutMail = regexp.MustCompile(`(?i)\bMAIL FROM\b`)
	aboutRcpt = regexp.MustCompile(`(?i)\bRCPT TO\b`)
	aboutAuth = regexp.MustCompile(`(?i)^\s*(5(00|02|03|04|23|30)|421)[ -]|auth|log.?in|password|passwor[dt]|credential|user.?name|sign.?in|mechanism|token|logg|lösen|passord|anmeld|kennwort`)
)
