// Package causelint finds refusals that are written by hand. Nothing in
// Postiljon may refuse without a cause: codes and texts come from the
// catalogue of package cause. Each protocol package says so in a test:
//
//	func TestNoRefusalWithoutCause(t *testing.T) { causelint.Test(t, ".") }
package causelint

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Finding is one place where a refusal seems to be written by hand.
type Finding struct {
	Pos  token.Position
	Text string // the literal, or the type that is filled by hand
	Why  string
}

func (f Finding) String() string {
	return fmt.Sprintf("%s: %q: %s", f.Pos, f.Text, f.Why)
}

// rules are what gives a hand-written refusal away. Literals that only frame
// what the catalogue gives, such as " NO [" or "-ERR %s", pass.
var rules = []struct {
	looks *regexp.Regexp
	why   string
}{
	{regexp.MustCompile(`(?m)^\s*[45][0-5]\d[ -]([45]\.\d{1,3}\.\d{1,3}|[A-Za-z<])`), "an SMTP refusal; send Catalogue.SMTP of a decision"},
	{regexp.MustCompile(`^[45]\.\d{1,3}\.\d{1,3}(\s|$)`), "an enhanced status code of a refusal; it comes with Catalogue.SMTP"},
	{regexp.MustCompile(`(^|[\s*])(NO|BAD|BYE) (\[[A-Z]|[A-Za-z])`), "an IMAP refusal; send Catalogue.IMAP of a decision"},
	{regexp.MustCompile(`-ERR (\[[A-Z]|[A-Za-z])`), "a POP3 refusal; send Catalogue.POP3 of a decision"},
}

// replies are the types that only the catalogue fills.
var replies = []string{"SMTPReply", "IMAPReply", "POP3Reply"}

// Test fails t for every finding in the package in dir.
func Test(t testing.TB, dir string, allowed ...string) {
	t.Helper()
	findings, err := Check(dir, allowed...)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		t.Error(f)
	}
}

// Check looks through the Go files of the package in dir, without its tests
// and sub-folders. Literals that are exactly as one of allowed are let pass.
func Check(dir string, allowed ...string) ([]Finding, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("causelint: %w", err)
	}
	var findings []Finding
	files := 0
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		files++
		found, err := checkFile(filepath.Join(dir, name), allowed)
		if err != nil {
			return nil, fmt.Errorf("causelint: %w", err)
		}
		findings = append(findings, found...)
	}
	if files == 0 {
		return nil, fmt.Errorf("causelint: no Go files in %s", dir)
	}
	return findings, nil
}

// checkFile returns the findings of one file.
func checkFile(path string, allowed []string) ([]Finding, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, nil, 0)
	if err != nil {
		return nil, err
	}
	cause := causeName(file)
	var findings []Finding
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			if f, ok := checkLiteral(n, allowed); ok {
				f.Pos = fset.Position(n.Pos())
				findings = append(findings, f)
			}
		case *ast.CompositeLit:
			if f, ok := checkReply(n, cause); ok {
				f.Pos = fset.Position(n.Pos())
				findings = append(findings, f)
			}
		}
		return true
	})
	return findings, nil
}

// checkLiteral looks at one string.
func checkLiteral(lit *ast.BasicLit, allowed []string) (Finding, bool) {
	if lit.Kind != token.STRING {
		return Finding{}, false
	}
	text, err := strconv.Unquote(lit.Value)
	if err != nil || slices.Contains(allowed, text) {
		return Finding{}, false
	}
	for _, rule := range rules {
		if rule.looks.MatchString(text) {
			return Finding{Text: text, Why: rule.why}, true
		}
	}
	return Finding{}, false
}

// checkReply looks at a composite literal: a reply with contents is one that
// the catalogue did not make.
func checkReply(lit *ast.CompositeLit, cause string) (Finding, bool) {
	sel, ok := lit.Type.(*ast.SelectorExpr)
	if !ok || len(lit.Elts) == 0 || !slices.Contains(replies, sel.Sel.Name) {
		return Finding{}, false
	}
	if pkg, ok := sel.X.(*ast.Ident); !ok || pkg.Name != cause {
		return Finding{}, false
	}
	return Finding{Text: cause + "." + sel.Sel.Name, Why: "a reply filled by hand; only the catalogue makes replies"}, true
}

// causeName returns the name by which a file knows package cause, or "".
func causeName(file *ast.File) string {
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil || !strings.HasSuffix(path, "/internal/cause") {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return "cause"
	}
	return ""
}
