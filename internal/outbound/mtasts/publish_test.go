package mtasts

import "testing"

// TestPublish: what we publish is what we would read.
func TestPublish(t *testing.T) {
	policy, record := Publish(Enforce, "mx.north.example")
	p, err := ReadPolicy(string(policy))
	if err != nil || p.Mode != Enforce || p.MaxAge != publishedAge || !p.Matches("mx.north.example") || p.Matches("north.example") {
		t.Errorf("%s is read as %+v, %v", policy, p, err)
	}
	id, err := ReadRecord([]string{record})
	if err != nil || len(id) != 16 {
		t.Errorf("%s has the id %q, %v", record, id, err)
	}
	if _, other := Publish(Testing, "mx.north.example"); other == record {
		t.Errorf("another policy has the same record %s", record)
	}
}
