package main

import (
	"context"
	"slices"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/bounce"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/inbound"
	"github.com/postiljon/postiljon/internal/message"
)

// openBounces opens what reads the reports of other servers.
func (s *service) openBounces(context.Context) error {
	book, err := dialect.Load(nil)
	if err != nil {
		return err
	}
	s.bounces = func(eml []byte) []inbound.Bounced { return readBounces(s.catalogue, book, eml) }
	return nil
}

// readBounces reads what a report says of recipients that a message has not reached. What a reply
// means depends on whose server gave it; the book knows.
func readBounces(catalogue *cause.Catalogue, book *dialect.Book, eml []byte) (all []inbound.Bounced) {
	report, err := bounce.Read(book, eml)
	if err != nil {
		return nil
	}
	for i := range report.Recipients {
		r := &report.Recipients[i]
		waits := r.Action == message.ActionDelayed
		if !waits && r.Action != message.ActionFailed {
			continue
		}
		b := inbound.Bounced{To: r.Address, Host: r.RemoteMTA, Reply: r.Diagnostic}
		if b.Host == "" {
			b.Host = report.Reporter
		}
		b.Decision = bounceDecision(catalogue, r, report.Original.Size, waits)
		all = append(all, b)
	}
	return all
}

// bounceDecision is why a recipient was not reached, with what the cause has a place for.
func bounceDecision(catalogue *cause.Catalogue, r *bounce.Recipient, size int64, waits bool) cause.Decision {
	id := cause.OutboxDeferred
	if !waits {
		id = cause.RecipientRefuses
	}
	if meant := r.Reading.First().Kind.Causes(dialect.SMTP); len(meant) > 0 && meant[0] != cause.Unknown && meant[0] != cause.Healthy {
		id = meant[0]
	}
	d := cause.Refuse(id)
	if waits {
		d = cause.Wait(id, time.Time{})
	}
	known := []cause.Param{cause.Text("address", r.Address), cause.Text("reply", r.Diagnostic), cause.Text("host", r.RemoteMTA)}
	if size > 0 {
		known = append(known, cause.Size("size", size))
	}
	c, _ := catalogue.Cause(id)
	for _, p := range known {
		takes := slices.ContainsFunc(c.Params, func(have cause.Placeholder) bool { return have.Name == p.Name })
		if takes && p.Value != "" {
			d.Params = append(d.Params, p)
		}
	}
	return d
}
