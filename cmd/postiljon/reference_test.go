package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

var update = flag.Bool("update", false, "write docs/commands.md anew")

const referenceFile = "../../docs/commands.md"

// TestReference: docs/commands.md is what the program says of itself. After a
// change of the command line: go test ./cmd/postiljon -run Reference -update
func TestReference(t *testing.T) {
	var c commands
	parser, err := kong.New(&c, kong.Name("postiljon"), kong.Vars{"config": defaultConfig}, kong.ExplicitGroups(groups))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("# The commands of Postiljon\n\nThis page is made from the program: `postiljon --help` says the same.\n\n" +
		"Commands that change or show a running service talk to it over its control socket. They find it by\n" +
		"the configuration or by `--socket`. Exit code 0 means done, 1 that it failed, 2 that the command line is wrong.\n" +
		"Passwords are asked for, or read from a file or standard input; they are never arguments.\n\n## For every command\n\n")
	writeFlags(&b, parser.Model.Flags)
	for _, g := range groups {
		fmt.Fprintf(&b, "\n## %s\n", g.Title)
		for _, n := range parser.Model.Children {
			if n.Group != nil && n.Group.Key == g.Key {
				writeCommand(&b, n)
			}
		}
	}
	got := b.String()
	if *update {
		if err := os.WriteFile(referenceFile, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(referenceFile)
	if err != nil || string(want) != got {
		t.Errorf("docs/commands.md is not what the program says (%v); write it anew with -update", err)
	}
}

func writeCommand(b *strings.Builder, n *kong.Node) {
	if !n.Leaf() {
		for _, child := range n.Children {
			writeCommand(b, child)
		}
		return
	}
	fmt.Fprintf(b, "\n### postiljon %s\n\n%s\n", strings.TrimPrefix(n.Path(), "postiljon "), n.Help)
	if len(n.Positional) > 0 || len(n.Flags) > 0 {
		b.WriteString("\n")
	}
	for _, p := range n.Positional {
		fmt.Fprintf(b, "- `%s`: %s\n", p.Summary(), p.Help)
	}
	writeFlags(b, n.Flags)
}

func writeFlags(b *strings.Builder, flags []*kong.Flag) {
	for _, f := range flags {
		if f.Hidden || f.Name == "help" {
			continue
		}
		fmt.Fprintf(b, "- `%s`: %s\n", f, f.Help)
	}
}
