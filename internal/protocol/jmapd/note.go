package jmapd

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// What a client moves and removes is told in the journal, as IMAP does: an event for each mailbox of a call. What is written and
// thrown away among the drafts is not.

// filing is one way that emails went in a call: into nothing where they were removed, from nothing where they came into a mailbox
// of another account.
type filing struct{ from, into string }

// filed is how many emails went a way, and the identifiers of the first of them, by which their traces find it.
type filed struct {
	n   int
	ids []string
}

// identify returns identifiers of emails that are about to go, none where enough are named already.
func (c *call) identify(ctx context.Context, m store.MailboxID, uids uid.Set) []string {
	if c.names > store.MaxEventMessages*store.MaxEventMessages {
		return nil
	}
	c.names += min(uids.Len(), store.MaxEventMessages)
	ids, err := c.server.store.MessageIDs(ctx, c.account.ID, m, uids, store.MaxEventMessages)
	if err != nil {
		c.server.options.Log.Warn("jmapd: emails of an event not named", "account", c.account.Address, "error", err)
	}
	return ids
}

// went notes that emails left a mailbox for another, or for good if that is nil.
func (c *call) went(from, into *box, n int, ids []string) {
	if from == nil || from.Role == store.RoleDrafts || from.Role == store.RoleOutbox || c.implied {
		return
	}
	f := filing{from: from.Name}
	if f.into = c.elsewhere; into != nil {
		f.into = into.Name
	}
	c.note(f, n, ids)
}

// came notes that an email came into a mailbox of another: its owner is told who put it there.
func (c *call) came(into *box, ids []string) {
	if into != nil && c.sight().isShared() {
		c.note(filing{into: into.Name}, 1, ids)
	}
}

func (c *call) note(f filing, n int, ids []string) {
	if c.filings == nil {
		c.filings = map[filing]*filed{}
	}
	went := c.filings[f]
	if went == nil {
		went = &filed{}
		c.filings[f] = went
	}
	if went.n += n; len(went.ids) < store.MaxEventMessages {
		went.ids = append(went.ids, ids[:min(len(ids), store.MaxEventMessages-len(went.ids))]...)
	}
}

// tell records what went.
func (c *call) tell(ctx context.Context) {
	ways := make([]filing, 0, len(c.filings))
	for f := range c.filings {
		ways = append(ways, f)
	}
	slices.SortFunc(ways, func(a, b filing) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.into, b.into)) })
	for _, f := range ways {
		now := c.server.store.Now()
		e := store.Event{Time: now, Trace: store.NewTraceID(now), Account: c.account.ID, Kind: journal.MessageExpunged}
		add := func(name, value string) { e.Fields = append(e.Fields, store.Field{Name: name, Value: value}) }
		mailbox := f.from
		switch {
		case f.from == "":
			e.Kind, mailbox = journal.MessageAppended, f.into
		case f.into != "":
			e.Kind, mailbox = journal.MessageMoved, f.into
			add("from-mailbox", f.from)
		}
		add("mailbox", mailbox)
		if f.from != "" {
			add("count", strconv.Itoa(c.filings[f].n))
		}
		for _, id := range c.filings[f].ids {
			add("message-id", id)
		}
		add("client", c.request.client)
		if c.sight().isShared() { // the owner is told who it was
			add("by", c.user.Address)
		}
		c.server.options.Holder.Journal.Record(ctx, e)
	}
	c.filings = nil
}

// webmail is what the journal calls browsers.
const webmail = "webmail"

// noteRead tells the journal of emails whose text was asked for. What the webmail shows it tells itself: it asks for much ahead.
func (c *call) noteRead(ctx context.Context, emails []journal.ReadEmail) {
	if len(emails) > 0 {
		c.server.noteRead(ctx, c.sight(), c.user, c.request.asker, emails)
	}
}

func (s *Server) noteRead(ctx context.Context, v sight, user *store.Account, who asker, emails []journal.ReadEmail) {
	if who.client == webmail || who.client == "" { // a part of the service asks for its own ends
		return
	}
	r := journal.Reading{Kind: journal.MessageFetchedJMAP, Owner: v.owner, Client: who.client, Session: who.with, Emails: emails}
	if v.isShared() {
		r.By = user.Address
	}
	s.options.Holder.Journal.Read(ctx, r)
}

// maxClient bounds the name of a client, in octets.
const maxClient = 60

// askerOf is who makes a request, but for the account.
func (s *Server) askerOf(r *http.Request) asker {
	who := asker{lang: cause.ParseLang(r.Header.Get("Accept-Language")), client: clientOf(r)}
	if s.options.With != nil {
		who.with = s.options.With(r)
	}
	if s.options.Zone != nil {
		who.zone = s.options.Zone(r)
	}
	return who
}

// catalogue tells times by the clock of who makes a request.
func (c *call) catalogue() *cause.Catalogue {
	return c.server.options.Catalogue.Here(c.request.zone, c.server.store.Now())
}

// clientOf is the name of the program that makes a request. Browsers all have the same, so it is the webmail's.
func clientOf(r *http.Request) string {
	if r.Header.Get("Sec-Fetch-Mode") != "" {
		return webmail
	}
	name, _, _ := strings.Cut(r.UserAgent(), "/")
	if name = strings.ToValidUTF8(strings.TrimSpace(name), ""); name == "" || len(name) > maxClient {
		return "JMAP"
	}
	return name
}
