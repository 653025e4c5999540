package message

import "testing"

func TestReaddress(t *testing.T) {
	const head = "Received: by x\r\n for <eva@exmaple.net>;\r\nSubject: eva@exmaple.net\r\nTO: =?utf-8?q?Eva_=C3=96?= <Eva@Exmaple.net>,\r\n bo@example.org\r\nCc: \"Carl, C\" <carl@example.org>\r\n"
	for _, tt := range []struct{ header, want string }{
		{head + "\r\n", "Received: by x\r\n for <eva@exmaple.net>;\r\nSubject: eva@exmaple.net\r\nTO: =?utf-8?b?RXZhIMOW?= <eva@example.net>, bo@example.org\r\nCc: \"Carl, C\" <carl@example.org>\r\n\r\n"},
		{"Subject: x\r\nCc: all: eva@exmaple.net, eva@exmaple.net.uk;\r\n", "Subject: x\r\nCc: eva@example.net, eva@exmaple.net.uk\r\n"},
		{"To: bo@example.org\r\nno field\r\n\r\n", ""},
		{"", ""},
	} {
		got, changed := Readdress([]byte(tt.header), "eva@exmaple.net", "eva@example.net")
		want := tt.want
		if want == "" {
			want = tt.header
		}
		if string(got) != want || changed != (tt.want != "") {
			t.Errorf("%q becomes %q, want %q", tt.header, got, want)
		}
	}
}
