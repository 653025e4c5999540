package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"syscall"
)

// Client calls a service through its socket. It is safe for concurrent use.
type Client struct {
	path string
	http *http.Client
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 1 << 30

// NewClient makes a client of the service whose socket is at path.
func NewClient(path string) *Client {
	dialer := net.Dialer{}
	return &Client{path: path, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", path)
		},
	}}}
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// call calls a method.
func call[Resp any](ctx context.Context, c *Client, method string, request any) (answer Resp, err error) {
	response, err := c.post(ctx, method, request)
	if err != nil {
		return answer, err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(&answer); err != nil {
		return answer, fmt.Errorf("control: %s: %w", method, err)
	}
	return answer, nil
}

// post sends a request as JSON.
func (c *Client) post(ctx context.Context, method string, request any) (*http.Response, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("control: %s: %w", method, err)
	}
	return c.send(ctx, method, nil, bytes.NewReader(body))
}

// send sends a body to a method. An answer that is no success is an *Error.
func (c *Client) send(ctx context.Context, method string, header map[string]string, body io.Reader) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://control/v1/"+method, body)
	if err != nil {
		return nil, fmt.Errorf("control: %s: %w", method, err)
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	response, err := c.http.Do(r)
	if err != nil {
		return nil, c.unreachable(err)
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	defer response.Body.Close()
	e := &Error{Status: response.StatusCode}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxRequest)).Decode(e); err != nil || e.Message == "" {
		e.Message = "the service answered " + response.Status
	}
	return nil, e
}

// unreachable says why there is no service at the socket.
func (c *Client) unreachable(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return &Error{Message: fmt.Sprintf("no service runs at %s", c.path), Status: http.StatusServiceUnavailable,
			Next: "Start it with 'postiljon serve', or name its socket with --socket."}
	case errors.Is(err, fs.ErrPermission), errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return &Error{Message: fmt.Sprintf("you may not talk to the service at %s", c.path), Status: http.StatusForbidden,
			Next: "Run the command as root or as the user of the service: sudo -u postiljon postiljon ..."}
	}
	return fmt.Errorf("control: %w", err)
}

// The methods.

// Status says how the service is.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return call[Status](ctx, c, "status", None{})
}

// Reload reads configuration and certificates again.
func (c *Client) Reload(ctx context.Context) (Reloaded, error) {
	return call[Reloaded](ctx, c, "reload", None{})
}

func done(ctx context.Context, c *Client, method string, request any) error {
	_, err := call[None](ctx, c, method, request)
	return err
}

// AddDomain adds a domain.
func (c *Client) AddDomain(ctx context.Context, name string) (Domain, error) {
	return call[Domain](ctx, c, "domain.add", Name{name})
}

// Domains lists the domains.
func (c *Client) Domains(ctx context.Context) ([]Domain, error) {
	return call[[]Domain](ctx, c, "domain.list", None{})
}

// Domain shows a domain.
func (c *Client) Domain(ctx context.Context, name string) (Domain, error) {
	return call[Domain](ctx, c, "domain.show", Name{name})
}

// ChangeDomain changes a domain.
func (c *Client) ChangeDomain(ctx context.Context, change ChangeDomain) (Domain, error) {
	return call[Domain](ctx, c, "domain.change", change)
}

// RemoveDomain removes an empty domain.
func (c *Client) RemoveDomain(ctx context.Context, name string) error {
	return done(ctx, c, "domain.remove", Name{name})
}

// AddAccount adds an account. The answer has its password if it was made.
func (c *Client) AddAccount(ctx context.Context, a NewAccount) (Password, error) {
	return call[Password](ctx, c, "account.add", a)
}

// Accounts lists the accounts of a domain, or all if domain is "".
func (c *Client) Accounts(ctx context.Context, domain string) ([]Account, error) {
	return call[[]Account](ctx, c, "account.list", Name{domain})
}

// Account shows an account with its mailboxes and passwords.
func (c *Client) Account(ctx context.Context, address string) (Account, error) {
	return call[Account](ctx, c, "account.show", Name{address})
}

// Ledger lists the mail for an account that was turned away.
func (c *Client) Ledger(ctx context.Context, q LedgerQuery) ([]TurnedAway, error) {
	return call[[]TurnedAway](ctx, c, "ledger", q)
}

// AllowedSenders lists whose mail an account lets through.
func (c *Client) AllowedSenders(ctx context.Context, address string) ([]AllowedSender, error) {
	return call[[]AllowedSender](ctx, c, "sender.allowed", Name{address})
}

// AllowSender lets mail of a sender through to an account.
func (c *Client) AllowSender(ctx context.Context, r AllowSender) error {
	_, err := call[None](ctx, c, "sender.allow", r)
	return err
}

// Limits tells how far the sending limits of an account are used up.
func (c *Client) Limits(ctx context.Context, address string) (Limits, error) {
	return call[Limits](ctx, c, "limits.show", Name{address})
}

// Reopen opens sending for an address or a domain that exceeded a limit.
func (c *Client) Reopen(ctx context.Context, of string) error {
	_, err := call[None](ctx, c, "limits.reopen", Name{of})
	return err
}

// ChangeAccount changes an account.
func (c *Client) ChangeAccount(ctx context.Context, change ChangeAccount) (Account, error) {
	return call[Account](ctx, c, "account.change", change)
}

// RemoveAccount removes an account with all its mail.
func (c *Client) RemoveAccount(ctx context.Context, address string) error {
	return done(ctx, c, "account.remove", Name{address})
}

