// Package arc reads, verifies and makes Authenticated Received Chains (RFC 8617): what each server on
// the way of a forwarded message found out about it, sealed so that the next one can rely on it.
//
// To verify is three steps, so that keys are looked up while the body streams by: Read the header and
// Need the hash of the body, FindKeys, and, once the body was written, Verify.
package arc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/signature"
)

// The fields of a set, in lower case.
const (
	resultsField = "arc-authentication-results"
	messageField = "arc-message-signature"
	sealField    = "arc-seal"
)

// Chain is the chain of a message as its header has it.
type Chain struct {
	header *signature.Header
	sets   []set
	fault  error                // why the chain cannot be valid
	newest *signature.Signature // over header and body, of the last set

	keys map[[2]string]found // by domain and selector
}

// set is what one server added.
type set struct {
	instance               int
	results, message, seal []byte // the fields, whole
	tags                   signature.Tags
}

type found struct {
	key     *signature.Key
	failure *signature.Failure
}

// Link is one server in a chain.
type Link struct {
	Instance int
	Domain   string // who sealed, d= in lower case
	Results  string // what that server found: the value of its field after the number, unfolded
}

// Result is what a chain is worth.
type Result struct {
	Outcome signature.Outcome // none, pass, fail or temperror
	Reason  string            // where it is not pass, for people who know mail
	Links   []Link            // the oldest first; trustworthy only if Outcome is pass
	// Instance is the highest number of a set, even in a chain that is broken.
	Instance int
	// Closed tells that the last server already sealed the chain as failed: nobody adds to it (RFC
	// 8617 section 5.1.1).
	Closed bool
}

// Read finds the chain in a header (RFC 8617 section 5.2, steps 1 to 3).
func Read(h *signature.Header) *Chain {
	c := &Chain{header: h}
	for _, kind := range []string{resultsField, messageField, sealField} {
		for _, f := range h.All(kind) {
			if err := c.add(kind, f); err != nil && c.fault == nil {
				c.fault = err
			}
		}
	}
	slices.SortFunc(c.sets, func(a, b set) int { return a.instance - b.instance })
	if c.fault == nil && len(c.sets) > 0 {
		c.fault = c.check()
	}
	return c
}

// add puts a field into its set. A field that cannot be read makes a set without a number.
func (c *Chain) add(kind string, f signature.Field) error {
	n, tags, err := instanceOf(kind, f.Value())
	i := slices.IndexFunc(c.sets, func(s set) bool { return s.instance == n })
	if i < 0 {
		i = len(c.sets)
		c.sets = append(c.sets, set{instance: n})
	}
	if err != nil {
		return err
	}
	place := c.sets[i].field(kind)
	if *place != nil {
		return fmt.Errorf("set %d has two fields %s", n, kind)
	}
	if *place = f.Raw; kind == sealField {
		c.sets[i].tags = tags
	}
	return nil
}

func (s *set) field(kind string) *[]byte {
	switch kind {
	case resultsField:
		return &s.results
	case messageField:
		return &s.message
	}
	return &s.seal
}

// instanceOf reads the number of a field, and of a seal its tags.
func instanceOf(kind, value string) (int, signature.Tags, error) {
	if kind == resultsField { // not a list of tags, but its beginning looks like one
		first, _, _ := strings.Cut(value, ";")
		name, number, _ := strings.Cut(first, "=")
		if strings.Trim(name, " \t\r\n") != "i" {
			return 0, nil, errors.New("results of the chain without a number")
		}
		n, err := signature.ParseInstance(strings.Trim(number, " \t\r\n"))
		return n, nil, err
	}
	tags, err := signature.ParseTags(value)
	if err != nil {
		return 0, nil, err
	}
	n, err := signature.ParseInstance(tags.Compact("i"))
	return n, tags, err
}

// check looks at what can be known without keys.
func (c *Chain) check() error {
	for i := range c.sets {
		s := &c.sets[i]
		want := "pass"
		if i == 0 {
			want = "none"
		}
		cv := strings.ToLower(s.tags.Compact("cv"))
		switch {
		case s.instance != i+1:
			return fmt.Errorf("set %d is missing", i+1)
		case s.results == nil || s.message == nil || s.seal == nil:
			return fmt.Errorf("set %d is not complete", s.instance)
		case cv == "fail":
			return fmt.Errorf("set %d says that the chain failed", s.instance)
		case cv != want:
			return fmt.Errorf("set %d says cv=%.10s", s.instance, cv)
		}
		if err := checkSeal(s.tags); err != nil {
			return fmt.Errorf("set %d: %w", s.instance, err)
		}
	}
	var failure *signature.Failure
	if c.newest, failure = signature.Parse(signature.ARC, c.last().message); failure != nil {
		return fmt.Errorf("set %d: %s", len(c.sets), failure.Reason)
	}
	if slices.Contains(c.newest.Names, sealField) { // RFC 8617 section 4.1.2
		return fmt.Errorf("set %d: the signature is over a seal", len(c.sets))
	}
	return nil
}

// checkSeal looks at the tags of a seal (RFC 8617 section 4.1.3): all fields that it is over are given, so
// it names none.
func checkSeal(tags signature.Tags) error {
	for _, name := range []string{"a", "b", "d", "s"} {
		if tags.Compact(name) == "" {
			return fmt.Errorf("seal has no %s=", name)
		}
	}
	for _, name := range []string{"h", "bh"} {
		if _, has := tags.Get(name); has {
			return fmt.Errorf("seal has %s=", name)
		}
	}
	return nil
}

