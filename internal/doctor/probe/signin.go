package probe

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/xdg-go/scram"

	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

// MaxFailingSignIns is how many sign-ins of a run may fail: more could lock the account.
const MaxFailingSignIns = 2

// budget keeps a run from trying more sign-ins than may fail: whoever wants to
// try takes a token, and gives it back when the sign-in succeeded.
type budget struct {
	tokens        chan struct{}
	mu            sync.Mutex
	tried, failed int
}

func newBudget(n int) *budget {
	b := &budget{tokens: make(chan struct{}, n)}
	for range n {
		b.tokens <- struct{}{}
	}
	return b
}

// take waits for a token as long as another sign-in may still succeed and give
// its own back. It reports false when the budget is used up.
func (b *budget) take(ctx context.Context) bool {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-b.tokens:
			b.mu.Lock()
			b.tried++
			b.mu.Unlock()
			return true
		default:
		}
		b.mu.Lock()
		gone := b.failed >= cap(b.tokens)
		b.mu.Unlock()
		if gone {
			return false
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

func (b *budget) settle(accepted bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if accepted {
		b.tokens <- struct{}{}
		return
	}
	b.failed++
}

func (b *budget) spent() (tried, failed int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tried, b.failed
}

// SignInName is the name of the probe that signs in at an endpoint.
func SignInName(ep evidence.Endpoint) string { return "sign-in " + place(ep) }

// SignIn signs in at an endpoint with the user name as the mail program has it. The
// password goes only over an encrypted connection to a server that proved to be
// who it should be; over loopback it may go without.
func (r *Run) SignIn(ep evidence.Endpoint, after ...string) Probe {
	return Probe{Name: SignInName(ep), Needs: []string{OfferName(ep)}, After: after, Run: func(ctx context.Context) error {
		o, err := r.sessions.get(ep)
		if err != nil {
			return err
		}
		return o.signIn(ctx, evidence.AsGiven)
	}}
}

// SignInAs tries another form of the user name, on a connection of its own.
// It is done only if sign-ins as given failed and wanted says that it may help.
func (r *Run) SignInAs(ep evidence.Endpoint, form evidence.NameForm, wanted func() bool, after ...string) Probe {
	return Probe{Name: SignInName(ep) + " " + string(form), Needs: []string{OfferName(ep)}, After: after, Run: func(ctx context.Context) error {
		if !wanted() {
			return fmt.Errorf("not needed: %w", ErrBlocked)
		}
		t, _, err := r.open(ctx, ep)
		if err != nil {
			return err
		}
		defer t.close()
		return t.signIn(ctx, form)
	}}
}

// open makes a further connection to an endpoint, up to where a sign-in can follow.
func (r *Run) open(ctx context.Context, ep evidence.Endpoint) (*talk, netip.Addr, error) {
	var last error
	for _, ip := range r.Addresses(ctx, ep.Host) {
		conn, err := r.dial(ctx, ep, ip, 1)
		if err != nil {
			last = err
			continue
		}
		t := r.newTalk(ep, conn)
		if err := t.climb(ctx, ip); err != nil {
			t.close()
			last = err
			continue
		}
		return t, ip, nil
	}
	return nil, netip.Addr{}, fmt.Errorf("connect again: %w", last)
}

func (t *talk) climb(ctx context.Context, ip netip.Addr) error {
	if t.ep.Security == evidence.TLS {
		if err := t.startTLS(ctx, ip); err != nil {
			return err
		}
	}
	if err := t.greet(ctx, ip, 1); err != nil {
		return err
	}
	if err := t.askCapabilities(ctx); err != nil || t.ep.Security != evidence.STARTTLS {
		return err
	}
	if err := t.changeToTLS(ctx, ip); err != nil {
		return err
	}
	return t.askCapabilities(ctx)
}

// credentials returns name and password in a form.
func (r *Run) credentials(form evidence.NameForm) (name, password string) {
	c := r.Evidence.Complaint
	name, password = c.Username(), c.Password
	switch form {
	case evidence.WholeAddress:
		name = Visible(c.Address)
	case evidence.LocalPart:
		name = Visible(c.LocalPart())
	case evidence.Trimmed:
		name, password = Visible(name), Visible(password)
	}
	return name, password
}

// Visible takes away what cannot be seen in a name or a password: space around
// it, and characters without width or of control anywhere.
func Visible(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) || unicode.IsControl(r) {
			return -1
		}
		if unicode.IsSpace(r) {
			return ' '
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}

// signIn tries one sign-in and records it.
func (t *talk) signIn(ctx context.Context, form evidence.NameForm) error {
	if t.run.Evidence.Complaint.Password == "" {
		return fmt.Errorf("no password was given: %w", ErrBlocked)
	}
	if !t.safe() {
		return fmt.Errorf("the connection is not safe enough for a password: %w", ErrBlocked)
	}
	mechanism := t.mechanism()
	if mechanism == "" {
		t.run.Evidence.Add(evidence.NoCommonMechanism{Endpoint: t.ep, Offered: t.caps.Mechanisms(), LoginDisabled: t.caps.Has("LOGINDISABLED"), Encrypted: t.encrypted}, "")
		return fmt.Errorf("no way to sign in: %w", ErrBlocked)
	}
	if !t.run.budget.take(ctx) {
		return fmt.Errorf("two sign-ins failed already: %w", ErrBlocked)
	}
	began := time.Now()
	name, password := t.run.credentials(form)
	last, all, err := t.authenticate(ctx, mechanism, name, password)
	s := evidence.SignIn{Endpoint: t.ep, Mechanism: mechanism, Form: form, Outcome: outcomeOf(err), Took: time.Since(began)}
	if err == nil {
		s.Accepted = t.positive(last)
		text := replyText(t, last, all)
		s.Reply = t.run.Evidence.Clean(text)
		s.Reading = t.run.read(t.ep, dialect.StageAuth, text)
	}
	t.run.budget.settle(s.Accepted)
	t.run.Evidence.Add(s, strings.Join(all, "\n"))
	switch {
	case err != nil:
		return fmt.Errorf("sign-in: %w", err)
	case !s.Accepted:
		return fmt.Errorf("sign-in: %s", s.Reply)
	}
	t.signedIn = true
	return nil
}

// replyText is a reply as the dialects read it: IMAP's last line without its
// tag, with an untagged ALERT or BYE before it; all lines of SMTP.
func replyText(t *talk, last string, all []string) string {
	if t.ep.Protocol != evidence.IMAP {
		if len(all) > 1 && t.ep.Protocol != evidence.POP3 {
			return strings.Join(all, "\n")
		}
		return last
	}
	text := t.untagged(last)
	for _, line := range all {
		upper := strings.ToUpper(line)
		if strings.HasPrefix(upper, "* BYE") || strings.HasPrefix(upper, "* OK [ALERT]") || strings.HasPrefix(upper, "* NO [") {
			text += "\n" + line
		}
	}
	return text
}

// safe reports whether a password may go over the connection.
func (t *talk) safe() bool {
	if t.encrypted {
		return t.trusted
	}
	remote, err := netip.ParseAddrPort(t.conn.RemoteAddr().String())
	return err == nil && remote.Addr().IsLoopback()
}

// mechanism chooses a way to sign in with a password; "" if there is none.
func (t *talk) mechanism() string {
	offered := t.caps.Mechanisms()
	if t.run.withToken() {
		for _, m := range []string{"OAUTHBEARER", "XOAUTH2"} {
			if slices.Contains(offered, m) {
				return m
			}
		}
		return ""
	}
	for _, m := range []string{"PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5"} {
		if slices.Contains(offered, m) {
			return m
		}
	}
	switch t.ep.Protocol {
	case evidence.IMAP:
		if !t.caps.Has("LOGINDISABLED") && len(offered) == 0 {
			return "login"
		}
	case evidence.POP3:
		if t.caps.Has("USER") || len(t.caps.List) == 0 {
			return "user"
		}
	}
	return ""
}

// authenticate runs the exchange of a mechanism.
func (t *talk) authenticate(ctx context.Context, mechanism, name, password string) (string, []string, error) {
	switch mechanism {
	case "login":
		return t.command(ctx, "LOGIN "+quoted(name)+" "+quoted(password))
	case "user":
		if last, all, err := t.command(ctx, "USER "+name); err != nil || !t.positive(last) {
			return last, all, err
		}
		return t.command(ctx, "PASS "+password)
	}
	verb := "AUTH"
	if t.ep.Protocol == evidence.IMAP {
		verb = "AUTHENTICATE"
	}
	answer, err := responder(mechanism, name, password)
	if err != nil {
		return "", nil, err
	}
	last, all, err := t.command(ctx, verb+" "+mechanism)
	told := ""
	for range 6 {
		if err != nil || !t.goesOn(last) {
			if told != "" && err == nil {
				last += " " + told // why a token is refused stands in the challenge (RFC 7628 section 3.2.2)
			}
			return last, all, err
		}
		challenge, decodeErr := base64.StdEncoding.DecodeString(encodedChallenge(last))
		if decodeErr != nil {
			challenge = nil
		}
		if bytes.HasPrefix(challenge, []byte("{")) && len(challenge) < 500 {
			told = string(challenge)
		}
		next, answerErr := answer(challenge)
		if answerErr != nil {
			last, all, err = t.continued(ctx, "*")
			return last, all, err
		}
		last, all, err = t.continued(ctx, base64.StdEncoding.EncodeToString(next))
	}
	return last, all, err
}

// encodedChallenge is what stands behind the "334" of SMTP or the "+" of IMAP and POP3.
func encodedChallenge(reply string) string {
	encoded, ok := strings.CutPrefix(reply, "334")
	if !ok {
		encoded = strings.TrimPrefix(reply, "+")
	}
	return strings.TrimSpace(encoded)
}

func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// responder answers the challenges of a SASL mechanism, one after the other.
func responder(mechanism, name, password string) (func([]byte) ([]byte, error), error) {
	switch mechanism {
	case "PLAIN":
		return func([]byte) ([]byte, error) { return []byte("\x00" + name + "\x00" + password), nil }, nil
	case "LOGIN":
		step := 0
		return func([]byte) ([]byte, error) {
			step++
			if step == 1 {
				return []byte(name), nil
			}
			return []byte(password), nil
		}, nil
	case "OAUTHBEARER", "XOAUTH2":
		return tokenResponder(mechanism, name, password), nil
	case "CRAM-MD5":
		return func(challenge []byte) ([]byte, error) {
			mac := hmac.New(md5.New, []byte(password))
			mac.Write(challenge)
			return []byte(name + " " + hex.EncodeToString(mac.Sum(nil))), nil
		}, nil
	}
	hash := scram.SHA256
	if mechanism == "SCRAM-SHA-1" {
		hash = scram.SHA1
	}
	client, err := hash.NewClient(name, password, "")
	if err != nil {
		return nil, fmt.Errorf("scram: %w", err)
	}
	conversation := client.NewConversation()
	return func(challenge []byte) ([]byte, error) {
		if conversation.Done() {
			return nil, nil
		}
		next, err := conversation.Step(string(challenge))
		return []byte(next), err
	}, nil
}

// withToken reports whether the mail program signs in with a token of the
// provider's own sign-in page: what was given as the password is then that token.
func (r *Run) withToken() bool {
	c := r.Evidence.Complaint.Client
	if c == nil || c.Account == nil {
		return false
	}
	switch strings.ToLower(c.Account.AuthMethod) {
	case "oauth2", "oauth", "xoauth2", "oauthbearer":
		return true
	}
	return false
}

// tokenResponder shows a token (RFC 7628 section 3.1; XOAUTH2 is its forerunner), and
// acknowledges an error with a line that ends the exchange (section 3.2.3).
func tokenResponder(mechanism, name, token string) func([]byte) ([]byte, error) {
	shown := false
	return func([]byte) ([]byte, error) {
		switch {
		case shown && mechanism == "OAUTHBEARER":
			return []byte("\x01"), nil
		case shown:
			return nil, nil
		}
		shown = true
		if mechanism == "XOAUTH2" {
			return []byte("user=" + name + "\x01auth=Bearer " + token + "\x01\x01"), nil
		}
		escaped := strings.NewReplacer("=", "=3D", ",", "=2C").Replace(name)
		return []byte("n,a=" + escaped + ",\x01auth=Bearer " + token + "\x01\x01"), nil
	}
}
