package imapd

import "github.com/postiljon/postiljon/internal/cause"

// state is a set of the states of RFC 9051 section 3.
type state uint8

const (
	notAuthenticated state = 1 << iota
	authenticated
	inMailbox

	signedIn = authenticated | inMailbox
	anyState = notAuthenticated | signedIn
)

// handler does a command.
type handler struct {
	states state
	do     func(*session, *command) outcome
}

// handlers by command.
var handlers = map[string]handler{
	"CAPABILITY":   {anyState, (*session).capability},
	"NOOP":         {anyState, (*session).rest},
	"LOGOUT":       {anyState, (*session).logout},
	"ID":           with(anyState, (*session).id),
	"STARTTLS":     {notAuthenticated, (*session).upgrade},
	"AUTHENTICATE": with(notAuthenticated, (*session).authenticate),
	"LOGIN":        with(notAuthenticated, (*session).login),
	"ENABLE":       with(signedIn, (*session).enable),
	"NAMESPACE":    {signedIn, (*session).namespace},
	"SELECT":       with(signedIn, (*session).selectMailbox),
	"EXAMINE":      with(signedIn, (*session).selectMailbox),
	"CREATE":       with(signedIn, (*session).create),
	"DELETE":       with(signedIn, (*session).deleteMailbox),
	"RENAME":       with(signedIn, (*session).rename),
	"SUBSCRIBE":    with(signedIn, (*session).subscribe),
	"UNSUBSCRIBE":  with(signedIn, (*session).unsubscribe),
	"LIST":         with(signedIn, (*session).list),
	"LSUB":         with(signedIn, (*session).list),
	"STATUS":       with(signedIn, (*session).status),
	"APPEND":       with(signedIn, (*session).appendMessage),
	"IDLE":         {signedIn, (*session).idle},
	"CHECK":        {inMailbox, (*session).rest},
	"CLOSE":        {inMailbox, (*session).closeMailbox},
	"UNSELECT":     {inMailbox, (*session).unselect},
	"EXPUNGE":      {inMailbox, (*session).expunge},
	"UID EXPUNGE":  {inMailbox, (*session).expunge},
	"SEARCH":       with(inMailbox, (*session).search),
	"UID SEARCH":   with(inMailbox, (*session).search),
	"SORT":         with(inMailbox, (*session).search),
	"UID SORT":     with(inMailbox, (*session).search),
	"THREAD":       with(inMailbox, (*session).thread),
	"UID THREAD":   with(inMailbox, (*session).thread),
	"ESEARCH":      with(signedIn, (*session).multiSearch),
	"CANCELUPDATE": with(inMailbox, (*session).cancelUpdate),
	"FETCH":        with(inMailbox, (*session).fetch),
	"UID FETCH":    with(inMailbox, (*session).fetch),
	"STORE":        with(inMailbox, (*session).storeFlags),
	"UID STORE":    with(inMailbox, (*session).storeFlags),
	"COPY":         with(inMailbox, (*session).copyMessages),
	"UID COPY":     with(inMailbox, (*session).copyMessages),
	"MOVE":         with(inMailbox, (*session).copyMessages),
	"UID MOVE":     with(inMailbox, (*session).copyMessages),
	"REPLACE":      with(inMailbox, (*session).replace),
	"UID REPLACE":  with(inMailbox, (*session).replace),
	"COMPRESS":     with(signedIn, (*session).compress),
	"GETQUOTA":     with(signedIn, (*session).getQuota),
	"GETQUOTAROOT": with(signedIn, (*session).getQuotaRoot),
	"SETQUOTA":     with(signedIn, (*session).setQuota),
	"NOTIFY":       with(signedIn, (*session).notify),
	"GETMETADATA":  with(signedIn, (*session).getMetadata),
	"SETMETADATA":  with(signedIn, (*session).setMetadata),
	"SETACL":       with(signedIn, (*session).setACL),
	"DELETEACL":    with(signedIn, (*session).deleteACL),
	"GETACL":       with(signedIn, (*session).getACL),
	"LISTRIGHTS":   with(signedIn, (*session).listRights),
	"MYRIGHTS":     with(signedIn, (*session).myRights),

	"UNAUTHENTICATE": {signedIn, (*session).unauthenticate},
	"GETJMAPACCESS":  {signedIn, (*session).getJMAPAccess},
}

// with makes a handler of a method that takes the arguments of its command.
func with[T any](states state, do func(*session, *T) outcome) handler {
	return handler{states, func(s *session, c *command) outcome { return do(s, c.args.(*T)) }}
}

// do runs a command if the state of the session lets it.
func (s *session) do(c *command) outcome {
	h := handlers[c.name]
	if h.states&s.state() == 0 {
		return s.skipCommand(c, refuseProtocol("sequence"))
	}
	if s.uidOnly && c.usesNumbers() {
		return uidRequired(s, c)
	}
	if s.selected != nil {
		if o := s.stillMay(c, h.states == inMailbox); o.refused != nil {
			return s.skipCommand(c, o)
		}
		if o := s.catchUp(c); o.refused != nil {
			return s.skipCommand(c, o)
		}
	}
	return h.do(s, c)
}

// skipCommand refuses a command before it begins; a message that comes with it is read and dropped.
func (s *session) skipCommand(c *command, o outcome) outcome {
	if args, ok := c.args.(*appendCommand); ok {
		return s.skip(args.rest, o)
	}
	return o
}

func (s *session) state() state {
	switch {
	case s.conn.Account == 0:
		return notAuthenticated
	case s.selected == nil:
		return authenticated
	}
	return inMailbox
}

