package sieve

import (
	"strconv"
	"strings"
)

// String writes a tree as a script, in one form for all that means the same to the reader.
func (t Tree) String() string {
	var b strings.Builder
	printCommands(&b, t, 0)
	return b.String()
}

func printCommands(b *strings.Builder, list []Command, level int) {
	for i := range list {
		c := &list[i]
		b.WriteString(strings.Repeat("    ", level))
		b.WriteString(c.Name)
		printArguments(b, c.Args)
		printTests(b, c.Tests, c.List)
		if c.Block == nil {
			b.WriteString(";\n")
			continue
		}
		b.WriteString(" {\n")
		printCommands(b, c.Block, level+1)
		b.WriteString(strings.Repeat("    ", level) + "}\n")
	}
}

func printArguments(b *strings.Builder, list []Argument) {
	for i := range list {
		b.WriteByte(' ')
		switch a := &list[i]; a.Kind {
		case ArgumentTag:
			b.WriteString(":" + a.Tag)
		case ArgumentNumber:
			b.WriteString(strconv.FormatUint(a.Number, 10))
		case ArgumentString:
			b.WriteString(Quote(a.Strings[0].Value))
		case ArgumentList:
			b.WriteByte('[')
			for j := range a.Strings {
				if j > 0 {
					b.WriteString(", ")
				}
				b.WriteString(Quote(a.Strings[j].Value))
			}
			b.WriteByte(']')
		}
	}
}

func printTests(b *strings.Builder, list []Test, inList bool) {
	if len(list) == 0 {
		return
	}
	b.WriteByte(' ')
	if inList {
		b.WriteByte('(')
	}
	for i := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(list[i].String())
	}
	if inList {
		b.WriteByte(')')
	}
}

// String writes a test as it stands in a script.
func (t *Test) String() string {
	var b strings.Builder
	b.WriteString(t.Name)
	printArguments(&b, t.Args)
	printTests(&b, t.Tests, t.List)
	return b.String()
}

var escapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// Quote writes a string as it stands in a script (RFC 5228 section 2.4.2).
func Quote(s string) string { return `"` + escapes.Replace(s) + `"` }
