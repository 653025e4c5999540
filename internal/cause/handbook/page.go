package handbook

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/phrases"
)

// book makes pages in one language.
type book struct {
	catalogue *cause.Catalogue
	lang      cause.Lang
	words     *phrases.Set
	helps     map[cause.Remedy][]cause.ID // what each remedy helps against
}

func newBook(catalogue *cause.Catalogue, lang cause.Lang) (*book, error) {
	words, err := phrases.Load(texts, lang)
	if err != nil {
		return nil, err
	}
	b := &book{catalogue, lang, words, map[cause.Remedy][]cause.ID{}}
	for _, c := range catalogue.All() {
		for _, x := range catalogue.Instructions(c.ID, lang, cause.Client{}) {
			b.helps[x.Remedy] = append(b.helps[x.Remedy], c.ID)
		}
	}
	return b, nil
}

// page is one that is being written.
type page struct{ bytes.Buffer }

func (p *page) add(format string, args ...any) { fmt.Fprintf(p, format, args...) }

// index lists all causes.
func (b *book) index() []byte {
	p := b.begin("README.md", b.words.Say("say.index"), b.words.Say("say.index-lead"))
	for _, g := range b.catalogue.Groups(b.lang) {
		p.add("\n## %s\n\n", g.Title)
		for _, id := range g.Causes {
			p.add("- [%s](%s.md)\n", b.title(id), id)
		}
	}
	p.add("\n## %s\n\n", b.words.Say("say.answers"))
	for _, id := range []cause.ID{cause.Healthy, cause.Unknown} {
		p.add("- [%s](%s.md)\n", b.title(id), id)
	}
	p.add("\n## %s\n\n", b.words.Say("say.remedies"))
	for _, r := range b.catalogue.Remedies(b.lang) {
		p.add("- [%s](steps/%s.md)\n", r.Title, r.Remedy)
	}
	return p.Bytes()
}

// cause tells all there is to one cause.
func (b *book) cause(c cause.Cause) []byte {
	d := cause.Refuse(c.ID)
	holder := b.catalogue.Explain(d, b.lang, cause.Holder)
	p := b.begin(string(c.ID)+".md", holder.Title, holder.Text)
	p.add("\n**%s:** %s\n", b.words.Say("say.do"), holder.NextStep)
	p.add("\n**%s:** %s. **%s:** `%s`\n", b.words.Say("say.who"), b.catalogue.Why(c.ID, b.lang).Actor, b.words.Say("say.id"), c.ID)
	b.steps(p, c.ID)
	for _, reader := range []struct {
		heading  string
		audience cause.Audience
	}{{"say.owner", cause.Owner}, {"say.operator", cause.Operator}} {
		x := b.catalogue.Explain(d, b.lang, reader.audience)
		p.add("\n## %s\n\n%s %s\n", b.words.Say(reader.heading), x.Text, x.NextStep)
	}
	b.wire(p, c.ID)
	b.evidence(p, c)
	b.related(p, c.ID)
	return p.Bytes()
}

// steps tells how it is set right, and leads to how it is done in each program.
func (b *book) steps(p *page, id cause.ID) {
	list := b.catalogue.Instructions(id, b.lang, cause.Client{})
	if len(list) == 0 {
		return
	}
	p.add("\n## %s\n", b.words.Say("say.steps"))
	for _, x := range list {
		p.add("\n### %s\n\n", x.Title)
		numbered(p, x.Steps)
		var links []string
		for _, program := range b.catalogue.Programs(b.lang) {
			if _, ok := b.catalogue.Remedy(x.Remedy, b.lang, program.ID); ok {
				links = append(links, fmt.Sprintf("[%s](steps/%s.md#%s)", program.Name, x.Remedy, program.ID))
			}
		}
		if len(links) > 0 {
			p.add("\n%s: %s\n", b.words.Say("say.programs"), strings.Join(links, " · "))
		}
	}
}

