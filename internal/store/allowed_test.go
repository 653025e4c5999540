package store_test

import (
	"fmt"
	"testing"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

func TestAllowedSenders(t *testing.T) {
	s := storetest.Open(t)
	a := storetest.Account(t, s, "anna@demo.test")
	for _, sender := range []string{" Bo@Example.ORG ", "@räksmörgås.example", "example.net", "example.net"} {
		if err := s.AllowSender(t.Context(), a.ID, sender); err != nil {
			t.Errorf("%s: %v", sender, err)
		}
	}
	for _, sender := range []string{"", "@", "nobody", "a b@example.org", "@[127.0.0.1]", "bo@"} {
		if err := s.AllowSender(t.Context(), a.ID, sender); store.KindOf(err) != store.KindInvalid {
			t.Errorf("%q: %v", sender, err)
		}
	}
	for from, allowed := range map[string]bool{
		"bo@example.org": true, "BO@EXAMPLE.ORG": true, "eve@example.org": false, "bo@sub.example.org": false,
		"anybody@example.net": true, "anybody@xn--rksmrgs-5wao1o.example": true, "anybody@notexample.net": false, "": false, "example.net": false,
	} {
		if ok, err := s.SenderAllowed(t.Context(), a.ID, from); err != nil || ok != allowed {
			t.Errorf("%q: %v, %v", from, ok, err)
		}
	}
	if err := s.DisallowSender(t.Context(), a.ID, "example.net"); err != nil {
		t.Error(err)
	}
	if err := s.DisallowSender(t.Context(), a.ID, "example.net"); store.KindOf(err) != store.KindNotFound {
		t.Error(err)
	}
	list, err := s.AllowedSenders(t.Context(), a.ID)
	if err != nil || len(list) != 2 || list[0].Sender != "@xn--rksmrgs-5wao1o.example" || list[1].Sender != "bo@example.org" || list[0].Since.IsZero() {
		t.Errorf("%+v, %v", list, err)
	}
	for i := len(list); i <= store.MaxAllowedSenders && err == nil; i++ {
		err = s.AllowSender(t.Context(), a.ID, fmt.Sprintf("%d@example.com", i))
	}
	if store.KindOf(err) != store.KindLimit {
		t.Errorf("the limit: %v", err)
	}
	if report, err := s.Verify(t.Context(), store.VerifyOptions{}); err != nil || report.Found != 0 {
		t.Errorf("verify: %+v, %v", report, err)
	}
}
