package sanitize

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/net/html"
)

// danger looks at output as a browser reads it, knowing nothing of how it was made, and returns what is wrong with it.
func danger(output, style []byte) (found []string) {
	bad := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	doc, err := html.Parse(strings.NewReader("<!DOCTYPE html><html><head></head><body>" + string(output) + "</body></html>"))
	if err != nil {
		return []string{err.Error()}
	}
	var walk func(n *html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.CommentNode {
			bad("a comment")
		}
		if n.Type == html.ElementNode {
			if n.Namespace != "" {
				bad("<%s> of %s", n.Data, n.Namespace)
			}
			if !harmless[n.Data] {
				bad("<%s>", n.Data)
			}
			for _, a := range n.Attr {
				if why := attributeDanger(n.Data, a); why != "" {
					bad("<%s %s=%q>: %s", n.Data, a.Key, a.Val, why)
				}
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(doc)
	if bytes.ContainsAny(style, "<\\") {
		bad("the style sheet can end its element: %s", style)
	}
	if why := styleDanger(string(style)); why != "" {
		bad("style sheet: %s: %s", why, style)
	}
	for _, rule := range regexp.MustCompile(`(?m)^[^@}{][^{]*\{`).FindAllString(string(style), -1) {
		for _, selector := range strings.Split(strings.TrimSuffix(rule, "{"), ",") {
			if !regexp.MustCompile(`^#m1([ >.:#]|$)`).MatchString(selector) {
				bad("a rule for more than the message: %s", rule)
			}
		}
	}
	return found
}

var harmless = func() map[string]bool {
	m := map[string]bool{}
	for name := range strings.FieldsSeq(`html head body a abbr acronym address article aside b bdi bdo big blockquote br caption center cite code col
		colgroup dd del details dfn dir div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark menu nav
		nobr ol p pre q rp rt ruby s samp section small span strike strong sub summary sup table tbody td tfoot th thead time tr tt u ul var wbr`) {
		m[name] = true
	}
	return m
}()

var (
	harmlessAttribute = regexp.MustCompile(`^(abbr|align|alt|aria-hidden|aria-label|bgcolor|border|cellpadding|cellspacing|class|clear|colspan|data-behind|data-remote|data-wide|datetime|dir|face|frame|height|href|hspace|id|lang|loading|name|noshade|nowrap|open|rel|reversed|role|rowspan|rules|scope|size|span|src|start|style|summary|target|title|type|valign|value|vspace|width)$`)
	harmlessLink      = regexp.MustCompile(`^(https?://[A-Za-z0-9\[\]:._-]+/[^\s"'<>\\]*|mailto:[^\s"'<>\\]*|tel:[^\s"'<>\\]*|#m1-[A-Za-z0-9_-]+)$`)
	harmlessPicture   = regexp.MustCompile(`^(/(part|image)/[^\s"'<>\\]*|(?i)data:image/(png|jpe?g|gif|webp);base64,[A-Za-z0-9+/= %]*)$`)
	harmlessNames     = regexp.MustCompile(`^(m1(-[A-Za-z0-9_-]+)?( m1-[A-Za-z0-9_-]+)*|host-hint|fixed|plain|quoted|signature)$`)
)

func attributeDanger(element string, a html.Attribute) string {
	switch {
	case a.Namespace != "":
		return "of another language"
	case !harmlessAttribute.MatchString(a.Key):
		return "not known"
	case a.Key == "href" && (element != "a" || !harmlessLink.MatchString(a.Val)):
		return "leads somewhere"
	case a.Key == "src" && (element != "img" || !harmlessPicture.MatchString(a.Val)):
		return "fetches something"
	case (a.Key == "id" || a.Key == "class" || a.Key == "name") && !harmlessNames.MatchString(a.Val):
		return "could be a name of the page"
	case a.Key == "target" && a.Val != "_blank":
		return "opens elsewhere"
	case a.Key == "style":
		return styleDanger(a.Val)
	}
	return ""
}

var (
	dangerousWords = regexp.MustCompile(`@(import|font|charset|namespace|page|keyframes|supports|layer|property|container|counter|document)|javascript:|[<\\]|/\*|` +
		`(url|expression|image-set|cross-fade|image|paint|element|attr|var|env|src|counter|counters)\(`)
	dangerousProperties = regexp.MustCompile(`(^|[;{])\s*(--|position|z-index|transform|animation|transition|filter|backdrop|clip|mask|cursor|pointer-events|user-select|zoom|all|content|` +
		`quotes|behavior|-moz|-webkit|border-image|list-style-image|shape|offset|top|left|right|bottom|inset)[a-z-]*\s*:`)
	outOfPlace = regexp.MustCompile(`(^|[;{])(margin|text-indent)[a-z-]*:([^;}]*[^a-z0-9_-])?-\s*[0-9.]|\b[0-9.]+[dsl]?vh`)
)

// ours are addresses of this page for pictures, written so that nothing in them can end them.
var ours = regexp.MustCompile(`url\("/[a-z0-9?&=%+_.~:@!$,-][a-z0-9/?&=%+_.~:@!$,-]*"\)`)

// styleDanger looks for anything in CSS that could fetch, run, or come over what it should not.
func styleDanger(css string) string {
	css = ours.ReplaceAllString(strings.ToLower(css), "")
	for _, bad := range []*regexp.Regexp{dangerousWords, dangerousProperties, outOfPlace} {
		if found := bad.FindString(css); found != "" {
			return "has " + found
		}
	}
	return ""
}
