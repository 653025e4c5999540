package harness

import (
	"bufio"
	"bytes"
	"compress/flate"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// clientTimeout bounds every step of a client.
const clientTimeout = 30 * time.Second

// SMTP is a client of one connection.
type SMTP struct {
	c net.Conn
	r *bufio.Reader
}

// DialSMTP connects without TLS and says EHLO.
func DialSMTP(addr string) (*SMTP, error) {
	c, err := net.DialTimeout("tcp", addr, clientTimeout)
	if err != nil {
		return nil, err
	}
	return greet(c)
}

// DialSubmissions connects with implicit TLS and signs in.
func (s *Service) DialSubmissions(a Account) (*SMTP, error) {
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: clientTimeout}, "tcp", s.Submissions, s.TLS)
	if err != nil {
		return nil, err
	}
	m, err := greet(c)
	if err != nil {
		return nil, err
	}
	if _, err := m.Command("AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+a.Address+"\x00"+a.Password)), '2'); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

func greet(c net.Conn) (*SMTP, error) {
	m := &SMTP{c: c, r: bufio.NewReader(c)}
	if _, err := m.reply('2'); err != nil {
		c.Close()
		return nil, err
	}
	if _, err := m.Command("EHLO client.test", '2'); err != nil {
		c.Close()
		return nil, err
	}
	return m, nil
}

// Refusal is an SMTP reply of another class than expected.
type Refusal struct{ Reply string }

func (r *Refusal) Error() string { return "SMTP reply " + r.Reply }

// Command sends a line and returns the reply's last line.
func (m *SMTP) Command(line string, class byte) (string, error) {
	m.c.SetDeadline(time.Now().Add(clientTimeout))
	if _, err := io.WriteString(m.c, line+"\r\n"); err != nil {
		return "", err
	}
	return m.reply(class)
}

func (m *SMTP) reply(class byte) (string, error) {
	m.c.SetReadDeadline(time.Now().Add(clientTimeout))
	for {
		line, err := m.r.ReadString('\n')
		if err != nil {
			return "", err
		}
		if len(line) > 3 && line[3] == '-' {
			continue
		}
		line = strings.TrimSpace(line)
		if line == "" || line[0] != class {
			return line, &Refusal{line}
		}
		return line, nil
	}
}

// Begin begins a transaction; parameters are those of MAIL.
func (m *SMTP) Begin(from, parameters string, to []string) error {
	if _, err := m.Command("MAIL FROM:<"+from+">"+parameters, '2'); err != nil {
		return err
	}
	for _, a := range to {
		if _, err := m.Command("RCPT TO:<"+a+">", '2'); err != nil {
			m.Command("RSET", '2')
			return err
		}
	}
	return nil
}

// Send sends one message with DATA, whose lines must not begin with a dot, and
// returns when it is acknowledged.
func (m *SMTP) Send(from string, to []string, text string) error {
	if err := m.Begin(from, "", to); err != nil {
		return err
	}
	if _, err := m.Command("DATA", '3'); err != nil {
		return err
	}
	_, err := m.Command(strings.TrimSuffix(text, "\r\n")+"\r\n.", '2')
	return err
}

// Data sends the octets of a message with DATA; a line end is put behind the
// last line if there is none.
func (m *SMTP) Data(r io.Reader) error {
	if _, err := m.Command("DATA", '3'); err != nil {
		return err
	}
	// A dot at the beginning of a line is doubled, also across two reads.
	last := [2]byte{'\r', '\n'}
	out := bufio.NewWriterSize(m.c, 64<<10)
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		c, err := in.ReadByte()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if c == '.' && last == [2]byte{'\r', '\n'} {
			out.WriteByte('.')
		}
		last = [2]byte{last[1], c}
		if out.Available() == 0 {
			m.c.SetDeadline(time.Now().Add(clientTimeout))
		}
		if err := out.WriteByte(c); err != nil {
			return m.lost(err)
		}
	}
	if last != [2]byte{'\r', '\n'} {
		out.WriteString("\r\n")
	}
	out.WriteString(".\r\n")
	if err := out.Flush(); err != nil {
		return m.lost(err)
	}
	_, err := m.reply('2')
	return err
}

