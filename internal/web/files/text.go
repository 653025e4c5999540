package files

import (
	"encoding/hex"
	"html"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
)

// block is what stands in a message in place of a file.
type block struct {
	words                  map[string]string
	name, size, until, sum string
	url                    string
}

func (s *Server) block(f *store.File, lang cause.Lang, words map[string]string) block {
	c := s.options.Catalogue
	return block{
		words: words, name: f.Name, url: s.url(f), sum: hex.EncodeToString(f.SHA256),
		size: c.Value(lang, cause.Size("size", f.Size)), until: c.Value(lang, cause.Time("until", f.Expires)),
	}
}

// text is the block for plain text. Names hold no line ends (cleanName).
func (b block) text() string {
	return strings.Join([]string{
		b.words["block_file"] + ": " + b.name + " (" + b.size + ")",
		b.url,
		b.words["block_until"] + ": " + b.until,
		"SHA-256: " + b.sum,
		"",
	}, "\r\n")
}

// html is the block for HTML: a table, for mail programs lay out nothing else alike.
func (b block) html() string {
	e := html.EscapeString
	return `<table role="presentation" cellpadding="0" cellspacing="0" style="margin:12px 0;border:1px solid #d5d2ca;border-radius:8px;border-collapse:separate">` +
		`<tr><td style="padding:12px 16px;font-family:sans-serif;font-size:15px;line-height:1.5">` +
		`<a href="` + e(b.url) + `" style="font-weight:bold">` + e(b.name) + `</a> (` + e(b.size) + `)<br>` +
		e(b.words["block_until"]) + `: ` + e(b.until) + `<br>` +
		`<span style="font-size:12px;color:#5b6472">SHA-256: <span style="font-family:monospace;word-break:break-all">` + e(b.sum) + `</span></span>` +
		`</td></tr></table>`
}
