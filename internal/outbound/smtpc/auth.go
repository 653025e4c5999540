package smtpc

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/xdg-go/scram"
)

// Credentials sign in to a server that mail is handed to (RFC 4954).
type Credentials struct{ User, Password string }

// ErrNoMechanism reports a server that offers no way to sign in that is safe on this
// connection.
var ErrNoMechanism = errors.New("the server offers no way to sign in that we know and that is safe here")

// signIn signs in: with SCRAM-SHA-256 where it is offered, else with PLAIN or LOGIN,
// which show the password, so only to a server that proved who it is.
func (c *Client) signIn() error {
	if c.opt.Credentials == nil {
		return nil
	}
	proven := c.tls != nil && c.unproven == nil
	offered := func(mechanism string) bool { return slices.Contains(c.ext.Auth, mechanism) }
	switch {
	case offered("SCRAM-SHA-256"):
		return c.signInSCRAM()
	case proven && offered("PLAIN"):
		o := c.opt.Credentials
		return c.steps("PLAIN", func(int, []byte) ([]byte, error) { return []byte("\x00" + o.User + "\x00" + o.Password), nil }, 1)
	case proven && offered("LOGIN"):
		o := c.opt.Credentials
		answers := []string{o.User, o.Password}
		return c.steps("LOGIN", func(n int, _ []byte) ([]byte, error) { return []byte(answers[n]), nil }, len(answers))
	}
	return &Error{Stage: StageAuth, Err: ErrNoMechanism}
}

// signInSCRAM proves the password without showing it (RFC 7677), and sees to it that
// the server knows it, too.
func (c *Client) signInSCRAM() error {
	client, err := scram.SHA256.NewClient(c.opt.Credentials.User, c.opt.Credentials.Password, "")
	if err != nil {
		return &Error{Stage: StageAuth, Err: err}
	}
	talk := client.NewConversation()
	err = c.steps("SCRAM-SHA-256", func(_ int, challenge []byte) ([]byte, error) {
		answer, err := talk.Step(string(challenge))
		return []byte(answer), err
	}, 3)
	if err == nil && !talk.Valid() {
		return &Error{Stage: StageAuth, Err: errors.New("the server did not prove that it knows the password")}
	}
	return err
}

// steps goes through a mechanism: answer gets the number of a step and the server's
// challenge. The first answer goes along with the command, but for LOGIN.
func (c *Client) steps(mechanism string, answer func(n int, challenge []byte) ([]byte, error), most int) error {
	command := "AUTH " + mechanism
	sent := 0
	if mechanism != "LOGIN" {
		first, err := answer(0, nil)
		if err != nil {
			return &Error{Stage: StageAuth, Err: err}
		}
		command += " " + base64.StdEncoding.EncodeToString(first)
		sent = 1
	}
	r, err := c.exchange(StageAuth, command)
	for ; err == nil && r.Code == 334; sent++ {
		challenge, bad := base64.StdEncoding.DecodeString(strings.Join(r.Lines, ""))
		if bad == nil && sent >= most {
			bad = errors.New("one challenge too many")
		}
		var reply []byte
		if bad == nil {
			reply, bad = answer(sent, challenge)
		}
		if bad != nil {
			return &Error{Stage: StageAuth, Err: fmt.Errorf("sign in with %s: %w", mechanism, bad)}
		}
		r, err = c.exchange(StageAuth, base64.StdEncoding.EncodeToString(reply))
	}
	if err != nil {
		return err
	}
	if r.Code != 235 {
		return &Error{Stage: StageAuth, Reply: r}
	}
	return nil
}
