package store

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

// TestTablesAreDistinct reads the letters of all tables from the source: two tables of one letter in one key space would
// overwrite each other. The system's tables stand beside some of the accounts', so all are distinct.
func TestTablesAreDistinct(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	tables := map[string]string{} // by letter
	for _, one := range files {
		if name := one.Name(); strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			tablesOf(t, name, tables)
		}
	}
	if len(tables) < 40 {
		t.Errorf("only %d tables were found: %v", len(tables), tables)
	}
}

// tablesOf adds the constants of a file whose names begin with table, and says which have a letter that is taken.
func tablesOf(t *testing.T, name string, tables map[string]string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Names) != len(spec.Values) {
			return true
		}
		for i, id := range spec.Names {
			value, ok := spec.Values[i].(*ast.BasicLit)
			if !ok || value.Kind != token.CHAR || !strings.HasPrefix(id.Name, "table") {
				continue
			}
			letter := constant.MakeFromLiteral(value.Value, value.Kind, 0).ExactString()
			if taken := tables[letter]; taken != "" {
				t.Errorf("%s and %s both begin with %s", taken, id.Name, value.Value)
			}
			tables[letter] = id.Name
		}
		return true
	})
}
