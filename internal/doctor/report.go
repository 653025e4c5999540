package doctor

import (
	"slices"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
	"github.com/postiljon/postiljon/internal/doctor/probe"
)

// Schema is the id of the report's public form.
const Schema = "postiljon.doctor/1"

// State is how the doctor's verdict stands.
type State string

// The verdicts. Proven and Likely have at least one cause.
const (
	Proven  State = "proven"
	Likely  State = "likely"
	Unknown State = "unknown"
	Healthy State = "healthy"
)

// Report is the doctor's answer, in the public schema postiljon.doctor/1.
type Report struct {
	Schema         string          `json:"schema"`
	Subject        Subject         `json:"subject"`
	Verdict        Verdict         `json:"verdict"`
	Facts          []evidence.Fact `json:"facts"`
	Probes         []ProbeReport   `json:"probes"`
	SignInAttempts SignIns         `json:"signin_attempts"`
	TookMS         int64           `json:"took_ms"`

	client cause.Client // the program that steps are for
}

// Subject is what was asked about.
type Subject struct {
	Address  string           `json:"address"`
	Symptom  evidence.Symptom `json:"symptom"`
	Provider string           `json:"provider,omitempty"`
	To       string           `json:"to,omitempty"`
}

// Verdict is what the doctor concludes.
type Verdict struct {
	State State `json:"state"`
	// Causes are those that concern the symptom, the surest first.
	Causes []Cause `json:"causes"`
	// Also are causes that were found beside, of other symptoms.
	Also     []Cause    `json:"also,omitempty"`
	RuledOut []cause.ID `json:"ruled_out"`
	// Possible are causes that could not be told apart, when the verdict is unknown.
	Possible []cause.ID `json:"possible,omitempty"`
	// Unexplained are signs of trouble that no cause accounts for.
	Unexplained []string `json:"unexplained,omitempty"`
}

// Cause is a cause that was found.
type Cause struct {
	ID        cause.ID        `json:"id"`
	Certainty infer.Certainty `json:"certainty"`
	Actor     cause.Actor     `json:"actor"`
	Params    map[string]any  `json:"params"`
	Title     string          `json:"title"`
	NextStep  string          `json:"next_step"`
	// Steps are the ways to do it, in the person's own mail program.
	Steps []Steps `json:"steps,omitempty"`
	// Signs are what was seen that speaks for it.
	Signs []string `json:"signs,omitempty"`

	// Decision has the cause with its parameters as they are, to be explained in any language.
	Decision cause.Decision `json:"-"`
}

// ProbeReport is how one probe went.
type ProbeReport struct {
	Name      string      `json:"name"`
	State     probe.State `json:"state"`
	StartedMS int64       `json:"started_ms"`
	TookMS    int64       `json:"took_ms"`
	Why       string      `json:"why,omitempty"`
}

// SignIns counts sign-ins that were tried.
type SignIns struct {
	Tried  int `json:"tried"`
	Failed int `json:"failed"`
}

type attempts struct{ tried, failed int }

// report puts conclusions into the public form, in English; InLanguage translates.
func (d *Doctor) report(e *evidence.Evidence, c infer.Conclusion, results []probe.Result, a attempts, took time.Duration) *Report {
	r := &Report{
		Schema:  Schema,
		Subject: Subject{Address: e.Complaint.Address, Symptom: e.Complaint.Symptom, To: e.Complaint.Recipient},
		Facts:   e.Facts(), SignInAttempts: SignIns{a.tried, a.failed}, TookMS: took.Milliseconds(), client: clientOf(e),
	}
	if r.Subject.Symptom == "" {
		r.Subject.Symptom = evidence.AnySymptom
	}
	if p, ok := evidence.First[*evidence.Provider](e); ok {
		r.Subject.Provider = p.ID
	}
	for _, p := range results {
		r.Probes = append(r.Probes, ProbeReport{p.Name, p.State, p.Started.Milliseconds(), p.Took.Milliseconds(), e.Clean(p.Why)})
	}
	r.Verdict = d.verdict(c)
	if r.Verdict.State == Healthy && !reached(e) {
		r.Verdict.State = Unknown
	}
	d.InLanguage(r, cause.English)
	return r
}

