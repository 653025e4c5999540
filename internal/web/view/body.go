package view

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/web/sanitize"
)

// bodyPolicy is what a browser may do with the page of a message: show it, and pictures of ours. The sandbox is that of the frame
// (web/src), so that no other frame has more.
const bodyPolicy = "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; " +
	"frame-ancestors 'self'; sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox"

// body is the text of a message as a page for a frame. It is asked with
//
//	part    which part; without, those that a reader is shown; of a message inside it, the text of that
//	as      text for the plain text instead of the HTML
//	images  1 shows pictures of the web, 0 does not; without, as the account wants it for the sender
//	theme   dark for a dark page
//
// The element body of the page says in data-remote how many pictures of the web there are, in data-shown whether they are
// shown (1 or 0), in data-trackers how many could not have been seen, and in data-plain whether the text is shown
// because the message cannot be (1).
func (s *Server) body(w http.ResponseWriter, r *request) error {
	p := shownPage{Lang: string(r.lang), Theme: "light", Subject: r.mail.subject, words: r.words(s)}
	if r.URL.Query().Get("theme") == "dark" {
		p.Theme = "dark"
	}
	if err := s.fill(r.Context(), r, &p); err != nil {
		return err
	}
	var out bytes.Buffer
	if err := bodyPage.Execute(&out, p); err != nil {
		return fmt.Errorf("view: page: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", bodyPolicy)
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Vary", "Accept-Encoding, Accept-Language, Cookie, Authorization, Sec-Fetch-Dest, Sec-Fetch-Site")
	sum := sha256.Sum256(out.Bytes())
	tag := `W/"` + hex.EncodeToString(sum[:12]) + `"`
	h.Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		_, _ = w.Write(out.Bytes()) // a client that went away
		return nil
	}
	h.Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	_, _ = z.Write(out.Bytes()) // likewise
	_ = z.Close()
	return nil
}

// shownPage is what the template gets.
type shownPage struct {
	Lang, Theme string
	Subject     string
	Style       []template.CSS
	Content     []template.HTML
	Remote      int
	Trackers    int
	Shown       bool
	Plain, Cut  bool
	words       *words
}

// Wide are the widths of the page below which elements that are as wide have what there is; letters keep their own width beyond.
func (p shownPage) Wide() []int { return sanitize.Widths() }

// Note is what is said above a message that is not shown as it was made, or not whole.
func (p shownPage) Note() string {
	var notes []string
	if p.Plain {
		notes = append(notes, p.words.say("too-large"))
	}
	if p.Cut {
		notes = append(notes, p.words.say("cut"))
	}
	return strings.Join(notes, " ")
}

// Empty is what is said where there is nothing to be read.
func (p shownPage) Empty() string {
	if slices.ContainsFunc(p.Content, saysSomething) {
		return ""
	}
	return p.words.say("empty")
}

// saysSomething tells whether there is a picture, a place for one, or any text between the tags of what was sanitised.
func saysSomething(content template.HTML) bool {
	for rest := string(content); rest != ""; {
		text, tag, _ := strings.Cut(rest, "<")
		if strings.TrimSpace(text) != "" || strings.HasPrefix(tag, "img ") || strings.HasPrefix(tag, "span data-remote") {
			return true
		}
		_, rest, _ = strings.Cut(tag, ">") // which no attribute has in it
	}
	return false
}

