package sasl

import (
	"bytes"
	"context"
	"strings"
	"unicode/utf8"

	"github.com/postiljon/postiljon/internal/cause"
)

// bearer is OAUTHBEARER (RFC 7628) and XOAUTH2: the client gives a token and the name it is for. If
// it is refused it hears why in JSON, answers, and only then the exchange ends (RFC 7628 section
// 3.2.3).
type bearer struct {
	name     string
	verifier TokenVerifier
	refused  error // what the client's answer to the JSON ends in
	identity Identity
}

// maxToken is the most octets of a bearer's response.
const maxToken = 8 << 10

func (b *bearer) Name() string       { return b.name }
func (b *bearer) Identity() Identity { return b.identity }

func (b *bearer) Next(ctx context.Context, response []byte) ([]byte, bool, error) {
	switch {
	case b.refused != nil:
		return nil, false, b.refused
	case response == nil:
		return []byte{}, false, nil
	case len(response) > maxToken || !utf8.Valid(response):
		return nil, false, malformed("%s response too long or not UTF-8", b.name)
	}
	read := readOAuthBearer
	if b.name == XOAuth2 {
		read = readXOAuth2
	}
	user, token, err := read(string(response))
	if err != nil {
		return nil, false, err
	}
	identity, d := b.verifier.Token(ctx, Prepare(user), token)
	switch {
	case d.Allowed():
		b.identity = identity
		return nil, true, nil
	case d.Action == cause.ActionWait: // nothing is wrong with the token
		return nil, false, refused(d)
	}
	b.refused = refused(d)
	return b.status(d.Cause), false, nil
}

// status is the error of RFC 7628 section 3.2.2: whether the token is bad, or good but not for
// this. The codes are those of RFC 6750 section 3.1; XOAUTH2 has those of HTTP.
func (b *bearer) status(id cause.ID) []byte {
	bad := id == cause.AuthPasswordWrong || id == cause.AuthTokenRevoked
	switch {
	case b.name == XOAuth2 && bad:
		return []byte(`{"status":"401","schemes":"bearer"}`)
	case b.name == XOAuth2:
		return []byte(`{"status":"403","schemes":"bearer"}`)
	case bad:
		return []byte(`{"status":"invalid_token"}`)
	}
	return []byte(`{"status":"insufficient_scope"}`)
}

// readOAuthBearer reads the client's response of RFC 7628 section 3.1:
//
//	n,a=user@example.org,^Ahost=mail.example.org^Aport=993^Aauth=Bearer TOKEN^A^A
func readOAuthBearer(response string) (user, token string, err error) {
	header, pairs, ok := strings.Cut(response, "\x01")
	flag, authzid, ok1 := strings.Cut(header, ",")
	authzid, end, ok2 := strings.Cut(authzid, ",")
	switch {
	case !ok || !ok1 || !ok2 || end != "":
		return "", "", malformed("OAUTHBEARER without GS2 header")
	case flag != "n" && flag != "y": // it has no channel binding
		return "", "", malformed("OAUTHBEARER with a channel-binding flag other than n and y")
	}
	if authzid != "" {
		name, ok := strings.CutPrefix(authzid, "a=")
		if user, err = saslName(name); !ok || err != nil {
			return "", "", malformed("OAUTHBEARER with a malformed authorization identity")
		}
	}
	token, err = bearerOf(pairs)
	return user, token, err
}

// readXOAuth2 reads "user=" user ^A "auth=Bearer " token ^A ^A.
func readXOAuth2(response string) (user, token string, err error) {
	first, pairs, ok1 := strings.Cut(response, "\x01")
	user, ok2 := strings.CutPrefix(first, "user=")
	if !ok1 || !ok2 || len(user) > maxField || strings.IndexByte(user, 0) >= 0 {
		return "", "", malformed("XOAUTH2 without user")
	}
	token, err = bearerOf(pairs)
	return user, token, err
}

// bearerOf finds the token in "key=value^A" pairs that end in one more ^A. The host and port that
// clients add bind tokens which sign a request (RFC 7628 section 3.1); a bearer token is bound to
// nothing, and clients reach a server under names that it does not know. A token that is empty is one that nobody has: so clients ask for the error
// that tells what to do (RFC 7628 section 4.3).
func bearerOf(pairs string) (token string, err error) {
	found := false
	for {
		pair, rest, ok := strings.Cut(pairs, "\x01")
		if !ok || pair == "" && rest != "" {
			return "", malformed("bearer response without its end")
		}
		if pair == "" {
			break
		}
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return "", malformed("bearer response with a pair that is none")
		}
		if key == "auth" {
			if found {
				return "", malformed("bearer response with two tokens")
			}
			found = true
			if token, err = credentialsOf(value); err != nil {
				return "", err
			}
		}
		pairs = rest
	}
	if !found {
		return "", malformed("bearer response without token")
	}
	return token, nil
}

// credentialsOf reads `"Bearer" 1*SP b64token` (RFC 6750 section 2.1).
func credentialsOf(value string) (token string, err error) {
	scheme, token, _ := strings.Cut(value, " ")
	if value != "" && !strings.EqualFold(scheme, "Bearer") {
		return "", malformed("credentials that are no bearer token")
	}
	token = strings.TrimLeft(token, " ")
	if i := bytes.IndexFunc([]byte(token), func(r rune) bool { return r <= ' ' || r > '~' }); i >= 0 {
		return "", malformed("bearer token with a forbidden character")
	}
	return token, nil
}
