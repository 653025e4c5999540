package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor"
	"github.com/postiljon/postiljon/internal/doctor/infer"
	"github.com/postiljon/postiljon/internal/doctor/probe"
	"github.com/postiljon/postiljon/internal/phrases"
)

// doctorView shows a report to people: the verdict first, then what to do.
type doctorView struct {
	*streams
	*phrases.Set
	catalogue *cause.Catalogue
	lang      cause.Lang
	verbose   bool
}

// headline is the verdict in a few words.
func (v *doctorView) headline(r *doctor.Report) string {
	if len(r.Verdict.Causes) > 0 {
		var titles []string
		for _, c := range r.Verdict.Causes {
			titles = append(titles, c.Title)
		}
		return strings.Join(titles, "; ")
	}
	return v.Set.Say("say."+string(r.Verdict.State), "address", r.Subject.Address)
}

func (v *doctorView) write(r *doctor.Report) error { return v.writeTo(v.out, r) }

func (v *doctorView) writeTo(w io.Writer, r *doctor.Report) error {
	p := &printer{w: w}
	switch r.Verdict.State {
	case doctor.Healthy:
		p.line("%s %s", v.style("32", "✓"), v.bold(v.headline(r)))
		if r.SignInAttempts.Tried == 0 {
			p.line("  %s", v.Set.Say("say.healthy-no-password"))
		}
		p.wrapped("  ", v.Set.Say("say.healthy-next"))
	case doctor.Unknown:
		p.line("%s %s", v.style("33", "?"), v.bold(v.headline(r)))
		v.unknown(p, r)
	}
	for _, c := range r.Verdict.Causes {
		v.cause(p, c)
	}
	if len(r.Verdict.Also) > 0 {
		p.line("%s", v.dim(v.Set.Say("say.also")))
		for _, c := range r.Verdict.Also {
			v.cause(p, c)
		}
	}
	v.trip(p, r)
	if v.verbose {
		v.details(p, r)
	} else {
		p.line("%s", v.dim(v.Set.Say("say.more")))
	}
	return p.err
}

func (v *doctorView) cause(p *printer, c doctor.Cause) {
	mark := v.style("31", "✗")
	title := v.bold(c.Title)
	if c.Certainty != infer.Proven {
		title = v.dim(v.Set.Say("state.likely")+": ") + title
	}
	x := v.catalogue.Explain(c.Decision, v.lang, cause.Holder)
	p.line("%s %s", mark, title)
	p.wrapped("  ", x.Text)
	p.wrapped("  ", v.Set.Say("say.do")+": "+x.NextStep)
	v.steps(p, c.Steps)
	p.line("  %s: %s  %s", v.Set.Say("say.who"), x.Actor, v.dim(string(c.ID)))
}

// steps tells how it is done. What there is to know of a program is said once.
func (v *doctorView) steps(p *printer, list []doctor.Steps) {
	note := ""
	for _, s := range list {
		title := s.Title
		if s.Program != "" {
			title += v.dim("  " + s.Program)
		}
		p.line("    %s", title)
		if s.Note != note {
			p.wrapped("       ", s.Note)
			note = s.Note
		}
		for i, step := range s.Do {
			p.hanging(fmt.Sprintf("    %d. ", i+1), "       ", step)
		}
	}
}

// details is the evidence, for whoever asks for it.
func (v *doctorView) details(p *printer, r *doctor.Report) {
	for _, c := range r.Verdict.Causes {
		v.listing(p, "say.evidence", c.Signs)
	}
	v.listing(p, "say.unexplained", r.Verdict.Unexplained)
	p.line("")
	p.line("%s", v.bold(v.Set.Say("say.facts")))
	for _, f := range r.Facts {
		value, err := json.Marshal(f.Value)
		if err != nil {
			p.err = err
			return
		}
		p.line("  %s  %s", f.Name, v.dim(shorten(printable(string(value)), 300)))
	}
	p.line("")
	p.line("%s", v.bold(v.Set.Say("say.probes")))
	for _, one := range r.Probes {
		p.line("  %6d ms  %-8s %s  %s", one.TookMS, one.State, one.Name, v.dim(shorten(printable(one.Why), 100)))
	}
	v.listing(p, "say.ruled-out", v.titles(r.Verdict.RuledOut))
	p.line("%s", v.dim(v.Set.Say("say.signins", "tried", strconv.Itoa(r.SignInAttempts.Tried), "failed", strconv.Itoa(r.SignInAttempts.Failed),
		"took", (time.Duration(r.TookMS)*time.Millisecond).String())))
}

