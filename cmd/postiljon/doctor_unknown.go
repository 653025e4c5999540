package main

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/postiljon/postiljon/internal/doctor"
)

// unknown tells who gets no cause told what is likeliest, what is in order and what is not, what could not be
// looked at, and which evidence would tell more.
func (v *doctorView) unknown(p *printer, r *doctor.Report) {
	v.listing(p, "unknown.likeliest", v.titles(r.Verdict.Possible))
	var fine, trouble, unseen, whys []string
	for _, a := range r.Areas() {
		words := v.Set.Say("area." + a.Name)
		switch a.Condition {
		case doctor.Fine:
			fine = append(fine, words)
		case doctor.Trouble:
			if len(a.Where) > 0 {
				words += " (" + printable(strings.Join(a.Where, ", ")) + ")"
			}
			trouble = append(trouble, words)
		case doctor.Unseen:
			why := v.Set.Say("unseen." + a.Why)
			if i := slices.Index(whys, why); i >= 0 {
				unseen[i] += ", " + words
			} else {
				whys, unseen = append(whys, why), append(unseen, words)
			}
		}
	}
	for i, why := range whys {
		unseen[i] += ": " + why
	}
	v.sentence(p, "unknown.trouble", trouble)
	v.sentence(p, "unknown.fine", fine)
	v.listing(p, "unknown.unseen", unseen)
	v.helps(p, r.Helps())
	p.wrapped("  ", v.Set.Say("say.do")+": "+v.Set.Say("say.unknown-next"))
}

// sentence is a heading with its items in a row.
func (v *doctorView) sentence(p *printer, heading string, items []string) {
	if len(items) > 0 {
		p.wrapped("  ", v.Set.Say(heading)+": "+strings.Join(items, ", "))
	}
}

// helps lists flags and what they would tell, in two columns.
func (v *doctorView) helps(p *printer, flags []string) {
	if len(flags) == 0 {
		return
	}
	p.line("  %s:", v.Set.Say("unknown.helps"))
	wide := 0
	for _, f := range flags {
		wide = max(wide, utf8.RuneCountInString(f))
	}
	indent := strings.Repeat(" ", 4+2+wide+2)
	for _, f := range flags {
		p.hanging("    --"+f+strings.Repeat(" ", wide-len(f)+2), indent, v.Set.Say("help."+f))
	}
}
