package sasl

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/postiljon/postiljon/internal/cause"
)

// maxScram is the most octets of a client's message.
const maxScram = 4096

// scram is SCRAM-SHA-256 (RFC 5802, RFC 7677), with plus SCRAM-SHA-256-PLUS.
type scram struct {
	server   *Server
	verifier Verifier
	channel  Channel
	plus     bool

	step     scramStep
	first    clientFirst
	secrets  []ScramSecret // all with one salt and iteration count
	fake     bool          // no such user: the secret is made up
	binding  []byte        // channel-binding data the client must repeat
	nonce    string        // the client's and ours
	said     string        // server-first-message
	identity Identity
}

type scramStep uint8

const (
	scramFirst scramStep = iota // the client's first message comes next
	scramFinal                  // the client's final message
	scramAck                    // the client's empty answer to our final message
	scramOver
)

func (s *scram) Name() string {
	if s.plus {
		return ScramSHA256Plus
	}
	return ScramSHA256
}

func (s *scram) Identity() Identity { return s.identity }

func (s *scram) Next(ctx context.Context, response []byte) (challenge []byte, done bool, err error) {
	if response == nil && s.step == scramFirst {
		return []byte{}, false, nil
	}
	step := s.step
	s.step = scramOver // unless the step succeeds
	if len(response) > maxScram || !utf8.Valid(response) {
		return nil, false, malformed("SCRAM message too long or not UTF-8")
	}
	switch step {
	case scramFirst:
		challenge, err = s.answerFirst(ctx, string(response))
	case scramFinal:
		challenge, err = s.answerFinal(ctx, string(response))
	case scramAck:
		if len(response) != 0 {
			return nil, false, malformed("SCRAM message after the end")
		}
		return nil, true, nil
	default:
		return nil, false, malformed("SCRAM exchange is over")
	}
	if err != nil {
		return nil, false, err
	}
	s.step = step + 1
	return challenge, false, nil
}

// answerFirst reads client-first-message and answers with server-first-message.
func (s *scram) answerFirst(ctx context.Context, message string) ([]byte, error) {
	var err error
	if s.first, err = parseClientFirst(message); err != nil {
		return nil, err
	}
	if err := s.bindChannel(); err != nil {
		return nil, err
	}
	secrets, d := s.verifier.Scram(ctx, s.first.user)
	switch {
	case d.Action == cause.ActionWait:
		return nil, refused(d)
	case !d.Allowed() || len(secrets) == 0:
		s.secrets, s.fake = []ScramSecret{s.server.fakeSecret(s.first.user)}, true
	default:
		s.secrets = secrets
	}
	s.nonce = s.first.nonce + rand.Text()
	s.said = "r=" + s.nonce + ",s=" + base64.StdEncoding.EncodeToString(s.secrets[0].Salt) +
		",i=" + strconv.Itoa(s.secrets[0].Iterations)
	return []byte(s.said), nil
}

// bindChannel checks the client's channel-binding flag against what was offered (RFC 5802
// section 6). "y" where -PLUS is offered means that the client did not see it: somebody removed it.
func (s *scram) bindChannel() error {
	switch flag := s.first.bindFlag; {
	case s.plus != (flag == "p"):
		return malformed("channel-binding flag %q with %s", flag, s.Name())
	case flag == "y" && slices.Contains(s.server.Offer(s.channel), ScramSHA256Plus):
		return &Failure{Decision: cause.Refuse(cause.AuthMechanismMismatch)}
	case flag == "p":
		data, ok := s.channel.binding(s.first.bindKind)
		if !ok {
			return &Failure{Decision: cause.Refuse(cause.AuthMechanismMismatch)}
		}
		s.binding = data
	}
	return nil
}

// answerFinal reads client-final-message, lets the verifier decide and answers with
// server-final-message.
func (s *scram) answerFinal(ctx context.Context, message string) ([]byte, error) {
	final, err := parseClientFinal(message)
	if err != nil {
		return nil, err
	}
	if final.nonce != s.nonce {
		return nil, malformed("SCRAM nonce differs")
	}
	auth := s.first.bare + "," + s.said + "," + final.withoutProof
	proved := s.proved(final.proof, auth)
	if s.fake || !bytes.Equal(final.binding, append([]byte(s.first.gs2), s.binding...)) {
		proved = NotProved
	}
	identity, d := s.verifier.ScramDone(ctx, s.first.authzid, s.first.user, proved)
	if d.Allowed() && proved == NotProved { // a verifier that allows what was not proved is not obeyed
		d = cause.Refuse(cause.AuthPasswordWrong)
	}
	if !d.Allowed() {
		return nil, refused(d)
	}
	s.identity = identity
	signature := hmacSHA256(s.secrets[proved].ServerKey, auth)
	return []byte("v=" + base64.StdEncoding.EncodeToString(signature)), nil
}

