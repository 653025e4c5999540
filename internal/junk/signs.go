package junk

import (
	"net/netip"
	"path"
	"strings"
	"time"
	"unicode"

	"golang.org/x/net/publicsuffix"

	"github.com/postiljon/postiljon/internal/dmarc"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/signature"
)

// The reasons that a message itself gives.
const (
	SenderKnown   ReasonID = "sender-known"   // the account has written to it
	SenderAllowed ReasonID = "sender-allowed" // the account lets it through, whatever proves it
	SenderWanted  ReasonID = "sender-wanted"  // its mail was taken out of Junk, or kept
	SenderJunk    ReasonID = "sender-junk"    // its mail was put into Junk
	Learned       ReasonID = "learned"        // words as in what the account wants or not
	LearnedByAll  ReasonID = "learned-by-all"

	DMARCPass       ReasonID = "dmarc-pass"
	DMARCFail       ReasonID = "dmarc-fail"
	DMARCQuarantine ReasonID = "dmarc-quarantine" // the domain itself wants it treated with care
	SPFFail         ReasonID = "spf-fail"
	DKIMFail        ReasonID = "dkim-fail"
	NotGenuine      ReasonID = "not-genuine" // nothing proves any sender
	NoReverseName   ReasonID = "no-reverse-name"
	Listed          ReasonID = "listed"
	RspamdSays      ReasonID = "rspamd"

	NoDate          ReasonID = "no-date"
	DateWrong       ReasonID = "date-wrong"
	NoMessageID     ReasonID = "no-message-id"
	NoFrom          ReasonID = "no-from"
	NameIsAddress   ReasonID = "name-is-address" // another address as the name
	ReplyElsewhere  ReasonID = "reply-elsewhere"
	SubjectShouts   ReasonID = "subject-shouts"
	NotToYou        ReasonID = "not-to-anybody"
	HTMLOnly        ReasonID = "html-only"
	HiddenText      ReasonID = "hidden-text"
	LinkDisguised   ReasonID = "link-disguised" // the text of a link shows another host than it leads to
	LinkToNumber    ReasonID = "link-to-number" // a link to an address in figures
	ProgramAttached ReasonID = "program-attached"
	MailingList     ReasonID = "mailing-list"
)

// signsOf are the reasons that hold for all recipients.
func signsOf(m *Message) (all []Reason) {
	add := func(holds bool, id ReasonID, weight float64) {
		if holds {
			all = append(all, Reason{ID: id, Weight: weight})
		}
	}
	all = append(all, genuineSigns(m)...)
	for _, l := range m.Listed {
		all = append(all, Reason{Listed, l.Weight, l.List})
	}
	s := m.Summary
	author := Author(s)
	add(author == "", NoFrom, 1.5)
	add(s.MessageID == "", NoMessageID, 0.8)
	add(s.Date.IsZero(), NoDate, 1)
	if !s.Date.IsZero() {
		away := time.Since(s.Date)
		add(away < -24*time.Hour || away > 60*24*time.Hour, DateWrong, 0.8)
	}
	if len(s.From) > 0 {
		shown := strings.ToLower(s.From[0].Name)
		at := strings.IndexByte(shown, '@')
		add(at > 0 && !strings.Contains(shown, author) && strings.Contains(shown[at:], "."), NameIsAddress, 2)
	}
	add(replyElsewhere(s), ReplyElsewhere, 0.8)
	add(shouts(s.Subject), SubjectShouts, 0.8)
	add(len(s.To)+len(s.Cc) == 0, NotToYou, 0.6)
	add(hasProgram(s), ProgramAttached, 2.5)
	return append(all, bodySigns(s, m.Raw)...)
}

func genuineSigns(m *Message) (all []Reason) {
	r := m.Checked
	if r == nil {
		return nil
	}
	switch {
	case r.Disposition == dmarc.Quarantine:
		all = append(all, Reason{DMARCQuarantine, 10, r.DMARC.From})
	case r.DMARC.Outcome == signature.Pass:
		all = append(all, Reason{DMARCPass, -0.7, r.DMARC.From})
	case r.DMARC.Outcome == signature.Fail:
		all = append(all, Reason{DMARCFail, 1.5, r.DMARC.From})
	}
	dkim := signature.None
	for _, d := range r.DKIM {
		if d.Outcome == signature.Pass || dkim == signature.None {
			dkim = d.Outcome
		}
	}
	switch {
	case r.SPF.Outcome == signature.Fail:
		all = append(all, Reason{SPFFail, 1.5, r.SPF.Domain})
	case r.SPF.Outcome == signature.SoftFail:
		all = append(all, Reason{SPFFail, 0.7, r.SPF.Domain})
	}
	if dkim == signature.Fail {
		all = append(all, Reason{DKIMFail, 0.7, ""})
	}
	if r.SPF.Outcome != signature.Pass && dkim != signature.Pass && r.SPF.Outcome != signature.TempError {
		all = append(all, Reason{NotGenuine, 1.2, ""})
	}
	if r.IPRev.Outcome == signature.Fail || r.IPRev.Outcome == signature.PermError {
		all = append(all, Reason{NoReverseName, 1, r.Envelope.Remote.String()})
	}
	return all
}

// organisation is the domain under which an address or host belongs to somebody.
func organisation(domain string) string {
	domain = strings.ToLower(strings.TrimSuffix(domain, "."))
	org, err := publicsuffix.EffectiveTLDPlusOne(domain)
	if err != nil {
		return domain
	}
	return org
}

func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

func replyElsewhere(s *message.Summary) bool {
	if len(s.ReplyTo) == 0 || len(s.From) == 0 {
		return false
	}
	return organisation(domainOf(s.ReplyTo[0].Email)) != organisation(domainOf(s.From[0].Email))
}

// shouts tells whether a subject is mostly capitals, or has several exclamation marks.
func shouts(subject string) bool {
	letters, upper := 0, 0
	for _, r := range subject {
		if unicode.IsLetter(r) {
			letters++
			if unicode.IsUpper(r) {
				upper++
			}
		}
	}
	return letters >= 12 && upper*10 >= letters*7 || strings.Count(subject, "!") >= 3
}

// programs are the kinds of files that run when they are opened, and those that such files are hidden in.
var programs = map[string]bool{
	".exe": true, ".scr": true, ".com": true, ".bat": true, ".cmd": true, ".pif": true, ".js": true, ".jse": true, ".vbs": true,
	".vbe": true, ".wsf": true, ".hta": true, ".lnk": true, ".iso": true, ".img": true, ".vhd": true, ".msi": true, ".jar": true,
	".ps1": true, ".cpl": true, ".one": true, ".xll": true, ".docm": true, ".xlsm": true,
}

func hasProgram(s *message.Summary) bool {
	for i := range s.Parts {
		if programs[strings.ToLower(path.Ext(s.Parts[i].Title()))] {
			return true
		}
	}
	return false
}

// numeric tells whether a host is an address in figures.
func numeric(host string) bool {
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil
}