// SignOut ends all that is signed in to an account: mail programs and browsers.
func (c *Client) SignOut(ctx context.Context, address string) error {
	return done(ctx, c, "account.sign-out", Name{address})
}

// AddAlias adds an alias.
func (c *Client) AddAlias(ctx context.Context, a Alias) (Alias, error) {
	return call[Alias](ctx, c, "alias.add", a)
}

// Aliases lists the aliases of a domain, or all if domain is "".
func (c *Client) Aliases(ctx context.Context, domain string) ([]Alias, error) {
	return call[[]Alias](ctx, c, "alias.list", Name{domain})
}

// RemoveAlias removes an alias.
func (c *Client) RemoveAlias(ctx context.Context, address string) error {
	return done(ctx, c, "alias.remove", Name{address})
}

// ChangeShare shares a mailbox, or shares it no longer.
func (c *Client) ChangeShare(ctx context.Context, change ChangeShare) (Share, error) {
	return call[Share](ctx, c, "share.change", change)
}

// Shares lists what an account shares and what is shared with it.
func (c *Client) Shares(ctx context.Context, address string) (Shares, error) {
	return call[Shares](ctx, c, "share.list", Name{address})
}

// Rules tells what rules an account has.
func (c *Client) Rules(ctx context.Context, address string) (Rules, error) {
	return call[Rules](ctx, c, "rules.show", Name{address})
}

// ChangeRules gives an account other simple rules, and switches them on.
func (c *Client) ChangeRules(ctx context.Context, change ChangeRules) (Rules, error) {
	return call[Rules](ctx, c, "rules.change", change)
}

// Script returns a script of an account, text included.
func (c *Client) Script(ctx context.Context, which RulesScript) (RulesScript, error) {
	return call[RulesScript](ctx, c, "rules.script", which)
}

// StoreScript checks a script and stores it; Active switches it on.
func (c *Client) StoreScript(ctx context.Context, script RulesScript) (RulesScript, error) {
	return call[RulesScript](ctx, c, "rules.store", script)
}

// RemoveScript removes a script, also the active one.
func (c *Client) RemoveScript(ctx context.Context, which RulesScript) (Rules, error) {
	return call[Rules](ctx, c, "rules.remove", which)
}

// UseScript makes a script the one that runs, without a name none.
func (c *Client) UseScript(ctx context.Context, which RulesScript) (Rules, error) {
	return call[Rules](ctx, c, "rules.use", which)
}

// TestRules tells what the rules of an account would do with a message.
func (c *Client) TestRules(ctx context.Context, test RulesTest) (RulesOutcome, error) {
	return call[RulesOutcome](ctx, c, "rules.test", test)
}

// SetPassword gives an account a new password.
func (c *Client) SetPassword(ctx context.Context, p SetPassword) (Password, error) {
	return call[Password](ctx, c, "password.set", p)
}

// AddAppPassword makes a password for one program.
func (c *Client) AddAppPassword(ctx context.Context, p NewAppPassword) (Password, error) {
	return call[Password](ctx, c, "apppassword.add", p)
}

// RemoveAppPassword removes a password of a program.
func (c *Client) RemoveAppPassword(ctx context.Context, p AppPassword) (Secret, error) {
	return call[Secret](ctx, c, "apppassword.remove", p)
}

// AddToken makes a bearer token for one program.
func (c *Client) AddToken(ctx context.Context, t NewToken) (Token, error) {
	return call[Token](ctx, c, "token.add", t)
}

// RevokeToken ends a token.
func (c *Client) RevokeToken(ctx context.Context, t AppPassword) (Secret, error) {
	return call[Secret](ctx, c, "token.revoke", t)
}

// Files lists the large files of an account.
func (c *Client) Files(ctx context.Context, address string) (Files, error) {
	return call[Files](ctx, c, "file.list", Name{address})
}

// RevokeFile ends the link of a file, or of all files of an account.
func (c *Client) RevokeFile(ctx context.Context, r RevokeFile) (Files, error) {
	return call[Files](ctx, c, "file.revoke", r)
}

// Bans lists the bans that hold.
func (c *Client) Bans(ctx context.Context) ([]Ban, error) {
	return call[[]Ban](ctx, c, "ban.list", None{})
}

// LiftBan ends a ban.
func (c *Client) LiftBan(ctx context.Context, key string) error {
	return done(ctx, c, "ban.lift", Name{key})
}

// Queue lists messages of the queue.
func (c *Client) Queue(ctx context.Context, f QueueFilter) ([]Queued, error) {
	return call[[]Queued](ctx, c, "queue.list", f)
}

// Queued shows one message of the queue.
func (c *Client) Queued(ctx context.Context, id string) (Queued, error) {
	return call[Queued](ctx, c, "queue.show", QueueItem{ID: id})
}

// Retry tries a message of the queue at once.
func (c *Client) Retry(ctx context.Context, id string) error {
	return done(ctx, c, "queue.retry", QueueItem{ID: id})
}

// Hold keeps a message of the queue until Release.
func (c *Client) Hold(ctx context.Context, item QueueItem) error {
	return done(ctx, c, "queue.hold", item)
}

// Release lets go what Hold keeps.
func (c *Client) Release(ctx context.Context, item QueueItem) error {
	return done(ctx, c, "queue.release", item)
}

// Cancel takes a message of the queue back.
func (c *Client) Cancel(ctx context.Context, item QueueItem) error {
	return done(ctx, c, "queue.cancel", item)
}

// Trace tells what became of something.
func (c *Client) Trace(ctx context.Context, q TraceQuery) (Trace, error) {
	return call[Trace](ctx, c, "trace", q)
}
