package imapd

import "github.com/postiljon/postiljon/internal/store"

// status is STATUS (RFC 9051 section 6.3.11).
func (s *session) status(c *statusCommand) outcome {
	m, o := s.reach(c.mailbox, store.RightRead)
	if o.refused != nil {
		return o
	}
	if err := s.tellStatus(&m, c.items); err != nil {
		return s.failed(err, m.Name)
	}
	return done()
}

// statusOrder is the order in which items are told.
var statusOrder = [...]struct {
	item statusItems
	name string
}{
	{statusMessages, "MESSAGES "},
	{statusRecent, "RECENT "},
	{statusUIDNext, "UIDNEXT "},
	{statusUIDValidity, "UIDVALIDITY "},
	{statusUnseen, "UNSEEN "},
	{statusDeleted, "DELETED "},
	{statusSize, "SIZE "},
	{statusHighestModSeq, "HIGHESTMODSEQ "},
	{statusAppendLimit, "APPENDLIMIT "},
	{statusMailboxID, "MAILBOXID "},
	{statusDeletedStorage, "DELETED-STORAGE "},
}

// tellStatus writes a STATUS response. Everything in it is counted as it changes, nothing is
// looked up but for DELETED-STORAGE.
func (s *session) tellStatus(m *place, items statusItems) error {
	deleted := int64(0)
	if items&statusDeletedStorage != 0 {
		var err error
		if deleted, err = s.deletedStorage(m); err != nil {
			return err
		}
	}
	s.writeStatus(m, items, deleted)
	return nil
}

// writeStatus writes a STATUS response; deleted is for DELETED-STORAGE.
func (s *session) writeStatus(m *place, items statusItems, deleted int64) {
	if items&statusHighestModSeq != 0 {
		s.enableCondstore()
	}
	b := append(s.out, "* STATUS "...)
	b = s.appendMailbox(b, m.Name)
	sep := " ("
	for _, o := range statusOrder {
		if items&o.item == 0 {
			continue
		}
		b = append(b, sep...)
		b = append(b, o.name...)
		if sep = " "; o.item == statusDeletedStorage {
			b = appendUint(b, deleted)
			continue
		}
		b = s.appendStatusItem(b, m, o.item)
	}
	s.out = append(b, ")\r\n"...)
}

func (s *session) appendStatusItem(b []byte, m *place, item statusItems) []byte {
	switch item {
	case statusMessages:
		return appendUint(b, m.Messages)
	case statusUIDNext:
		return appendUint(b, uint32(m.UIDNext))
	case statusUIDValidity:
		return appendUint(b, m.UIDValidity)
	case statusUnseen:
		return appendUint(b, m.Unseen)
	case statusDeleted:
		return appendUint(b, m.Deleted)
	case statusSize:
		return appendUint(b, m.Size)
	case statusHighestModSeq:
		return appendUint(b, m.HighestModSeq)
	case statusAppendLimit:
		return appendUint(b, s.server.options.Limits.Message)
	case statusMailboxID:
		return append(s.appendID(append(b, '('), m.account, 'F', uint64(m.ID)), ')')
	}
	return append(b, '0') // RECENT: no message is (RFC 9051 appendix E)
}