// Chunks sends the octets of a message with BDAT (RFC 3030).
func (m *SMTP) Chunks(r io.Reader, chunk int) error {
	buf := make([]byte, chunk)
	for {
		n, err := io.ReadFull(r, buf)
		last := err == io.EOF || err == io.ErrUnexpectedEOF
		if err != nil && !last {
			return err
		}
		command := "BDAT " + strconv.Itoa(n)
		if last {
			command += " LAST"
		}
		m.c.SetDeadline(time.Now().Add(clientTimeout))
		if _, err := m.c.Write(append([]byte(command+"\r\n"), buf[:n]...)); err != nil {
			return m.lost(err)
		}
		if _, err := m.reply('2'); err != nil || last {
			return err
		}
	}
}

// lost returns the last reply of a server that has closed the connection while
// it was sent to, if there is one.
func (m *SMTP) lost(err error) error {
	if _, replied := m.reply('2'); replied != nil {
		if _, ok := replied.(*Refusal); ok {
			return replied
		}
	}
	return err
}

// Close closes the connection.
func (m *SMTP) Close() { m.c.Close() }

// IMAP is a client of one connection.
type IMAP struct {
	c   net.Conn
	r   *bufio.Reader
	tag int
}

// DialIMAP connects with implicit TLS and signs in.
func (s *Service) DialIMAP(a Account) (*IMAP, error) {
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: clientTimeout}, "tcp", s.IMAPS, s.TLS)
	if err != nil {
		return nil, err
	}
	m := &IMAP{c: c, r: bufio.NewReaderSize(c, 64<<10)}
	c.SetReadDeadline(time.Now().Add(clientTimeout))
	if _, err := m.r.ReadString('\n'); err != nil {
		c.Close()
		return nil, err
	}
	if _, err := m.Command(fmt.Sprintf("LOGIN %q %q", a.Address, a.Password)); err != nil {
		c.Close()
		return nil, err
	}
	return m, nil
}

// Command sends a command and returns its untagged responses, literals
// included; anything but OK is an error.
func (m *IMAP) Command(command string) ([]string, error) {
	m.tag++
	tag := "t" + strconv.Itoa(m.tag)
	m.c.SetDeadline(time.Now().Add(clientTimeout))
	if _, err := io.WriteString(m.c, tag+" "+command+"\r\n"); err != nil {
		return nil, err
	}
	return m.finish(command, tag)
}

// finish reads the responses until that with a tag.
func (m *IMAP) finish(command, tag string) ([]string, error) {
	var lines []string
	for {
		line, err := m.line()
		if err != nil {
			return lines, err
		}
		if rest, ok := strings.CutPrefix(line, tag+" "); ok {
			if !strings.HasPrefix(rest, "OK") {
				return lines, fmt.Errorf("IMAP %.60q: %s", command, rest)
			}
			return append(lines, rest), nil
		}
		lines = append(lines, line)
	}
}

// Append stores a message with a non-synchronizing literal (RFC 7888).
func (m *IMAP) Append(mailbox, text string) (string, error) {
	lines, err := m.Command(fmt.Sprintf("APPEND %s {%d+}\r\n%s", mailbox, len(text), text))
	if err != nil {
		return "", err
	}
	return lines[len(lines)-1], nil
}

// Message is what Messages tells of one message.
type Message struct {
	UID   int
	Flags string // as in the response, without parentheses
	Size  int    // RFC822.SIZE
	Text  string // all of it
}

