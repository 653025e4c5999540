// Package cause holds the catalogue of every way mail can fail and the one
// mechanism by which anything in Postiljon refuses, delays or explains.
//
// A policy answers with a Decision: allow, wait until a time, or refuse, with
// the id of a cause and typed parameters. Nobody writes a reply by hand: the
// Catalogue turns a decision into the line on the wire (SMTP, IMAP, POP3) and
// into text for the account holder, the domain owner and the operator in
// Swedish, Norwegian and English.
package cause

import "time"

// ID names one cause, such as "limit.address-hourly". Ids are a public
// interface: they are never renamed.
type ID string

// Action is what a policy answers.
type Action uint8

const (
	// ActionAllow lets the request pass.
	ActionAllow Action = iota
	// ActionWait turns the request away for now: a 4xx on the wire. The same
	// request can succeed later.
	ActionWait
	// ActionRefuse turns the request away for good: a 5xx on the wire.
	ActionRefuse
)

// Decision is the answer of a policy. The zero Decision allows.
type Decision struct {
	Action Action
	Cause  ID
	// Variant selects among a cause's wire forms where a protocol demands
	// different codes for one cause ("sequence" of client.protocol-error is
	// 503 where "syntax" is 501). Empty means the cause's usual form.
	Variant string
	// Until is when a wait ends; zero if that is not known.
	Until  time.Time
	Params []Param
}

// Param is one typed value that fills a placeholder of a cause's texts. Its
// Value is a string, an int64 (a count), a Bytes, a time.Time or a
// time.Duration; each is written the way the reader's language writes it.
type Param struct {
	Name  string
	Value any
}

// Bytes is an amount of storage or a message size in octets.
type Bytes int64

// Allow lets the request pass.
func Allow() Decision { return Decision{} }

// Refuse turns a request away for good.
func Refuse(id ID, params ...Param) Decision {
	return Decision{Action: ActionRefuse, Cause: id, Params: params}
}

// Wait turns a request away until a time; a zero time means that the end is
// not known.
func Wait(id ID, until time.Time, params ...Param) Decision {
	return Decision{Action: ActionWait, Cause: id, Until: until, Params: params}
}

// As returns the decision in another wire form of the same cause.
func (d Decision) As(variant string) Decision {
	d.Variant = variant
	return d
}

// Sending is the decision as it is told to whose message waits for it: that the service cannot look names up now is nothing in
// the network of its sender, who is told to wait.
func (d Decision) Sending() Decision {
	if d.Cause == DNSResolverDead {
		d.Cause = RecipientServerUnreachable
	}
	return d
}

// Text is the parameter of that name if it is text, else "".
func (d Decision) Text(name string) string {
	for _, p := range d.Params {
		if text, ok := p.Value.(string); ok && p.Name == name {
			return text
		}
	}
	return ""
}

// Allowed reports whether the request may pass.
func (d Decision) Allowed() bool { return d.Action == ActionAllow }

// Count is a parameter that counts something.
func Count(name string, n int64) Param { return Param{name, n} }

// Size is a parameter in octets.
func Size(name string, n int64) Param { return Param{name, Bytes(n)} }

// Text is a parameter that is shown as it stands, such as an address or a host name.
func Text(name, s string) Param { return Param{name, s} }

// Time is a parameter that is a point in time.
func Time(name string, t time.Time) Param { return Param{name, t} }

// Span is a parameter that is a length of time.
func Span(name string, d time.Duration) Param { return Param{name, d} }
