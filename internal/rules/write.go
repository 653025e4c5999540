package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"mime/quotedprintable"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/postiljon/postiljon/internal/sieve"
)

func isDay(text string) bool {
	_, err := time.Parse(time.DateOnly, text)
	return err == nil
}

// isMoment tells of a date with its hour, as RFC 8620 section 1.4 writes dates in UTC.
func isMoment(text string) bool {
	t, err := time.Parse(time.RFC3339, text)
	return err == nil && t.UTC().Format(time.RFC3339) == text
}

// writer writes the script of settings, and notes the extensions that it needs.
type writer struct {
	lines  []string
	needed []string
}

func (w *writer) line(format string, args ...any) {
	w.lines = append(w.lines, fmt.Sprintf(format, args...))
}

func (w *writer) need(extensions ...string) {
	for _, e := range extensions {
		if !slices.Contains(w.needed, e) {
			w.needed = append(w.needed, e)
		}
	}
}

// String is the whole script but for its first lines.
func (w *writer) String() string {
	var b strings.Builder
	if len(w.needed) > 0 {
		slices.Sort(w.needed)
		fmt.Fprintf(&b, "require %s;\n", list(w.needed))
	}
	for _, line := range w.lines {
		b.WriteString(line + "\n")
	}
	return b.String()
}

func list(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = sieve.Quote(v)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// vacation comes first: what other rules stop does not keep senders from an answer.
func (w *writer) vacation(v *Vacation) {
	if v == nil || v.Off {
		return
	}
	w.need("vacation")
	command := "vacation"
	if v.Days > 0 {
		command += fmt.Sprintf(" :days %d", v.Days)
	}
	if v.Subject != "" {
		command += " :subject " + sieve.Quote(v.Subject)
	}
	var bounds []string
	for _, bound := range []struct{ day, relation string }{{v.From, "ge"}, {v.Until, "le"}} {
		switch {
		case isMoment(bound.day):
			bounds = append(bounds, fmt.Sprintf(`currentdate :zone "+0000" :value "%s" "iso8601" "%s"`, bound.relation, bound.day))
		case bound.day != "":
			bounds = append(bounds, fmt.Sprintf(`currentdate :value "%s" "date" "%s"`, bound.relation, bound.day))
		}
	}
	w.line("# rule:[Vacation]")
	if v.HTML != "" {
		command += " :mime " + sieve.Quote(v.both()) + ";"
	} else {
		command += " " + sieve.Quote(v.Text) + ";"
	}
	if bounds == nil {
		w.line("%s", command)
		return
	}
	w.need("date", "relational")
	w.line("if allof (%s) {\n    %s\n}", strings.Join(bounds, ", "), command)
}

// both is an answer in text and HTML as a MIME entity (RFC 5230 section 4.4), the same each time.
func (v *Vacation) both() string {
	sum := sha256.Sum256([]byte(v.Text + "\x00" + v.HTML))
	boundary := "=_" + hex.EncodeToString(sum[:12]) // occurs in no quoted-printable
	var b strings.Builder
	fmt.Fprintf(&b, "Content-Type: multipart/alternative; boundary=\"%s\"\n\n", boundary)
	for _, part := range []struct{ kind, text string }{{"plain", v.Text}, {"html", v.HTML}} {
		fmt.Fprintf(&b, "--%s\nContent-Type: text/%s; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n", boundary, part.kind)
		q := quotedprintable.NewWriter(&b)
		_, _ = io.WriteString(q, part.text) // a builder takes everything
		_ = q.Close()
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "--%s--\n", boundary)
	return strings.ReplaceAll(b.String(), "\r\n", "\n")
}

func (w *writer) forward(f *Forward) {
	if f == nil || f.Off {
		return
	}
	w.line("# rule:[Forward]")
	copies := ""
	if f.Keep {
		w.need("copy")
		copies = ":copy "
	}
	for _, to := range f.To {
		w.line("redirect %s%s;", copies, sieve.Quote(to))
	}
}

func (w *writer) rule(r *Rule) {
	if r.Off {
		return
	}
	w.line("# rule:[%s]", r.Name)
	indent := ""
	if len(r.Conditions) > 0 {
		w.line("if %s {", w.conditions(r))
		indent = "    "
	}
	for _, command := range w.actions(r) {
		w.line("%s%s", indent, command)
	}
	if indent != "" {
		w.line("}")
	}
}

func (w *writer) conditions(r *Rule) string {
	tests := make([]string, len(r.Conditions))
	for i := range r.Conditions {
		tests[i] = w.condition(&r.Conditions[i])
	}
	switch {
	case len(tests) == 1:
		return tests[0]
	case r.Any:
		return "anyof (" + strings.Join(tests, ", ") + ")"
	}
	return "allof (" + strings.Join(tests, ", ") + ")"
}

func (w *writer) condition(c *Condition) string {
	if c.Field == "size" {
		return fmt.Sprintf("size :%s %d", c.Op, c.Size)
	}
	match, not := ":contains", ""
	switch c.Op {
	case "is", "matches":
		match = ":" + c.Op
	case "not":
		not = "not "
	}
	values := list(spellings(c.Values))
	switch {
	case c.Field == "body":
		w.need("body")
		return fmt.Sprintf("%sbody :text %s %s", not, match, values)
	case c.Field == "list":
		return fmt.Sprintf(`%sheader %s "List-Id" %s`, not, match, values)
	case c.Field == "from" && c.Op == "is":
		return fmt.Sprintf(`address :is "From" %s`, values)
	case c.Field == "to" && c.Op == "is":
		return fmt.Sprintf(`address :is ["To", "Cc"] %s`, values)
	case c.Field == "to":
		return fmt.Sprintf(`%sheader %s ["To", "Cc"] %s`, not, match, values)
	}
	return fmt.Sprintf("%sheader %s %s %s", not, match, sieve.Quote(strings.TrimSuffix(c.Field, ":")), values)
}

// spellings adds to values with letters beyond ASCII how they are spelled in small and in capital
// letters: scripts compare those letters exactly (RFC 4790 section 9.2), and people do not mean that.
func spellings(values []string) (all []string) {
	for _, v := range values {
		all = append(all, v)
		if !strings.ContainsFunc(v, func(r rune) bool { return r > unicode.MaxASCII }) {
			continue
		}
		for _, other := range []string{strings.ToLower(v), strings.ToUpper(v)} {
			if !slices.Contains(all, other) {
				all = append(all, other)
			}
		}
	}
	return all
}

// actions are the commands of a rule. Flags come first: what is filed later has them.
func (w *writer) actions(r *Rule) (commands []string) {
	var flags []string
	if r.Read {
		flags = append(flags, `\Seen`)
	}
	if r.Star {
		flags = append(flags, `\Flagged`)
	}
	if r.Label != "" {
		flags = append(flags, r.Label)
	}
	if flags != nil {
		w.need("imap4flags")
		commands = append(commands, "addflag "+list(flags)+";")
	}
	if r.Forward != "" {
		w.need("copy")
		commands = append(commands, "redirect :copy "+sieve.Quote(r.Forward)+";")
	}
	switch {
	case r.Delete:
		w.need("fileinto", "special-use")
		commands = append(commands, `fileinto :specialuse "\\Trash" "Trash";`)
	case r.Move != "":
		w.need("fileinto", "mailbox")
		copies := ""
		if r.Copy {
			w.need("copy")
			copies = ":copy "
		}
		commands = append(commands, "fileinto :create "+copies+sieve.Quote(r.Move)+";")
	}
	if r.Stop {
		commands = append(commands, "stop;")
	}
	return commands
}
