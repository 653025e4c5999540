package causes

import (
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/bounce"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
	"github.com/postiljon/postiljon/internal/message"
)

// refusal is a no to a message or to one of its recipients, wherever it was met:
// in a report, in the outbox, in the server's queue, or asked for just now.
type refusal struct {
	// own tells that the account's own server said it, live that it said so just now.
	own, live bool
	to        string // may be empty
	// original is the address that was written to, where that is another.
	original string
	waits    bool // the message is tried again
	final    bool // it came back, and is not tried again
	stage    dialect.Stage
	reply    string
	since    time.Time
	reading  dialect.Reading
}

// refusals collects them all. What a recipient's server says of the device's own
// address is none: no mail comes from there, and strangers are greylisted everywhere.
func refusals(e *evidence.Evidence) []refusal {
	all := bounced(e)
	for _, t := range evidence.All[evidence.Told](e) {
		if t.Replied() {
			r := refusal{own: t.Own, to: firstOf(t.To), waits: t.State == "deferred" || t.State == "queued", stage: dialect.StageOther, reply: t.Reply, reading: t.Reading}
			if t.Since != nil {
				r.since = *t.Since
			}
			all = append(all, r)
		}
	}
	for _, c := range evidence.All[evidence.ClientError](e) {
		if c.Where == "last-error" && c.Protocol == evidence.Submission && (c.Reading.Class == dialect.Permanent || c.Reading.Class == dialect.Temporary) {
			all = append(all, refusal{own: true, stage: c.Stage, reply: c.Text, reading: c.Reading})
		}
	}
	for _, c := range evidence.All[evidence.Command](e) {
		to, ok := strings.CutPrefix(c.Command, "RCPT TO:<")
		to = strings.TrimSuffix(to, ">")
		if !ok || c.Outcome != evidence.OK || c.Positive || strings.EqualFold(to, e.Complaint.Address) {
			continue
		}
		own := c.Endpoint.Protocol == evidence.Submission
		if own || c.Endpoint.Origin == evidence.RecipientMX && aboutRecipient(c.Reading) {
			all = append(all, refusal{own: own, live: true, to: to, stage: c.Stage, reply: c.Reply, reading: c.Reading})
		}
	}
	return append(all, testRefusals(e)...)
}

func bounced(e *evidence.Evidence) []refusal {
	var all []refusal
	for _, b := range evidence.All[evidence.Bounced](e) {
		for i := range b.Recipients {
			r := &b.Recipients[i]
			if r.Action != message.ActionFailed && r.Action != message.ActionDelayed {
				continue
			}
			all = append(all, refusal{
				own: r.RemoteMTA == "" && b.Form == bounce.FormDSN, to: r.Address, original: r.Original, waits: r.Action == message.ActionDelayed, final: r.Action == message.ActionFailed,
				stage: r.Stage, reply: r.Diagnostic, since: b.Original.Date, reading: r.Reading,
			})
		}
	}
	return all
}

