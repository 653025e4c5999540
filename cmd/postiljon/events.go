package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/protocol/imapd"
	"github.com/postiljon/postiljon/internal/store"
)

// mailEvent is the event of what an IMAP client did to messages.
func mailEvent(now time.Time, kind string, c *imapd.Conn, e imapd.Event) store.Event {
	event := store.Event{Time: now, Trace: store.NewTraceID(now), Account: c.Account, Kind: kind}
	by := ""
	if e.Owner != 0 { // the owner is told who it was
		event.Account, by = e.Owner, c.Name
	}
	add := func(name, value string) {
		if value != "" {
			event.Fields = append(event.Fields, store.Field{Name: name, Value: value})
		}
	}
	mailbox := e.Mailbox
	if e.Kind == imapd.EventMoved {
		add("from-mailbox", e.Mailbox)
		mailbox = e.Target
	}
	add("mailbox", mailbox)
	switch kind {
	case journal.MessageAppended:
	case journal.MailboxShared:
		add("with", e.With)
		add("rights", rightsText(e.Rights))
	case journal.MailboxUnshared:
		add("with", e.With)
	default:
		add("count", strconv.Itoa(e.UIDs.Len()))
	}
	for _, id := range e.MessageIDs {
		add("message-id", id)
	}
	client := clientName(c.Client)
	if client == "" {
		client = c.Remote.Addr().String()
	}
	add("client", client)
	add("remote", c.Remote.Addr().String())
	add("by", by)
	return event
}

// rightsText names rights as people do, or by their letters.
func rightsText(r store.Rights) string {
	if level := r.Level(); level != "" {
		return level
	}
	return r.String()
}

// clientName is how a program names itself (RFC 2971): "Thunderbird 128.1".
func clientName(fields [][2]string) string {
	var name, version string
	for _, f := range fields {
		switch strings.ToLower(f[0]) {
		case "name":
			name = f[1]
		case "version":
			version = f[1]
		}
	}
	return strings.TrimSpace(name + " " + version)
}
