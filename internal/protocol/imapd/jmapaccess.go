package imapd

// capabilityJMAP says that the mail of the account is there by JMAP too, under the same ids (RFC 9698
// section 3). It is offered to who can sign in there with what was used here.
const capabilityJMAP = " JMAPACCESS"

// getJMAPAccess is GETJMAPACCESS (RFC 9698 section 4): where that is. It is a command that is not
// known, hence BAD, to a session without the capability.
func (s *session) getJMAPAccess(*command) outcome {
	if s.conn.JMAP == "" {
		return refuseProtocol("unimplemented")
	}
	s.out = append(appendString(append(s.out, "* JMAPACCESS "...), s.conn.JMAP, false), "\r\n"...)
	return done()
}
