package dmarc

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/phrases"
	"github.com/postiljon/postiljon/internal/resolver"
)

// Options are what a Collector works with. All but Now and Log must be given.
type Options struct {
	// Organization and From are who reports: the name of this server, and the address that reports come
	// from. Without From no report is sent.
	Organization string
	From         func() string
	// Resolver finds out where reports are wanted.
	Resolver Resolver
	// Mail sends a message of From to an address, with the signature of its domain.
	Mail func(ctx context.Context, from, to string, raw []byte) error
	// Record keeps the counts.
	Record Document
	Now    func() time.Time
	Log    *slog.Logger
}

// Document is one small document that is kept durably; policy.FileRecord is one.
type Document interface {
	Load(ctx context.Context) ([]byte, error) // nil, nil if there is none yet
	Save(ctx context.Context, doc []byte) error
}

// Observation is one message in the name of a domain with a policy.
type Observation struct {
	Policy      *Policy
	Source      string // the address of the client
	Disposition Disposition
	SPF, DKIM   bool   // what passed in alignment
	Reason      Reason // why something else was done than the policy says; may be empty
	From        string // domain in From
	Envelope    string // domain in MAIL
	Sender      Sender
	Signatures  []Signature
}

// Collector counts messages by domain and day and reports them to the domains (RFC 7489 section 7.2). The
// counts are saved every five minutes, so that a crash loses no more. Its methods may be called by
// several goroutines.
type Collector struct {
	opt    Options
	speech *phrases.Set
	delay  time.Duration // after midnight, so that not all receivers report at once
	end    context.CancelFunc
	done   chan struct{}

	mu    sync.Mutex // guards what follows
	days  map[string]map[string]*counts
	rows  int
	lost  int64
	dirty bool
}

// counts are what is to be reported to one domain about one day.
type counts struct {
	published Published
	rows      map[rowKey]int64
}

// rowKey is what messages of one row have in common.
type rowKey struct {
	Source, Disposition, From, Envelope string
	SPF, DKIM                           bool
	Reason                              Reason
	Sender                              Sender
	Signatures                          [maxSignatures]Signature
}

const (
	maxDomains    = 10_000 // a day
	maxRows       = 2_000  // of a domain and day
	maxAllRows    = 50_000
	maxSignatures = 4
	maxText       = 255
	saveEvery     = 5 * time.Minute
	sendEvery     = 30 * time.Minute
	keepFor       = 3 * 24 * time.Hour // a report that cannot be sent
)

// New makes a collector with what its record holds.
func New(ctx context.Context, o Options) (*Collector, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	c := &Collector{opt: o, delay: mathrand.N(time.Hour), days: map[string]map[string]*counts{}, done: make(chan struct{})}
	var err error
	if c.speech, err = SpeechIn(cause.English); err != nil {
		return nil, err
	}
	if err := c.load(ctx); err != nil {
		return nil, fmt.Errorf("dmarc: load counts: %w", err)
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
			c.opt.Log.Error("dmarc report counts not saved", "error", err)
		}
	}
}

// Note counts a message. What does not fit is not reported.
func (c *Collector) Note(o Observation) {
	key := rowKey{
		Source: o.Source, Disposition: string(o.Disposition), From: clip(o.From), Envelope: clip(o.Envelope), SPF: o.SPF, DKIM: o.DKIM,
		Reason: o.Reason, Sender: Sender{clip(o.Sender.Domain), o.Sender.Scope, o.Sender.Result},
	}
	for i, s := range o.Signatures[:min(len(o.Signatures), maxSignatures)] {
		key.Signatures[i] = Signature{clip(s.Domain), clip(s.Selector), s.Result}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	day := c.opt.Now().UTC().Format(time.DateOnly)
	d := c.counts(day, o.Policy.Domain)
	if d == nil {
		c.lost++
		return
	}
	if _, known := d.rows[key]; !known {
		if len(d.rows) == maxRows || c.rows == maxAllRows {
			c.lost++
			return
		}
		c.rows++
	}
	d.rows[key]++
	d.published = publish(o.Policy)
	c.dirty = true
}

// counts finds those of a day and domain; nil where there is no room. c.mu is held.
func (c *Collector) counts(day, domain string) *counts {
	domains := c.days[day]
	if domains == nil {
		domains = map[string]*counts{}
		c.days[day] = domains
	}
	d := domains[domain]
	if d == nil && len(domains) < maxDomains {
		d = &counts{rows: map[rowKey]int64{}}
		domains[domain] = d
	}
	return d
}

func publish(p *Policy) Published {
	mode := func(strict bool) string {
		if strict {
			return "s"
		}
		return "r"
	}
	return Published{
		Domain: p.Domain, DKIM: mode(p.StrictDKIM), SPF: mode(p.StrictSPF), Policy: string(p.Record.Policy),
		Subdomains: string(p.Subdomains), Nonexistent: string(p.Nonexistent), Percent: strconv.Itoa(p.Percent),
	}
}

func clip(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxText)], "") }

// saved is one domain and day in the record.
type saved struct {
	Day       string
	Published Published
	Rows      []savedRow
}

type savedRow struct {
	rowKey
	Count int64
}

func (c *Collector) save(ctx context.Context) error {
	c.mu.Lock()
	dirty := c.dirty
	c.dirty = false
	if lost := c.lost; lost > 0 {
		c.opt.Log.Warn("messages left out of dmarc reports", "messages", lost)
		c.lost = 0
	}
	var all []saved
	for day, domains := range c.days {
		for _, d := range domains {
			one := saved{Day: day, Published: d.published}
			for key, n := range d.rows {
				one.Rows = append(one.Rows, savedRow{key, n})
			}
			all = append(all, one)
		}
	}
	c.mu.Unlock()
	if !dirty {
		return nil
	}
	doc, err := json.Marshal(all)
	if err == nil {
		err = c.opt.Record.Save(ctx, doc)
	}
	if err != nil {
		c.mu.Lock()
		c.dirty = true
		c.mu.Unlock()
		return fmt.Errorf("dmarc: save counts: %w", err)
	}
	return nil
}

