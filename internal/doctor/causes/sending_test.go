package causes

import (
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

func TestWellFormed(t *testing.T) {
	for address, want := range map[string]bool{
		"bo@south.example": true, "bo.ek+x@south.example": true, `"bo ek"@south.example`: true,
		"bo": false, "bo@south": false, "bo@@south.example": false, "bo @south.example": false, "bo@south..example": false, "": false, "bo@.example": false,
	} {
		if wellFormed(address) != want {
			t.Errorf("wellFormed(%q) is %v", address, !want)
		}
	}
}

func TestSamePerson(t *testing.T) {
	for _, c := range []struct {
		old, now, name string
		want           bool
	}{
		{"kari@south.example", "kari@west.example", "", true},
		{"kari.lund@south.example", "kl@west.example", "Kari Lund", true},
		{"klund@south.example", "kari@west.example", "Kari Anne Lund", true},
		{"bo@south.example", "kari@west.example", "Kari Lund", false},
		{"kari@south.example", "anna@west.example", "Anna", false},
	} {
		if got := samePerson(c.old, c.now, c.name); got != c.want {
			t.Errorf("samePerson(%s, %s, %s) is %v", c.old, c.now, c.name, got)
		}
	}
}

// A domain is misspelt only where there is none of that name, and one near it is known.
func TestMisspelt(t *testing.T) {
	for _, c := range []struct {
		to      string
		answer  evidence.Answer
		contact string
		want    string
	}{
		{"bo@sotuh.example", evidence.NXDomain, "kari@south.example", "south.example"},
		{"bo@sotuh.example", evidence.NoData, "kari@south.example", ""},
		{"bo@sotuh.example", evidence.NXDomain, "kari@other.example", ""},
		{"bo@nort.example", evidence.NXDomain, "", "north.example"},
	} {
		complaint := evidence.Complaint{Address: "anna@north.example", Client: &evidence.ClientState{Contacts: []evidence.ClientContact{{Addresses: []string{c.contact}}}}}
		e := evidence.New(complaint, time.Now)
		e.Add(evidence.Lookup{Name: evidence.DomainOf(c.to), Type: "MX", Answer: c.answer}, "")
		if got := misspelt(e, c.to); got != c.want {
			t.Errorf("misspelt(%s, %s) = %q, want %q", c.to, c.answer, got, c.want)
		}
	}
}

// Without anything to go by, no sign of sending is known.
func TestNothingKnown(t *testing.T) {
	e := evidence.New(evidence.Complaint{Address: "anna@north.example"}, time.Now)
	for _, family := range [][]*infer.Cause{outbox(), content(), recipient(), sender(), reputation()} {
		for _, c := range family {
			for _, s := range c.Requires {
				if got := s.Of(e); got != infer.Unknown {
					t.Errorf("%s: %s is %v without evidence", c.ID, s.Name, got)
				}
			}
		}
	}
}
