package clinic

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor"
	"github.com/postiljon/postiljon/internal/doctor/probe"
	"github.com/postiljon/postiljon/internal/journal"
)

// reportPage is what was found, as a page.
type reportPage struct {
	frame
	Reference string
	Tile      string // key of its title
	Subject   string // the address, or whom the message was for
	To        string
	Message   string
	Awaited   string // whose message is waited for
	AskFrom   bool   // whose message is waited for may be said
	Public    bool   // a password may be asked for again

	Sentence  string // what is the matter
	Mood      string // fine, trouble or unsure
	Text      string
	Next      string
	Who       string // who must act
	Nothing   bool   // nobody has to do anything, or somebody else
	Button    button
	Steps     []cause.Instruction
	Program   string // whose steps they are
	Programs  []cause.Program
	Related   []link
	Also      []link
	Likeliest []link

	Checked checked
	Ended   string
	Known   string // while it goes on: what is known already
}

// button is the one thing to press. Without a path, it looks again.
type button struct{ Key, Path string }

// link is a cause that a page leads to.
type link struct {
	ID    cause.ID
	Title string
}

// checked is "What we checked".
type checked struct {
	Fine, Trouble, Unseen []string
	RuledOut              string
	Held                  []string
	Timeline              string
	SignIns               string
}

// report shows what was found under a reference; while it is being looked for, the page goes on until it is found.
func (c *Clinic) report(w http.ResponseWriter, r *http.Request, v visitor) {
	id, err := ParseReference(r.PathValue("ref"))
	if err != nil {
		c.sorry(w, r, v, http.StatusNotFound, "sorry_reference")
		return
	}
	if one := c.runs.find(v.id(), id); one != nil {
		c.follow(w, r, v, one)
		return
	}
	k, err := c.load(r.Context(), v, id)
	switch {
	case err != nil:
		c.fail(w, r, v, err)
	case k == nil:
		c.sorry(w, r, v, http.StatusNotFound, "sorry_reference")
	default:
		c.pages.Write(w, http.StatusOK, "report.html", v.lang, c.reportPage(r, v, k))
	}
}

// stillEvery is how often a page that waits says that it still does, so that neither a proxy nor this server gives it up.
const stillEvery = 5 * time.Second

// follow sends the page of a look that goes on: what is looked at as it is looked at, and at the end what was found.
func (c *Clinic) follow(w http.ResponseWriter, r *http.Request, v visitor, one *run) {
	p := reportPage{frame: c.frame(r, v, "tile_"+one.tile), Tile: one.tile, Subject: one.address, Reference: reference(one.id), Known: c.knownAtOnce(r.Context(), v, one.tile)}
	s := c.pages.Stream(w, v.lang)
	if s.Part("report_top", p) != nil {
		return
	}
	told, quiet := 0, time.NewTicker(stillEvery)
	defer quiet.Stop()
	for {
		steps, more, found := one.state()
		for ; told < len(steps); told++ {
			part := struct {
				frame
				step
			}{p.frame, steps[told]}
			if s.Part("report_step", part) != nil {
				return
			}
		}
		if found != nil {
			_ = s.Part("report_end", c.reportPage(r, v, found)) // a reader who went away finds it again
			return
		}
		select {
		case <-more:
		case <-quiet.C:
			if s.Part("still", p.frame) != nil {
				return
			}
		case <-r.Context().Done():
			return
		case <-c.runs.life.Done():
			return
		}
	}
}

