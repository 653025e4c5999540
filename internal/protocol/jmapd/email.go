package jmapd

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/store"
)

// The properties of an Email (RFC 8621 section 4.1), beside header:*.
var (
	metadataProperties = []string{"id", "blobId", "threadId", "mailboxIds", "keywords", "size", "receivedAt"}
	// headerProperties are short for those of section 4.1.3.
	headerProperties = map[string]string{
		"messageId": "header:Message-ID:asMessageIds", "inReplyTo": "header:In-Reply-To:asMessageIds", "references": "header:References:asMessageIds",
		"sender": "header:Sender:asAddresses", "from": "header:From:asAddresses", "to": "header:To:asAddresses", "cc": "header:Cc:asAddresses",
		"bcc": "header:Bcc:asAddresses", "replyTo": "header:Reply-To:asAddresses", "subject": "header:Subject:asText", "sentAt": "header:Date:asDate",
	}
	bodyOnly = []string{"bodyStructure", "bodyValues", "textBody", "htmlBody", "attachments", "hasAttachment", "preview", "headers"}
	// defaultEmail is what Email/get tells if properties are not named (section 4.2).
	defaultEmail = []string{
		"id", "blobId", "threadId", "mailboxIds", "keywords", "size", "receivedAt", "messageId", "inReplyTo", "references", "sender", "from",
		"to", "cc", "bcc", "replyTo", "subject", "sentAt", "hasAttachment", "preview", "bodyValues", "textBody", "htmlBody", "attachments",
	}
)

func isEmailProperty(p string) bool {
	_, short := headerProperties[p]
	_, header := parseHeaderProperty(p)
	return short || header || slices.Contains(metadataProperties, p) || slices.Contains(bodyOnly, p)
}

// emailGet is Email/get (RFC 8621 section 4.2).
func emailGet(ctx context.Context, c *call) (any, error) {
	g, err := c.get(isEmailProperty, bodyArguments...)
	if err != nil {
		return nil, err
	}
	if g.properties == nil {
		g.properties = defaultEmail
	}
	wanted, err := c.bodyArgs()
	if err != nil {
		return nil, err
	}
	p, err := c.picture(ctx)
	if err != nil {
		return nil, err
	}
	if g.all {
		for l := range p.emails() {
			if g.ids = append(g.ids, p.sight.emailID(l.ID)); len(g.ids) > c.server.options.Limits.Get {
				return nil, errTooManyToGet
			}
		}
	}
	list, missing, err := c.emails(ctx, p, &g, wanted)
	if err != nil {
		return nil, err
	}
	return c.got(p.emailState(), list, missing), nil
}

// emails are the Email objects that are wanted, and the ids that name none.
func (c *call) emails(ctx context.Context, p *picture, g *getArgs, wanted *bodyArgs) (list []object, missing []string, err error) {
	reads := slices.ContainsFunc(g.properties, func(name string) bool { return !slices.Contains(metadataProperties, name) })
	objects := make(map[store.EmailID]object, len(g.ids))
	var ids []store.EmailID
	for _, id := range g.ids {
		if l, ok := p.located(id); ok {
			if o := metadataOf(l, p); reads {
				ids = append(ids, l.ID)
				objects[l.ID] = o
			} else {
				list = append(list, g.pick(o))
			}
		} else {
			missing = append(missing, id)
		}
	}
	var read []journal.ReadEmail
	says := wanted.readsText() && slices.Contains(g.properties, "bodyValues")
	// What went since the picture was made is not found any more.
	err = c.server.store.EmailsOf(ctx, c.account.ID, ids, func(e *store.Email) error {
		o := objects[e.ID]
		if says {
			read = append(read, journal.ReadEmail{ID: e.ID, MessageID: string(e.Summary.MessageID())})
		}
		if err := c.newReader(ctx, e).fill(o, g, wanted); err != nil {
			return err
		}
		list = append(list, g.pick(o))
		delete(objects, e.ID)
		return ctx.Err()
	})
	for id := range objects {
		missing = append(missing, p.sight.emailID(id))
	}
	c.noteRead(ctx, read)
	return list, missing, err
}

// located finds a visible email by its id.
func (p *picture) located(id string) (*store.Located, bool) {
	n, ok := parseIn[store.EmailID](p.sight, 'M', id)
	if !ok {
		return nil, false
	}
	return p.email(n)
}

// metadataOf is what is known of an email without its record.
func metadataOf(l *store.Located, p *picture) object {
	in := object{}
	for i := range l.At {
		in[p.sight.mailboxID(l.At[i].Mailbox)] = true
	}
	return object{
		"id": p.sight.emailID(l.ID), "blobId": blobID(l.ID, 0), "threadId": p.sight.threadID(l.Thread), "mailboxIds": in,
		"keywords": keywordsOf(l.Flags(), p.mail.Keywords), "size": l.Size, "receivedAt": time.Unix(l.Received, 0).UTC().Format(time.RFC3339),
	}
}

// keywordsOf are the keywords of an email: those that it has in any of its places (RFC 8621 section 4.1.1).
func keywordsOf(f store.Flags, names *store.Keywords) object {
	set := object{}
	for _, k := range systemKeywords {
		if f.Has(k.flag) {
			set[k.name] = true
		}
	}
	names.Each(f, func(name string) { set[strings.ToLower(name)] = true })
	return set
}

// systemKeywords are the system flags of IMAP as keywords; \Deleted is none.
var systemKeywords = []struct {
	name string
	flag store.Flags
}{
	{"$seen", store.FlagSeen}, {"$answered", store.FlagAnswered}, {"$flagged", store.FlagFlagged}, {"$draft", store.FlagDraft},
}

