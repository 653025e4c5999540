package main

import (
	"context"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/control"
)

type tokenCommand struct {
	Add    tokenAdd    `cmd:"" help:"Make a token with which one program signs in (OAUTHBEARER, XOAUTH2)."`
	List   tokenList   `cmd:"" help:"List the tokens of an account, without what is secret."`
	Revoke tokenRevoke `cmd:"" help:"End a token; its program cannot sign in any more and hears why."`
}

type tokenAdd struct {
	Address string   `arg:"" help:"Address of the account."`
	Name    string   `arg:"" help:"What it is for, such as tablet."`
	For     []string `placeholder:"P,..." help:"Only for these protocols: imap, pop3, submission, jmap, web (default: all)."`
	Until   string   `placeholder:"TIME" help:"When it ends: a day such as 2027-06-30, or a time from now such as 90d (default: never)."`
}

// Run makes a token.
func (t *tokenAdd) Run(ctx context.Context, s *streams, c *commands) error {
	expires, err := parseUntil(t.Until, time.Now())
	if err != nil {
		return err
	}
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	made, err := client.AddToken(ctx, control.NewToken{Address: t.Address, Name: t.Name, Protocols: t.For, Expires: expires})
	if err != nil {
		return err
	}
	until := ""
	if !made.Expires.IsZero() {
		until = " until " + moment(made.Expires)
	}
	if err := s.say("%s has the token %s for %s%s. It is shown only now.", made.Address, s.bold(made.Token), t.Name, until); err != nil {
		return err
	}
	if made.Off {
		return s.say("The service takes no tokens yet: set tokens = true in [auth] of its configuration, then postiljon reload.")
	}
	return nil
}

// parseUntil reads a day, which is over at its end, or a time from now; "" is never.
func parseUntil(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if day, err := time.ParseInLocation(time.DateOnly, text, now.Location()); err == nil {
		return day.AddDate(0, 0, 1), nil
	}
	d, err := config.ParseDuration(text)
	if err != nil {
		return time.Time{}, usagef("%q is neither a day such as 2027-06-30 nor a time from now such as 90d", text)
	}
	return now.Add(d), nil
}

type tokenList struct {
	Address string `arg:"" help:"Address of the account."`
	outputFlags
}

// Run lists tokens.
func (t *tokenList) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	one, err := client.Account(ctx, t.Address)
	if err != nil {
		return err
	}
	tokens := []control.Secret{}
	for _, p := range one.Passwords {
		if p.Token {
			tokens = append(tokens, p)
		}
	}
	if t.JSON {
		return printJSON(s, tokens)
	}
	return tokenTable(tokens, time.Now()).write(s)
}

func tokenTable(all []control.Secret, now time.Time) *table {
	t := &table{heading: []string{"TOKEN", "PROTOCOLS", "MADE", "LAST USED", "STATE"}}
	for _, p := range all {
		state := "good"
		switch {
		case !p.Revoked.IsZero():
			state = "revoked " + moment(p.Revoked)
		case !p.Expires.IsZero() && !now.Before(p.Expires):
			state = "ended " + moment(p.Expires)
		case !p.Expires.IsZero():
			state = "good until " + moment(p.Expires)
		}
		t.add(p.Name, strings.Join(p.Protocols, " "), moment(p.Created), moment(p.LastUsed), state)
	}
	return t
}

type tokenRevoke struct {
	Address string `arg:"" help:"Address of the account."`
	Name    string `arg:"" help:"Name or id of the token."`
}

// Run ends a token.
func (t *tokenRevoke) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	gone, err := client.RevokeToken(ctx, control.AppPassword{Address: t.Address, Which: t.Name})
	if err != nil {
		return err
	}
	return s.say("Revoked the token %s of %s.", gone.Name, t.Address)
}