// reportPage tells what was found in the language of a visitor.
func (c *Clinic) reportPage(r *http.Request, v visitor, k *kept) *reportPage {
	p := &reportPage{
		frame: c.frame(r, v, "tile_"+k.Tile, "program", r.URL.Query().Get("program")), Tile: k.Tile, Subject: k.Address, Reference: reference(k.ID), To: k.To, Message: k.Message, Awaited: k.Awaited, AskFrom: k.Tile == "receive" && k.Account != 0,
		Public: k.Account == 0, Ended: c.moment(v, k.Ended),
	}
	switch {
	case k.Fixed:
		p.Mood, p.Sentence = "fine", p.Say("fixed", "at", c.here(v).Clock(v.lang, k.Ended))
		p.Text, p.Nothing = p.T["fixed_text"], true
	case len(k.Causes) > 0:
		c.tellCause(p, v, k, c.program(r, k), r.URL.Query().Get("program"))
	case k.Note != "" && k.State == doctor.Healthy:
		p.Mood, p.Sentence, p.Text = "fine", p.Say(k.Note, "address", k.Address, "to", k.To, "from", k.Awaited, "mailbox", cmp.Or(k.Place, "INBOX")), p.T[k.Note+"_text"]
		p.Nothing = true
	case k.Note != "" && k.State == doctor.Proven:
		p.Mood, p.Sentence, p.Text = "trouble", p.Say(k.Note, "from", k.Awaited), p.T[k.Note+"_text"]
		switch k.Note {
		case "note_nearly_full":
			p.Button = buttonFor(cause.QuotaMailboxFull, k.Account != 0)
		case "note_awaited_refused":
			p.Text, p.Related = c.Catalogue.Why(k.Refused, v.lang).Text, c.links(v, []cause.ID{k.Refused})
		}
	case k.State == doctor.Healthy:
		p.Mood, p.Sentence, p.Text = "fine", p.Say("healthy", "address", k.Address), p.T["healthy_text"]
		p.Nothing = true
	default:
		p.Mood, p.Sentence, p.Text = "unsure", p.Say(cmp.Or(k.Note, "unsure"), "address", k.Address, "from", k.Awaited), cmp.Or(p.T[k.Note+"_text"], p.T["unsure_text"])
		p.Button = button{"button_help", "/doctor/report/" + p.Reference + "/help"}
		if k.Tile == "send" && k.Account != 0 && slices.ContainsFunc(k.Possible, onTheWay) {
			p.Button = inOutbox // which says of each message why it waits
		}
		p.Likeliest = c.links(v, k.Possible)
	}
	if p.Button.Key == "" && (k.Tile == "program" || k.Tile == "signin") && k.Account != 0 && p.Mood == "fine" && !k.Fixed {
		p.Button = button{"button_watch", "/doctor/watch"}
	}
	if p.Button.Key == "" {
		p.Button = button{Key: "button_again"}
	}
	for _, f := range k.Also {
		p.Also = append(p.Also, link{f.ID, c.explain(v, f.decision()).Title})
	}
	p.Checked = c.checkedOf(r.Context(), p, v, k)
	return p
}

// tellCause tells the surest cause; the others stand below it.
func (c *Clinic) tellCause(p *reportPage, v visitor, k *kept, client cause.Client, chosen string) {
	f := k.Causes[0]
	x := c.explain(v, f.decision())
	p.Mood, p.Sentence, p.Text, p.Next = "trouble", x.Title, x.Text, x.NextStep
	if !f.Certain {
		p.Sentence = p.Say("likely", "what", x.Title)
	}
	row, _ := c.Catalogue.Cause(f.ID)
	p.Who, p.Nothing = x.Actor, row.Actor != cause.ActorUser
	p.Steps = c.Catalogue.Instructions(f.ID, v.lang, client)
	for _, one := range p.Steps {
		p.Program = cmp.Or(p.Program, one.Program)
	}
	for _, one := range c.Catalogue.Programs(v.lang) {
		if len(c.Catalogue.InstructionsIn(f.ID, v.lang, one.ID)) > 0 {
			p.Programs = append(p.Programs, one)
		}
	}
	if steps := c.Catalogue.InstructionsIn(f.ID, v.lang, chosen); len(steps) > 0 {
		p.Steps, p.Program = steps, steps[0].Program
	}
	for _, other := range k.Causes[1:] {
		p.Related = append(p.Related, link{other.ID, c.explain(v, other.decision()).Title})
	}
	p.Button = buttonFor(f.ID, k.Account != 0)
	if p.Button.Key == "" && k.Tile == "send" && k.Account != 0 && onTheWay(f.ID) {
		p.Button = inOutbox
	}
}

var inOutbox = button{"button_outbox", "/mail/outbox"}

// onTheWay tells causes for which a message waits on its way to a recipient.
func onTheWay(id cause.ID) bool {
	family, _, _ := strings.Cut(string(id), ".")
	return family == "recipient" || family == "reputation" || family == "content" || id == cause.QuotaRecipientFull
}