func (c *Collector) load(ctx context.Context) error {
	doc, err := c.opt.Record.Load(ctx)
	if err != nil || doc == nil {
		return err
	}
	var all []saved
	if err := json.Unmarshal(doc, &all); err != nil {
		return err
	}
	for _, one := range all {
		d := c.counts(one.Day, one.Published.Domain)
		if d == nil {
			continue
		}
		d.published = one.Published
		for _, row := range one.Rows {
			d.rows[row.rowKey] = row.Count
			c.rows++
		}
	}
	return nil
}

// Send sends the reports about days that were over at a time, and forgets those that nobody wants or that
// could not be sent for days.
func (c *Collector) Send(ctx context.Context, at time.Time) {
	for _, due := range c.due(at.UTC().Format(time.DateOnly)) {
		if ctx.Err() != nil {
			return
		}
		err := c.report(ctx, due)
		switch {
		case err == nil:
		case at.Sub(due.day) > keepFor:
			c.opt.Log.Warn("dmarc report given up", "domain", due.domain, "error", err)
		default:
			c.opt.Log.Info("dmarc report not sent yet", "domain", due.domain, "error", err)
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
	slices.SortFunc(list, func(a, b about) int { return strings.Compare(a.domain, b.domain) })
	return list
}

func (c *Collector) forget(a about) {
	c.mu.Lock()
	defer c.mu.Unlock()
	day := a.day.Format(time.DateOnly)
	if d := c.days[day][a.domain]; d != nil {
		c.rows -= len(d.rows)
	}
	if delete(c.days[day], a.domain); len(c.days[day]) == 0 {
		delete(c.days, day)
	}
	c.dirty = true
}

// report sends what a domain is to be told about a day to all addresses it names; that one takes it is
// enough. Without any it is done, too.
func (c *Collector) report(ctx context.Context, a about) error {
	from := c.opt.From()
	if from == "" {
		return nil
	}
	record, err := lookup(ctx, c.opt.Resolver, a.domain)
	if errors.Is(err, resolver.ErrTemporary) {
		return err
	}
	if err != nil || len(record.Reports) == 0 {
		return nil
	}
	r := c.compose(a, from)
	file, err := r.compressed()
	if err != nil {
		return err
	}
	var failures []error
	sent := false
	for _, to := range record.Reports {
		err := c.submit(ctx, r, file, from, to)
		sent = sent || err == nil
		if err != nil && !errors.Is(err, errNotWanted) {
			failures = append(failures, err)
		}
	}
	if sent {
		return nil
	}
	return errors.Join(failures...)
}

// errNotWanted tells that an address does not want a report, or not this one.
var errNotWanted = errors.New("dmarc: the report is not wanted there")

func (c *Collector) submit(ctx context.Context, r *Report, file []byte, from string, to ReportURI) error {
	if to.Limit > 0 && int64(len(file)) > to.Limit {
		return errNotWanted
	}
	if err := c.mayReport(ctx, r.Published.Domain, to.Address); err != nil {
		return err
	}
	raw, err := r.mail(file, from, to.Address, c.opt.Now(), c.speech)
	if err != nil {
		return err
	}
	return c.opt.Mail(ctx, from, to.Address, raw)
}

// mayReport asks a domain whether it takes reports about another one (RFC 7489 section 7.1): otherwise
// anybody could have anybody flooded.
func (c *Collector) mayReport(ctx context.Context, domain, to string) error {
	where := strings.ToLower(to[strings.LastIndexByte(to, '@')+1:])
	if OrganizationalDomain(where) == OrganizationalDomain(domain) {
		return nil
	}
	texts, _, err := c.opt.Resolver.TXT(ctx, domain+"._report._dmarc."+where)
	if errors.Is(err, resolver.ErrTemporary) {
		return err
	}
	if err != nil || !slices.ContainsFunc(texts, isRecord) {
		return errNotWanted
	}
	return nil
}

// compose makes the report of a day.
func (c *Collector) compose(a about, from string) *Report {
	_, host, _ := strings.Cut(from, "@")
	r := &Report{Version: "1.0", Metadata: Metadata{
		Organization: c.opt.Organization, Email: from,
		ID:    a.day.Format(time.DateOnly) + "." + strings.ToLower(rand.Text()[:16]) + "@" + host,
		Begin: seconds(a.day.Unix()), End: seconds(a.day.Unix() + 24*3600 - 1),
	}}
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.days[a.day.Format(time.DateOnly)][a.domain]
	r.Published = d.published
	for key, n := range d.rows {
		r.Records = append(r.Records, key.row(n))
	}
	slices.SortFunc(r.Records, func(a, b Row) int {
		if a.Count != b.Count {
			return int(b.Count - a.Count)
		}
		return strings.Compare(a.Source, b.Source)
	})
	return r
}

func (k *rowKey) row(n int64) Row {
	word := func(passed bool) string {
		if passed {
			return "pass"
		}
		return "fail"
	}
	row := Row{
		Source: k.Source, Count: n, Disposition: k.Disposition, DKIM: word(k.DKIM), SPF: word(k.SPF),
		Envelope: k.Envelope, From: k.From, Senders: []Sender{k.Sender},
	}
	if k.Reason != (Reason{}) {
		row.Reasons = []Reason{k.Reason}
	}
	for _, s := range k.Signatures {
		if s != (Signature{}) {
			row.Signatures = append(row.Signatures, s)
		}
	}
	return row
}
