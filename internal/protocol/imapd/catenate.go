package imapd

import (
	"errors"
	"io"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// maxURL is the longest URL in octets.
const maxURL = 4096

// catenate reads CATENATE (RFC 4469): a message that is put together from text and from parts of
// messages that are here already.
func (a *appending) catenate(n *store.NewEmail) outcome {
	p := &a.p
	if p.word() != "CATENATE" {
		p.fail("want CATENATE")
	}
	p.sp()
	p.expect('(')
	if p.err != nil {
		return a.s.unparsed(p.err)
	}
	w, err := a.s.newAssembly()
	if err != nil {
		return a.s.failed(err, a.c.mailbox)
	}
	defer w.Abort()
	for {
		if o := a.part(w); o.refused != nil || o.silent {
			return o
		}
		if p.accept(')') {
			break
		}
		p.sp()
	}
	if o := a.admit(uint64(w.size)); o.refused != nil {
		return o
	}
	if o := a.claim(uint64(w.size)); o.refused != nil {
		return o
	}
	if err := w.finish(n); err != nil {
		return a.s.failed(err, a.c.mailbox)
	}
	return done()
}

// part reads TEXT or URL and adds it to the message.
func (a *appending) part(w *assembly) outcome {
	p := &a.p
	kind := p.word()
	p.sp()
	switch {
	case p.err != nil:
	case kind == "TEXT":
		return a.text(w)
	case kind == "URL":
		return a.url(w)
	default:
		p.fail("CATENATE part %q", kind)
	}
	return a.s.unparsed(p.err)
}

// text adds a literal to the message.
func (a *appending) text(w *assembly) outcome {
	a.p.accept('~')
	size, nonSync, o := a.announced()
	if o.refused == nil && size > 0 {
		o = a.admit(uint64(w.size) + size)
	}
	if o.refused != nil {
		return o
	}
	a.begin(nonSync)
	err := a.s.pump(int64(size), w)
	if o := a.next(); o.silent {
		return o
	}
	if err != nil {
		return a.s.failed(err, a.c.mailbox)
	}
	return done()
}

// url adds a message or a part of one.
func (a *appending) url(w *assembly) outcome {
	text, o := a.urlText()
	if o.refused != nil || o.silent {
		return o
	}
	u, ok := a.s.parseURL(text)
	if !ok {
		return badURL(text)
	}
	m, o := a.s.find(u, text)
	if o.refused != nil {
		return o
	}
	r, closer, size, err := a.s.openURL(u, &m.Email)
	if errors.Is(err, errNoPart) {
		return badURL(text)
	}
	if err != nil {
		return a.s.failedText(err)
	}
	defer closer.Close()
	if size > 0 {
		if o := a.admit(uint64(w.size) + uint64(size)); o.refused != nil {
			return o
		}
	}
	if _, err := io.CopyN(w, r, size); err != nil {
		return a.s.failedText(err)
	}
	return done()
}

// urlText reads the URL itself: an astring, whose literal is not part of the line.
func (a *appending) urlText() (string, outcome) {
	if a.p.peek() != '{' {
		text := string(a.p.astring())
		if len(text) > maxURL {
			a.p.fail("URL of %d octets", len(text))
		}
		if a.p.err != nil {
			return "", a.s.unparsed(a.p.err)
		}
		return text, done()
	}
	size, nonSync, o := a.announced()
	if o.refused == nil && size > maxURL {
		o = refuse(cause.Refuse(cause.LimitRequest, cause.Count("limit", maxURL)))
	}
	if o.refused != nil {
		return "", o
	}
	a.begin(nonSync)
	b := make([]byte, size)
	if _, err := io.ReadFull(&a.s.in, b); err != nil {
		a.s.broken(err)
		return "", outcome{silent: true}
	}
	return string(b), a.next()
}

// badURL refuses a URL, naming it if a response code can hold it (RFC 4469 section 4).
func badURL(text string) outcome {
	o := refuse(cause.Refuse(cause.MessageNotFound).As("url"))
	plain := func(c rune) bool { return c < ' ' || c > '~' || c == ']' || c == '"' || c == '\\' }
	if len(text) <= maxQuoted && !strings.ContainsFunc(text, plain) {
		o.code = `BADURL "` + text + `"`
	}
	return o
}

// find returns the message that a URL names; its summary stays valid.
func (s *session) find(u messageURL, text string) (m *store.Message, o outcome) {
	at := store.Place{}
	switch {
	case u.mailbox != "":
		mailbox, o := s.reach(u.mailbox, store.RightRead)
		if o.refused != nil && o.refused.Cause == cause.MailboxNotFound || o.refused == nil && u.uidValidity != 0 && u.uidValidity != mailbox.UIDValidity {
			return nil, badURL(text)
		}
		if o.refused != nil {
			return nil, o
		}
		at = mailbox.at()
	case s.selected != nil && !s.selected.lost:
		at = store.Place{Account: s.selected.account, Mailbox: s.selected.id}
	default:
		return nil, badURL(text)
	}
	err := s.store.Messages(s.ctx, at.Account, at.Mailbox, uid.Of(u.uid), func(found *store.Message) (err error) {
		m, err = cloneMessage(found)
		return err
	})
	if err != nil {
		return nil, s.failed(err, u.mailbox)
	}
	if m == nil {
		return nil, badURL(text)
	}
	return m, done()
}

// failedText maps an error of copying from another message, or of writing the new one.
func (s *session) failedText(err error) outcome {
	if s.selected != nil {
		if o := s.failedFetch(err); o.refused != nil {
			return o
		}
	}
	return s.failed(err, "")
}

// errNoPart reports a URL of a part that its message does not have.
var errNoPart = errors.New("imapd: no such part")

// openURL opens what a URL names within its message.
func (s *session) openURL(u messageURL, e *store.Email) (r io.Reader, closer io.Closer, size int64, err error) {
	start, end, ok := e.Summary.Section(u.section.path, specs[u.section.what])
	if !ok {
		return nil, nil, 0, errNoPart
	}
	if u.section.fields != nil {
		header, err := s.store.ReadBody(s.ctx, nil, e, start, min(end-start, maxHeader))
		if err != nil {
			return nil, nil, 0, err
		}
		text := message.FilterFields(nil, header, u.section.set, u.section.what == sectionFieldsNot)
		from, to := u.cut(0, int64(len(text)))
		return strings.NewReader(string(text[from:to])), io.NopCloser(nil), to - from, nil
	}
	start, end = u.cut(start, end)
	body, err := s.store.Body(s.ctx, e)
	if err != nil {
		return nil, nil, 0, err
	}
	return io.NewSectionReader(body, start, end-start), body, end - start, nil
}
