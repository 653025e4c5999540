package infer_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// given is a sign whose truth the test sets.
func given(name string, t *infer.Truth) *infer.Sign {
	return &infer.Sign{Name: name, Of: func(*evidence.Evidence) infer.Truth { return *t }}
}

// A device without a connection makes everything else fail, and is told alone;
// a wrong password beside a blocked port is told beside it.
func TestExplainingAway(t *testing.T) {
	var noRoute, unreachable, smtpDead, refused infer.Truth
	var (
		routeSign   = given("no route", &noRoute)
		reachSign   = given("imap unreachable", &unreachable)
		smtpSign    = given("587 dead", &smtpDead)
		refusedSign = given("sign-in refused", &refused)
	)
	m, err := infer.NewModel([]*infer.Cause{
		{ID: "network.offline", Requires: []*infer.Sign{routeSign}, Proof: []*infer.Sign{routeSign},
			Explains: []infer.Link{{reachSign, infer.Always}, {smtpSign, infer.Always}}},
		{ID: "provider.outage", Requires: []*infer.Sign{reachSign, smtpSign}},
		{ID: "network.submission-port-blocked", Requires: []*infer.Sign{smtpSign}, Excludes: []*infer.Sign{reachSign}, Proof: []*infer.Sign{smtpSign}},
		{ID: "auth.password-wrong", Requires: []*infer.Sign{refusedSign}, Proof: []*infer.Sign{refusedSign}},
		{ID: "account.gone", Prior: 0.015, Requires: []*infer.Sign{refusedSign}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		route, imap, smtp, refused infer.Truth
		want                       map[cause.ID]infer.Certainty
		unexplained                []string
	}{
		"nothing":         {infer.No, infer.No, infer.No, infer.No, nil, nil},
		"offline":         {infer.Yes, infer.Yes, infer.Yes, infer.Unknown, map[cause.ID]infer.Certainty{"network.offline": infer.Proven}, nil},
		"outage":          {infer.No, infer.Yes, infer.Yes, infer.Unknown, map[cause.ID]infer.Certainty{"provider.outage": infer.Likely}, nil},
		"one port":        {infer.No, infer.No, infer.Yes, infer.No, map[cause.ID]infer.Certainty{"network.submission-port-blocked": infer.Proven}, nil},
		"two rivals":      {infer.No, infer.No, infer.No, infer.Yes, map[cause.ID]infer.Certainty{"auth.password-wrong": infer.Possible}, nil},
		"port and rivals": {infer.No, infer.No, infer.Yes, infer.Yes, map[cause.ID]infer.Certainty{"network.submission-port-blocked": infer.Proven, "auth.password-wrong": infer.Possible}, nil},
		"unexplained":     {infer.No, infer.Yes, infer.No, infer.No, nil, []string{"imap unreachable"}},
	} {
		t.Run(name, func(t *testing.T) {
			noRoute, unreachable, smtpDead, refused = tc.route, tc.imap, tc.smtp, tc.refused
			c := m.Infer(evidence.New(evidence.Complaint{}, nil))
			got := map[cause.ID]infer.Certainty{}
			for _, f := range c.Findings {
				got[f.ID] = f.Certainty
			}
			if tc.want == nil {
				tc.want = map[cause.ID]infer.Certainty{}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.unexplained, c.Unexplained); diff != "" {
				t.Errorf("unexplained (-want +got):\n%s", diff)
			}
		})
	}
}

func TestModelIsChecked(t *testing.T) {
	var truth infer.Truth
	s := given("s", &truth)
	for name, causes := range map[string][]*infer.Cause{
		"twice":       {{ID: "a", Requires: []*infer.Sign{s}}, {ID: "a", Requires: []*infer.Sign{s}}},
		"no sign":     {{ID: "a"}},
		"probability": {{ID: "a", Requires: []*infer.Sign{s}, Explains: []infer.Link{{s, 1}}}},
	} {
		if _, err := infer.NewModel(causes); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// What is about something else than the complaint makes nobody unsure: neither what it could be nor what nothing accounts for.
func TestToThePoint(t *testing.T) {
	yes := infer.Yes
	waits, bounced := given("waits", &yes), given("bounced", &yes)
	sends := []evidence.Symptom{evidence.Send, evidence.OneMessage}
	m, err := infer.NewModel([]*infer.Cause{
		{ID: "outbox.deferred", Requires: []*infer.Sign{waits}, About: sends},
		{ID: "reputation.greylisted", Requires: []*infer.Sign{waits}, About: sends},
		{ID: "recipient.unknown", Prior: 1e-9, Requires: []*infer.Sign{bounced}, About: sends},
	})
	if err != nil {
		t.Fatal(err)
	}
	for symptom, matters := range map[evidence.Symptom]bool{evidence.Send: true, evidence.Receive: false} {
		c := m.Infer(evidence.New(evidence.Complaint{Symptom: symptom}, nil))
		if len(c.Unexplained) > 0 != matters || len(c.Rivals) > 0 != matters || len(c.Probable) > 0 != matters {
			t.Errorf("%s: unexplained %v, rivals %v, probable %v", symptom, c.Unexplained, c.Rivals, c.Probable)
		}
	}
}
