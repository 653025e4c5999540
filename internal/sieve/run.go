package sieve

import (
	"context"
	"errors"
	"strings"
)

// machine is one run of a script.
type machine struct {
	ctx     context.Context
	env     Env
	limits  *Limits
	scripts map[string]*Script
	result  Result
	kept    bool     // the implicit keep was taken away
	flags   []string // the internal variable of imap4flags
	globals map[string]string
	count   int               // variables
	folded  map[string]string // texts in lower case; see fold
	once    map[string]bool
	frames  []*frame
}

// frame is a script that runs: the first one, or one that is included.
type frame struct {
	script  *Script
	name    string
	vars    map[string]string
	shared  map[string]bool // names that mean global variables
	matches []string
	reasons []string // the conditions that hold around the current command
}

// stop and return end a run or a script.
var (
	errStop   = errors.New("sieve: stop")
	errReturn = errors.New("sieve: return")
)

// Run runs a script. The error is that of the context or of Env; what is wrong with the script or its
// use is in the result, and the message is kept then.
func (s *Script) Run(ctx context.Context, env Env) (Result, error) {
	m := &machine{ctx: ctx, env: env, limits: &s.limits, scripts: s.includes}
	err := m.runScript(s, "")
	if errors.Is(err, errStop) {
		err = nil
	}
	var wrong *RunError
	if errors.As(err, &wrong) {
		keep := Keep{Implicit: true}
		return Result{Actions: []Action{keep}, Err: wrong, Steps: m.result.Steps}, nil
	}
	if err != nil {
		return Result{}, err
	}
	if !m.kept {
		m.result.Actions = append(m.result.Actions, Keep{Flags: m.flags, Implicit: true})
	}
	return m.result, nil
}

func (m *machine) runScript(s *Script, name string) error {
	m.frames = append(m.frames, &frame{script: s, name: name, vars: map[string]string{}})
	err := m.runAll(s.commands)
	m.frames = m.frames[:len(m.frames)-1]
	if errors.Is(err, errReturn) {
		return nil
	}
	return err
}

func (m *machine) runAll(list []step) error {
	for _, s := range list {
		if err := m.spend(1); err != nil {
			return err
		}
		if err := s.run(m); err != nil {
			return err
		}
	}
	return nil
}

// run runs the first branch whose condition holds.
func (s *choice) run(m *machine) error {
	for i := range s.branches {
		b := &s.branches[i]
		ok := b.when == nil
		if !ok {
			var err error
			if ok, err = b.when.holds(m); err != nil {
				return err
			}
		}
		if !ok {
			continue
		}
		f := m.frame()
		f.reasons = append(f.reasons, b.shown)
		err := m.runAll(b.steps)
		f.reasons = f.reasons[:len(f.reasons)-1]
		return err
	}
	return nil
}

func (m *machine) frame() *frame { return m.frames[len(m.frames)-1] }

// spend counts work, and ends a run that does too much of it.
func (m *machine) spend(n int) error {
	m.result.Steps += n
	if m.result.Steps > m.limits.Steps {
		return m.failAt(Position{1, 1}, "steps")
	}
	if m.result.Steps%1024 < n {
		return m.ctx.Err()
	}
	return nil
}

func (m *machine) failAt(at Position, code string, pairs ...string) error {
	return &RunError{m.frame().name, failAt(at, code, pairs...)}
}

// where tells what an action at a place comes from.
func (m *machine) where(at Position) Where {
	f := m.frame()
	w := Where{Script: f.name, Line: at.Line}
	if len(f.reasons) > 0 {
		w.Condition = f.reasons[len(f.reasons)-1]
	}
	return w
}

// setMatch sets the match variables (RFC 5229 section 3.2).
func (m *machine) setMatch(list []string) {
	f := m.frame()
	if !f.script.extensions["variables"] {
		return
	}
	f.matches = make([]string, min(len(list), maxMatch+1))
	for i := range f.matches {
		f.matches[i] = cutText(list[i], m.limits.Value)
	}
}

func (m *machine) matched(n int) string {
	if list := m.frame().matches; n < len(list) {
		return list[n]
	}
	return ""
}

// variable returns the value of a variable, "" of one that was not set.
func (m *machine) variable(name string) string {
	if global, ok := m.global(name); ok {
		return m.globals[global]
	}
	return m.frame().vars[name]
}

// global tells whether a name means a global variable, and which (RFC 6609 section 3.4).
func (m *machine) global(name string) (string, bool) {
	if rest, ok := strings.CutPrefix(name, "global."); ok {
		return rest, true
	}
	return name, m.frame().shared[name]
}

func (m *machine) setVariable(at Position, name, value string) error {
	vars := m.frame().vars
	if global, ok := m.global(name); ok {
		if m.globals == nil {
			m.globals = map[string]string{}
		}
		name, vars = global, m.globals
	}
	if _, known := vars[name]; !known {
		if m.count++; m.count > m.limits.Variables {
			return m.failAt(at, "variables-many")
		}
	}
	vars[name] = cutText(value, m.limits.Value)
	return nil
}

// act adds an action.
func (m *machine) act(at Position, a Action) error {
	if len(m.result.Actions) >= m.limits.Actions {
		return m.failAt(at, "actions-many")
	}
	m.result.Actions = append(m.result.Actions, a)
	return nil
}
