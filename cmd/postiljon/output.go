package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/postiljon/postiljon/internal/config"
)

// outputFlags are those of commands that show something.
type outputFlags struct {
	JSON bool `name:"json" help:"Print JSON instead of text."`
}

// table prints rows aligned, under a heading that is dim on a terminal.
type table struct {
	heading []string
	rows    [][]string
	colour  func(row []string, line string) string // of a finished line; may be nil
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) write(s *streams) error {
	widths := make([]int, len(t.heading))
	for _, row := range append([][]string{t.heading}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	line := func(row []string) string {
		b.Reset()
		for i, cell := range row {
			b.WriteString(cell)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
			}
		}
		return strings.TrimRight(b.String(), " ")
	}
	if _, err := fmt.Fprintln(s.out, s.dim(line(t.heading))); err != nil {
		return err
	}
	for _, row := range t.rows {
		text := line(row)
		if t.colour != nil {
			text = t.colour(row, text)
		}
		if _, err := fmt.Fprintln(s.out, text); err != nil {
			return err
		}
	}
	return nil
}

// pairs prints names and values aligned, without those that are empty.
func pairs(w io.Writer, all ...string) error {
	width := 0
	for i := 0; i+1 < len(all); i += 2 {
		if all[i+1] != "" {
			width = max(width, utf8.RuneCountInString(all[i]))
		}
	}
	for i := 0; i+1 < len(all); i += 2 {
		if all[i+1] == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "%-*s  %s\n", width, all[i], all[i+1]); err != nil {
			return err
		}
	}
	return nil
}

func (s *streams) dim(text string) string  { return s.style("2", text) }
func (s *streams) bold(text string) string { return s.style("1", text) }

func (s *streams) style(code, text string) string {
	if !s.terminal || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func printJSON(s *streams, v any) error {
	e := json.NewEncoder(s.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// say prints a line.
func (s *streams) say(format string, args ...any) error {
	_, err := fmt.Fprintf(s.out, format+"\n", args...)
	return err
}

// lineWidth is how many columns text for people takes, so that it fits any terminal.
const lineWidth = 80

// folded breaks text into lines that begin with a margin; the lines after the first are indented as far, with
// blanks unless the margin is a comment's. Words longer than a line stay whole.
func folded(text, margin string) string {
	next := margin
	if !strings.HasPrefix(margin, ";") {
		next = strings.Repeat(" ", utf8.RuneCountInString(margin))
	}
	lines, used := []string{margin}, utf8.RuneCountInString(margin)
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch last := len(lines) - 1; {
		case i == 0:
			lines[last] += word
			used += n
		case used+1+n > lineWidth:
			lines = append(lines, next+word)
			used = utf8.RuneCountInString(next) + n
		default:
			lines[last] += " " + word
			used += 1 + n
		}
	}
	return strings.Join(lines, "\n")
}

// foldedLines breaks the lines of a text that are too long; what they go on with is indented as they are.
func foldedLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if utf8.RuneCountInString(line) > lineWidth {
			lines[i] = folded(line, line[:len(line)-len(strings.TrimLeft(line, " "))])
		}
	}
	return strings.Join(lines, "\n")
}

// moment shows a time as the clock here does.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04")
}

// octets shows a size as people read it.
func octets(n int64) string {
	size := float64(n)
	for _, unit := range []string{"B", "kB", "MB", "GB", "TB"} {
		if size < 1000 || unit == "TB" {
			if unit == "B" || size >= 99.5 {
				return fmt.Sprintf("%.0f %s", size, unit)
			}
			return strings.Replace(fmt.Sprintf("%.1f", size), ".0", "", 1) + " " + unit
		}
		size /= 1000
	}
	return ""
}

// quota reads a quota: a size, or "none".
func parseQuota(text string) (int64, error) {
	if text == "" || text == "none" {
		return 0, nil
	}
	size, err := config.ParseSize(text)
	if err != nil {
		return 0, usagef("quota %q is not a size such as \"5GB\", nor \"none\"", text)
	}
	return int64(size), nil
}

func quotaText(used, quota int64) string {
	if quota == 0 {
		return octets(used)
	}
	return fmt.Sprintf("%s of %s (%d %%)", octets(used), octets(quota), used*100/quota)
}
