package jmapd

import (
	"context"
	"encoding/json"
	"html"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/index"
)

// Bounds of snippets.
const (
	maxPreview   = 255     // octets (RFC 8621 section 5)
	beforeMatch  = 60      // octets that are shown before the first match
	maxSnippetIn = 1 << 20 // octets of a text that are looked at
)

// terms are the texts that a filter looks for.
type terms struct{ subject, body []index.Needle }

// snippetGet is SearchSnippet/get (RFC 8621 section 5.1): why an email was found.
func snippetGet(ctx context.Context, c *call) (any, error) {
	if err := c.args.only("filter", "emailIds"); err != nil {
		return nil, err
	}
	var ids []string
	if err := c.args.read("emailIds", &ids); err != nil {
		return nil, err
	}
	switch {
	case ids == nil:
		return nil, invalid("emailIds is missing")
	case len(ids) > c.server.options.Limits.Get:
		return nil, errTooManyToGet
	}
	p, err := c.picture(ctx)
	if err != nil {
		return nil, err
	}
	if err := (&search{ctx: ctx, c: c, p: p}).parse(); err != nil {
		return nil, err
	}
	t := &terms{}
	t.collect(c.args["filter"], maxFilterDepth)
	list, missing := []object{}, []string{}
	for _, id := range ids {
		l, ok := p.located(id)
		if !ok {
			missing = append(missing, id)
			continue
		}
		o := object{"emailId": id, "subject": nil, "preview": nil}
		err := c.server.store.Emails(ctx, c.account.ID, l.ID, l.ID+1, func(e *store.Email) error {
			o["subject"] = textOrNull(marked(string(e.Summary.Subject()), t.subject, 0))
			preview, err := c.snippet(ctx, e, t.body)
			o["preview"] = textOrNull(preview)
			return err
		})
		if err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return object{"accountId": accountID(c.account.ID), "list": list, "notFound": nullIfNone(missing)}, nil
}

// collect finds what a filter looks for; what must not be there is not marked.
func (t *terms) collect(raw json.RawMessage, depth int) {
	var members map[string]json.RawMessage
	if depth == 0 || json.Unmarshal(raw, &members) != nil {
		return
	}
	var op string
	var conditions []json.RawMessage
	if unmarshal(members["operator"], &op) == nil && unmarshal(members["conditions"], &conditions) == nil {
		for _, one := range conditions {
			if op != "NOT" {
				t.collect(one, depth-1)
			}
		}
		return
	}
	for name, value := range members {
		var text string
		if (name != "text" && name != "subject" && name != "body") || unmarshal(value, &text) != nil {
			continue
		}
		for _, word := range words(text) {
			n := index.NewNeedle(word)
			if name != "body" {
				t.subject = append(t.subject, n)
			}
			if name != "subject" {
				t.body = append(t.body, n)
			}
		}
	}
}

// snippet is the first part of what an email says that has one of the needles.
func (c *call) snippet(ctx context.Context, e *store.Email, needles []index.Needle) (string, error) {
	if len(needles) == 0 {
		return "", nil
	}
	parts, err := e.Summary.Parts()
	if err != nil {
		return "", err
	}
	body, err := c.server.store.Body(ctx, e)
	if err != nil {
		return "", err
	}
	defer body.Close()
	for i := range parts {
		p := &parts[i]
		if p.Type != "text" {
			continue
		}
		text := message.DecodeBody(io.NewSectionReader(body, p.BodyStart, p.End-p.BodyStart), p.Encoding, p.Charset)
		said, err := readable(text, p.Subtype == "html")
		if err != nil {
			return "", err
		}
		if preview := marked(said, needles, maxPreview); preview != "" {
			return preview, nil
		}
	}
	return "", nil
}

// readable is a text as a reader sees it, in one line.
func readable(r io.Reader, isHTML bool) (string, error) {
	if isHTML {
		return strings.Join(strings.Fields(message.HTMLText(r, maxSnippetIn)), " "), nil
	}
	text, err := io.ReadAll(io.LimitReader(r, maxSnippetIn))
	return strings.Join(strings.Fields(strings.ToValidUTF8(string(text), "\uFFFD")), " "), err
}

// marked is a text as HTML with what was found in <mark>, cut around the first of it to so many octets, 0 for the whole; "" if
// nothing is found.
func marked(text string, needles []index.Needle, most int) string {
	spans := index.Spans([]byte(text), needles)
	if len(spans) == 0 {
		return ""
	}
	m := &marker{most: most}
	at := 0
	if most > 0 {
		at = wordBefore(text, spans[0].From)
	}
	for _, s := range spans {
		if !m.write(text[at:max(at, s.From)], false) || !m.write(text[max(at, s.From):s.To], true) {
			return m.b.String()
		}
		at = s.To
	}
	m.write(text[at:], false)
	return m.b.String()
}

// wordBefore is where a word begins that stands some way before a place in a text.
func wordBefore(text string, at int) int {
	from := max(0, at-beforeMatch)
	if from == 0 {
		return 0
	}
	if space := strings.IndexByte(text[from:at], ' '); space >= 0 {
		return from + space + 1
	}
	for from < at && !utf8.RuneStart(text[from]) {
		from++
	}
	return from
}

// marker writes HTML of bounded length.
type marker struct {
	b    strings.Builder
	most int // octets, 0 for no bound
}

const markStart, markEnd = "<mark>", "</mark>"

// write adds text, found or not, as far as there is room for it; false means that there was not.
func (m *marker) write(text string, found bool) bool {
	if text == "" {
		return true
	}
	start, end := "", ""
	if found {
		start, end = markStart, markEnd
	}
	if m.most == 0 {
		m.b.WriteString(start + html.EscapeString(text) + end)
		return true
	}
	room := m.most - m.b.Len() - len(start) - len(end)
	cut, used := 0, 0
	for i, r := range text {
		n := len(html.EscapeString(string(r)))
		if used+n > room {
			break
		}
		used, cut = used+n, i+utf8.RuneLen(r)
	}
	if cut > 0 {
		m.b.WriteString(start + html.EscapeString(text[:cut]) + end)
	}
	return cut == len(text)
}
