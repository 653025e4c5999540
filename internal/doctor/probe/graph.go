package probe

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Probe is one look.
type Probe struct {
	// Name tells what is looked at, such as "connect imap.north.example:993". It is unique in a run.
	Name string
	// Needs names probes without whose success this one makes no sense: it is
	// blocked when one of them fails.
	Needs []string
	// After names probes to wait for, however they end. Probes that are not in the run do not matter.
	After []string
	// Timeout bounds the probe; 0 means four of the run's steps.
	Timeout time.Duration
	// Run looks. An error means that it did not work.
	Run func(context.Context) error
}

// State is how a probe ended.
type State string

// The states.
const (
	Done    State = "done"
	Failed  State = "failed"
	Blocked State = "blocked" // another that it needs failed, or it would have done harm
	Timeout State = "timeout"
)

// Result is how a probe went.
type Result struct {
	Name    string        `json:"name"`
	State   State         `json:"state"`
	Why     string        `json:"why,omitempty"`
	Started time.Duration `json:"-"` // since the run began
	Took    time.Duration `json:"-"`
}

// ErrBlocked, returned by a probe, says that it could not look for want of something.
var ErrBlocked = errors.New("blocked")

// maxParallel is how many probes of a run look at once.
const maxParallel = 64

// Graph runs probes. Results of earlier probes are remembered, so that later
// ones can need them.
type Graph struct {
	// Step is the run's step: what a probe without a timeout may take is four of them.
	Step time.Duration
	// Progress hears of every probe that ends; may be nil. It is called from several goroutines, one at a time.
	Progress func(Result)

	began   time.Time
	mu      sync.Mutex
	nodes   map[string]*node
	results []Result
}

type node struct {
	done  chan struct{}
	state State
}

// Run runs probes in parallel and returns when all have ended. It fails only
// when the graph itself is wrong: a probe that is there twice, that needs one
// that is not there, or a circle.
func (g *Graph) Run(ctx context.Context, probes []Probe) error {
	if g.nodes == nil {
		g.nodes = map[string]*node{}
		g.began = time.Now()
	}
	if err := g.enter(probes); err != nil {
		return err
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, maxParallel)
	for _, p := range probes {
		wg.Go(func() { g.run(ctx, p, slots) })
	}
	wg.Wait()
	return nil
}

// Results returns how all probes went, in the order in which they ended.
func (g *Graph) Results() []Result {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]Result(nil), g.results...)
}

// enter makes a node for each probe and checks what they wait for. A probe may
// wait only for probes before it in the list, or of an earlier call: so there is no circle.
func (g *Graph) enter(probes []Probe) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range probes {
		if g.nodes[p.Name] != nil {
			return fmt.Errorf("probe: %q is there twice", p.Name)
		}
		for _, need := range p.Needs {
			if g.nodes[need] == nil {
				return fmt.Errorf("probe: %q needs %q, which does not come before it", p.Name, need)
			}
		}
		g.nodes[p.Name] = &node{done: make(chan struct{})}
	}
	return nil
}

func (g *Graph) run(ctx context.Context, p Probe, slots chan struct{}) {
	n := g.node(p.Name)
	defer close(n.done)
	if blocker := g.wait(p); blocker != "" {
		n.state = Blocked
		g.ended(Result{Name: p.Name, State: Blocked, Why: blocker, Started: time.Since(g.began)})
		return
	}
	slots <- struct{}{}
	defer func() { <-slots }()
	limit := p.Timeout
	if limit == 0 {
		limit = 4 * g.Step
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	started := time.Now()
	err := p.Run(ctx)
	n.state = stateOf(ctx, err)
	r := Result{Name: p.Name, State: n.state, Started: started.Sub(g.began), Took: time.Since(started)}
	if err != nil {
		r.Why = err.Error()
	}
	g.ended(r)
}

// wait waits for what a probe comes after; it returns the name of a needed probe that did not succeed.
func (g *Graph) wait(p Probe) string {
	for _, name := range p.After {
		if n := g.node(name); n != nil && name != p.Name {
			<-n.done
		}
	}
	for _, name := range p.Needs {
		n := g.node(name)
		<-n.done
		if n.state != Done {
			return name
		}
	}
	return ""
}

func (g *Graph) node(name string) *node {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.nodes[name]
}

func (g *Graph) ended(r Result) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.results = append(g.results, r)
	if g.Progress != nil {
		g.Progress(r)
	}
}

func stateOf(ctx context.Context, err error) State {
	switch {
	case err == nil:
		return Done
	case errors.Is(err, ErrBlocked):
		return Blocked
	case ctx.Err() != nil, errors.Is(err, context.DeadlineExceeded):
		return Timeout
	}
	return Failed
}