// program is the mail program that the steps are for: the one that signed in last; else what the browser tells of the system.
func (c *Clinic) program(r *http.Request, k *kept) cause.Client {
	client := k.Client
	if client.System == "" {
		client.System = r.UserAgent()
	}
	return client
}

// buttonFor is what to press for a cause.
func buttonFor(id cause.ID, signedIn bool) button {
	family, _, _ := strings.Cut(string(id), ".")
	switch {
	case !signedIn:
		return button{}
	case family == "quota" && id != cause.QuotaRecipientFull:
		return button{"button_room", "/settings/storage"}
	case family == "outbox" || family == "limit":
		return inOutbox
	case family == "auth":
		return button{"button_watch", "/doctor/watch"}
	}
	return button{}
}

func (c *Clinic) links(v visitor, ids []cause.ID) (all []link) {
	for _, id := range ids {
		all = append(all, link{id, c.Catalogue.Why(id, v.lang).Title})
	}
	return all
}

// checkedOf says what was looked at, what was not and why.
func (c *Clinic) checkedOf(ctx context.Context, p *reportPage, v visitor, k *kept) checked {
	words := c.doctor[v.lang]
	var ch checked
	for _, a := range k.Areas {
		if a.Name == "network" || a.Name == "program" || k.Account != 0 && (a.Why == "no-password" || a.Why == "not-signed-in") {
			continue // of this machine, which is not the person's; or seen from inside
		}
		text := words.Say("area." + a.Name)
		switch a.Condition {
		case doctor.Fine:
			ch.Fine = append(ch.Fine, text)
		case doctor.Trouble:
			if len(a.Where) > 0 {
				text += " (" + strings.Join(a.Where, ", ") + ")"
			}
			ch.Trouble = append(ch.Trouble, text)
		default:
			ch.Unseen = append(ch.Unseen, text+": "+words.Say("unseen."+a.Why))
		}
	}
	var out []string
	for _, l := range c.links(v, k.RuledOut) {
		out = append(out, l.Title)
	}
	ch.RuledOut = strings.Join(out, " · ")
	for _, key := range k.Held {
		ch.Held = append(ch.Held, p.T[key])
	}
	if k.SignIns.Tried > 0 {
		ch.SignIns = p.Say("sign_ins", "tried", c.Catalogue.Value(v.lang, cause.Count("n", int64(k.SignIns.Tried))), "failed", c.Catalogue.Value(v.lang, cause.Count("n", int64(k.SignIns.Failed))))
	}
	ch.Timeline = c.timeline(ctx, v, k)
	return ch
}

// timeline is what happened to the message that it is about.
func (c *Clinic) timeline(ctx context.Context, v visitor, k *kept) string {
	about := cmp.Or(k.Message, k.Awaited)
	if about == "" || k.Account == 0 {
		return ""
	}
	t, err := c.Trace(ctx, journal.Query{Text: about, Account: k.Account, Reader: cause.Holder})
	if err != nil {
		return ""
	}
	var b strings.Builder
	if err := t.Render(&b, v.lang, c.Catalogue, cmp.Or(v.zone, time.Local)); err != nil {
		return ""
	}
	return b.String()
}

// stepOf says which step of ours a probe is; most are none.
func stepOf(p probe.Result) (step, bool) {
	if p.State == probe.Blocked {
		return step{}, false
	}
	what, where, _ := strings.Cut(p.Name, " ")
	keys := map[string]string{
		"settings": "settings", "inside": "inside", "queue": "queue", "lookup": "names", "connect": "connect", "tls": "tls", "greeting": "greeting",
		"sign-in": "signin", "domain": "domain", "account": "account", "recipient": "recipient", "spf": "records", "dmarc": "records", "mta-sts": "records",
		"blocklists": "blocklists", "status": "status", "reference": "elsewhere",
	}
	key, ok := keys[what]
	if !ok || what == "domain" && where != "MX" {
		return step{}, false
	}
	if !slices.Contains([]string{"names", "connect", "tls", "greeting", "signin"}, key) {
		where = ""
	}
	return step{Key: "step_" + key, Where: where, State: p.State}, true
}

// Fine tells whether what was looked at worked.
func (s step) Fine() bool { return s.State == probe.Done }
