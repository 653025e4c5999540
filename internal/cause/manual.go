package cause

import (
	"strconv"
	"strings"
)

// Group is the causes of one kind, those whose ids begin alike.
type Group struct {
	ID     string // "network"
	Title  string // "The network"
	Causes []ID
}

// Groups returns all causes by kind, in table order; the two answers that name
// no fault are in none.
func (c *Catalogue) Groups(lang Lang) []Group {
	names := c.speech[lang.known()].groups
	var list []Group
	for _, row := range c.causes {
		kind, _, ok := strings.Cut(string(row.ID), ".")
		if !ok {
			continue
		}
		if len(list) == 0 || list[len(list)-1].ID != kind {
			list = append(list, Group{ID: kind, Title: names[kind]})
		}
		last := &list[len(list)-1]
		last.Causes = append(last.Causes, row.ID)
	}
	return list
}

// WireForm is how a cause looks on our wire, for manuals.
type WireForm struct {
	Variant string // "" for the usual form
	Wait    string // SMTP, for now: "450 4.7.1"
	Refuse  string // SMTP, for good: "550 5.4.5"
	IMAP    string // response code without brackets, or ""
	POP3    string // the same
	Text    string // what is said without values
}

// WireForms returns the forms of a cause that occurs on our own wire, the usual
// one first; nil for one that does not, and for one that does not exist.
func (c *Catalogue) WireForms(id ID) []WireForm {
	e, ok := c.entries[id]
	if !ok || !e.onWire {
		return nil
	}
	list := []WireForm{e.usual.manual("")}
	for _, name := range e.Variants {
		list = append(list, e.variants[name].manual(name))
	}
	return list
}

func (f *form) manual(variant string) WireForm {
	return WireForm{
		Variant: variant, Wait: f.wait.String(), Refuse: f.refuse.String(),
		IMAP: f.imap, POP3: f.pop3, Text: f.text.plain(),
	}
}

// String returns the codes as they stand in a reply.
func (c smtpCode) String() string { return strconv.Itoa(c.code) + " " + c.enhanced }
