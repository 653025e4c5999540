// Package doctor finds out why mail does not work: for an account at any
// provider, from outside; for one whose server answers, from inside too.
//
// It looks with probes (package probe), which leave facts (package evidence);
// causes (package causes) say which facts they would show as, and the model of
// package infer finds those that explain the facts best. It never tries more
// than two sign-ins that fail, and changes nothing at the provider but for a test
// message, where the person agreed to one.
package doctor

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/causes"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
	"github.com/postiljon/postiljon/internal/doctor/probe"
)

// Doctor diagnoses. It holds no state of a run and is safe for concurrent use.
type Doctor struct {
	env       probe.Env
	catalogue *cause.Catalogue
	model     *infer.Model
}

// New makes a doctor that looks from env.
func New(env probe.Env, catalogue *cause.Catalogue) (*Doctor, error) {
	model, err := infer.NewModel(causes.All())
	if err != nil {
		return nil, err
	}
	if env.Table == nil || env.Book == nil {
		return nil, fmt.Errorf("doctor: needs the table of providers and the book of dialects")
	}
	return &Doctor{env: env, catalogue: catalogue, model: model}, nil
}

// Case is what the doctor is asked.
type Case struct {
	evidence.Complaint
	// Bounce and Letter are files that came with the complaint; may be nil.
	Bounce, Letter []byte
	// SendTest is the message that the account may send to itself; nil sends none.
	SendTest *evidence.TestMessage
	// HoldIdle is how long a connection is let wait for news, to see whether it lives; 0 is not at all.
	HoldIdle time.Duration
	// Program is the mail program that the steps are for, as "Thunderbird 140" or a User-Agent; where it is
	// empty, that which the evidence tells.
	Program string
	// Progress hears of every probe that ends; may be nil.
	Progress func(probe.Result)
}

// Diagnose looks and concludes. It ends when ctx does, at the latest, with
// what was found until then; an error means that the doctor itself is at fault.
func (d *Doctor) Diagnose(ctx context.Context, c Case) (*Report, error) {
	return d.diagnose(ctx, c, d.look, followUps)
}

// Known concludes from what the service that hosts the account knows alone, which takes no time: it looks at nothing else.
func (d *Doctor) Known(ctx context.Context, c Case) (*Report, error) {
	return d.diagnose(ctx, c, func(ctx context.Context, g *probe.Graph, r *probe.Run, _ Case) error {
		return g.Run(ctx, []probe.Probe{r.Inside(), r.Queue()})
	}, nil)
}

// The two steps of a diagnosis: to look, and to look again after a first conclusion.
type (
	firstLook  func(context.Context, *probe.Graph, *probe.Run, Case) error
	secondLook func(*probe.Run, infer.Conclusion) []probe.Probe
)

// diagnose looks in one way or another, and concludes; without a second look, the first conclusion stands.
func (d *Doctor) diagnose(ctx context.Context, c Case, look firstLook, again secondLook) (*Report, error) {
	began := time.Now()
	now := d.env.Now
	if now == nil {
		now = time.Now
	}
	e := evidence.New(completed(c.Complaint), now)
	r := probe.NewRun(d.env, e)
	defer r.Close()
	g := &probe.Graph{Step: r.Step, Progress: c.Progress}
	if err := look(ctx, g, r, c); err != nil {
		return nil, err
	}
	conclusion := d.model.Infer(e)
	if again != nil && ctx.Err() == nil {
		if err := g.Run(ctx, again(r, conclusion)); err != nil {
			return nil, err
		}
		conclusion = d.model.Infer(e)
	}
	tried, failed := r.SignInAttempts()
	report := d.report(e, conclusion, g.Results(), attempts{tried, failed}, time.Since(began))
	if c.Program != "" {
		report.client.Name, report.client.Version = c.Program, ""
		d.InLanguage(report, cause.English)
	}
	return report, nil
}

// look runs the probes: what needs no settings beside the lookup of the
// settings, then the endpoints that they name.
func (d *Doctor) look(ctx context.Context, g *probe.Graph, r *probe.Run, c Case) error {
	if err := g.Run(ctx, onPaper(r, c)); err != nil {
		return err
	}
	var aside error
	var wg sync.WaitGroup
	wg.Go(func() { aside = g.Run(ctx, surroundings(r, c)) })
	err := g.Run(ctx, []probe.Probe{r.Settings()})
	if err == nil {
		err = g.Run(ctx, services(r, c))
	}
	wg.Wait()
	if err == nil {
		err = aside
	}
	return err
}
