package cause

// SMTPReply is a refusal as SMTP sends it (RFC 5321 section 4.2, RFC 3463).
type SMTPReply struct {
	Code     int    // 450
	Enhanced string // "4.7.1"
	Text     string // one line of US-ASCII, ends in the why-link
}