// metricName keeps the names that clients make up out of the metrics.
func metricName(name string) string {
	if _, ok := handlers[name]; ok {
		return name
	}
	return "UNKNOWN"
}

// rest is NOOP and CHECK: the client is told of changes after every command.
func (s *session) rest(*command) outcome {
	s.tellFetched()
	return done()
}

func (s *session) capability(*command) outcome {
	s.raw("* CAPABILITY ")
	s.out = s.appendCapabilities(s.out)
	s.raw("\r\n")
	return done()
}

func (s *session) logout(*command) outcome {
	s.leave()
	s.raw("* BYE Signing out\r\n")
	s.over = true
	return done()
}

func (s *session) namespace(*command) outcome {
	s.raw("* NAMESPACE ((\"\" \"/\")) ((\"" + otherUsers + "\" \"/\")) NIL\r\n")
	return done()
}

// id is ID (RFC 2971).
func (s *session) id(c *idCommand) outcome {
	s.raw("* ID (\"name\" \"Postiljon\")\r\n")
	if len(c.fields) > 0 {
		s.conn.Client = c.fields
		s.server.options.Backend.Event(&s.conn, Event{Kind: EventClient})
	}
	return done()
}

// enable is ENABLE (RFC 9051 section 6.3.1): names that are not known are passed over.
func (s *session) enable(c *enableCommand) outcome {
	enabled := ""
	for _, name := range c.capabilities {
		on, name := s.enableable(name)
		if on == nil {
			continue
		}
		if !*on {
			enabled += " " + name
		}
		if on == &s.condstore || on == &s.qresync {
			s.enableCondstore() // RFC 7162 section 3.2.3: QRESYNC implies CONDSTORE
		}
		*on = true
	}
	s.raw("* ENABLED" + enabled + "\r\n")
	return done()
}

// enableable finds the switch of a capability and its name as it is written.
func (s *session) enableable(name string) (*bool, string) {
	switch name {
	case "IMAP4REV2":
		return &s.rev2, "IMAP4rev2"
	case "UTF8=ACCEPT":
		return &s.utf8, name
	case "CONDSTORE":
		return &s.condstore, name
	case "QRESYNC":
		return &s.qresync, name
	case "UIDONLY":
		return &s.uidOnly, name
	}
	return nil, ""
}

// enableCondstore begins to tell mod-sequences (RFC 7162 section 3.1). If a mailbox is selected
// the client hears where it stands.
func (s *session) enableCondstore() {
	if s.condstore {
		return
	}
	s.condstore = true
	if s.selected != nil {
		s.raw("* OK [HIGHESTMODSEQ ")
		s.out = appendUint(s.out, s.selected.view.Mailbox.HighestModSeq)
		s.raw("] Mod-sequences are told\r\n")
	}
}

// The capabilities, which tell the truth for the state of the session (RFC 9051 section 6.1.1).
const (
	capabilitiesAlways = "IMAP4rev2 IMAP4rev1 SASL-IR ID ENABLE"
	// LITERAL+ takes what LITERAL- does, and the two exclude each other (RFC 7888 section 5). Who has
	// not signed in needs no long literals.
	literalMinus, literalPlus = " LITERAL-", " LITERAL+"
	// A client may use these after signing in.
	capabilitiesSignedIn = " IDLE NAMESPACE UNSELECT UIDPLUS MOVE CHILDREN LIST-EXTENDED LIST-STATUS" +
		" SPECIAL-USE CREATE-SPECIAL-USE STATUS=SIZE ESEARCH SEARCHRES BINARY CONDSTORE QRESYNC" +
		" OBJECTID SAVEDATE PREVIEW UTF8=ACCEPT MULTIAPPEND CATENATE URL-PARTIAL REPLACE NOTIFY" +
		" QUOTA QUOTA=RES-STORAGE METADATA METADATA-SERVER LIST-METADATA APPENDLIMIT="
)

// capabilitiesSearch are those about finding messages.
const capabilitiesSearch = " SORT SORT=DISPLAY ESORT THREAD=ORDEREDSUBJECT THREAD=REFERENCES" +
	" WITHIN PARTIAL CONTEXT=SEARCH CONTEXT=SORT MULTISEARCH INPROGRESS UIDONLY"

func (s *session) appendCapabilities(b []byte) []byte {
	b = append(b, capabilitiesAlways...)
	if s.conn.Account != 0 {
		b = append(b, literalPlus...)
		b = append(b, capabilitiesSearch...)
		b = append(b, capabilitiesSharing...)
		b = append(b, capabilitiesSignedIn...)
		b = appendUint(b, s.server.options.Limits.Message)
		if limit := s.server.options.Limits.Messages; limit > 0 {
			b = appendUint(append(b, " MESSAGELIMIT="...), limit)
		}
		if s.conn.JMAP != "" {
			b = append(b, capabilityJMAP...)
		}
		if !s.compressed {
			b = append(b, capabilityCompress...)
			if !s.server.options.NoUnauthenticate {
				b = append(b, capabilityUnauthenticate...)
			}
		}
		return b
	}
	b = append(b, literalMinus...)
	if !s.conn.TLS() && s.server.conns.HasTLS() {
		b = append(b, " STARTTLS"...)
	}
	mechanisms := s.mechanisms()
	if len(mechanisms) == 0 {
		b = append(b, " LOGINDISABLED"...)
	}
	for _, m := range mechanisms {
		b = append(b, " AUTH="...)
		b = append(b, m...)
	}
	return b
}

// privacyRequired refuses to take a password in the clear (RFC 5530 section 3).
func privacyRequired() outcome { return refuse(cause.Refuse(cause.AuthPlaintextRefused)) }
