package clients

import "testing"

// testShared shares a mailbox between two people with imaplib, and looks what the journal tells its
// owner of the other.
func testShared(t *testing.T, d *desk) {
	anna, bjorn := d.people[0], d.people[1]
	d.script(t, "imaplib_shared.py", port(d.IMAPS), anna.Address, bjorn.Address, anna.Password)
	d.one(t, bjorn, "Archive", "shared")
	d.step(t, "the journal names who did it", func(t *testing.T) {
		told, err := d.Command("trace", anna.Address)
		if err != nil {
			t.Fatal(err)
		}
		contains(t, told, "Deleted for good: 1 message in Plans", "signed in as "+bjorn.Address)
	})
}
