package peer

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
)

// credentials is what a client showed.
type credentials struct {
	name, secret string
	token        bool
}

var (
	errMechanism = errors.New("peer: mechanism not offered")
	errCancelled = errors.New("peer: sign-in cancelled")
	errSyntax    = errors.New("peer: malformed response")
)

// exchange runs a SASL exchange in any of the three protocols and returns what the
// client showed, before it is judged.
func (c *conn) exchange(mechanism, initial string, hasInitial bool, offered []string) (credentials, error) {
	if !slices.Contains(offered, mechanism) {
		return credentials{}, errMechanism
	}
	ask := func(challenge string) (string, error) {
		prefix := "+ "
		if c.s.proto == ProtoSMTP {
			prefix = "334 "
		}
		c.send(prefix + base64.StdEncoding.EncodeToString([]byte(challenge)))
		line, err := c.line(true)
		if err != nil {
			return "", err
		}
		return decode(line)
	}
	if mechanism == "LOGIN" {
		return askLogin(ask, initial, hasInitial)
	}
	var response string
	var err error
	if hasInitial {
		response, err = decode(initial)
	} else {
		response, err = ask("")
	}
	if err != nil {
		return credentials{}, err
	}
	return read(mechanism, response)
}

func decode(line string) (string, error) {
	switch line {
	case "*":
		return "", errCancelled
	case "=":
		return "", nil
	}
	b, err := base64.StdEncoding.DecodeString(line)
	if err != nil {
		return "", errSyntax
	}
	return string(b), nil
}

func askLogin(ask func(string) (string, error), initial string, hasInitial bool) (creds credentials, err error) {
	if hasInitial {
		creds.name, err = decode(initial)
	} else {
		creds.name, err = ask("Username:")
	}
	if err != nil {
		return creds, err
	}
	creds.secret, err = ask("Password:")
	return creds, err
}

// read takes a response of PLAIN (RFC 4616), XOAUTH2 or OAUTHBEARER (RFC 7628) apart.
func read(mechanism, response string) (credentials, error) {
	switch mechanism {
	case "PLAIN":
		parts := strings.Split(response, "\x00")
		if len(parts) != 3 {
			return credentials{}, errSyntax
		}
		return credentials{name: parts[1], secret: parts[2]}, nil
	case "XOAUTH2", "OAUTHBEARER":
		creds := credentials{token: true}
		for _, field := range strings.Split(response, "\x01") {
			if name, ok := strings.CutPrefix(field, "user="); ok {
				creds.name = name
			}
			if _, name, ok := strings.Cut(field, "a="); ok && strings.HasPrefix(field, "n,") {
				creds.name = strings.TrimSuffix(name, ",")
			}
			if bearer, ok := strings.CutPrefix(field, "auth=Bearer "); ok {
				creds.secret = bearer
			}
		}
		return creds, nil
	}
	return credentials{}, errMechanism
}

// conclude judges credentials at their step and answers; welcome says yes. False ends
// the session.
func (c *conn) conclude(step, mechanism string, creds credentials, err error, welcome func()) bool {
	switch {
	case errors.Is(err, errMechanism):
		return c.refuse(step, "unknown-mechanism")
	case errors.Is(err, errCancelled), errors.Is(err, errSyntax):
		bad := map[Protocol]string{ProtoSMTP: "501 5.5.2 ", ProtoIMAP: c.tag + " BAD ", ProtoPOP3: "-ERR "}[c.s.proto]
		c.send(bad + "Sign-in cancelled")
		return true
	case err != nil:
		return false
	}
	c.user = creds.name
	out := c.step(step)
	if out != proceed {
		c.s.signedIn(c, mechanism, false)
		return out != closed
	}
	account, why := c.s.Mail.signIn(c.s.proto, creds.name, creds.secret, creds.token)
	if c.instead != nil && account == nil { // the script lets anybody in
		account = c.s.Mail.account(creds.name)
	} else if why != "" {
		c.s.signedIn(c, mechanism, false)
		return c.deny(creds, why)
	}
	c.s.signedIn(c, mechanism, true)
	c.account = account
	welcome()
	return true
}

// deny answers a failed sign-in. A token's failure is told in JSON first, which the
// client must acknowledge (RFC 7628 section 3.2.3).
func (c *conn) deny(creds credentials, why string) bool {
	if creds.token {
		prefix := "+ "
		if c.s.proto == ProtoSMTP {
			prefix = "334 "
		}
		c.send(prefix + base64.StdEncoding.EncodeToString([]byte(`{"status":"401","schemes":"bearer","scope":"mail"}`)))
		if _, err := c.line(true); err != nil {
			return false
		}
	}
	c.answerFinal(why)
	return true
}
