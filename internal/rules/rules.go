// Package rules runs what account holders want done with their mail: a Sieve script (package sieve),
// or simple rules that become one. It says where a message goes and why, and leaves it to its caller
// to place, send on and answer: Engine.Run changes nothing but folders that a script wants made.
//
// What a script may do to others is bounded here: answers to absence go once to each sender and never
// to lists and machines (RFC 3834), forwards have a limit a day and do not go in circles, junk is
// neither forwarded nor answered.
package rules

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/sieve"
	"github.com/postiljon/postiljon/internal/store"
)

// Options are what an Engine is made of.
type Options struct {
	Store    *store.Store
	Hostname string // of this server, in messages that it makes
	// Redirects is how many messages the rules of one account send on a day; default 500.
	Redirects int64
	// Answers is how many answers to absence one account gives a day; default 500.
	Answers int64
	Log     *slog.Logger // nil: slog.Default
}

// Engine runs the scripts of all accounts. It is safe for concurrent use.
type Engine struct {
	Options
	cache   cache
	answers recent
}

// New returns an engine.
func New(o Options) *Engine {
	if o.Redirects == 0 {
		o.Redirects = 500
	}
	if o.Answers == 0 {
		o.Answers = 500
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Engine{
		Options: o, cache: cache{entries: map[store.AccountID]entry{}}, answers: recent{until: map[string]time.Time{}},
	}
}

// Input is a message on its way to an account.
type Input struct {
	Account *store.Account
	Trace   store.TraceID
	// From and To are the envelope: the return path, "" for the null sender, and the recipient
	// address that led to the account.
	From, To string
	Message  io.ReaderAt
	Summary  *message.Summary
	// Junk: the message was judged to be junk. What the script keeps then goes to Junk, and it is
	// neither sent on nor answered.
	Junk bool
	// Mailbox is where the message goes if the script keeps it; 0 is INBOX, or Junk.
	Mailbox store.MailboxID
	// RemoteHost and RemoteIP are of the client that brings the message, "" where they are not known.
	RemoteHost, RemoteIP string
	// MustKeep: nobody can be told that the message is refused, so it is kept instead.
	MustKeep bool
	// Dry only looks: no folder is made, nothing counts. What the script tracks is not noted.
	Dry bool

	mailbox string // the name of Mailbox
}

// Outcome is what the rules of an account make of a message. See DeliverTo for the short way to carry it out.
type Outcome struct {
	// Ran tells that the account has a script. If it has none, Places is where mail goes without one.
	Ran bool
	// Places are where the message goes. None: it is dropped, or only sent on.
	Places []Place
	// Redirects are addresses that the message is sent on to.
	Redirects []string
	// Vacation answers the sender; nil for no answer.
	Vacation *Reply
	// Reject refuses the message, with RejectText as the account holder wrote it; nil takes it.
	Reject     *cause.Decision
	RejectText string
	// Events tell what was done, for the journal of the account.
	Events []store.Event
	// Remember must be kept together with the placement (store.DeliverTo.Remember).
	Remember []store.Memory
	// Steps say in order what was done and why, for people who try their rules.
	Steps []Step
}

// Place is a mailbox for the message, and its flags there.
type Place struct {
	Mailbox  store.MailboxID // 0: the one with Role
	Name     string
	Role     store.Role
	Flags    store.Flags
	Keywords []string
}

// StepKind is what a step does. The names are those of texts and of JSON.
type StepKind string

// The kinds of steps.
const (
	StepKeep      StepKind = "keep"       // the message stays where it goes without rules
	StepMove      StepKind = "move"       // into a folder
	StepForward   StepKind = "forward"    // on to an address
	StepDiscard   StepKind = "discard"    // nowhere
	StepReject    StepKind = "reject"     // back to the sender
	StepAnswer    StepKind = "answer"     // the sender is told of the absence
	StepNoAnswer  StepKind = "no-answer"  // he is not, for the reason in Reason
	StepNoForward StepKind = "no-forward" // it is not sent on, for the reason in Reason
	StepNoFolder  StepKind = "no-folder"  // the folder does not exist
	StepFailed    StepKind = "failed"     // the script cannot be run, see Reason
)

// Step is one thing that was done.
type Step struct {
	Kind      StepKind `json:"kind"`
	To        string   `json:"to,omitempty"`        // folder or address
	Flags     []string `json:"flags,omitempty"`     // that the message gets
	Rule      string   `json:"rule,omitempty"`      // the rule it comes from: its name, or script and line
	Condition string   `json:"condition,omitempty"` // under which that stands, as the script has it
	Reason    string   `json:"reason,omitempty"`    // why not: a word of texts/, or an error
}

// DeliverTo carries out the places, events and memories of an outcome for a recipient of a delivery.
// Redirects, Vacation and Reject are left to the caller.
func (o *Outcome) DeliverTo(to *store.DeliverTo) {
	to.Events = append(to.Events, o.Events...)
	to.Remember = append(to.Remember, o.Remember...)
	to.Also = nil
	to.Nowhere = len(o.Places) == 0
	for i := range o.Places {
		p := &o.Places[i]
		if i == 0 {
			to.Mailbox, to.Role, to.Flags, to.Keywords = p.Mailbox, p.Role, p.Flags, p.Keywords
			continue
		}
		to.Also = append(to.Also, store.DeliverPlace{Mailbox: p.Mailbox, Role: p.Role, Flags: p.Flags, Keywords: p.Keywords})
	}
}

// Run says what becomes of a message. An error is one of the store or of reading the message; whatever
// is wrong with the script itself keeps the message and is told by an event.
func (e *Engine) Run(ctx context.Context, in Input) (Outcome, error) {
	active, err := e.active(ctx, in.Account.ID)
	if err != nil {
		return Outcome{}, fmt.Errorf("rules: %w", err)
	}
	if active == nil {
		return Outcome{Places: []Place{in.kept(nil)}}, nil
	}
	scripted := in // most mail is for accounts without a script, and costs no copy
	return e.run(ctx, &scripted, active)
}

// Try runs a script that is not stored, on a message: always dry.
func (e *Engine) Try(ctx context.Context, in Input, name, text string) (Outcome, error) {
	in.Dry = true
	compiled := e.compile(ctx, in.Account.ID, store.Script{Name: name, Text: text})
	return e.run(ctx, &in, compiled)
}

func (e *Engine) run(ctx context.Context, in *Input, script *compiled) (Outcome, error) {
	o := &outcome{e: e, ctx: ctx, in: in, script: script, now: e.Store.Now()}
	o.Ran = true
	if script.err != nil {
		o.Places = []Place{in.kept(nil)}
		o.failed(script.err.Error())
		return o.Outcome, nil
	}
	if in.Mailbox != 0 {
		m, err := e.Store.Mailbox(ctx, in.Account.ID, in.Mailbox)
		if ok, err := found(err); err != nil {
			return Outcome{}, err
		} else if !ok {
			in.Mailbox = 0
		}
		in.mailbox = m.Name
	}
	env := &env{Message: sieve.NewMessage(in.Message, in.Summary), e: e, ctx: ctx, in: in, now: o.now}
	if err := env.Load(); err != nil {
		return Outcome{}, err
	}
	result, err := script.script.Run(ctx, env)
	if err != nil {
		return Outcome{}, fmt.Errorf("rules: run script %q: %w", script.name, err)
	}
	o.env = env
	if err := o.take(&result); err != nil {
		return Outcome{}, fmt.Errorf("rules: %w", err)
	}
	return o.Outcome, nil
}

// kept is the place of a message that is kept.
func (in *Input) kept(flags []string) Place {
	p := Place{Mailbox: store.InboxID, Role: store.RoleInbox, Name: "INBOX"}
	switch {
	case in.Junk:
		p = Place{Role: store.RoleJunk, Name: "Junk"}
	case in.Mailbox != 0:
		p = Place{Mailbox: in.Mailbox, Name: in.mailbox}
	}
	p.Flags, p.Keywords = splitFlags(flags)
	return p
}

// splitFlags parts system flags from keywords.
func splitFlags(list []string) (system store.Flags, keywords []string) {
	for _, f := range list {
		switch strings.ToLower(f) {
		case `\seen`:
			system = system.With(store.FlagSeen)
		case `\answered`:
			system = system.With(store.FlagAnswered)
		case `\flagged`:
			system = system.With(store.FlagFlagged)
		case `\deleted`:
			system = system.With(store.FlagDeleted)
		case `\draft`:
			system = system.With(store.FlagDraft)
		default:
			keywords = append(keywords, f)
		}
	}
	return system, keywords
}
