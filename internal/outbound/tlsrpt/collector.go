package tlsrpt

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/phrases"
	"github.com/postiljon/postiljon/internal/resolver"
)

// Options are what a Collector works with. All but Now and Log must be given.
type Options struct {
	// Organization and From are who reports: the name of this server, and the address
	// that reports come from. Without From no report is sent.
	Organization string
	From         func() string
	// Resolver finds out where reports are wanted.
	Resolver interface {
		TXT(ctx context.Context, name string) ([]string, bool, error)
	}
	// Mail sends a message of From to an address, with the signature of its domain.
	Mail func(ctx context.Context, from, to string, raw []byte) error
	// Client takes reports to the web.
	Client *http.Client
	// Record keeps the counts; policy.FileRecord is one.
	Record Record
	Now    func() time.Time
	Log    *slog.Logger
}

// Record is one small document that is kept durably.
type Record interface {
	Load(ctx context.Context) ([]byte, error) // nil, nil if there is none yet
	Save(ctx context.Context, doc []byte) error
}

// Session is how one session with a server of a domain began.
type Session struct {
	Policy  Policy
	Failure *Failure // nil where all went well; Sessions is not used
}

// days are counts by day and domain.
type days map[string]map[string][]*PolicyResult

// Collector counts sessions and reports them. Its methods may be called from several
// goroutines.
type Collector struct {
	opt    Options
	speech *phrases.Set
	delay  time.Duration // after midnight, so that not all senders report at once
	end    context.CancelFunc
	done   chan struct{}

	mu    sync.Mutex // guards what follows
	days  days
	dirty bool
}

const (
	maxDomains  = 10_000 // a day
	maxPolicies = 8      // of a domain
	maxFailures = 50     // kinds of a policy
	maxText     = 300    // octets of what a server said or a policy has in one line
	saveEvery   = 5 * time.Minute
	sendEvery   = 30 * time.Minute
	sendTime    = 30 * time.Second
	keepFor     = 3 * 24 * time.Hour // a report that nobody takes (RFC 8460 section 4.1 wants a day)
)

// New makes a collector with what its record holds.
func New(ctx context.Context, o Options) (*Collector, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	c := &Collector{opt: o, delay: mathrand.N(time.Hour), days: days{}, done: make(chan struct{})}
	var err error
	if c.speech, err = SpeechIn(cause.English); err != nil {
		return nil, err
	}
	doc, err := o.Record.Load(ctx)
	if err == nil && doc != nil {
		err = json.Unmarshal(doc, &c.days)
	}
	if err != nil {
		return nil, fmt.Errorf("tlsrpt: load counts: %w", err)
	}
	life, end := context.WithCancel(context.Background())
	c.end = end
	go c.run(life)
	return c, nil
}

// Close saves the counts and ends what is under way.
func (c *Collector) Close(ctx context.Context) error {
	c.end()
	<-c.done
	return c.save(ctx)
}

// run saves now and then, and sends reports when a day is over.
func (c *Collector) run(life context.Context) {
	defer close(c.done)
	saving, sending := time.NewTicker(saveEvery), time.NewTicker(sendEvery)
	defer saving.Stop()
	defer sending.Stop()
	for {
		select {
		case <-life.Done():
			return
		case <-saving.C:
		case <-sending.C:
			c.Send(life, c.opt.Now().Add(-c.delay))
		}
		if err := c.save(life); err != nil && life.Err() == nil {
			c.opt.Log.Error("tls report counts not saved", "error", err)
		}
	}
}

func (c *Collector) save(ctx context.Context) error {
	c.mu.Lock()
	dirty := c.dirty
	c.dirty = false
	doc, err := json.Marshal(c.days)
	c.mu.Unlock()
	if !dirty {
		return nil
	}
	if err == nil {
		err = c.opt.Record.Save(ctx, doc)
	}
	if err != nil {
		c.mu.Lock()
		c.dirty = true
		c.mu.Unlock()
		return fmt.Errorf("tlsrpt: save counts: %w", err)
	}
	return nil
}

// Note counts a session.
func (c *Collector) Note(s Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.result(&s.Policy)
	if p == nil {
		return
	}
	c.dirty = true
	if s.Failure == nil {
		p.Summary.Successful++
		return
	}
	p.Summary.Failed++
	f := *s.Failure
	f.Reason, f.Additional = short(f.Reason), short(f.Additional)
	f.Sessions = 0
	for i := range p.Failures {
		same := p.Failures[i]
		if same.Sessions = 0; same == f {
			p.Failures[i].Sessions++
			return
		}
	}
	if len(p.Failures) < maxFailures {
		f.Sessions = 1
		p.Failures = append(p.Failures, f)
	}
}

