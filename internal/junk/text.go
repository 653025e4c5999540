package junk

import (
	"io"
	"net/url"
	"strings"
	"unicode"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/index"
)

// Bounds of what is read of a message.
const (
	maxText     = 64 << 10 // octets of text
	maxParts    = 8        // text parts
	maxFeatures = 250
	maxWord     = 24
)

// reader is one part of a message, decoded.
func reader(raw io.ReaderAt, p *message.Part) io.Reader {
	section := io.NewSectionReader(raw, p.BodyStart, min(p.Size(), 4*maxText))
	return message.DecodeBody(section, p.Encoding, p.Charset)
}

// texts calls fn for the text parts that a reader sees.
func texts(s *message.Summary, fn func(p *message.Part, html bool)) {
	n := 0
	for i := range s.Parts {
		p := &s.Parts[i]
		if p.Type != "text" || p.Disposition == "attachment" || p.Subtype != "plain" && p.Subtype != "html" {
			continue
		}
		if n++; n > maxParts {
			return
		}
		fn(p, p.Subtype == "html")
	}
}

// link is where a link leads, and what it says.
type link struct{ href, text string }

// page is what is to be known of HTML beside its words.
type page struct {
	links  []link
	hidden bool // there is much text that nobody sees
}

const maxLinks = 200

// readPage reads HTML for its links and for what it hides.
func readPage(r io.Reader) (p page) {
	z := html.NewTokenizer(io.LimitReader(r, 4*maxText))
	z.SetMaxBuf(1 << 20)
	open, depth, hidden := -1, 0, 0
	for {
		switch z.Next() {
		case html.ErrorToken:
			p.hidden = hidden > 200
			return p
		case html.TextToken:
			text := z.Text()
			if depth > 0 {
				hidden += len(strings.TrimSpace(string(text)))
			}
			if open >= 0 && len(p.links[open].text) < 200 {
				p.links[open].text += string(text)
			}
		case html.StartTagToken:
			name, more := z.TagName()
			a := atom.Lookup(name)
			href, style := attributes(z, more)
			if a == atom.A && href != "" && len(p.links) < maxLinks {
				p.links = append(p.links, link{href: href})
				open = len(p.links) - 1
			}
			if depth > 0 || hides(style) {
				if a != atom.Br && a != atom.Img && a != atom.Input && a != atom.Hr && a != atom.Meta && a != atom.Link {
					depth++
				}
			}
		case html.EndTagToken:
			if name, _ := z.TagName(); atom.Lookup(name) == atom.A {
				open = -1
			}
			if depth > 0 {
				depth--
			}
		}
	}
}

func attributes(z *html.Tokenizer, more bool) (href, style string) {
	for more {
		var k, v []byte
		k, v, more = z.TagAttr()
		switch string(k) {
		case "href":
			href = string(v)
		case "style":
			style = strings.ToLower(strings.ReplaceAll(string(v), " ", ""))
		}
	}
	return href, style
}

// hides tells whether a style makes text that nobody can read.
func hides(style string) bool {
	for _, s := range []string{"display:none", "font-size:0", "font-size:1px", "visibility:hidden", "opacity:0;", "color:#fff;background:#fff", "max-height:0"} {
		if strings.Contains(style, s) {
			return true
		}
	}
	return false
}

