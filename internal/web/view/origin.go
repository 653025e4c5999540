package view

import (
	"bytes"
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/postiljon/postiljon/internal/doctor/bounce"
	"github.com/postiljon/postiljon/internal/inbound/genuine"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/signature"
	"github.com/postiljon/postiljon/internal/store"
)

// origin is what this service found out about where a message comes from when it came.
type origin struct {
	from string // the domain of the one address in From, "" if there is not one
	// ours tells that this service took the message, byUser that somebody who had signed in gave it to it.
	ours, byUser bool
	received     bool   // the first Received field was looked at
	envelope     string // the sender that the server or program which brought it gave, if that is known
	trace        store.TraceID
	server       string // that handed it over
	ip           netip.Addr
	checked      bool // the results are there
	dmarc        signature.Outcome
	allowed      bool     // its recipients let it through, though it is not proven
	spf          string   // the domain whose server it was, if SPF passed
	dkim         []string // the domains that signed it
	signatures   []genuine.Stated
	list         string // the mailing list that it came over
	arrival      *store.Event
}

// hopsOf is the way of a message.
func hopsOf(header []byte) []bounce.Hop {
	if !bytes.HasSuffix(header, []byte("\r\n\r\n")) {
		header = append(bytes.Clone(header), "\r\n"...)
	}
	return bounce.ReadMessage(header).Hops
}

// origin reads what stands before and in the first Received field, which this service writes in front of all that comes;
// nothing below is believed, and nothing at all of what did not come by mail: whoever may put messages into a mailbox, also one
// that somebody shares, can write any header.
func (s *Server) origin(ctx context.Context, m *mail, header []byte) (*origin, error) {
	o := &origin{}
	if len(m.from) == 1 {
		o.from = domainOf(m.from[0].Email)
	}
	var results []byte
	for f := range message.HeaderFields(header) {
		switch name := strings.ToLower(string(f.Name)); {
		case name == "received" && !o.received:
			o.readReceived(s.options.AuthservID, f, m.Arrived)
		case name == "authentication-results" && !o.received && results == nil:
			results = f.Value()
		case name == "return-path" && !o.received && results == nil:
			o.envelope = strings.Trim(strings.TrimSpace(string(f.Value())), "<>")
		case name == "list-id":
			o.list = listName(message.DecodeHeader(string(f.Value())))
		}
	}
	if o.ours && results != nil {
		o.results(s.options.AuthservID, string(message.Unfold(results)))
	}
	if !o.ours || o.trace.IsZero() {
		return o, nil
	}
	var err error
	if o.arrival, err = s.arrival(ctx, m.owner, o.trace); err == nil && o.arrival != nil && o.envelope == "" {
		o.envelope = o.arrival.Field("from")
	}
	return o, err
}

// arrival is the event of a message's arrival in an account, nil if it is not kept any more.
func (s *Server) arrival(ctx context.Context, a store.AccountID, trace store.TraceID) (found *store.Event, err error) {
	from, to := trace.Time().Add(-time.Minute), trace.Time().Add(15*time.Minute)
	err = s.store.Events(ctx, a, from, to, func(e *store.Event) error {
		if e.Trace == trace && (e.Kind == journal.MessageFiledJunk || e.Kind == journal.MessageDelivered && found == nil) {
			one := *e
			one.Fields = slices.Clone(e.Fields)
			found = &one
		}
		return nil
	})
	return found, err
}

func (o *origin) readReceived(self string, f message.Field, arrived bool) {
	o.received = true
	hops := hopsOf(bytes.Clone(f.Raw))
	if !arrived || len(hops) != 1 || !strings.EqualFold(hops[0].By, self) {
		return
	}
	h := hops[0]
	o.ours, o.server, o.ip = true, h.From, h.IP
	o.byUser = strings.HasSuffix(h.Protocol, "A") || h.Protocol == "HTTP" // RFC 3848; over JMAP
	words := strings.Fields(string(message.Unfold(f.Value())))
	for i, w := range words[:max(len(words)-1, 0)] {
		if w == "id" {
			id, err := store.ParseTraceID(strings.TrimSuffix(words[i+1], ";"))
			if err == nil {
				o.trace = id
			}
		}
	}
}

func (o *origin) results(self, value string) {
	id, stated, err := genuine.ReadResults(value)
	if err != nil || !strings.EqualFold(id, self) {
		return
	}
	o.checked = true
	for _, one := range stated {
		passed := one.Outcome == signature.Pass
		switch {
		case one.Method == "dmarc":
			o.dmarc, o.allowed = one.Outcome, one.Properties[genuine.PropertyAllowed] != ""
		case one.Method == "spf" && passed && one.Properties["smtp.mailfrom"] != "":
			o.spf = domainOf(one.Properties["smtp.mailfrom"])
		case one.Method == "dkim" && passed:
			o.dkim = append(o.dkim, one.Properties["header.d"])
			o.signatures = append(o.signatures, one)
		}
	}
}

// signedBy is a domain of the sender's organisation that signed the message, or "".
func (o *origin) signedBy() string {
	for _, d := range o.dkim {
		if sameOrganisation(d, o.from) {
			return d
		}
	}
	return ""
}

// sentBy tells that a server of the sender's organisation sent the message.
func (o *origin) sentBy() bool { return o.spf != "" && sameOrganisation(o.spf, o.from) }

// proven tells that the message comes from the domain that it says.
func (o *origin) proven() bool {
	return o.from != "" && (o.byUser && sameOrganisation(domainOf(o.envelope), o.from) || o.checked && (o.dmarc == signature.Pass || o.dmarc != signature.Fail && (o.signedBy() != "" || o.sentBy())))
}

func domainOf(address string) string {
	return strings.ToLower(strings.TrimSuffix(address[strings.LastIndexByte(address, '@')+1:], "."))
}

func sameOrganisation(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	x, err := publicsuffix.EffectiveTLDPlusOne(a)
	if err != nil {
		return a == b
	}
	y, err := publicsuffix.EffectiveTLDPlusOne(b)
	return err == nil && x == y
}

// listName is what a List-Id says (RFC 2919): the words before the brackets, or what is in them.
func listName(value string) string {
	name, id, found := strings.Cut(value, "<")
	if name = strings.Trim(strings.TrimSpace(name), `"`); name != "" || !found {
		return name
	}
	id, _, _ = strings.Cut(id, ">")
	return id
}