func (c *Chain) last() *set { return &c.sets[len(c.sets)-1] }

// Need asks for the hash of the body that the newest signature is over.
func (c *Chain) Need(b *signature.Bodies) {
	if c.newest == nil || c.fault != nil {
		return
	}
	if failure := c.newest.Need(b); failure != nil {
		c.fault = errors.New(failure.Reason)
	}
}

// lookups is how many keys are looked up at the same time.
const lookups = 8

// FindKeys looks up the keys of the chain, each once.
func (c *Chain) FindKeys(ctx context.Context, r signature.Resolver) {
	c.keys = map[[2]string]found{}
	if c.fault != nil || len(c.sets) == 0 {
		return
	}
	wanted := map[[2]string]bool{{c.newest.Domain, c.newest.Selector}: true}
	for i := range c.sets {
		wanted[keyName(c.sets[i].tags)] = true
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	tokens := make(chan struct{}, lookups)
	for name := range wanted {
		tokens <- struct{}{}
		wg.Go(func() {
			defer func() { <-tokens }()
			key, failure := signature.FindKey(ctx, r, name[0], name[1])
			mu.Lock()
			defer mu.Unlock()
			c.keys[name] = found{key, failure}
		})
	}
	wg.Wait()
}

func keyName(tags signature.Tags) [2]string {
	return [2]string{strings.ToLower(tags.Compact("d")), tags.Compact("s")}
}

// Verify says what the chain is worth (RFC 8617 section 5.2, steps 4 to 7), once the body was written.
func (c *Chain) Verify(now time.Time) Result {
	if len(c.sets) == 0 {
		return Result{Outcome: signature.None}
	}
	r := Result{Outcome: signature.Pass, Links: c.links()}
	for i := range c.sets {
		r.Instance = max(r.Instance, c.sets[i].instance)
	}
	r.Closed = strings.EqualFold(c.last().tags.Compact("cv"), "fail")
	failure := c.verify(now)
	switch {
	case failure == nil:
	case failure.Outcome == signature.TempError:
		r.Outcome, r.Reason = signature.TempError, failure.Reason
	default:
		r.Outcome, r.Reason = signature.Fail, failure.Reason
	}
	return r
}

func (c *Chain) links() []Link {
	list := make([]Link, 0, len(c.sets))
	for i := range c.sets {
		_, value, _ := strings.Cut(string(c.sets[i].results), ";")
		list = append(list, Link{
			Instance: c.sets[i].instance, Domain: strings.ToLower(c.sets[i].tags.Compact("d")),
			Results: strings.Join(strings.FieldsFunc(value, isSpace), " "),
		})
	}
	return list
}

func isSpace(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' }

func (c *Chain) verify(now time.Time) *signature.Failure {
	if c.fault != nil {
		return &signature.Failure{Outcome: signature.Fail, Reason: c.fault.Error()}
	}
	f := c.keys[[2]string{c.newest.Domain, c.newest.Selector}]
	if f.key != nil {
		f.failure = c.newest.Verify(c.header, f.key, now)
	}
	if f.failure != nil {
		return about(len(c.sets), "signature", f.failure)
	}
	for i := len(c.sets) - 1; i >= 0; i-- {
		f := c.keys[keyName(c.sets[i].tags)]
		if f.key != nil {
			f.failure = c.verifySeal(i, f.key)
		}
		if f.failure != nil {
			return about(i+1, "seal", f.failure)
		}
	}
	return nil
}

func about(instance int, what string, f *signature.Failure) *signature.Failure {
	return &signature.Failure{Outcome: f.Outcome, Reason: fmt.Sprintf("%s of set %d: %s", what, instance, f.Reason)}
}

// verifySeal checks the seal of the set at i, which is over all sets up to it.
func (c *Chain) verifySeal(i int, k *signature.Key) *signature.Failure {
	tags := c.sets[i].tags
	algorithm, hash, _ := strings.Cut(strings.ToLower(tags.Compact("a")), "-")
	switch {
	case hash != "sha256" || algorithm != k.Algorithm:
		return &signature.Failure{Outcome: signature.Fail, Reason: "algorithm and key do not go together"}
	case k.Hashes != nil && !slices.Contains(k.Hashes, hash):
		return &signature.Failure{Outcome: signature.Fail, Reason: "the key is not for " + hash}
	}
	sig, err := tags.Base64("b")
	if err != nil || !k.Verify(sealedData(c.sets[:i+1]), sig) {
		return &signature.Failure{Outcome: signature.Fail, Reason: "the chain was changed or the key is another"}
	}
	return nil
}

// sealedData is what the seal of the last set is over (RFC 8617 section 5.1.1): all fields of all sets
// in order, in relaxed form, the seal itself last, without its b= and without line end.
func sealedData(sets []set) []byte {
	var data []byte
	for i := range sets {
		data = signature.AppendField(data, sets[i].results, signature.Relaxed)
		data = signature.AppendField(data, sets[i].message, signature.Relaxed)
		seal := sets[i].seal
		if i == len(sets)-1 {
			seal = signature.WithoutB(seal)
		}
		data = signature.AppendField(data, seal, signature.Relaxed)
	}
	return data[:len(data)-2]
}
