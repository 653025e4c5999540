package doctor

import (
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/bounce"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

// The program is known from what the device shows, then from the server, then
// from a message that the person wrote; not from one that somebody else did.
func TestClientOf(t *testing.T) {
	at := time.Date(2026, 11, 22, 14, 32, 0, 0, time.UTC)
	state := &evidence.ClientState{OS: "iOS 18.1", App: &evidence.ClientApp{Name: "Mail", Version: "18.1"}}
	inside := &evidence.Inside{Sessions: []evidence.InsideSession{
		{Program: "Thunderbird 128", LastIO: at},
		{Program: "iPhone Mail", LastIO: at.Add(-time.Hour)},
		{LastIO: at.Add(time.Hour)},
	}}
	letter := func(from string) evidence.Letter {
		return evidence.Letter{Message: bounce.ReadMessage([]byte("From: <" + from + ">\r\nX-Mailer: Microsoft Outlook 16.0\r\n\r\nHej\r\n"))}
	}
	tests := []struct {
		name  string
		facts []evidence.Value
		want  cause.Client
	}{
		{"nothing", nil, cause.Client{}},
		{"the device", []evidence.Value{state, inside}, cause.Client{Name: "Mail", Version: "18.1", System: "iOS 18.1"}},
		{"the system alone", []evidence.Value{&evidence.ClientState{OS: "Windows 11"}}, cause.Client{System: "Windows 11"}},
		{"a browser", []evidence.Value{&evidence.ClientState{Browser: "Mozilla/5.0 (Windows NT 10.0)"}}, cause.Client{System: "Mozilla/5.0 (Windows NT 10.0)"}},
		{"the server", []evidence.Value{inside, letter("anna@north.example")}, cause.Client{Name: "Thunderbird 128"}},
		{"an own message", []evidence.Value{letter("Anna@north.example")}, cause.Client{Name: "Microsoft Outlook 16.0"}},
		{"another's message", []evidence.Value{letter("bo@south.example")}, cause.Client{}},
	}
	for _, tt := range tests {
		e := evidence.New(evidence.Complaint{Address: "anna@north.example"}, func() time.Time { return at })
		for _, f := range tt.facts {
			e.Add(f, "")
		}
		if got := clientOf(e); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// A cause that was found says how it is set right, in the person's program and language.
func TestSteps(t *testing.T) {
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	d := &Doctor{catalogue: catalogue}
	r := &Report{client: cause.Client{Name: "Thunderbird", Version: "140", System: "Windows 11"}}
	r.Verdict.Causes = []Cause{{ID: cause.PushOff, Decision: cause.Refuse(cause.PushOff)}}
	d.InLanguage(r, cause.Norwegian)
	got := r.Verdict.Causes[0].Steps
	if len(got) != 1 || got[0].Remedy != "push" || got[0].Program != "Thunderbird (140 og nyere)" ||
		got[0].Do[0] != "Velg ≡ › Kontoinnstillinger og så Serverinnstillinger under kontoen din." {
		t.Errorf("%+v", got)
	}
}
