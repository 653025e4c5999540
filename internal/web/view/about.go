package view

import (
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/signature"
	"github.com/postiljon/postiljon/internal/web/sanitize"
)

// said is something in words for the reader.
type said struct {
	Level string `json:"level"` // good, info, warn or bad
	Title string `json:"title"`
	Text  string `json:"text,omitempty"`
}

// about is what a reader should know of a message beyond what JMAP tells.
type about struct {
	// Authenticity is who it comes from and why that is believed, or not.
	Authenticity *said `json:"authenticity,omitempty"`
	// Notes are what else is to be known before trusting it.
	Notes []said `json:"notes"`
	// Images are the pictures of the web in it.
	Images aboutImages `json:"images"`
	// Unsubscribe is how its list is left.
	Unsubscribe *offer `json:"unsubscribe,omitempty"`
	// Junk is why it was put into Junk.
	Junk *aboutJunk `json:"junk,omitempty"`
	// Attachments are those that a reader should think about before opening them.
	Attachments []attachmentNote `json:"attachments"`
	// Inline are the ids of the parts that stand in its text, as pictures, and of an invitation that is attached once more.
	Inline []string `json:"inline"`
	// Invitation is what it invites to.
	Invitation *invitation `json:"invitation,omitempty"`
}

type aboutImages struct {
	Count    int      `json:"count"`
	Hosts    []string `json:"hosts"`
	Trackers int      `json:"trackers"` // too small to be seen; never fetched
	Allowed  bool     `json:"allowed"`  // the account wants them shown
	Proven   bool     `json:"proven"`   // the sender is, so that the account can want it
}

type aboutJunk struct {
	Title   string   `json:"title"`
	Reasons []string `json:"reasons"`
	Change  string   `json:"change,omitempty"`
}

// maxHosts is how many hosts of pictures are told.
const maxHosts = 20

func (s *Server) about(w http.ResponseWriter, r *request) error {
	header, err := s.header(r.Context(), r.mail, 0)
	if err != nil {
		return err
	}
	o, err := s.origin(r.Context(), r.mail, header)
	if err != nil {
		return err
	}
	a := about{Notes: []said{}, Unsubscribe: unsubscribeOffer(header, o), Attachments: []attachmentNote{}, Inline: []string{}}
	if a.Authenticity, err = s.authenticity(r, o); err != nil {
		return err
	}
	if a.Images.Allowed, err = s.imagesAllowed(r); err != nil {
		return err
	}
	a.Images.Proven = o.proven()
	if err := s.looked(r, &a); err != nil {
		return err
	}
	a.Notes = append(a.Notes, s.aboutAddresses(r)...)
	if id := sealed(r.mail.parts, header); id != "" {
		a.Notes = append(a.Notes, r.words(s).said("info", id))
	}
	if a.Attachments, err = s.aboutAttachments(r); err != nil {
		return err
	}
	if err = s.aboutInvitation(r, &a); err != nil {
		return err
	}
	if r.mail.owner == r.account.ID { // what the owner of a mailbox taught, and which lists he is on, is his own
		a.Junk = s.aboutJunk(r, o)
	} else {
		a.Unsubscribe = nil
	}
	s.answers.JSON(w, a)
	return nil
}

// looked tells what is seen in the HTML of a message: pictures of the web, and links that show another host than they lead to.
func (s *Server) looked(r *request, a *about) error {
	var hosts, disguised []string
	for _, i := range message.BodiesOf(r.mail.parts, 0).HTML {
		if r.mail.parts[i].Subtype != "html" {
			continue
		}
		text, err := s.text(r.Context(), r.mail, i, sanitize.MaxInput+1)
		if err != nil {
			return err
		}
		result := sanitize.HTML(text, sanitize.Options{Scope: "m", Inline: func(contentID string) string {
			if i := r.mail.withContentID(contentID); i >= 0 {
				a.Inline = append(a.Inline, partID(i))
			}
			return ""
		}})
		a.Images.Count += len(result.Remote)
		a.Images.Trackers += result.Trackers
		disguised = append(disguised, result.Disguised...)
		for _, address := range result.Remote {
			if one, ok := sanitize.ParseAddress(address); ok && !slices.Contains(hosts, one.Host) && len(hosts) < maxHosts {
				hosts = append(hosts, one.Host)
			}
		}
	}
	a.Images.Hosts = append([]string{}, hosts...)
	if len(disguised) > 0 {
		a.Notes = append(a.Notes, r.words(s).said("warn", "disguised", "host", disguised[0]))
	}
	return nil
}

// aboutAddresses tells of tricks with names and addresses.
func (s *Server) aboutAddresses(r *request) (notes []said) {
	w := r.words(s)
	if len(r.mail.from) == 0 {
		return nil
	}
	from := r.mail.from[0]
	if shown := addressIn(from.Name); shown != "" && !strings.EqualFold(shown, from.Email) && !sameOrganisation(domainOf(shown), domainOf(from.Email)) {
		notes = append(notes, w.said("bad", "name-is-address", "shown", shown, "address", from.Email))
	}
	if len(r.mail.from) > 1 {
		notes = append(notes, w.said("warn", "many-from"))
	}
	if len(r.mail.replyTo) > 0 && !sameOrganisation(domainOf(r.mail.replyTo[0].Email), domainOf(from.Email)) {
		notes = append(notes, w.said("info", "reply-elsewhere", "address", r.mail.replyTo[0].Email))
	}
	return notes
}