// remedy tells how one thing is done in each program.
func (b *book) remedy(x cause.Instruction) []byte {
	p := b.begin("steps/"+string(x.Remedy)+".md", x.Title, "")
	numbered(p, x.Steps)
	if b.hasPrograms(x.Remedy) {
		p.add("\n%s\n", b.words.Say("say.other"))
	}
	for _, program := range b.catalogue.Programs(b.lang) {
		own, ok := b.catalogue.Remedy(x.Remedy, b.lang, program.ID)
		if !ok {
			continue
		}
		p.add("\n<a id=%q></a>\n\n## %s\n\n", program.ID, program.Name)
		if own.Note != "" {
			p.add("%s\n\n", own.Note)
		}
		numbered(p, own.Steps)
	}
	p.add("\n## %s\n\n", b.words.Say("say.helps"))
	for _, id := range b.helps[x.Remedy] {
		p.add("- [%s](../%s.md)\n", b.title(id), id)
	}
	return p.Bytes()
}

// hasPrograms reports whether there are steps for any program of their own.
func (b *book) hasPrograms(r cause.Remedy) bool {
	return slices.ContainsFunc(b.catalogue.Programs(b.lang), func(p cause.Program) bool {
		_, ok := b.catalogue.Remedy(r, b.lang, p.ID)
		return ok
	})
}

// wire shows what the other side is told.
func (b *book) wire(p *page, id cause.ID) {
	p.add("\n## %s\n\n", b.words.Say("say.wire"))
	forms := b.catalogue.WireForms(id)
	if forms == nil {
		p.add("%s\n", b.words.Say("say.wire-none"))
		return
	}
	p.add("| %s | %s | %s | IMAP | POP3 | %s |\n|---|---|---|---|---|---|\n",
		b.words.Say("say.form"), b.words.Say("say.wait"), b.words.Say("say.refuse"), b.words.Say("say.text"))
	for _, f := range forms {
		p.add("| %s | `%s` | `%s` | %s | %s | %s |\n", f.Variant, f.Wait, f.Refuse, code(f.IMAP), code(f.POP3), f.Text)
	}
	if told := b.catalogue.ToStranger(cause.Refuse(id)).Cause; told != id {
		p.add("\n%s [%s](%s.md).\n", b.words.Say("say.stranger"), b.title(told), told)
	}
}

// code shows a response code as it stands in a reply.
func code(response string) string {
	if response == "" {
		return ""
	}
	return "`[" + response + "]`"
}

// evidence is for whoever reads closely, and in English.
func (b *book) evidence(p *page, c cause.Cause) {
	p.add("\n## %s\n\n%s: %s.\n", b.words.Say("say.evidence"), sentence(c.Meaning), strings.TrimSuffix(c.Evidence, "."))
}

// sentence begins with a capital letter.
func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func (b *book) related(p *page, id cause.ID) {
	related := b.catalogue.Related(id)
	if len(related) == 0 {
		return
	}
	p.add("\n## %s\n\n", b.words.Say("say.related"))
	for _, other := range related {
		p.add("- [%s](%s.md)\n", b.title(other), other)
	}
}

// begin begins a page with its title and the way to its siblings.
func (b *book) begin(path, title, lead string) *page {
	p := &page{}
	up := strings.Repeat("../", strings.Count(folderOf(b.lang)+path, "/"))
	p.add("%s# %s\n\n", made, title)
	var links []string
	if path != "README.md" {
		links = append(links, fmt.Sprintf("[%s](%sREADME.md)", b.words.Say("say.all"), strings.Repeat("../", strings.Count(path, "/"))))
	}
	for _, lang := range cause.Languages() {
		if lang != b.lang {
			links = append(links, fmt.Sprintf("[%s](%s%s%s)", b.words.Say("lang."+string(lang)), up, folderOf(lang), path))
		}
	}
	p.add("%s\n\n", strings.Join(links, " · "))
	if lead != "" {
		p.add("%s\n", lead)
	}
	return p
}

func (b *book) title(id cause.ID) string {
	return b.catalogue.Explain(cause.Refuse(id), b.lang, cause.Holder).Title
}

// numbered lists steps; what stands on the screen is bold.
func numbered(p *page, steps []cause.Step) {
	for i, s := range steps {
		p.add("%d. ", i+1)
		for _, part := range s.Parts() {
			if part.Screen {
				p.add("**%s**", strings.TrimSpace(part.Text))
			} else {
				p.add("%s", part.Text)
			}
		}
		p.add("\n")
	}
}