// fill makes the content of a page.
func (s *Server) fill(ctx context.Context, r *request, p *shownPage) error {
	parts, err := r.mail.shown(r.URL.Query().Get("part"), r.URL.Query().Get("as") == "text")
	if err != nil {
		return err
	}
	if p.Shown, err = s.wantsImages(r); err != nil {
		return err
	}
	for n, i := range parts {
		o := s.sanitizing(r, p, fmt.Sprintf("m%d", n+1))
		part := &r.mail.parts[i]
		var result *sanitize.Result
		switch part.Type + "/" + part.Subtype {
		case "text/html":
			text, err := s.text(ctx, r.mail, i, sanitize.MaxInput+1)
			if err != nil {
				return err
			}
			result = sanitize.HTML(text, o)
		case "image/png", "image/jpeg", "image/jpg", "image/pjpeg", "image/gif", "image/webp", "image/bmp":
			result = &sanitize.Result{HTML: fmt.Appendf(nil, `<div id="%s"><p><img src="%s" alt="%s"></p></div>`,
				o.Scope, template.HTMLEscapeString(r.mail.partAddress(i)), template.HTMLEscapeString(part.Title()))}
		default:
			if part.Type != "text" {
				continue
			}
			if result, err = s.plain(ctx, r.mail, i, o); err != nil {
				return err
			}
		}
		p.add(result)
	}
	return nil
}

func (p *shownPage) add(r *sanitize.Result) {
	p.Style = append(p.Style, template.CSS(r.Style))     // #nosec: made by sanitize
	p.Content = append(p.Content, template.HTML(r.HTML)) // #nosec: likewise
	p.Remote, p.Trackers = p.Remote+len(r.Remote), p.Trackers+r.Trackers
	p.Plain, p.Cut = p.Plain || r.Plain, p.Cut || r.Cut
}

// plain makes HTML of a plain text, as its Content-Type says that it is to be read (RFC 3676).
func (s *Server) plain(ctx context.Context, m *mail, i int, o sanitize.Options) (*sanitize.Result, error) {
	text, err := s.text(ctx, m, i, sanitize.MaxInput)
	if err != nil {
		return nil, err
	}
	header, err := s.header(ctx, m, i)
	if err != nil {
		return nil, err
	}
	kind, _ := message.DecodedField(header, "Content-Type")
	_, params, _ := mime.ParseMediaType(kind) // what cannot be read is not flowed
	return sanitize.Text(text, sanitize.TextOptions{
		Options: o, Flowed: strings.EqualFold(params["format"], "flowed"), DelSp: strings.EqualFold(params["delsp"], "yes"),
	}), nil
}

// shown are the parts that a reader is shown: those of the message, of one inside it, or a single one.
func (m *mail) shown(part string, asText bool) ([]int, error) {
	root := 0
	if part != "" {
		i, err := m.partNumber(part)
		if err != nil {
			return nil, err
		}
		if !m.parts[i].IsMessage() || i+1 == len(m.parts) {
			return []int{i}, nil
		}
		root = i + 1
	}
	b := message.BodiesOf(m.parts, root)
	if asText {
		return b.Text, nil
	}
	return b.HTML, nil
}

// partAddress is where a part can be had.
func (m *mail) partAddress(i int) string {
	return at(m.id, "part/"+partID(i)+"/"+url.PathEscape(m.fileName(i)))
}

// withContentID is the part that has a Content-ID, or -1.
func (m *mail) withContentID(id string) int {
	return slices.IndexFunc(m.parts, func(p message.Part) bool { return id != "" && p.ContentID == id })
}

// sanitizing is how the parts of a message are shown.
func (s *Server) sanitizing(r *request, p *shownPage, scope string) sanitize.Options {
	o := sanitize.Options{
		Scope: scope, Dark: p.Theme == "dark",
		Inline: func(contentID string) string {
			if i := r.mail.withContentID(contentID); i >= 0 {
				return r.mail.partAddress(i)
			}
			return ""
		},
		Hint: func(host string) string { return p.words.say("leads-to", "host", host) },
	}
	if !forwards(r.mail.subject) { // what was forwarded is what is to be read
		o.Quoted = func(lines int) string {
			if lines == 0 {
				return p.words.say("quoted-html")
			}
			return p.words.count("quoted", lines)
		}
	}
	if p.Shown {
		o.Remote = func(address string) string { return s.imageAddress(r.mail, r.account.ID, address) }
	}
	return o
}

