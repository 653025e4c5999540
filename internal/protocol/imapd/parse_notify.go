package imapd

import (
	"bytes"
	"errors"
)

// notifyCommand is NOTIFY.
type notifyCommand struct {
	none   bool // NOTIFY NONE
	status bool // the state of all mailboxes is to be told first
	groups []notifyGroup
}

// notifyGroup is an event-group: which events of which mailboxes.
type notifyGroup struct {
	filter    notifyFilter
	mailboxes []string // of SUBTREE and MAILBOXES
	events    notifyEvents
	fetch     *fetchCommand // what to send of new messages; nil: nothing
}

type notifyFilter uint8

const (
	filterSelected notifyFilter = iota + 1
	filterDelayed
	filterInboxes
	filterPersonal
	filterSubscribed
	filterSubtree
	filterMailboxes
)

var notifyFilters = map[string]notifyFilter{
	"SELECTED":         filterSelected,
	"SELECTED-DELAYED": filterDelayed,
	"INBOXES":          filterInboxes,
	"PERSONAL":         filterPersonal,
	"SUBSCRIBED":       filterSubscribed,
	"SUBTREE":          filterSubtree,
	"MAILBOXES":        filterMailboxes,
}

// notifyEvents is a set of events; 0 is NONE.
type notifyEvents uint8

const (
	eventNew notifyEvents = 1 << iota
	eventExpunge
	eventFlags
	eventName
	eventSubscription
	eventMailboxMetadata
	eventServerMetadata
)

var notifyNames = map[string]notifyEvents{
	"MESSAGENEW":         eventNew,
	"MESSAGEEXPUNGE":     eventExpunge,
	"FLAGCHANGE":         eventFlags,
	"MAILBOXNAME":        eventName,
	"SUBSCRIPTIONCHANGE": eventSubscription,

	"MAILBOXMETADATACHANGE": eventMailboxMetadata,
	"SERVERMETADATACHANGE":  eventServerMetadata,
}

// knownEvents is the response code for a client that asks for others (RFC 5465 section 5).
const knownEvents = "BADEVENT (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange" +
	" MailboxMetadataChange ServerMetadataChange)"

var errEvent = errors.New("imapd: event is not told here")

// Bounds on what one NOTIFY can ask for.
const (
	maxNotifyGroups = 50
	maxNamed        = 1000 // mailboxes of a filter, also of ESEARCH
)

// notify reads NOTIFY (RFC 5465 section 8).
func (p *parser) notify() any {
	c := &notifyCommand{}
	switch p.word() {
	case "NONE":
		c.none = true
		return c
	case "SET":
	default:
		p.fail("want NONE or SET")
	}
	p.sp()
	if p.peek() != '(' {
		if c.status = true; p.word() != "STATUS" {
			p.fail("want STATUS")
		}
		p.sp()
	}
	selected := false
	for p.err == nil {
		g := p.notifyGroup()
		if isSelected := g.filter == filterSelected || g.filter == filterDelayed; isSelected {
			if selected || g.events&^(eventNew|eventExpunge|eventFlags) != 0 {
				p.fail("SELECTED twice, or with events that are not about messages")
			}
			selected = true
		}
		if c.groups = append(c.groups, g); len(c.groups) > maxNotifyGroups {
			p.tooMany(maxNotifyGroups)
		}
		if !p.accept(' ') {
			break
		}
	}
	return c
}

// notifyGroup reads `"(" filter-mailboxes SP events ")"`.
func (p *parser) notifyGroup() (g notifyGroup) {
	p.expect('(')
	name := p.word()
	var ok bool
	if g.filter, ok = notifyFilters[name]; !ok {
		p.fail("mailbox filter %q", name)
	}
	if g.filter == filterSubtree || g.filter == filterMailboxes {
		g.mailboxes = p.oneOrMoreMailboxes(nil)
	}
	p.sp()
	if p.peek() == '(' {
		p.list(func() { p.notifyEvent(&g) })
	} else if p.word() != "NONE" {
		p.fail("want events")
	} else {
		p.expect(')')
		return g
	}
	p.expect(')')
	// New and expunged messages are told together or not at all, flags only with them (section 5).
	messages := g.events & (eventNew | eventExpunge | eventFlags)
	if g.events == 0 || messages != 0 && messages&^eventFlags != eventNew|eventExpunge {
		p.fail("events")
	}
	return g
}

// notifyEvent reads one event.
func (p *parser) notifyEvent(g *notifyGroup) {
	event, ok := notifyNames[p.word()]
	if !ok && p.err == nil {
		p.failAs(errEvent)
		return
	}
	g.events |= event
	if event != eventNew {
		return
	}
	g.fetch = p.newItems()
	if g.fetch != nil && g.filter != filterSelected && g.filter != filterDelayed { // RFC 5465 section 8
		p.fail("items of messages in mailboxes that are not selected")
	}
}

// newItems reads the FETCH items that a client wants of new messages, if they are next, with or
// without a space before them (RFC 5465 sections 7 and 8). They never set \Seen.
func (p *parser) newItems() *fetchCommand {
	if !bytes.HasPrefix(p.b, []byte("(")) && !bytes.HasPrefix(p.b, []byte(" (")) {
		return nil
	}
	p.accept(' ')
	c := &fetchCommand{}
	p.list(func() { p.fetchItem(c) })
	for _, sec := range c.sections {
		sec.peek = true
	}
	return c
}
