package doctor

import (
	"testing"

	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

// What the mail program shows fills in what was not said by hand, and replaces nothing.
func TestCompleted(t *testing.T) {
	client := &evidence.ClientState{Account: &evidence.ClientAccount{
		Protocol: "pop3", Username: "anna", Incoming: "pop.north.example:995/tls", Outgoing: "smtp.north.example:587/starttls",
	}}
	c := completed(evidence.Complaint{Address: "anna@north.example", Client: client})
	want := []evidence.Endpoint{
		{Protocol: evidence.POP3, Host: "pop.north.example", Port: 995, Security: evidence.TLS, Origin: evidence.Given},
		{Protocol: evidence.Submission, Host: "smtp.north.example", Port: 587, Security: evidence.STARTTLS, Origin: evidence.Given},
	}
	if len(c.Given) != 2 || c.Given[0] != want[0] || c.Given[1] != want[1] || c.GivenUsername != "anna" {
		t.Errorf("completed to %+v as %q", c.Given, c.GivenUsername)
	}
	said := evidence.Complaint{Address: "anna@north.example", Client: client, GivenUsername: "Anna", Given: []evidence.Endpoint{{Protocol: evidence.IMAP, Host: "imap.north.example", Port: 993, Security: evidence.TLS}}}
	if c := completed(said); len(c.Given) != 2 || c.Given[0].Protocol != evidence.IMAP || c.Given[1] != want[1] || c.GivenUsername != "Anna" {
		t.Errorf("completed to %+v as %q", c.Given, c.GivenUsername)
	}
	if len(said.Given) != 1 {
		t.Error("the complaint itself was changed")
	}
	client.Account.Incoming = "no such thing:x/y"
	if c := completed(evidence.Complaint{Client: client}); len(c.Given) != 1 {
		t.Errorf("what cannot be read became %+v", c.Given)
	}
}
