package jmapd

import (
	"context"
	"slices"
	"strings"
	"time"

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
	p, err := c.server.picture(ctx, c.account.ID)
	if err != nil {
		return nil, err
	}
	if g.all {
		if len(p.emails) > c.server.options.Limits.Get {
			return nil, &methodError{Type: "requestTooLarge", Description: "maxObjectsInGet"}
		}
		for i := range p.emails {
			g.ids = append(g.ids, emailID(p.emails[i].ID))
		}
	}
	var list []object
	var missing []string
	for _, id := range g.ids {
		o, err := c.email(ctx, p, id, &g, wanted)
		if err != nil {
			return nil, err
		}
		if o == nil {
			missing = append(missing, id)
			continue
		}
		list = append(list, o)
	}
	return c.got(p.emailState(), list, missing), nil
}

// located finds a visible email by its id.
func (p *picture) located(id string) (*store.Located, bool) {
	n, ok := parseID[store.EmailID]('M', id)
	if !ok {
		return nil, false
	}
	return p.email(n)
}

// email is an Email object, nil if there is no such email.
func (c *call) email(ctx context.Context, p *picture, id string, g *getArgs, wanted *bodyArgs) (o object, err error) {
	l, ok := p.located(id)
	if !ok {
		return nil, nil
	}
	metadata := metadataOf(l, p)
	if !slices.ContainsFunc(g.properties, func(name string) bool { return !slices.Contains(metadataProperties, name) }) {
		return g.pick(metadata), nil
	}
	s := c.server.store
	// What went since the picture was made is not found any more.
	err = s.Emails(ctx, c.account.ID, l.ID, l.ID+1, func(e *store.Email) error {
		o = metadata
		return newReader(ctx, s, e).fill(o, g, wanted)
	})
	if o == nil || err != nil {
		return nil, err
	}
	return g.pick(o), nil
}

// metadataOf is what is known of an email without its record.
func metadataOf(l *store.Located, p *picture) object {
	in := object{}
	for i := range l.At {
		in[mailboxID(l.At[i].Mailbox)] = true
	}
	return object{
		"id": emailID(l.ID), "blobId": blobID(l.ID, 0), "threadId": threadID(l.Thread), "mailboxIds": in,
		"keywords": keywordsOf(l.Flags(), p.mail.Keywords), "size": l.Size, "receivedAt": l.Received.UTC().Format(time.RFC3339),
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

// emailChanges is Email/changes (RFC 8621 section 4.3).
func emailChanges(ctx context.Context, c *call) (any, error) {
	old, most, p, ch, err := c.mailChanges(ctx)
	if err != nil {
		return nil, err
	}
	var created, updated, destroyed []string
	for _, l := range ch.created {
		created = append(created, emailID(l.ID))
	}
	for _, l := range ch.updated {
		updated = append(updated, emailID(l.ID))
	}
	for _, id := range ch.destroyed {
		destroyed = append(destroyed, emailID(id))
	}
	return c.changed(old, p.emailState(), most, created, updated, destroyed)
}

// mailChanges reads the arguments of a /changes about emails or conversations and finds out what happened.
func (c *call) mailChanges(ctx context.Context) (old string, most int, p *picture, ch changes, err error) {
	if old, most, err = c.changesArgs(); err != nil {
		return
	}
	if p, err = c.server.picture(ctx, c.account.ID); err != nil {
		return
	}
	since, next, ok := parseEmailState(old)
	if ok {
		ch, ok, err = c.server.since(ctx, c.account.ID, p, since, next)
	}
	if err == nil && !ok {
		err = errCannotCalculate
	}
	return
}

// threadGet is Thread/get (RFC 8621 section 3.1).
func threadGet(ctx context.Context, c *call) (any, error) {
	g, err := c.get(func(p string) bool { return p == "emailIds" })
	if err != nil {
		return nil, err
	}
	p, err := c.server.picture(ctx, c.account.ID)
	if err != nil {
		return nil, err
	}
	if g.all {
		if len(p.threads) > c.server.options.Limits.Get {
			return nil, &methodError{Type: "requestTooLarge", Description: "maxObjectsInGet"}
		}
		for t := range p.threads {
			g.ids = append(g.ids, threadID(t))
		}
		slices.Sort(g.ids)
	}
	var list []object
	var missing []string
	for _, id := range g.ids {
		t, ok := parseID[store.ThreadID]('T', id)
		if emails := p.threads[t]; ok && len(emails) > 0 {
			ids := []string{}
			for _, l := range emails {
				ids = append(ids, emailID(l.ID))
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
	old, most, p, ch, err := c.mailChanges(ctx)
	if err != nil {
		return nil, err
	}
	_, next, _ := parseEmailState(old)
	came, went := map[store.ThreadID]bool{}, map[store.ThreadID]bool{}
	for _, l := range ch.created {
		came[l.Thread] = true
	}
	for _, id := range ch.destroyed {
		went[ch.threadOf[id]] = true
	}
	var created, updated, destroyed []string
	for t := range ch.threads {
		emails := p.threads[t]
		old := went[t] || slices.ContainsFunc(emails, func(l *store.Located) bool { return l.ID < next })
		switch {
		case len(emails) == 0 && went[t]:
			destroyed = append(destroyed, threadID(t))
		case len(emails) > 0 && !old:
			created = append(created, threadID(t))
		case came[t] || went[t]:
			updated = append(updated, threadID(t))
		}
	}
	return c.changed(old, p.emailState(), most, created, updated, destroyed)
}