// Messages selects a mailbox and fetches all its messages; nothing is marked as
// read.
func (m *IMAP) Messages(mailbox string) ([]Message, error) {
	if _, err := m.Command("EXAMINE " + mailbox); err != nil {
		return nil, err
	}
	lines, err := m.Command("UID FETCH 1:* (UID FLAGS RFC822.SIZE BODY.PEEK[])")
	if err != nil {
		return nil, err
	}
	var all []Message
	for _, line := range lines {
		if !strings.Contains(line, " FETCH (") {
			continue
		}
		text, literal, _ := strings.Cut(line, "}\r\n")
		open := strings.LastIndexByte(text, '{') + 1
		n, err := strconv.Atoi(text[open:])
		if err != nil || n > len(literal) {
			return nil, fmt.Errorf("fetch: no literal in %.200q", line)
		}
		attributes := text + literal[n:]
		one := Message{Text: literal[:n], Flags: between(attributes, "FLAGS (", ")")}
		one.UID, _ = strconv.Atoi(between(attributes, "UID ", " "))
		one.Size, _ = strconv.Atoi(between(attributes, "RFC822.SIZE ", " "))
		all = append(all, one)
	}
	return all, nil
}

func between(s, before, after string) string {
	_, s, _ = strings.Cut(s, before)
	s, _, _ = strings.Cut(s+" ", after)
	return strings.TrimRight(s, ") ")
}

// Idle sends IDLE and waits until the server is ready.
func (m *IMAP) Idle() error {
	m.tag++
	m.c.SetDeadline(time.Now().Add(clientTimeout))
	if _, err := fmt.Fprintf(m.c, "t%d IDLE\r\n", m.tag); err != nil {
		return err
	}
	line, err := m.line()
	if err == nil && !strings.HasPrefix(line, "+") {
		err = fmt.Errorf("IMAP IDLE: %s", line)
	}
	return err
}

// Compress begins to compress what goes both ways (RFC 4978).
func (m *IMAP) Compress() error {
	if _, err := m.Command("COMPRESS DEFLATE"); err != nil {
		return err
	}
	d := &deflated{Conn: m.c}
	var err error
	d.w, err = flate.NewWriter(&d.b, flate.BestSpeed)
	m.c, m.r = d, bufio.NewReaderSize(flate.NewReader(m.r), 64<<10)
	return err
}

// deflated is a connection whose writes are compressed, each sent at once and in one piece: after a part of LOGOUT
// the server may be gone.
type deflated struct {
	net.Conn
	b bytes.Buffer
	w *flate.Writer
}

func (d *deflated) Write(b []byte) (int, error) {
	d.b.Reset()
	if _, err := d.w.Write(b); err != nil {
		return 0, err
	}
	if err := d.w.Flush(); err != nil {
		return 0, err
	}
	_, err := d.Conn.Write(d.b.Bytes())
	return len(b), err
}

// Next returns the next untagged response.
func (m *IMAP) Next() (string, error) { return m.line() }

// Done ends IDLE and returns the responses that came until then.
func (m *IMAP) Done() ([]string, error) {
	if _, err := io.WriteString(m.c, "DONE\r\n"); err != nil {
		return nil, err
	}
	return m.finish("IDLE", "t"+strconv.Itoa(m.tag))
}

// line reads one response with its literals.
func (m *IMAP) line() (string, error) {
	var all strings.Builder
	for {
		m.c.SetReadDeadline(time.Now().Add(clientTimeout))
		part, err := m.r.ReadString('\n')
		if err != nil {
			return "", err
		}
		part = strings.TrimRight(part, "\r\n")
		all.WriteString(part)
		open := strings.LastIndexByte(part, '{')
		if open < 0 || !strings.HasSuffix(part, "}") {
			return all.String(), nil
		}
		n, err := strconv.ParseInt(part[open+1:len(part)-1], 10, 64)
		if err != nil {
			return all.String(), nil
		}
		all.WriteString("\r\n")
		if _, err := io.CopyN(&all, m.r, n); err != nil {
			return "", err
		}
	}
}

// Close closes the connection.
func (m *IMAP) Close() { m.c.Close() }