// hostOf is the host of a link, "" for one that leads to no web.
func hostOf(href string) string {
	u, err := url.Parse(strings.TrimSpace(href))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// bodySigns are the reasons that the text gives.
func bodySigns(s *message.Summary, raw io.ReaderAt) (all []Reason) {
	plain, marked, hidden, disguised, toNumber := false, false, false, "", false
	texts(s, func(p *message.Part, isHTML bool) {
		if !isHTML {
			plain = true
			return
		}
		marked = true
		page := readPage(reader(raw, p))
		hidden = hidden || page.hidden
		for _, l := range page.links {
			host := hostOf(l.href)
			toNumber = toNumber || numeric(host)
			if shown := shownHost(l.text); shown != "" && host != "" && organisation(shown) != organisation(host) {
				disguised = shown
			}
		}
	})
	if marked && !plain {
		all = append(all, Reason{HTMLOnly, 0.3, ""})
	}
	if hidden {
		all = append(all, Reason{HiddenText, 1, ""})
	}
	if disguised != "" {
		all = append(all, Reason{LinkDisguised, 1.5, disguised})
	}
	if toNumber {
		all = append(all, Reason{LinkToNumber, 1.5, ""})
	}
	return all
}

// shownHost is the host that the text of a link pretends to lead to.
func shownHost(text string) string {
	text = strings.TrimSpace(text)
	if strings.ContainsAny(text, " \t\r\n") {
		return ""
	}
	if host := hostOf(text); host != "" {
		return host
	}
	if strings.HasPrefix(strings.ToLower(text), "www.") {
		return hostOf("http://" + text)
	}
	return ""
}

// Features are what is learnt about in a message: words of subject and text, where its links lead, who it says it
// is from, how it is made. At most 250, each once.
func Features(s *message.Summary, raw io.ReaderAt) []uint64 {
	f := features{seen: map[string]bool{}}
	if author := Author(s); author != "" {
		f.add("from:" + organisation(domainOf(author)))
	}
	f.made(s, raw)
	f.words("s:", s.Subject)
	budget := maxText
	texts(s, func(p *message.Part, isHTML bool) {
		if budget <= 0 {
			return
		}
		text := ""
		if isHTML {
			text = message.HTMLText(reader(raw, p), budget)
			for _, l := range readPage(reader(raw, p)).links {
				if host := hostOf(l.href); host != "" {
					f.add("link:" + organisation(host))
				}
			}
		} else {
			b, _ := io.ReadAll(io.LimitReader(reader(raw, p), int64(budget))) // a part that breaks off is read that far
			text = string(b)
		}
		budget -= len(text)
		f.words("", text)
	})
	return f.list
}

// maxHeader is how much of a header is looked at, in octets.
const maxHeader = 32 << 10

// made adds how a message is made: its parts, whom it is to, and what its program wrote into the header.
func (f *features) made(s *message.Summary, raw io.ReaderAt) {
	for i := range s.Parts {
		p := &s.Parts[i]
		if i > 0 && !p.IsMultipart() {
			f.add("part:" + p.Type + "/" + p.Subtype)
		}
		if p.Type == "text" {
			f.add("written:" + strings.ToLower(p.Charset+" "+p.Encoding))
		}
	}
	f.add("to:" + [...]string{"nobody", "one", "several"}[min(len(s.To)+len(s.Cc), 2)])
	if len(s.InReplyTo)+len(s.References) > 0 {
		f.add("reply")
	}
	header := make([]byte, min(s.HeaderSize, maxHeader))
	n, _ := raw.ReadAt(header, 0)
	for field := range message.HeaderFields(header[:n]) {
		switch name := strings.ToLower(string(field.Name)); name {
		case "list-id", "list-post", "x-mailer", "user-agent", "precedence":
			f.words(name+":", string(field.Value()[:min(len(field.Value()), 200)]))
		case "errors-to", "list-unsubscribe", "x-priority", "x-msmail-priority", "organization", "x-mimeole", "importance", "sender":
			f.add("has:" + name)
		}
	}
}

type features struct {
	seen map[string]bool
	list []uint64
}

func (f *features) add(feature string) {
	if len(f.list) < maxFeatures && !f.seen[feature] {
		f.seen[feature] = true
		f.list = append(f.list, store.FeatureOf(feature))
	}
}

// words adds the words of a text and the pairs of neighbours, in the form in which text is searched.
func (f *features) words(prefix, text string) {
	before := ""
	for word := range strings.FieldsFuncSeq(string(index.Fold(nil, []byte(text))), notOfWord) {
		word = strings.Trim(word, ".-'")
		if n := len(word); n < 3 && !strings.ContainsAny(word, "$€£%") || n > maxWord {
			if n > maxWord && (strings.HasPrefix(word, "http") || strings.Contains(word, ".")) {
				if host := hostOf(word); host != "" {
					f.add("link:" + organisation(host))
				}
			}
			continue
		}
		if strings.IndexFunc(word, unicode.IsLetter) < 0 && strings.IndexFunc(word, unicode.IsDigit) >= 0 {
			word = "#" // figures teach nothing but that there are some
		}
		f.add(prefix + word)
		if before != "" {
			f.add(prefix + before + " " + word)
		}
		before = word
	}
}

func notOfWord(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(".-'$€£%/:", r)
}