// result finds what is counted today under a policy; nil where there is no room. c.mu
// is held.
func (c *Collector) result(policy *Policy) *PolicyResult {
	day := c.opt.Now().UTC().Format(time.DateOnly)
	domains := c.days[day]
	if domains == nil {
		domains = map[string][]*PolicyResult{}
		c.days[day] = domains
	}
	results := domains[policy.Domain]
	for _, r := range results {
		if r.Policy.Type == policy.Type && slices.Equal(r.Policy.Strings, policy.Strings) {
			return r
		}
	}
	if results == nil && len(domains) >= maxDomains || len(results) >= maxPolicies {
		return nil
	}
	r := &PolicyResult{Policy: *policy}
	domains[policy.Domain] = append(results, r)
	return r
}

func short(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxText)], "") }

// Send sends the reports about days that were over at a time, and forgets those that
// nobody wants or that nobody has taken for days.
func (c *Collector) Send(ctx context.Context, at time.Time) {
	today := at.UTC().Format(time.DateOnly)
	for _, due := range c.due(today) {
		if ctx.Err() != nil {
			return
		}
		err := c.report(ctx, due.day, due.domain)
		old := at.Sub(due.day) > keepFor
		switch {
		case err == nil, errors.Is(err, ErrNoReports):
		case old:
			c.opt.Log.Warn("tls report given up", "domain", due.domain, "error", err)
		default:
			c.opt.Log.Info("tls report not sent yet", "domain", due.domain, "error", err)
			continue
		}
		c.forget(due)
	}
}

// about is what a report is about.
type about struct {
	day    time.Time
	domain string
}

func (c *Collector) due(today string) (list []about) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for day, domains := range c.days {
		start, err := time.Parse(time.DateOnly, day)
		if err != nil || day >= today {
			continue
		}
		for domain := range domains {
			list = append(list, about{start, domain})
		}
	}
	return list
}

func (c *Collector) forget(a about) {
	c.mu.Lock()
	defer c.mu.Unlock()
	day := a.day.Format(time.DateOnly)
	if delete(c.days[day], a.domain); len(c.days[day]) == 0 {
		delete(c.days, day)
	}
	c.dirty = true
}

// report sends what one domain is to be told about one day to all places it names; that
// one takes it is enough.
func (c *Collector) report(ctx context.Context, day time.Time, domain string) error {
	from := c.opt.From()
	if from == "" {
		return ErrNoReports
	}
	texts, _, err := c.opt.Resolver.TXT(ctx, "_smtp._tls."+domain)
	if errors.Is(err, resolver.ErrTemporary) {
		return fmt.Errorf("tlsrpt: look up: %w", err)
	}
	rua, err := ReadRecord(texts) // none where there are no texts
	if err != nil {
		return err
	}
	r := c.compose(day, domain, from)
	var failures []error
	for _, uri := range rua {
		if err := c.submit(ctx, r, from, uri); err != nil {
			failures = append(failures, err)
		}
	}
	if len(failures) == len(rua) {
		return errors.Join(failures...)
	}
	return nil
}

// compose makes the report of a day.
func (c *Collector) compose(day time.Time, domain, from string) *Report {
	_, host, _ := strings.Cut(from, "@")
	r := &Report{
		Organization: c.opt.Organization, Contact: from,
		Range: DateRange{Start: day, End: day.Add(24*time.Hour - time.Second)},
		ID:    day.Format(time.DateOnly) + "." + strings.ToLower(rand.Text()[:16]) + "@" + host,
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.days[day.Format(time.DateOnly)][domain] {
		one := *p
		one.Failures = slices.Clone(p.Failures)
		r.Policies = append(r.Policies, one)
	}
	return r
}

// submit takes a report to one place (RFC 8460 section 5.3, 5.4).
func (c *Collector) submit(ctx context.Context, r *Report, from, uri string) error {
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	if to, ok := strings.CutPrefix(uri, "mailto:"); ok {
		to, _, _ = strings.Cut(to, "?")
		to, err := url.PathUnescape(to)
		if err != nil {
			return fmt.Errorf("tlsrpt: %q: %w", uri, err)
		}
		_, submitter, _ := strings.Cut(from, "@")
		raw, err := r.mail(from, to, submitter, c.opt.Now(), c.speech)
		if err != nil {
			return err
		}
		return c.opt.Mail(ctx, from, to, raw)
	}
	file, err := r.compressed()
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, uri, bytes.NewReader(file))
	if err != nil {
		return fmt.Errorf("tlsrpt: post report: %w", err)
	}
	request.Header.Set("Content-Type", "application/tlsrpt+gzip")
	response, err := c.opt.Client.Do(request)
	if err != nil {
		return fmt.Errorf("tlsrpt: post report: %w", err)
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, 4<<10) // what it says does not matter
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("tlsrpt: post report: %s answers %s", request.URL.Host, response.Status)
	}
	return nil
}
