package cause

import "testing"

func load(t testing.TB) *Catalogue {
	t.Helper()
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLoad(t *testing.T) {
	if c := load(t); len(c.All()) == 0 {
		t.Fatal("the table is empty")
	}
}
