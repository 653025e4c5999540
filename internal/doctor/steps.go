package doctor

import (
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

// Steps are how one remedy is done in the person's program, as far as it is known.
type Steps struct {
	Remedy cause.Remedy `json:"remedy"`
	Title  string       `json:"title"`
	// Program is for which program the steps are, "" if they fit any.
	Program string `json:"program,omitempty"`
	// Note is what there is to know of the program first.
	Note string   `json:"note,omitempty"`
	Do   []string `json:"do"`
}

// clientOf finds which program the person uses: what the client state says; else
// the program that last talked to the server; else the one that wrote their message.
func clientOf(e *evidence.Evidence) cause.Client {
	var client cause.Client
	if state, ok := evidence.First[*evidence.ClientState](e); ok {
		client.System = state.OS
		if state.App != nil {
			client.Name, client.Version = state.App.Name, state.App.Version
		} else if state.OS == "" {
			client.System = state.Browser // which tells its system, too
		}
	}
	if client.Name != "" {
		return client
	}
	if inside, ok := evidence.First[*evidence.Inside](e); ok {
		client.Name = lastProgram(inside)
	}
	if letter, ok := evidence.First[evidence.Letter](e); ok && client.Name == "" && isFrom(letter, e.Complaint.Address) {
		client.Name = letter.Program
	}
	return client
}

func lastProgram(inside *evidence.Inside) string {
	var name string
	var last time.Time
	for _, s := range inside.Sessions {
		if s.Program != "" && s.LastIO.After(last) {
			name, last = s.Program, s.LastIO
		}
	}
	for i := len(inside.Events) - 1; i >= 0 && name == ""; i-- { // none is signed in now: the one that was last
		if e := &inside.Events[i]; e.Kind == "sign-in" && strings.EqualFold(e.Text["protocol"], "imap") {
			name = e.Text["program"]
		}
	}
	return name
}

func isFrom(letter evidence.Letter, address string) bool {
	for _, from := range letter.From {
		if strings.EqualFold(from.Email, address) {
			return true
		}
	}
	return false
}

// stepsFor says how the remedies of a cause are done.
func (d *Doctor) stepsFor(id cause.ID, lang cause.Lang, client cause.Client) []Steps {
	var list []Steps
	for _, x := range d.catalogue.Instructions(id, lang, client) {
		s := Steps{Remedy: x.Remedy, Title: x.Title, Program: x.Program, Note: x.Note}
		for _, step := range x.Steps {
			s.Do = append(s.Do, step.Plain())
		}
		list = append(list, s)
	}
	return list
}
