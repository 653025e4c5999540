package cause

// Audience is who reads an explanation.
type Audience uint8

const (
	// Holder has an account and wants to read and write mail.
	Holder Audience = iota
	// Owner looks after a domain and its accounts.
	Owner
	// Operator runs the machine.
	Operator

	audiences = 3
)

// Explanation is a cause told to one reader. Texts may hold what strangers
// wrote (a subject, a remote server's reply): whoever shows them as HTML must
// escape them.
type Explanation struct {
	Title    string
	Text     string // what happened and why
	NextStep string // what to do now
	Actor    string // who must act, as the reader would say it: "You"
}

// Explain tells a decision to a reader. An unknown cause is told as Unknown,
// an unknown language in English, an unknown audience as to the holder.
func (c *Catalogue) Explain(d Decision, lang Lang, audience Audience) Explanation {
	e := c.lookup(d.Cause)
	lang = lang.known()
	if audience >= audiences {
		audience = Holder
	}
	s := e.said[lang]
	w := writer{speech: c.speech[lang], zone: c.zone, read: c.read}
	var next []byte
	if audience == Owner && s.passedOn && e.Actor != ActorAdmin && e.Actor != ActorNobody {
		next = append(next, w.speech.Advise...)
	}
	return Explanation{
		Title:    s.title,
		Text:     string(s.body[audience].append(nil, e.kinds, &d, &w)),
		NextStep: string(s.next[audience].append(next, e.kinds, &d, &w)),
		Actor:    c.speech[lang].actor(e.Actor, audience),
	}
}

// WhyPage is what /why/<id> shows to anyone who follows the link of a reply.
type WhyPage struct {
	ID       ID
	Title    string
	Text     string // what it means
	NextStep string // what whoever got the reply can do
	Actor    string // who must act
	Holder   Explanation
	Owner    Explanation
}

// Why makes the page of a cause; the page of Unknown if there is no such
// cause. Parameters are optional and come from a query that anyone can write,
// so those of kind text are left out: a stranger must not put words into our
// mouth.
func (c *Catalogue) Why(id ID, lang Lang, params ...Param) WhyPage {
	e := c.lookup(id)
	lang = lang.known()
	d := Decision{Action: ActionRefuse, Cause: e.ID}
	for _, p := range params {
		if e.kinds[p.Name] != KindText {
			d.Params = append(d.Params, p)
		}
	}
	s := e.said[lang]
	w := writer{speech: c.speech[lang], zone: c.zone, read: c.read}
	return WhyPage{
		ID:       e.ID,
		Title:    s.title,
		Text:     string(append(s.remote.append(nil, e.kinds, &d, &w), '.')),
		NextStep: string(s.nextRemote.append(nil, e.kinds, &d, &w)),
		Actor:    c.speech[lang].actor(e.Actor, audiences),
		Holder:   c.Explain(d, lang, Holder),
		Owner:    c.Explain(d, lang, Owner),
	}
}
