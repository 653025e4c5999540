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
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/daily"
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
	Record daily.Record
	Now    func() time.Time
	Log    *slog.Logger
}

// Session is how one session with a server of a domain began.
type Session struct {
	Policy  Policy
	Failure *Failure // nil where all went well; Sessions is not used
}

// Collector counts sessions and reports them. Its methods may be called from several
// goroutines.
type Collector struct {
	*daily.Counter[[]*PolicyResult]
	opt    Options
	speech *phrases.Set
}

const (
	maxPolicies = 8   // of a domain
	maxFailures = 50  // kinds of a policy
	maxText     = 300 // octets of what a server said or a policy has in one line
	sendTime    = 30 * time.Second
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
	c.Counter, err = daily.New(ctx, daily.Options[[]*PolicyResult]{
		Name: "tlsrpt", Record: o.Record, Report: c.report, Now: o.Now, Log: o.Log,
		Encode: func(days daily.Days[[]*PolicyResult]) ([]byte, error) { return json.Marshal(days) },
		Decode: func(doc []byte) (days daily.Days[[]*PolicyResult], err error) {
			err = json.Unmarshal(doc, &days)
			return days, err
		},
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Note counts a session.
func (c *Collector) Note(s Session) {
	c.Count(s.Policy.Domain, func(results []*PolicyResult) ([]*PolicyResult, bool) {
		i := slices.IndexFunc(results, func(r *PolicyResult) bool {
			return r.Policy.Type == s.Policy.Type && slices.Equal(r.Policy.Strings, s.Policy.Strings)
		})
		if i < 0 {
			if len(results) >= maxPolicies {
				return results, false
			}
			i, results = len(results), append(results, &PolicyResult{Policy: s.Policy})
		}
		results[i].count(s.Failure)
		return results, true
	})
}

// count counts a session, which failed unless f is nil.
func (p *PolicyResult) count(f *Failure) {
	if f == nil {
		p.Summary.Successful++
		return
	}
	p.Summary.Failed++
	kind := *f
	kind.Reason, kind.Additional, kind.Sessions = short(f.Reason), short(f.Additional), 0
	for i := range p.Failures {
		same := p.Failures[i]
		if same.Sessions = 0; same == kind {
			p.Failures[i].Sessions++
			return
		}
	}
	if len(p.Failures) < maxFailures {
		kind.Sessions = 1
		p.Failures = append(p.Failures, kind)
	}
}

func short(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxText)], "") }

// report sends what one domain is to be told about one day to all places it names; that
// one takes it is enough.
func (c *Collector) report(ctx context.Context, a daily.About) error {
	from := c.opt.From()
	if from == "" {
		return nil
	}
	texts, _, err := c.opt.Resolver.TXT(ctx, "_smtp._tls."+a.Domain)
	if errors.Is(err, resolver.ErrTemporary) {
		return fmt.Errorf("tlsrpt: look up: %w", err)
	}
	rua, err := ReadRecord(texts) // none where there are no texts
	if errors.Is(err, ErrNoReports) {
		return nil
	}
	if err != nil {
		return err
	}
	r := c.compose(a, from)
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
func (c *Collector) compose(a daily.About, from string) *Report {
	_, host, _ := strings.Cut(from, "@")
	r := &Report{
		Organization: c.opt.Organization, Contact: from,
		Range: DateRange{Start: a.Day, End: a.Day.Add(24*time.Hour - time.Second)},
		ID:    a.Day.Format(time.DateOnly) + "." + strings.ToLower(rand.Text()[:16]) + "@" + host,
	}
	c.Look(a, func(results []*PolicyResult) {
		for _, p := range results {
			one := *p
			one.Failures = slices.Clone(p.Failures)
			r.Policies = append(r.Policies, one)
		}
	})
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