// proved returns which of the secrets the proof is of. The client computed it with the one salt
// and iteration count that it was told, so it can be of any password that has these.
func (s *scram) proved(proof []byte, auth string) int {
	proved := NotProved
	for i := range s.secrets {
		if s.secrets[i].proves(proof, auth) {
			proved = i
		}
	}
	return proved
}

// clientFirst is client-first-message (RFC 5802 section 7).
type clientFirst struct {
	gs2      string // the header that client-final-message repeats
	bindFlag string // "n", "y" or "p"
	bindKind string // of "p"
	authzid  string
	bare     string // client-first-message-bare
	user     string
	nonce    string
}

func parseClientFirst(message string) (f clientFirst, err error) {
	flag, rest, ok1 := strings.Cut(message, ",")
	authzid, bare, ok2 := strings.Cut(rest, ",")
	if !ok1 || !ok2 {
		return f, malformed("SCRAM first message without GS2 header")
	}
	f.gs2, f.bare = message[:len(message)-len(bare)], bare
	kind, isP := strings.CutPrefix(flag, "p=")
	switch {
	case isP && kind != "":
		f.bindFlag, f.bindKind = "p", kind
	case flag == "n" || flag == "y":
		f.bindFlag = flag
	default:
		return f, malformed("SCRAM first message with an unknown channel-binding flag")
	}
	if authzid != "" {
		name, ok := strings.CutPrefix(authzid, "a=")
		if f.authzid, err = saslName(name); !ok || err != nil {
			return f, malformed("SCRAM first message with a malformed authorization identity")
		}
	}
	// A mandatory extension ("m=") would stand first; none exists.
	user, rest, _ := strings.Cut(bare, ",")
	nonce, _, _ := strings.Cut(rest, ",") // optional extensions follow
	name, okUser := strings.CutPrefix(user, "n=")
	if f.user, err = saslName(name); !okUser || err != nil {
		return f, malformed("SCRAM first message with a malformed user name")
	}
	var okNonce bool
	if f.nonce, okNonce = strings.CutPrefix(nonce, "r="); !okNonce || !isNonce(f.nonce) {
		return f, malformed("SCRAM first message with a malformed nonce")
	}
	return f, nil
}

// clientFinal is client-final-message (RFC 5802 section 7).
type clientFinal struct {
	withoutProof string
	binding      []byte // GS2 header and channel-binding data
	nonce        string
	proof        []byte
}

func parseClientFinal(message string) (f clientFinal, err error) {
	at := strings.LastIndex(message, ",p=")
	if at < 0 {
		return f, malformed("SCRAM final message without proof")
	}
	f.withoutProof = message[:at]
	if f.proof, err = base64.StdEncoding.Strict().DecodeString(message[at+len(",p="):]); err != nil {
		return f, malformed("SCRAM proof: %w", err)
	}
	binding, rest, _ := strings.Cut(f.withoutProof, ",")
	nonce, _, _ := strings.Cut(rest, ",")
	text, ok := strings.CutPrefix(binding, "c=")
	if f.binding, err = base64.StdEncoding.Strict().DecodeString(text); !ok || err != nil {
		return f, malformed("SCRAM final message with a malformed channel binding")
	}
	if f.nonce, ok = strings.CutPrefix(nonce, "r="); !ok {
		return f, malformed("SCRAM final message without nonce")
	}
	return f, nil
}

// saslName decodes a saslname: "=2C" is a comma, "=3D" an equals sign, "=" alone an error.
func saslName(s string) (string, error) {
	if s == "" || len(s) > maxField || strings.IndexByte(s, 0) >= 0 {
		return "", malformed("empty or overlong name")
	}
	if strings.IndexByte(s, '=') < 0 {
		return Prepare(s), nil
	}
	parts := strings.Split(s, "=")
	name := parts[0]
	for _, part := range parts[1:] {
		switch {
		case strings.HasPrefix(part, "2C"):
			name += ","
		case strings.HasPrefix(part, "3D"):
			name += "="
		default:
			return "", malformed("stray equals sign in a name")
		}
		name += part[2:]
	}
	return Prepare(name), nil
}

// isNonce checks for one or more printable characters without comma.
func isNonce(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '!' || s[i] > '~' || s[i] == ',' {
			return false
		}
	}
	return s != ""
}
