package message

// overviewNames are the header fields that mail programs ask for to list messages. A Summary keeps those that a message has as they
// stand there, so that nobody reads thousands of messages for their headers; of the others it is known that the message has them not.
// The list is part of the stored form: another one needs another encodingVersion.
var overviewNames = NewFieldSet(
	"Date", "From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Subject", "Message-ID", "In-Reply-To", "References",
	"MIME-Version", "Content-Type", "Content-Transfer-Encoding", "Content-Disposition", "Content-Description", "Content-Language",
	"Priority", "X-Priority", "X-MSMail-Priority", "Importance", "Sensitivity", "Auto-Submitted", "Precedence",
	"Disposition-Notification-To", "Mail-Followup-To", "Mail-Reply-To", "Followup-To", "Newsgroups", "Lines", "Keywords",
	"Resent-Date", "Resent-From", "Resent-To", "Resent-Message-ID",
	"List-Id", "List-Post", "List-Subscribe", "List-Unsubscribe", "List-Unsubscribe-Post",
	"X-Label", "X-Original-To", "X-TUID", "X-Draft-Info", "X-Mozilla-Draft-Info", "X-Identity-Key", "X-Account-Key", "X-Mozilla-Keys",
	"X-K9mail-Identity", "X-Uniform-Type-Identifier", "X-Universally-Unique-Identifier", "Chat-Version",
)

const (
	// maxRawHeader is the longest header of which an overview is made, in octets.
	maxRawHeader = 64 << 10
	// maxOverview is the longest overview that is kept. What is longer, mostly a message to hundreds, is read when it is asked for.
	maxOverview = 4 << 10
)

// InOverview tells whether all fields of the set are among those that an overview has.
func (set *FieldSet) InOverview() bool {
	for _, name := range set.names {
		if !overviewNames.Has(name) {
			return false
		}
	}
	return true
}

// InOverview tells whether fields with a name, in any case, are among those that an overview has.
func InOverview(name string) bool { return overviewNames.Has([]byte(name)) }

// keepHeader keeps a line of the message's own header, or a piece of one.
func (s *Scanner) keepHeader(b []byte) {
	if s.heading = len(s.header)+len(b) <= maxRawHeader; s.heading {
		s.header = append(s.header, b...)
	}
}

// overview makes Summary.Overview of the header, which ends at an offset.
func (s *Scanner) overview(end int64) []byte {
	if end > int64(len(s.header)) {
		return nil // too long
	}
	s.scratch = FilterFields(s.scratch[:0], s.header[:end], overviewNames, false)
	if len(s.scratch) > maxOverview {
		return nil
	}
	return append([]byte(nil), s.scratch...)
}