func firstOf(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// aboutRecipient tells whether a reply speaks of the recipient and not of who asks.
func aboutRecipient(r dialect.Reading) bool {
	return slices.ContainsFunc([]dialect.Kind{
		dialect.RecipientUnknown, dialect.RecipientFull, dialect.RecipientRefuses, dialect.RecipientMoved,
		dialect.RecipientDomainUnknown, dialect.AddressInvalid,
	}, r.Says)
}

// minWeight is what a meaning must weigh to be believed: a bare code weighs less,
// and so does what may be meant beside something likelier.
const minWeight = 0.45

// means tells whether a reply can seriously mean one of the kinds.
func (r refusal) means(kinds ...dialect.Kind) bool {
	return slices.ContainsFunc(kinds, func(k dialect.Kind) bool { return r.reading.Says(k) && r.reading.Weight(k) >= minWeight })
}

// refusedAs finds the refusal that means one of the kinds; remote ones only, own ones only, or both.
func refusedAs(e *evidence.Evidence, who func(refusal) bool, kinds ...dialect.Kind) (refusal, bool) {
	for _, r := range refusals(e) {
		if who(r) && r.means(kinds...) {
			return r, true
		}
	}
	return refusal{}, false
}

func anybody(refusal) bool        { return true }
func ownServer(r refusal) bool    { return r.own }
func remoteServer(r refusal) bool { return !r.own }

// told is the sign that some server said so. Unknown without any refusal.
func told(name string, who func(refusal) bool, kinds ...dialect.Kind) *infer.Sign {
	return &infer.Sign{Name: name, Of: func(e *evidence.Evidence) infer.Truth {
		return anyOf(refusals(e), func(r refusal) bool { return who(r) && r.means(kinds...) })
	}}
}

// What servers said of messages, shared by the causes that they can mean.
var (
	toldUnknown     = told("told-recipient-unknown", anybody, dialect.RecipientUnknown)
	toldMoved       = told("told-recipient-moved", anybody, dialect.RecipientMoved)
	toldNoDomain    = told("told-recipient-domain-unknown", anybody, dialect.RecipientDomainUnknown)
	toldInvalid     = told("told-address-invalid", anybody, dialect.AddressInvalid)
	toldUnreachable = told("told-host-unreachable", anybody, dialect.HostUnreachable)
	toldExpired     = told("told-expired", anybody, dialect.Expired)
	toldSPF         = told("told-spf-refused", remoteServer, dialect.SPFRefused)
	toldDKIM        = told("told-dkim-refused", remoteServer, dialect.DKIMRefused)
	toldDMARC       = told("told-dmarc-refused", remoteServer, dialect.DMARCRefused)
	toldPTR         = told("told-ptr-missing", remoteServer, dialect.PTRMissing, dialect.HeloRefused)
	toldListed      = told("told-listed", remoteServer, dialect.IPListed)
	toldOwnListed   = told("told-own-address-listed", ownServer, dialect.IPListed, dialect.OwnIPListed)
	toldGreylisted  = told("told-greylisted", remoteServer, dialect.Greylisted)
	toldSpam        = told("told-spam", anybody, dialect.SpamRefused, dialect.VirusRefused)
	toldAttachment  = told("told-attachment-refused", anybody, dialect.AttachmentRefused)
	toldMalformed   = told("told-malformed", anybody, dialect.Malformed)
	toldTooLarge    = told("told-too-large", anybody, dialect.MessageTooLarge, dialect.RecipientTooLarge)
	toldNoSender    = told("told-sender-domain-unknown", anybody, dialect.SenderDomainUnknown)
)

// toldRefuses: the recipient's account does not take the message. A server of the
// recipient that does not like the sender means the same.
var toldRefuses = &infer.Sign{Name: "told-recipient-refuses", Of: func(e *evidence.Evidence) infer.Truth {
	return anyOf(refusals(e), func(r refusal) bool {
		return r.means(dialect.RecipientRefuses) || !r.own && r.means(dialect.SenderRefused)
	})
}}

// messageRefused: some server said no to a message, for whatever reason. It has a
// leak of its own, so that refusals of causes that do not name it stay small.
var messageRefused = &infer.Sign{Name: "message-refused", Leak: 0.02, Of: func(e *evidence.Evidence) infer.Truth {
	return anyOf(refusals(e), func(r refusal) bool {
		return !r.waits && (r.reading.Class == dialect.Permanent || r.final || r.live && r.to == "")
	})
}}

// messageDeferred: a message of the account waits, because a server said "not now".
var messageDeferred = &infer.Sign{Name: "message-deferred", Of: func(e *evidence.Evidence) infer.Truth {
	return anyOf(refusals(e), func(r refusal) bool { return !r.own && !r.live && r.waits && r.reading.Class == dialect.Temporary })
}}

// sendingWorks: the account's server takes a message from it now, as far as that
// shows without sending one.
var sendingWorks = &infer.Sign{Name: "sending-works", Normal: true, Leak: 0.5, Of: func(e *evidence.Evidence) infer.Truth {
	mails := evidence.Where(e, func(c evidence.Command) bool {
		return c.Endpoint.Protocol == evidence.Submission && c.SignedIn && c.Outcome == evidence.OK && (c.Stage == dialect.StageMail || c.Stage == dialect.StageRcpt || isContent(c))
	})
	if anyOf(mails, func(c evidence.Command) bool {
		return !c.Positive && c.Command != "RCPT TO:<"+e.Complaint.Recipient+">"
	}) == infer.Yes {
		return infer.No
	}
	return anyOf(mails, func(c evidence.Command) bool { return c.Positive && c.Stage == dialect.StageRcpt })
}}

// outboxMessages returns what waits in the mail program.
func outboxMessages(e *evidence.Evidence) []evidence.Told {
	return evidence.Where(e, func(t evidence.Told) bool { return t.Source == "outbox" })
}

// queued returns what the account's server has of its outgoing messages.
func queued(e *evidence.Evidence) []evidence.Told {
	return evidence.Where(e, func(t evidence.Told) bool { return t.Source == "queue" })
}

// Parameters that several causes have.

func textParam(name, s string) []cause.Param {
	if s == "" {
		return nil
	}
	return []cause.Param{cause.Text(name, s)}
}

func timeParam(name string, t *time.Time) []cause.Param {
	if t == nil || t.IsZero() {
		return nil
	}
	return []cause.Param{cause.Time(name, *t)}
}

// refusedAddress returns the address of the refusal that means one of the kinds.
func refusedAddress(kinds ...dialect.Kind) func(*evidence.Evidence) []cause.Param {
	return func(e *evidence.Evidence) []cause.Param {
		r, ok := refusedAs(e, anybody, kinds...)
		if !ok {
			return textParam("address", e.Complaint.Recipient)
		}
		return textParam("address", r.to)
	}
}
