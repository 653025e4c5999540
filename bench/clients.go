package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

const timeout = 2 * time.Minute

// dial connects to a loopback address only.
func dial(addr string, secure bool, source net.IP) (net.Conn, error) {
	return dialWith(addr, secure, source, nil)
}

// dialWith also takes up TLS sessions again if there is somewhere to keep them.
func dialWith(addr string, secure bool, source net.IP, sessions tls.ClientSessionCache) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("%s is not a loopback address", addr)
	}
	d := net.Dialer{Timeout: timeout}
	if source != nil {
		d.LocalAddr = &net.TCPAddr{IP: source}
	}
	c, err := d.Dial("tcp", addr)
	if err != nil || !secure {
		return c, err
	}
	// The key exchange is one that both servers know: with its own choice this
	// client would have only one of them do the post-quantum one.
	t := tls.Client(c, &tls.Config{InsecureSkipVerify: true, ServerName: "localhost",
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256}, ClientSessionCache: sessions})
	if err := t.Handshake(); err != nil {
		c.Close()
		return nil, err
	}
	return t, nil
}

// smtpClient sends messages, pipelined.
type smtpClient struct {
	c net.Conn
	r *bufio.Reader
	w *bufio.Writer
}

// dialSMTP connects from a network of its own, as different senders would, and
// signs in if user is given.
func dialSMTP(addr string, secure bool, n int, user string) (*smtpClient, error) {
	var source net.IP
	if user == "" {
		source = net.IPv4(127, byte(10+n%200), byte(n/200), 1)
	}
	conn, err := dial(addr, secure, source)
	if err != nil {
		return nil, err
	}
	c := &smtpClient{conn, bufio.NewReader(conn), bufio.NewWriterSize(conn, 16<<10)}
	steps := []string{"", "EHLO client.sender.test"}
	if user != "" {
		steps = append(steps, "AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00"+password)))
	}
	for _, s := range steps {
		if s != "" {
			c.w.WriteString(s + "\r\n")
		}
		if err := c.expect('2'); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return c, nil
}

func (c *smtpClient) expect(class byte) error {
	c.c.SetDeadline(time.Now().Add(timeout))
	if err := c.w.Flush(); err != nil {
		return err
	}
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) > 3 && line[3] == '-' {
			continue
		}
		if line[0] != class {
			return fmt.Errorf("SMTP reply %q", bytes.TrimSpace(line))
		}
		return nil
	}
}

func (c *smtpClient) send(from, to string, text []byte) error {
	c.w.WriteString("MAIL FROM:<" + from + ">\r\nRCPT TO:<" + to + ">\r\nDATA\r\n")
	for _, class := range []byte("223") {
		if err := c.expect(class); err != nil {
			return err
		}
	}
	c.w.Write(text)
	c.w.WriteString(".\r\n")
	return c.expect('2')
}

func (c *smtpClient) close() {
	c.w.WriteString("QUIT\r\n")
	c.expect('2')
	c.c.Close()
}

// imapClient runs commands and reads no more of the answers than it must.
type imapClient struct {
	c   net.Conn
	r   *bufio.Reader
	w   *bufio.Writer
	tag int
}

func dialIMAP(addr string, secure bool, user string) (*imapClient, error) {
	return dialIMAPWith(addr, secure, user, nil)
}

