package sieved

import (
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
)

// haveSpace is HAVESPACE (RFC 5804 section 2.5).
func (s *session) haveSpace(args []argument) cause.Decision {
	name := args[0].text
	if err := s.server.options.Store.RoomForScript(s.ctx, s.conn.Account, name, int(args[1].number)); err != nil {
		return s.failed(err, name)
	}
	s.ok("")
	return cause.Allow()
}

// putScript is PUTSCRIPT (RFC 5804 section 2.6). What is wrong with a script is told as it is: nothing
// is stored then.
func (s *session) putScript(args []argument) cause.Decision {
	name, text := args[0].text, args[1].text
	if text == "" { // no program means that
		return protocolError("script")
	}
	if err := s.server.options.Store.RoomForScript(s.ctx, s.conn.Account, name, len(text)); err != nil {
		return s.failed(err, name)
	}
	if err := s.server.options.Check(text); err != nil {
		s.wrong(err)
		return cause.Allow()
	}
	if err := s.server.options.Store.PutScript(s.ctx, s.conn.Account, name, text); err != nil {
		return s.failed(err, name)
	}
	if stored, err := s.server.options.Store.Script(s.ctx, s.conn.Account, name); err == nil && stored.Active {
		s.server.options.Backend.Changed(&s.conn, stored.Name)
	}
	s.ok("")
	return cause.Allow()
}

// checkScript is CHECKSCRIPT (RFC 5804 section 2.12).
func (s *session) checkScript(args []argument) cause.Decision {
	if err := s.server.options.Check(args[0].text); err != nil {
		s.wrong(err)
		return cause.Allow()
	}
	s.ok("")
	return cause.Allow()
}

// wrong tells what is wrong with a script: first that it is, in the words of the cause, then where.
func (s *session) wrong(err error) {
	reply := s.server.options.Catalogue.IMAP(protocolError("script"))
	s.line("NO " + quote(strings.ReplaceAll(reply.Text+"\n"+err.Error(), "\n", "\r\n")))
}

// listScripts is LISTSCRIPTS (RFC 5804 section 2.7).
func (s *session) listScripts([]argument) cause.Decision {
	scripts, err := s.server.options.Store.Scripts(s.ctx, s.conn.Account)
	if err != nil {
		return s.failed(err, "")
	}
	for i := range scripts {
		line := quote(scripts[i].Name)
		if scripts[i].Active {
			line += " ACTIVE"
		}
		s.line(line)
	}
	s.ok("")
	return cause.Allow()
}

// setActive is SETACTIVE (RFC 5804 section 2.8); an empty name switches all off.
func (s *session) setActive(args []argument) cause.Decision {
	name := args[0].text
	if err := s.server.options.Store.ActivateScript(s.ctx, s.conn.Account, name); err != nil {
		return s.failed(err, name)
	}
	s.server.options.Backend.Changed(&s.conn, name)
	s.ok("")
	return cause.Allow()
}

// getScript is GETSCRIPT (RFC 5804 section 2.9).
func (s *session) getScript(args []argument) cause.Decision {
	script, err := s.server.options.Store.Script(s.ctx, s.conn.Account, args[0].text)
	if err != nil {
		return s.failed(err, args[0].text)
	}
	s.line(quote(script.Text))
	s.ok("")
	return cause.Allow()
}

// deleteScript is DELETESCRIPT (RFC 5804 section 2.10).
func (s *session) deleteScript(args []argument) cause.Decision {
	if err := s.server.options.Store.DeleteScript(s.ctx, s.conn.Account, args[0].text); err != nil {
		return s.failed(err, args[0].text)
	}
	s.ok("")
	return cause.Allow()
}

// renameScript is RENAMESCRIPT (RFC 5804 section 2.11).
func (s *session) renameScript(args []argument) cause.Decision {
	from, to := args[0].text, args[1].text
	if err := s.server.options.Store.RenameScript(s.ctx, s.conn.Account, from, to); err != nil {
		if store.KindOf(err) == store.KindNotFound {
			return s.failed(err, from)
		}
		return s.failed(err, to)
	}
	s.ok("")
	return cause.Allow()
}

// failed is the decision for an error of the store about a script, in one place for all commands.
func (s *session) failed(err error, script string) cause.Decision {
	about := cause.Text("mailbox", script)
	switch store.KindOf(err) {
	case store.KindNotFound:
		return cause.Refuse(cause.MailboxNotFound, about).As("script")
	case store.KindExists:
		return cause.Refuse(cause.MailboxExists, about).As("script")
	case store.KindInUse:
		return cause.Refuse(cause.MailboxInUse, about).As("script")
	case store.KindInvalid:
		return cause.Refuse(cause.MailboxNameInvalid, about).As("script")
	case store.KindLimit:
		return cause.Refuse(cause.MailboxLimit).As("script")
	case store.KindNoSpace:
		return cause.Wait(cause.ProviderStorageFailed, time.Time{})
	case store.KindClosed:
		return cause.Wait(cause.ProviderMaintenanceStop, time.Time{})
	}
	if s.ctx.Err() != nil {
		return cause.Wait(cause.ProviderMaintenanceStop, time.Time{})
	}
	s.server.options.Log.Error("sieved: store", "account", s.conn.Account, "err", err)
	return cause.Wait(cause.ProviderBackendBroken, time.Time{})
}
