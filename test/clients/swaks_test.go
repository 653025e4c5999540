package clients

import (
	"strings"
	"testing"
)

// testSwaks delivers as another server does, and submits as an account does.
func testSwaks(t *testing.T, d *desk) {
	anna, bjorn := d.people[0], d.people[1]
	in := []string{"--server", "localhost:" + port(d.SMTP), "--helo", "client.test", "--from", "friend@sender.test"}
	submit := []string{"--helo", "client.test", "--from", anna.Address, "--auth-user", anna.Address, "--auth-password", anna.Password,
		"--tls-verify", "--tls-ca-path", d.CA, "--header", "X-Tool: swaks"}
	swaks := func(t *testing.T, args ...[]string) string {
		t.Helper()
		var all []string
		for _, a := range args {
			all = append(all, a...)
		}
		return d.run(t, "swaks", all...)
	}

	d.step(t, "mail from another server", func(t *testing.T) {
		out := swaks(t, in, []string{"--to", anna.Address, "--header", "Subject: swaks in"})
		contains(t, out, "<-  250 2.0.0")
		m := d.one(t, anna, "INBOX", "swaks in")
		contains(t, m.Text, "Return-Path: <friend@sender.test>\r\n", "Received: from client.test")
	})
	d.step(t, "STARTTLS from another server", func(t *testing.T) {
		out := swaks(t, in, []string{"--tls", "--to", anna.Address, "--header", "Subject: swaks in tls"})
		contains(t, out, "=== TLS started")
		contains(t, d.one(t, anna, "INBOX", "swaks in tls").Text, "ESMTPS")
	})
	d.step(t, "several recipients, pipelined", func(t *testing.T) {
		swaks(t, in, []string{"--pipeline", "--to", anna.Address + "," + bjorn.Address, "--header", "Subject: swaks pipeline"})
		d.one(t, anna, "INBOX", "swaks pipeline")
		d.one(t, bjorn, "INBOX", "swaks pipeline")
	})
	for _, mechanism := range []string{"PLAIN", "LOGIN"} {
		d.step(t, "submission with STARTTLS, AUTH "+mechanism, func(t *testing.T) {
			swaks(t, submit, []string{"--server", "localhost:" + port(d.Submission), "--tls", "--auth", mechanism, "--to", bjorn.Address, "--header", "Subject: swaks " + mechanism})
			contains(t, d.one(t, bjorn, "INBOX", "swaks "+mechanism).Text, "ESMTPSA")
		})
	}
	d.step(t, "submission with implicit TLS and an attachment", func(t *testing.T) {
		file := d.file(t, "picture.bin", strings.Repeat("\x00\x01\xfe\xff picture\n", 5000))
		swaks(t, submit, []string{"--server", "localhost:" + port(d.Submissions), "--tls-on-connect", "--auth", "PLAIN", "--to", bjorn.Address,
			"--header", "Subject: swaks attachment", "--attach", "@" + file})
		contains(t, d.one(t, bjorn, "INBOX", "swaks attachment").Text, "Content-Transfer-Encoding: BASE64")
	})
	for _, r := range []struct {
		what string
		args []string
		want []string
	}{
		{"an unknown recipient", append(in, "--to", "nobody@demo.test"), []string{"550 5.1.1", "/why/recipient.unknown"}},
		{"relaying without signing in", append(in, "--to", "somebody@elsewhere.test"), []string{"/why/"}},
		{"a wrong password", []string{"--server", "localhost:" + port(d.Submission), "--tls", "--auth", "PLAIN", "--auth-user", anna.Address,
			"--auth-password", "wrong-password", "--from", anna.Address, "--to", bjorn.Address}, []string{"535 5.7.8", "/why/auth.password-wrong"}},
		{"submission without signing in", []string{"--server", "localhost:" + port(d.Submission), "--tls", "--from", anna.Address, "--to", bjorn.Address},
			[]string{"530 5.7.0", "/why/"}},
		{"a sender address of somebody else", append(submit, "--server", "localhost:"+port(d.Submission), "--tls", "--auth", "PLAIN", "--from", bjorn.Address, "--to", bjorn.Address),
			[]string{"/why/"}},
	} {
		d.step(t, r.what+" is refused with its cause", func(t *testing.T) {
			out, err := d.try(t, "swaks", r.args...)
			if err == nil {
				t.Fatalf("it was taken:\n%s", out)
			}
			contains(t, refusals(out), r.want...)
		})
	}
}

// refusals are the lines by which a server refused, as swaks marks them.
func refusals(out string) string {
	var all []string
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "<** ") || strings.HasPrefix(line, "<~* ") {
			all = append(all, line)
		}
	}
	return strings.Join(all, "")
}