func dialIMAPWith(addr string, secure bool, user string, sessions tls.ClientSessionCache) (*imapClient, error) {
	conn, err := dialWith(addr, secure, nil, sessions)
	if err != nil {
		return nil, err
	}
	c := &imapClient{c: conn, r: bufio.NewReaderSize(conn, 16<<10), w: bufio.NewWriterSize(conn, 16<<10)}
	conn.SetDeadline(time.Now().Add(timeout))
	if _, err := c.r.ReadSlice('\n'); err != nil {
		conn.Close()
		return nil, err
	}
	if err := c.command(nil, "LOGIN "+user+" "+password); err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// send writes a command without waiting.
func (c *imapClient) send(command string) (tag string) {
	c.tag++
	tag = "a" + strconv.Itoa(c.tag)
	c.w.WriteString(tag + " " + command + "\r\n")
	return tag
}

// command runs a command; each gets the untagged responses, literals inlined.
func (c *imapClient) command(each func(line string), command string) error {
	tag := c.send(command)
	return c.wait(tag, each)
}

func (c *imapClient) wait(tag string, each func(line string)) error {
	c.c.SetDeadline(time.Now().Add(timeout))
	if err := c.w.Flush(); err != nil {
		return err
	}
	for {
		line, err := c.line()
		if err != nil {
			return err
		}
		if rest, ok := strings.CutPrefix(line, tag+" "); ok {
			if !strings.HasPrefix(rest, "OK") {
				return fmt.Errorf("IMAP reply %q", rest)
			}
			return nil
		}
		if each != nil {
			each(line)
		}
	}
}

// drain runs a command and counts the untagged responses that hold mark,
// without keeping them.
func (c *imapClient) drain(command, mark string) (responses int, octets int64, err error) {
	tag := c.send(command) + " "
	c.c.SetDeadline(time.Now().Add(5 * timeout))
	if err := c.w.Flush(); err != nil {
		return 0, 0, err
	}
	for begin := true; ; {
		line, err := c.r.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			return responses, octets, err
		}
		octets += int64(len(line))
		if begin && bytes.HasPrefix(line, []byte(tag)) {
			if !bytes.HasPrefix(line[len(tag):], []byte("OK")) {
				return responses, octets, fmt.Errorf("IMAP reply %q", line)
			}
			return responses, octets, nil
		}
		if begin && bytes.Contains(line[:min(len(line), 32)], []byte(mark)) {
			responses++
		}
		begin = err == nil
		end := bytes.TrimRight(line, "\r\n")
		if err == nil && len(end) > 0 && end[len(end)-1] == '}' {
			n, err := strconv.Atoi(string(end[bytes.LastIndexByte(end, '{')+1 : len(end)-1]))
			if err != nil {
				continue
			}
			octets += int64(n)
			if _, err := c.r.Discard(n); err != nil {
				return responses, octets, err
			}
			begin = false // the response goes on
		}
	}
}

func (c *imapClient) line() (string, error) {
	var all strings.Builder
	for {
		part, err := c.r.ReadString('\n')
		if err != nil {
			return "", err
		}
		all.WriteString(part)
		part = strings.TrimRight(part, "\r\n")
		open := strings.LastIndexByte(part, '{')
		if open < 0 || !strings.HasSuffix(part, "}") {
			return all.String(), nil
		}
		n, err := strconv.ParseInt(part[open+1:len(part)-1], 10, 64)
		if err != nil {
			return all.String(), nil
		}
		if _, err := io.CopyN(&all, c.r, n); err != nil {
			return "", err
		}
	}
}

func (c *imapClient) append(mailbox string, text []byte) error {
	tag := c.send(fmt.Sprintf("APPEND %s {%d+}", mailbox, len(text)))
	c.w.Write(text)
	c.w.WriteString("\r\n")
	return c.wait(tag, nil)
}

// appendAll appends n messages to INBOX by one command (RFC 3502).
func (c *imapClient) appendAll(n int, next func(i int) (flags string, text []byte)) error {
	c.tag++
	tag := "a" + strconv.Itoa(c.tag)
	c.w.WriteString(tag + " APPEND INBOX")
	for i := range n {
		flags, text := next(i)
		fmt.Fprintf(c.w, " (%s) {%d+}\r\n", flags, len(text))
		c.w.Write(text)
	}
	c.w.WriteString("\r\n")
	return c.wait(tag, nil)
}

func (c *imapClient) close() {
	c.command(nil, "LOGOUT")
	c.c.Close()
}
