package peer

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// memory is a connection whose client has said everything already.
type memory struct {
	net.Conn
	in  *bytes.Reader
	out strings.Builder
}

func (m *memory) Read(p []byte) (int, error)       { return m.in.Read(p) }
func (m *memory) Write(p []byte) (int, error)      { return m.out.Write(p) }
func (m *memory) Close() error                     { return nil }
func (m *memory) SetDeadline(time.Time) error      { return nil }
func (m *memory) SetReadDeadline(time.Time) error  { return nil }
func (m *memory) SetWriteDeadline(time.Time) error { return nil }
func (m *memory) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1} }
func (m *memory) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 2} }

// FuzzSessions lets clients say anything to all three servers: whatever it is, lines
// come back, each ended by CR LF.
func FuzzSessions(f *testing.F) {
	for _, seed := range []string{
		"EHLO x\r\nAUTH PLAIN AGFubmFAbm9ydGguZXhhbXBsZQBzZWNyZXQ=\r\nMAIL FROM:<anna@north.example>\r\nRCPT TO:<bo@north.example>\r\nDATA\r\nx\r\n.\r\n",
		"AUTH LOGIN\r\nYQ==\r\nYg==\r\nAUTH XOAUTH2 =\r\n\r\n",
		"a LOGIN anna@north.example secret\r\nb SELECT INBOX\r\nc FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (A B)]<1.2>)\r\nd STORE 1 +FLAGS (\\Seen)\r\ne EXPUNGE\r\n",
		"a LOGIN {18}\r\nanna@north.example {6+}\r\nsecret\r\nb APPEND INBOX () {3}\r\nabc\r\nc UID MOVE 1 Trash\r\nd IDLE\r\nDONE\r\n",
		"a LOGIN \"\\\"\" \"\r\nb ((((\r\nc UID\r\nd SEARCH HEADER\r\n",
		"USER anna@north.example\r\nPASS secret\r\nSTAT\r\nTOP 1 1\r\nDELE 1\r\nLIST 1\r\nQUIT\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		m := mail()
		m.Put("anna@north.example", "INBOX", "Subject: one\n\n.Hello\n")
		smtp, imap, pop := NewSMTP("s", m, true), NewIMAP("i", m), NewPOP3("p", m)
		smtp.Configure(func(o *SMTPOptions) { o.PlainAuth, o.Mechanisms = true, append(o.Mechanisms, "XOAUTH2") })
		imap.Configure(func(o *IMAPOptions) { o.PlainAuth = true })
		pop.Configure(func(o *POP3Options) { o.PlainAuth = true })
		for _, s := range []*Server{smtp.Server, imap.Server, pop.Server} {
			c := &memory{in: bytes.NewReader(said)}
			s.serve(c, false)
			r := bufio.NewReader(strings.NewReader(c.out.String()))
			for {
				line, err := r.ReadString('\n')
				if err == io.EOF && line == "" {
					break
				}
				if err != nil {
					t.Fatalf("%s ends in the middle of a line: %q", s.proto, c.out.String())
				}
			}
		}
	})
}