// keywordFlag is the flag of a keyword, in any case; ok is false if no email of the account can have it yet.
func keywordFlag(name string, names *store.Keywords) (store.Flags, bool) {
	if f, ok := systemFlag(name); ok {
		return f, true
	}
	return names.Lookup(name)
}

// systemFlag is the system flag of a keyword, in any case, if it stands for one.
func systemFlag(keyword string) (store.Flags, bool) {
	for _, k := range systemKeywords {
		if strings.EqualFold(k.name, keyword) {
			return k.flag, true
		}
	}
	return store.Flags{}, false
}

// mailChanges is what a /changes about emails or conversations is about.
type mailChanges struct {
	old     string
	most    int
	p       *picture
	sweep   sweep
	next    store.EmailID // emails that the client cannot know from before have this ID or a greater one
	until   store.EmailID // those from here on are not told in this sweep
	touches []touch
	began   map[store.EmailID]bool // of what was touched since the sweep began, whether it was visible then
}

// at reports whether an email was visible when the sweep began: a sweep tells what was so then, the next one what happened since.
func (ch *mailChanges) at(id store.EmailID) bool {
	if was, touched := ch.began[id]; touched {
		return was
	}
	_, now := ch.p.email(id)
	return now && id < ch.until
}

// mailChanges reads the arguments and finds out what happened.
func (c *call) mailChanges(ctx context.Context) (ch mailChanges, err error) {
	if ch.old, ch.most, err = c.changesArgs(); err != nil {
		return ch, err
	}
	if ch.p, err = c.picture(ctx); err != nil {
		return ch, err
	}
	w, ok1 := sweepOf(ch.old, ch.p.emailState())
	since, next, ok2 := parseEmailState(w.base)
	_, until, ok3 := parseEmailState(w.begun)
	ch.sweep, ch.next, ch.until = w, next, until
	ok := ok1 && ok2 && ok3
	if ok {
		ch.touches, ok, err = c.server.touches(ctx, ch.p, since, next)
	}
	if begun, _, _ := parseEmailState(w.begun); w.done != nil && begun >= ch.p.log.from {
		ch.began = map[store.EmailID]bool{}
		for _, t := range ch.p.since(begun) {
			ch.began[t.id] = t.was
		}
	}
	if err == nil && !ok {
		err = errCannotCalculate
	}
	return ch, err
}

// emailChanges is Email/changes (RFC 8621 section 4.3).
func emailChanges(ctx context.Context, c *call) (any, error) {
	ch, err := c.mailChanges(ctx)
	if err != nil {
		return nil, err
	}
	var list []change
	for _, t := range ch.touches {
		switch at := ch.at(t.id); {
		case at && !t.was && t.now != nil:
			list = append(list, change{uint64(t.id), created})
		case at && t.was && t.now != nil:
			list = append(list, change{uint64(t.id), updated})
		case t.was:
			list = append(list, change{uint64(t.id), destroyed})
		}
	}
	return c.changed(ch.old, ch.p.emailState(), ch.sweep, ch.most, list, func(id uint64) string { return ch.p.sight.emailID(store.EmailID(id)) }), nil
}

// threadGet is Thread/get (RFC 8621 section 3.1).
func threadGet(ctx context.Context, c *call) (any, error) {
	g, err := c.get(func(p string) bool { return p == "emailIds" })
	if err != nil {
		return nil, err
	}
	p, err := c.picture(ctx)
	if err != nil {
		return nil, err
	}
	if g.all {
		threads := map[store.ThreadID]bool{}
		for l := range p.emails() {
			if threads[l.Thread] = true; len(threads) > c.server.options.Limits.Get {
				return nil, errTooManyToGet
			}
		}
		for t := range threads {
			g.ids = append(g.ids, p.sight.threadID(t))
		}
		slices.Sort(g.ids)
	}
	var list []object
	var missing []string
	for _, id := range g.ids {
		t, ok := parseIn[store.ThreadID](p.sight, 'T', id)
		if emails := p.thread(t); ok && len(emails) > 0 {
			ids := []string{}
			for _, l := range emails {
				ids = append(ids, p.sight.emailID(l.ID))
			}
			list = append(list, g.pick(object{"id": id, "emailIds": ids}))
		} else {
			missing = append(missing, id)
		}
	}
	return c.got(p.emailState(), list, missing), nil
}

// threadChanges is Thread/changes (RFC 8621 section 3.2). A conversation changes when an email comes or goes.
func threadChanges(ctx context.Context, c *call) (any, error) {
	ch, err := c.mailChanges(ctx)
	if err != nil {
		return nil, err
	}
	type ends struct{ was, came, went bool }
	threads := map[store.ThreadID]*ends{}
	at := func(t store.ThreadID) *ends {
		if threads[t] == nil {
			threads[t] = &ends{}
		}
		return threads[t]
	}
	for _, t := range ch.touches {
		e := at(t.thread)
		e.was = e.was || t.was
		at := ch.at(t.id)
		e.came = e.came || (!t.was || t.guess) && at
		e.went = e.went || t.was && !at
	}
	var list []change
	for id, e := range threads {
		is := false
		for _, l := range ch.p.thread(id) {
			is = is || ch.at(l.ID)
			_, touched := slices.BinarySearchFunc(ch.touches, l.ID, func(t touch, id store.EmailID) int { return cmp.Compare(t.id, id) })
			e.was = e.was || !touched
		}
		switch {
		case is && !e.was:
			list = append(list, change{uint64(id), created})
		case e.was && !is:
			list = append(list, change{uint64(id), destroyed})
		case is && (e.came || e.went):
			list = append(list, change{uint64(id), updated})
		}
	}
	return c.changed(ch.old, ch.p.emailState(), ch.sweep, ch.most, list, func(id uint64) string { return ch.p.sight.threadID(store.ThreadID(id)) }), nil
}
