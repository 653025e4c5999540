package clients

import "testing"

// testTus brings a large file with the library tus-js-client.
func testTus(t *testing.T, d *desk) {
	anna := d.people[0]
	d.node(t, "tus", "tus.mjs", "/", anna.Address, anna.Password)
}