func (v *doctorView) titles(ids []cause.ID) []string {
	var titles []string
	for _, id := range ids {
		titles = append(titles, v.catalogue.Explain(cause.Refuse(id), v.lang, cause.Holder).Title+"  "+v.dim(string(id)))
	}
	return titles
}

func (v *doctorView) listing(p *printer, heading string, items []string) {
	if len(items) == 0 {
		return
	}
	p.line("  %s:", v.Set.Say(heading))
	for _, item := range items {
		p.hanging("    ", "      ", item)
	}
}

func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}

// printer writes lines and remembers the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// columns is how wide text is set.
const columns = 80

func (p *printer) wrapped(indent, text string) { p.hanging(indent, indent, text) }

// hanging sets a text whose first line begins otherwise than the others.
func (p *printer) hanging(first, indent, text string) {
	line := first
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '\n' }) { // what a no-break space joins stays together
		if utf8.RuneCountInString(line+word) > columns && strings.TrimSpace(line) != "" {
			p.line("%s", strings.TrimRight(line, " "))
			line = indent
		}
		line += word + " "
	}
	p.line("%s", strings.TrimRight(line, " "))
}

// progress shows on a terminal which probe ended last.
func (v *doctorView) progress(address string) *doctorProgress {
	on := v.terminal
	if f, ok := v.err.(*os.File); !ok || !isTerminal(f) {
		on = false
	}
	return &doctorProgress{w: v.err, on: on, text: v.Set.Say("say.looking", "address", address)}
}

type doctorProgress struct {
	w    io.Writer
	on   bool
	n    int
	text string
}

func (p *doctorProgress) ended(r probe.Result) {
	p.n++
	if p.on {
		fmt.Fprintf(p.w, "\r\x1b[K%s: %d  %s", p.text, p.n, shorten(printable(r.Name), 50))
	}
}

func (p *doctorProgress) done() {
	if p.on {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// writeBundle writes what support needs to a zip file. A file that is there already is left alone.
func (d *doctorCommand) writeBundle(v *doctorView, r *doctor.Report, c doctor.Case) error {
	f, err := os.OpenFile(d.Bundle, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return exitWith{exitDoctorMisused, usageError{fmt.Errorf("write the bundle: %w", err)}}
	}
	err = fillBundle(f, v, r, c)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("write the bundle: %w", err)
	}
	_, err = fmt.Fprintln(v.err, v.Set.Say("say.bundle", "file", d.Bundle))
	return err
}

func fillBundle(w io.Writer, v *doctorView, r *doctor.Report, c doctor.Case) error {
	var text bytes.Buffer
	plain := *v.streams
	plain.out, plain.terminal = nil, false
	view := &doctorView{streams: &plain, Set: v.Set, catalogue: v.catalogue, lang: v.lang, verbose: true}
	if err := view.writeTo(&text, r); err != nil {
		return err
	}
	about := map[string]string{"version": version(), "os": runtime.GOOS, "arch": runtime.GOARCH, "language": string(v.lang), "made": time.Now().UTC().Format(time.RFC3339)}
	z := zip.NewWriter(w)
	for _, file := range []struct {
		name string
		body any
	}{{"report.txt", text.Bytes()}, {"report.json", r}, {"about.json", about}, {"client-state.json", c.Client}, {"message-header.txt", header(c.Letter)}, {"bounce.eml", c.Bounce}} {
		if err := addToBundle(z, file.name, file.body, c.Password); err != nil {
			return err
		}
	}
	return z.Close()
}

// addToBundle adds a file; what is empty is left out, and the password wherever it may stand.
func addToBundle(z *zip.Writer, name string, body any, password string) error {
	raw, ok := body.([]byte)
	if !ok {
		var err error
		if raw, err = json.MarshalIndent(body, "", "  "); err != nil {
			return err
		}
	}
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	if password != "" {
		raw = bytes.ReplaceAll(raw, []byte(password), []byte("***"))
	}
	w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Now()})
	if err != nil {
		return err
	}
	_, err = w.Write(raw)
	return err
}

// header is a message without its body: support needs to see its way, not what it says.
func header(eml []byte) []byte {
	for _, end := range []string{"\r\n\r\n", "\n\n"} {
		if i := bytes.Index(eml, []byte(end)); i >= 0 {
			return eml[:i+len(end)]
		}
	}
	return nil
}
