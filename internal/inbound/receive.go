package inbound

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/inbound/genuine"
	"github.com/postiljon/postiljon/internal/message"
)

// receive finds out whether mail from another server is genuine, puts the fields of this server in front of it, and has
// it scanned. Submissions have gone through all of that.
func (m *content) receive(ctx context.Context) cause.Decision {
	if m.s.account != nil {
		return cause.Allow()
	}
	if m.file != nil {
		return m.receiveLarge(ctx)
	}
	raw := (*m.buffer)[headroom:]
	if d := m.check(ctx, bytes.NewReader(raw), int64(len(raw))); !d.Allowed() {
		return d
	}
	if m.claimsOurs(raw) {
		raw = m.stripped(raw)
	}
	front := m.s.traceFields(m.s.checked)
	var whole []byte
	if keep := headroom - len(front); keep >= 0 && len(raw) == len(*m.buffer)-headroom {
		whole = (*m.buffer)[keep:]
		copy(whole, front)
	} else {
		whole = append(append(make([]byte, 0, len(front)+len(raw)), front...), raw...)
	}
	m.scanner.Write(whole) // never fails
	m.whole = whole
	return cause.Allow()
}

// receiveLarge does the same with a message that lies in a file: it is copied into the blob store behind its new fields.
func (m *content) receiveLarge(ctx context.Context) cause.Decision {
	b := m.s.b
	size, err := m.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return b.storeTrouble("read message", err)
	}
	if d := m.check(ctx, m.file, size); !d.Allowed() {
		return d
	}
	if m.spool, err = b.Store.Blobs().Create(ctx); err != nil {
		return b.storeTrouble("store message", err)
	}
	both := io.MultiWriter(m.spool, m.scanner)
	_, err = both.Write(m.s.traceFields(m.s.checked))
	strip := genuine.NewStripper(both, b.Hostname)
	if err == nil {
		_, err = io.Copy(strip, io.NewSectionReader(m.file, 0, size))
	}
	if err == nil {
		err = strip.Close()
	}
	if err == nil {
		m.ref, err = m.spool.Commit()
	}
	if err != nil {
		return b.storeTrouble("store message", err)
	}
	return cause.Allow()
}

// check finds out about a message, unless its client is trusted.
func (m *content) check(ctx context.Context, raw io.ReaderAt, size int64) cause.Decision {
	if m.s.early != nil && m.s.early.genuine != nil {
		m.s.checked = m.s.b.Genuine.Check(ctx, genuine.Input{Early: m.s.early.genuine, Message: raw, Size: size, Allowed: m.s.allowed})
		if d := m.s.checked.Decision; !d.Allowed() {
			return d
		}
	}
	return m.s.messageFromNowhere(ctx)
}

// allowed tells whether all who are to get a message want mail of its author let through. Nobody can want that for an
// address elsewhere.
func (s *session) allowed(ctx context.Context, author string) bool {
	asked := false
	for i := range s.local {
		for j := range s.local[i].accounts {
			a := &s.local[i].accounts[j]
			if a.Disabled {
				continue
			}
			asked = true
			if ok, err := s.b.Store.SenderAllowed(ctx, a.ID, author); err != nil || !ok {
				if err != nil {
					s.b.Log.Error("not known whom an account lets through", "trace", s.trace, "error", err)
				}
				return false
			}
		}
	}
	return asked && len(s.forward.to) == 0
}

// claimsOurs tells whether the header of a message may have Authentication-Results in it, as messages rarely do.
func (m *content) claimsOurs(raw []byte) bool {
	header := raw
	if i := bytes.Index(raw, []byte("\r\n\r\n")); i >= 0 {
		header = raw[:i]
	}
	for f := range message.HeaderFields(header) {
		if bytes.EqualFold(f.Name, []byte("Authentication-Results")) {
			return true
		}
	}
	return false
}

// stripped leaves out what claims to be said by this server.
func (m *content) stripped(raw []byte) []byte {
	var b bytes.Buffer
	strip := genuine.NewStripper(&b, m.s.b.Hostname)
	strip.Write(raw) // a bytes.Buffer takes all that is written to it
	strip.Close()
	return b.Bytes()
}

// traceFields are Return-Path and Received (RFC 5321 section 4.4), and what was found out (RFC 8601). A message to
// several recipients is stored once, so it names a recipient only if there is
// one: nobody learns of blind copies.
func (s *session) traceFields(checked *genuine.Result) []byte {
	if s.handed != nil {
		return s.handedFields()
	}
	r := message.Received{
		HELO: s.c.Helo, IP: s.c.Remote.Addr(), By: s.b.Hostname, Protocol: s.c.Protocol(s.mail.SMTPUTF8),
		TLS: tlsText(s.c.TLS), ID: s.trace.String(), Date: s.b.Store.Now(),
	}
	if len(s.local) == 1 && len(s.remote) == 0 {
		r.For = s.local[0].to
	}
	b := make([]byte, 0, 512)
	if len(s.remote) == 0 {
		b = append(append(append(b, "Return-Path: <"...), s.from...), ">\r\n"...)
	}
	if checked != nil {
		b = append(b, checked.Field()...)
	}
	return r.AppendTo(b)
}

func tlsText(t *tls.ConnectionState) string {
	if t == nil {
		return ""
	}
	return tls.VersionName(t.Version) + " " + tls.CipherSuiteName(t.CipherSuite)
}
