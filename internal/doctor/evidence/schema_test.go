package evidence

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
)

// The published schema of the client state names every field that is read, and no other.
func TestClientStateSchema(t *testing.T) {
	raw, err := os.ReadFile("../../../docs/schemas/postiljon.client-state-1.json")
	if err != nil {
		t.Fatal(err)
	}
	type object struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	var schema struct {
		object
		Defs map[string]object `json:"$defs"`
	}
	if err := json.Unmarshal(raw, &schema); err != nil {
		t.Fatal(err)
	}
	var compare func(of reflect.Type, have object)
	compare = func(of reflect.Type, have object) {
		if len(have.Properties) != of.NumField() {
			t.Errorf("%s has %d fields, its schema %d", of, of.NumField(), len(have.Properties))
		}
		for i := range of.NumField() {
			f := of.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if have.Properties[name] == nil {
				t.Errorf("%s.%s (%q) is not in the schema", of, f.Name, name)
			}
			inner := f.Type
			for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
				inner = inner.Elem()
			}
			if def, ok := schema.Defs[inner.Name()]; ok && inner.Kind() == reflect.Struct {
				compare(inner, def)
			}
		}
	}
	compare(reflect.TypeFor[ClientState](), schema.object)
}
