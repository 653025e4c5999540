package sanitize

import "golang.org/x/net/html/atom"

type kind uint8

const (
	unknown kind = iota // its tags go, its content stays
	element
	void
	dropped // goes with its content
)

// rule is what is done with an element.
type rule struct {
	kind     kind
	inline   bool // formatting, which may cross other elements
	table    bool // a part of a table
	boundary bool // end tags of others do not reach out of it
	endsP    bool // its start ends a paragraph
	// ends are the elements that its start ends, as long as none of within is between.
	ends, within string
}

// elements are those that are known. What is not among them goes and leaves its content. Those whose content is raw text
// to a browser must not be written, and SVG and MathML have rules of their own, so they go whole.
var elements = makeElements()

func makeElements() map[atom.Atom]rule {
	all := map[atom.Atom]rule{}
	add := func(r rule, list ...atom.Atom) {
		for _, a := range list {
			all[a] = r
		}
	}
	add(rule{kind: element, inline: true}, atom.A, atom.B, atom.Big, atom.Code, atom.Em, atom.Font, atom.I, atom.S,
		atom.Small, atom.Strike, atom.Strong, atom.Tt, atom.U)
	add(rule{kind: element}, atom.Abbr, atom.Acronym, atom.Bdi, atom.Bdo, atom.Cite, atom.Del, atom.Dfn, atom.Ins, atom.Kbd,
		atom.Mark, atom.Q, atom.Rp, atom.Rt, atom.Ruby, atom.Samp, atom.Span, atom.Sub, atom.Sup, atom.Time, atom.Var, atom.Nobr)
	add(rule{kind: element, endsP: true}, atom.Address, atom.Article, atom.Aside, atom.Blockquote, atom.Center, atom.Details,
		atom.Dir, atom.Div, atom.Dl, atom.Figcaption, atom.Figure, atom.Footer, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6,
		atom.Header, atom.Main, atom.Menu, atom.Nav, atom.Ol, atom.P, atom.Pre, atom.Section, atom.Summary, atom.Ul)
	add(rule{kind: element, endsP: true, ends: " li ", within: " ul ol menu dir td th caption "}, atom.Li)
	add(rule{kind: element, endsP: true, ends: " dt dd ", within: " dl td th caption "}, atom.Dt, atom.Dd)
	add(rule{kind: element, endsP: true, table: true, boundary: true}, atom.Table)
	add(rule{kind: element, table: true, boundary: true}, atom.Caption)
	add(rule{kind: element, table: true, ends: " caption colgroup tbody thead tfoot tr "}, atom.Tbody, atom.Thead, atom.Tfoot, atom.Colgroup)
	add(rule{kind: element, table: true, ends: " caption colgroup tr "}, atom.Tr)
	add(rule{kind: element, table: true, boundary: true, ends: " td th ", within: " tr "}, atom.Td, atom.Th)
	add(rule{kind: void}, atom.Br, atom.Col, atom.Img, atom.Wbr, atom.Body, atom.Html)
	add(rule{kind: void, endsP: true}, atom.Hr)
	add(rule{kind: dropped}, atom.Svg, atom.Math, atom.Script, atom.Iframe, atom.Noembed, atom.Noframes, atom.Noscript, atom.Title,
		atom.Textarea, atom.Template, atom.Select, atom.Frameset, atom.Applet, atom.Datalist, atom.Style)
	return all
}