// verdict decides what may be said: a cause that is not clearly better than
// another is not told as the cause.
func (d *Doctor) verdict(c infer.Conclusion) Verdict {
	v := Verdict{State: Healthy, Causes: []Cause{}, RuledOut: append([]cause.ID{}, c.RuledOut...), Unexplained: c.Unexplained}
	unsure := false
	for _, f := range c.Findings {
		switch {
		case f.Certainty == infer.Possible:
			unsure = unsure || f.Concerns
		case f.Concerns:
			v.Causes = append(v.Causes, d.cause(f))
		default:
			v.Also = append(v.Also, d.cause(f))
		}
	}
	switch {
	case len(v.Causes) > 0 && v.Causes[0].Certainty == infer.Proven:
		v.State = Proven
	case len(v.Causes) > 0:
		v.State = Likely
	case unsure || len(c.Unexplained) > 0:
		v.State = Unknown
	}
	if v.Possible = nil; unsure || v.State == Unknown {
		v.Possible = possible(c)
	}
	return v
}

// possible are the causes that could not be told apart, the most probable first.
func possible(c infer.Conclusion) []cause.ID {
	ids := slices.Clone(c.Probable)
	for _, f := range c.Findings {
		if f.Certainty == infer.Possible && f.Concerns {
			ids = append(ids, f.ID)
		}
	}
	ids = append(ids, c.Rivals...)
	told := func(id cause.ID) bool {
		return slices.ContainsFunc(c.Findings, func(f infer.Finding) bool { return f.ID == id && f.Certainty != infer.Possible })
	}
	var once []cause.ID
	for _, id := range ids {
		if !told(id) && !slices.Contains(once, id) {
			once = append(once, id)
		}
	}
	return once
}

// reached reports whether the account's service was seen at all, and all of it that the mail program has. Where it was
// not, that nothing wrong showed does not mean that nothing is. What the server knows does for it alone where nobody
// looked from outside.
func reached(e *evidence.Evidence) bool {
	if e.Complaint.Symptom == evidence.Webmail {
		_, looked := evidence.First[evidence.WebLook](e)
		if c := e.Complaint.Client; !looked && (c == nil || c.Web == nil) {
			return false
		}
	}
	_, looked := evidence.First[evidence.Lookup](e)
	if inside, ok := evidence.First[*evidence.Inside](e); ok && inside.Exists && !looked {
		return true
	}
	for _, ep := range e.Complaint.Given {
		_, greets := evidence.Find(e, func(g evidence.Greeting) bool {
			return g.Endpoint.Host == ep.Host && g.Endpoint.Port == ep.Port && g.Positive
		})
		if !greets {
			return false
		}
	}
	_, ok := evidence.Find(e, func(c evidence.Capabilities) bool {
		return len(c.List) > 0 && c.Endpoint.Origin != evidence.MX && c.Endpoint.Origin != evidence.Reference
	})
	return ok
}

func (d *Doctor) cause(f infer.Finding) Cause {
	known, _ := d.catalogue.Cause(f.ID)
	found := Cause{ID: f.ID, Certainty: f.Certainty, Actor: known.Actor, Params: map[string]any{}, Signs: f.Signs, Decision: cause.Refuse(f.ID, f.Params...)}
	for _, p := range f.Params {
		switch v := p.Value.(type) {
		case time.Duration:
			found.Params[p.Name] = int64(v.Seconds())
		default:
			found.Params[p.Name] = v
		}
	}
	return found
}

// Client is the mail program that the steps are for, as far as it is known.
func (r *Report) Client() cause.Client { return r.client }

// InLanguage says the report's causes in a language, to the account holder.
func (d *Doctor) InLanguage(r *Report, lang cause.Lang) {
	for _, list := range [][]Cause{r.Verdict.Causes, r.Verdict.Also} {
		for i := range list {
			x := d.catalogue.Explain(list[i].Decision, lang, cause.Holder)
			list[i].Title, list[i].NextStep = x.Title, x.NextStep
			list[i].Steps = d.stepsFor(list[i].ID, lang, r.client)
		}
	}
}
