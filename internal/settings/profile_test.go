package settings

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A profile says what was put into it; what is none says that.
func TestReadProfile(t *testing.T) {
	servers := []Server{
		{Protocol: IMAP, Host: "imap.north.example", Port: 993, Security: TLS},
		{Protocol: SMTP, Host: "smtp.north.example", Port: 587, Security: STARTTLS},
	}
	p := Published{Domain: "north.example", Name: "North & Co", Servers: servers}
	got, err := ReadProfile(p.Profile("anna@north.example"))
	if diff := cmp.Diff(servers, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	pop := strings.NewReplacer("EmailTypeIMAP", "EmailTypePOP", ">993<", ">995<").Replace(string(p.Profile("")))
	if got, err = ReadProfile([]byte(pop)); err != nil || got[0].Protocol != POP3 || got[0].Port != 995 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, text := range []string{"", "<plist><dict></dict></plist>", "<html><p>Not found", strings.Repeat("<dict>", 100), strings.Repeat("x", maxProfile+1)} {
		if got, err := ReadProfile([]byte(text)); err == nil {
			t.Errorf("%.30q: %+v", text, got)
		}
	}
}

func FuzzReadProfile(f *testing.F) {
	p := Published{Domain: "north.example", Name: "North", Servers: []Server{{Protocol: IMAP, Host: "imap.north.example", Port: 993, Security: TLS}, {Protocol: SMTP, Host: "smtp.north.example", Port: 465, Security: TLS}}}
	f.Add(p.Profile("anna@north.example"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if servers, err := ReadProfile(b); err == nil && len(servers) == 0 {
			t.Error("no servers and no error")
		}
	})
}