// forwards tells of the subject of a message that somebody forwards, in the languages that programs are met in most.
func forwards(subject string) bool {
	prefix, _, ok := strings.Cut(strings.ToLower(subject), ":")
	return ok && slices.Contains([]string{"fw", "fwd", "vb", "vs", "wg", "tr", "rv", "enc", "i", "vl"}, strings.TrimSpace(prefix))
}

// bodyPage is the page around a message. Its own style comes first, so that the message can do as it likes within its element.
var bodyPage = template.Must(template.New("body").Parse(`<!DOCTYPE html>
<html lang="{{.Lang}}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="postiljon-message" content="1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="{{.Theme}}">
<title>{{.Subject}}</title>
<style>
:root { color-scheme: {{.Theme}}; {{if eq .Theme "dark"}}--ink: #e8eaee; --soft: #a3acb9; --line: #3a4352; --blue: #8db8f0; --step: #252d3a; --note: #3a3018;
{{else}}--ink: #1d2430; --soft: #5b6472; --line: #d9d5cb; --blue: #1f4f8f; --step: #f3f1ea; --note: #fdf3dc; --behind: #5f6773;{{end}} }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; background: transparent; }
body { margin: 0; padding: 1px 0; overflow-x: auto; overflow-y: hidden; color: var(--ink); font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
body > div { position: relative; overflow-wrap: break-word; }
body > div + div { margin-top: 16px; }
a { color: var(--blue); text-underline-offset: .15em; }
img { max-width: 100%; }
span[data-remote] { box-sizing: border-box; max-width: 100%; min-width: 16px; min-height: 16px; padding: 3px 6px; background: var(--step); outline: 1px dashed var(--line); outline-offset: -1px; color: var(--soft); font: 12px/1.4 system-ui, sans-serif; }
[data-behind="1"] { background-color: var(--behind); }
blockquote { margin: 0 0 0 2px; padding-left: 12px; border-left: 3px solid var(--line); color: var(--soft); }
pre { white-space: pre-wrap; }
.plain { white-space: pre-wrap; overflow-wrap: anywhere; max-width: 48rem; }
.plain div { unicode-bidi: plaintext; text-align: start; }
.plain > details { white-space: normal; }
.plain .fixed { font: 13px/1.3 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; white-space: pre; overflow-x: auto; }
.plain blockquote { white-space: pre-wrap; margin: 4px 0; }
.quoted > summary { width: fit-content; margin: 6px 0; padding: 4px 12px; border-radius: 14px; background: var(--step); color: var(--soft); font-size: 13px; cursor: pointer; }
.quoted > summary:focus-visible { outline: 3px solid #f6b73c; }
.signature { color: var(--soft); font-size: 13.5px; }
.note { margin: 0 0 12px; padding: 8px 12px; border-radius: 8px; background: var(--note); font-size: 14px; }
{{range .Wide}}@media (max-width: {{.}}px) {
  [data-wide="{{.}}"] { width: 100% !important; max-width: 100% !important; min-width: 0 !important; }
  td[data-wide="{{.}}"], th[data-wide="{{.}}"] { width: auto !important; }
  img[data-wide="{{.}}"] { height: auto !important; }
}
{{end}}@media print { :root { color-scheme: light; } .fixed { white-space: pre-wrap; } body { overflow: visible; print-color-adjust: exact; -webkit-print-color-adjust: exact; } .quoted::details-content { content-visibility: visible; block-size: auto; } span[data-remote] { outline: 0; background: none; } }
</style>
{{range .Style}}{{if .}}<style>{{.}}</style>{{end}}{{end}}
</head>
<body data-remote="{{.Remote}}" data-shown="{{if .Shown}}1{{else}}0{{end}}" data-trackers="{{.Trackers}}" data-plain="{{if .Plain}}1{{else}}0{{end}}">
{{with .Note}}<p class="note">{{.}}</p>{{end}}
{{with .Empty}}<p class="signature">{{.}}</p>{{end}}
{{range .Content}}{{.}}
{{end}}</body>
</html>
`))