// sealed is the name of the text about a message of which something can be read with other programs alone, or "".
func sealed(parts []message.Part, header []byte) string {
	kind, _ := message.DecodedField(header, "Content-Type")
	switch top := parts[0].Type + "/" + parts[0].Subtype; {
	case top == "multipart/encrypted":
		return "encrypted-pgp"
	case strings.HasSuffix(top, "/pkcs7-mime"), strings.HasSuffix(top, "/x-pkcs7-mime"):
		if _, params, _ := mime.ParseMediaType(kind); strings.EqualFold(params["smime-type"], "signed-data") {
			return "signed-closed"
		}
		return "encrypted-smime"
	}
	if slices.ContainsFunc(parts, func(p message.Part) bool {
		return p.Subtype == "ms-tnef" || strings.EqualFold(p.Title(), "winmail.dat")
	}) {
		return "winmail"
	}
	return ""
}

// addressIn is the address that a display name shows, or "".
func addressIn(name string) string {
	for word := range strings.FieldsSeq(name) {
		word = strings.Trim(word, `<>()[]"',;:`)
		if local, domain, ok := strings.Cut(word, "@"); ok && local != "" && strings.Contains(domain, ".") {
			return word
		}
	}
	return ""
}

// authenticity says who a message comes from; nothing of one that never came by mail and is from a domain of this service:
// a draft, a copy of what was sent, a notice of the service.
func (s *Server) authenticity(r *request, o *origin) (*said, error) {
	w := r.words(s)
	var told said
	signed := o.signedBy()
	if !o.received && o.from != "" {
		if local, err := s.store.LocalDomain(r.Context(), o.from); err != nil || local {
			return nil, err
		}
	}
	switch {
	case !o.ours:
		told = w.said("info", "not-checked")
	case o.from == "":
		told = w.said("warn", "no-sender")
	case o.byUser && o.proven():
		told = w.said("good", "by-user", "domain", o.from)
	case o.byUser && o.envelope != "":
		told = w.said("warn", "by-other-user", "domain", o.from, "address", o.envelope)
	case o.byUser:
		told = w.said("info", "by-some-user")
	case !o.checked:
		told = w.said("info", "trusted-server", "server", o.server)
	case o.allowed && len(r.mail.from) == 1:
		told = w.said("warn", "allowed", "from", r.mail.from[0].Email, "domain", o.from, "server", o.sender())
	case o.dmarc == signature.Fail && o.list != "":
		told = w.said("info", "list-unproven", "domain", o.from, "list", o.list)
	case o.dmarc == signature.Fail:
		told = w.said("bad", "forged", "domain", o.from, "server", o.sender())
	case o.proven() && signed != "":
		told = w.said("good", "signed", "domain", o.from)
	case o.proven():
		told = w.said("good", "sent-by", "domain", o.from)
	case o.dmarc == signature.TempError:
		told = w.said("info", "could-not-check", "domain", o.from)
	case len(o.dkim) > 0:
		told = w.said("info", "signed-by-other", "domain", o.from, "other", o.dkim[0])
	default:
		told = w.said("warn", "unproven", "domain", o.from, "server", o.sender())
	}
	return &told, nil
}

// sender is the server that handed a message over, as people can tell it from others.
func (o *origin) sender() string {
	if o.ip.IsValid() && o.server != "" {
		return o.server + " (" + o.ip.String() + ")"
	}
	return o.server
}

// aboutJunk tells why a message was put into Junk when it came; nil if it was not.
func (s *Server) aboutJunk(r *request, o *origin) *aboutJunk {
	if o.arrival == nil || o.arrival.Kind != journal.MessageFiledJunk {
		return nil
	}
	w := r.words(s)
	j := &aboutJunk{Title: w.say("junk"), Reasons: s.reasonTexts(r.lang, o.arrival.Field("reasons"))}
	if instead := s.reasonTexts(r.lang, o.arrival.Field("instead")); len(instead) > 0 {
		j.Change = w.say("junk-instead", "reasons", strings.Join(instead, "; "))
	}
	return j
}

// reasonTexts are the reasons of an event that spoke for junk, in words (junk.Verdict.Text).
func (s *Server) reasonTexts(lang cause.Lang, list string) []string {
	all := []string{}
	for one := range strings.SplitSeq(list, ", ") {
		name, weight, _ := strings.Cut(one, " ")
		if text := s.reasons[lang][name]; text != "" && !strings.HasPrefix(weight, "-") {
			all = append(all, text)
		}
	}
	return all
}

// said is a title with its text, which stand in the words under id and id-text.
func (w *words) said(level, id string, pairs ...string) said {
	return said{Level: level, Title: w.say(id, pairs...), Text: w.say(id+"-text", pairs...)}
}
