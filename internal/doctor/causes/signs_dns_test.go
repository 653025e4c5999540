package causes

import (
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// A resolver that denies everybody's names says nothing of one domain; one that knows others' does.
func TestDeniedNames(t *testing.T) {
	for _, c := range []struct {
		others        []string
		found         bool
		none, expired infer.Truth
	}{
		{[]string{"imap.south.example", "imap.west.example"}, false, infer.Yes, infer.Yes},
		{[]string{"imap.south.example", "imap.west.example"}, true, infer.No, infer.Yes},
		{nil, false, infer.No, infer.Yes},
	} {
		e := evidence.New(evidence.Complaint{Address: "anna@north.example"}, time.Now)
		for _, kind := range []string{"SOA", "MX", "A"} {
			e.Add(evidence.Lookup{Name: "north.example", Type: kind, Answer: evidence.NXDomain}, "")
		}
		for _, host := range c.others {
			l := evidence.Lookup{Name: host, Type: "A", Answer: evidence.NXDomain}
			if c.found {
				l.Answer, l.Records = evidence.Found, []string{"192.0.2.1"}
			}
			e.Add(l, "")
		}
		if none, expired := noNames.Of(e), domainExpired.Of(e); none != c.none || expired != c.expired {
			t.Errorf("%+v: no names %v, expired %v", c, none, expired)
		}
		model, err := infer.NewModel(All())
		if err != nil {
			t.Fatal(err)
		}
		if found := model.Infer(e).Findings; (len(found) == 0) != (c.none == infer.Yes) {
			t.Errorf("%+v: found %+v", c, found)
		}
	}
}
