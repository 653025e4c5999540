// Package corpus generates mail to judge filters with: what people want and what they do not, in Swedish, Norwegian and
// English. It is written by us; its figures compare filters and versions, and promise nothing of the mail of the world.
package corpus

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Message is one generated message.
type Message struct {
	Junk    bool
	Kind    string // such as "phishing" or "receipt"
	From    string // envelope and author
	Genuine bool   // it can prove its sender
	Text    string // header and body, lines end in CR LF
}

// Generator makes messages; the same seed makes the same.
type Generator struct {
	r     *rand.Rand
	now   time.Time
	known []string // people that the account corresponds with
}

// New returns a generator whose messages have dates before now.
func New(seed uint64, now time.Time) *Generator {
	g := &Generator{r: rand.New(rand.NewPCG(seed, 7)), now: now}
	for range 25 {
		g.known = append(g.known, g.person()+"@"+g.one(places))
	}
	return g
}

// Known are the people that the account corresponds with.
func (g *Generator) Known() []string { return g.known }

func (g *Generator) one(list []string) string { return list[g.r.IntN(len(list))] }

func (g *Generator) person() string {
	return strings.ToLower(g.one(firstNames) + "." + g.one(lastNames))
}

// Next makes a message, junk in a share of all.
func (g *Generator) Next(junk float64) Message {
	if g.r.Float64() < junk {
		return g.junk()
	}
	return g.wanted()
}

// fill puts words into a sentence: {name}, {town}, {thing}, {topic}, {n}, {sum}, {date}, {shop}, {link}.
func (g *Generator) fill(s, link string) string {
	for strings.Contains(s, "{") {
		i := strings.IndexByte(s, '{')
		j := i + strings.IndexByte(s[i:], '}')
		var v string
		switch s[i+1 : j] {
		case "name":
			v = g.one(firstNames)
		case "town":
			v = g.one(towns)
		case "thing":
			v = g.one(things)
		case "topic":
			v = g.one(topics)
		case "shop":
			v = g.one(shops)
		case "n":
			v = fmt.Sprint(g.r.IntN(90) + 3)
		case "sum":
			v = fmt.Sprint((g.r.IntN(900) + 10) * 5)
		case "date":
			v = fmt.Sprintf("%d/%d", g.r.IntN(28)+1, g.r.IntN(12)+1)
		case "link":
			v = link
		}
		s = s[:i] + v + s[j+1:]
	}
	return s
}

func (g *Generator) wanted() Message {
	k := wantedKinds[g.r.IntN(len(wantedKinds))]
	m := Message{Kind: k.name, Genuine: g.r.IntN(100) < 93}
	name := g.one(firstNames) + " " + g.one(lastNames)
	switch {
	case k.machine:
		shop := g.one(shops)
		m.From = g.one([]string{"info", "order", "noreply", "kundservice", "news"}) + "@" + shop
		name = strings.ToUpper(shop[:1]) + shop[1:strings.IndexByte(shop, '.')]
	case g.r.IntN(4) > 0:
		m.From = g.one(g.known)
	default:
		m.From = g.person() + "@" + g.one(places)
	}
	link := "https://" + domainOf(m.From) + "/" + g.one(topics)
	m.Text = g.write(&m, name, k, link, "")
	return m
}

func (g *Generator) junk() Message {
	k := junkKinds[g.r.IntN(len(junkKinds))]
	m := Message{Junk: true, Kind: k.name, Genuine: g.r.IntN(100) < 55}
	host := g.one(junkWords) + "-" + g.one(junkWords) + g.one([]string{".top", ".xyz", ".click", ".info", ".shop", ".example"})
	m.From = g.one([]string{"info", "support", "office", "no-reply", "winner", "team"}) + fmt.Sprint(g.r.IntN(99)) + "@" + host
	name := g.one(firstNames) + " " + g.one(lastNames)
	if k.machine {
		name = g.one(brands)
	}
	shown := ""
	if k.machine && g.r.IntN(2) == 0 {
		shown = "https://www." + strings.ToLower(strings.ReplaceAll(name, " ", "")) + ".example/login"
	}
	link := "https://" + host + "/" + fmt.Sprint(g.r.IntN(99999))
	if g.r.IntN(12) == 0 {
		link = fmt.Sprintf("http://192.0.2.%d/%d", g.r.IntN(250), g.r.IntN(999))
	}
	m.Text = g.write(&m, name, k, link, shown)
	return m
}

func domainOf(a string) string { return a[strings.LastIndexByte(a, '@')+1:] }

// write puts a message together: some sentences of its kind, with some that any mail may have.
func (g *Generator) write(m *Message, name string, k kind, link, shown string) string {
	language := g.r.IntN(3)
	if k.english {
		language = 2
	}
	lines := k.lines[language]
	order := g.r.Perm(len(lines))
	var body []string
	for _, i := range order[:min(len(order), 2+g.r.IntN(3))] {
		body = append(body, g.fill(lines[i], link))
	}
	for range g.r.IntN(3) {
		body = append(body, g.fill(g.one(common[language]), link))
	}
	g.r.Shuffle(len(body), func(i, j int) { body[i], body[j] = body[j], body[i] })
	subject := g.fill(g.one(k.subjects[language]), link)
	if m.Junk && g.r.IntN(5) == 0 {
		subject = strings.ToUpper(subject)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "From: =?utf-8?q?%s?= <%s>\r\nTo: anna@demo.test\r\nSubject: =?utf-8?q?%s?=\r\n", quote(name), m.From, quote(subject))
	if !m.Junk || g.r.IntN(6) > 0 {
		fmt.Fprintf(&b, "Date: %s\r\n", g.now.Add(-time.Duration(g.r.IntN(3600))*time.Second).Format(time.RFC1123Z))
	}
	if !m.Junk || g.r.IntN(6) > 0 {
		fmt.Fprintf(&b, "Message-ID: <%x@%s>\r\n", g.r.Uint64(), domainOf(m.From))
	}
	if m.Junk && g.r.IntN(5) == 0 {
		fmt.Fprintf(&b, "Reply-To: %s@%s\r\n", g.person(), g.one(places))
	}
	html := k.machine && g.r.IntN(3) > 0 || m.Junk && g.r.IntN(2) == 0
	text := strings.Join(body, "\r\n\r\n") + "\r\n"
	if !html {
		b.WriteString("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + text)
		if m.Junk || k.machine {
			b.WriteString("\r\n" + link + "\r\n")
		}
		return b.String()
	}
	page := "<html><body><p>" + strings.ReplaceAll(text, "\r\n\r\n", "</p>\r\n<p>") + "</p>"
	if shown == "" {
		shown = g.one(k.buttons(language))
	}
	page += "<p><a href=\"" + link + "\">" + shown + "</a></p></body></html>\r\n"
	if m.Junk && g.r.IntN(3) > 0 {
		b.WriteString("MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + page)
		return b.String()
	}
	b.WriteString("MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=xx\r\n\r\n--xx\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" +
		text + "\r\n--xx\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + page + "\r\n--xx--\r\n")
	return b.String()
}

// quote writes a text for an encoded-word (RFC 2047 section 4.2).
func quote(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "=%02X", c)
		}
	}
	return b.String()
}
