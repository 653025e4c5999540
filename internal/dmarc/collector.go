package dmarc

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/daily"
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
	Record daily.Record
	Now    func() time.Time
	Log    *slog.Logger
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

// Collector counts messages by domain and day and reports them to the domains (RFC 7489 section 7.2). Its methods may be
// called by several goroutines.
type Collector struct {
	*daily.Counter[*counts]
	opt    Options
	speech *phrases.Set
	rows   int   // of all counts; changes only while they stand still, and so does lost
	lost   int64 // messages since the last time they were saved
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
	maxRows       = 2_000 // of a domain and day
	maxAllRows    = 50_000
	maxSignatures = 4
	maxText       = 255
)

// New makes a collector with what its record holds.
func New(ctx context.Context, o Options) (*Collector, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	c := &Collector{opt: o}
	var err error
	if c.speech, err = SpeechIn(cause.English); err != nil {
		return nil, err
	}
	c.Counter, err = daily.New(ctx, daily.Options[*counts]{
		Name: "dmarc", Record: o.Record, Encode: c.encode, Decode: c.decode, Report: c.report,
		Forgotten: func(d *counts) { c.rows -= len(d.rows) }, Now: o.Now, Log: o.Log,
	})
	if err != nil {
		return nil, err
	}
	return c, nil
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
	room := c.Count(o.Policy.Domain, func(d *counts) (*counts, bool) {
		if d == nil {
			d = &counts{rows: map[rowKey]int64{}}
		}
		if _, known := d.rows[key]; !known {
			if len(d.rows) == maxRows || c.rows == maxAllRows {
				c.lost++
				return d, false
			}
			c.rows++
		}
		d.rows[key]++
		d.published = publish(o.Policy)
		return d, true
	})
	if !room {
		c.All(func(daily.Days[*counts]) { c.lost++ })
	}
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

func (c *Collector) encode(days daily.Days[*counts]) ([]byte, error) {
	if c.lost > 0 {
		c.opt.Log.Warn("messages left out of dmarc reports", "messages", c.lost)
		c.lost = 0
	}
	var all []saved
	for day, domains := range days {
		for _, d := range domains {
			one := saved{Day: day, Published: d.published}
			for key, n := range d.rows {
				one.Rows = append(one.Rows, savedRow{key, n})
			}
			all = append(all, one)
		}
	}
	return json.Marshal(all)
}

func (c *Collector) decode(doc []byte) (daily.Days[*counts], error) {
	var all []saved
	if err := json.Unmarshal(doc, &all); err != nil {
		return nil, err
	}
	days := daily.Days[*counts]{}
	for _, one := range all {
		d := &counts{published: one.Published, rows: make(map[rowKey]int64, len(one.Rows))}
		for _, row := range one.Rows {
			d.rows[row.rowKey] = row.Count
		}
		c.rows += len(d.rows)
		if days[one.Day] == nil {
			days[one.Day] = map[string]*counts{}
		}
		days[one.Day][one.Published.Domain] = d
	}
	return days, nil
}

// report sends what a domain is to be told about a day to all addresses it names; that one takes it is
// enough. Without any it is done, too.
func (c *Collector) report(ctx context.Context, a daily.About) error {
	from := c.opt.From()
	if from == "" {
		return nil
	}
	record, err := lookup(ctx, c.opt.Resolver, a.Domain)
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
	if takes, err := Takes(ctx, c.opt.Resolver, to.Address, r.Published.Domain); err != nil || !takes {
		return cmp.Or(err, errNotWanted)
	}
	raw, err := r.mail(file, from, to.Address, c.opt.Now(), c.speech)
	if err != nil {
		return err
	}
	return c.opt.Mail(ctx, from, to.Address, raw)
}

// Takes asks the domain of an address whether it takes reports about another one (RFC 7489 section 7.1): otherwise anybody
// could have anybody flooded. The error is one that may pass.
func Takes(ctx context.Context, r Resolver, to, domain string) (bool, error) {
	where := strings.ToLower(to[strings.LastIndexByte(to, '@')+1:])
	if OrganizationalDomain(where) == OrganizationalDomain(domain) {
		return true, nil
	}
	texts, _, err := r.TXT(ctx, domain+"._report._dmarc."+where)
	if errors.Is(err, resolver.ErrTemporary) {
		return false, err
	}
	return err == nil && slices.ContainsFunc(texts, isRecord), nil
}

// compose makes the report of a day.
func (c *Collector) compose(a daily.About, from string) *Report {
	_, host, _ := strings.Cut(from, "@")
	r := &Report{Version: "1.0", Metadata: Metadata{
		Organization: c.opt.Organization, Email: from,
		ID:    a.Day.Format(time.DateOnly) + "." + strings.ToLower(rand.Text()[:16]) + "@" + host,
		Begin: seconds(a.Day.Unix()), End: seconds(a.Day.Unix() + 24*3600 - 1),
	}}
	c.Look(a, func(d *counts) {
		r.Published = d.published
		for key, n := range d.rows {
			r.Records = append(r.Records, key.row(n))
		}
	})
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
