package message

import (
	"net/netip"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/message/address"
)

// Received is the trace of one hop (RFC 5321 section 4.4).
type Received struct {
	// HELO is the argument of EHLO or HELO, Host the verified name of the client, empty where it
	// has none, and IP its address.
	HELO, Host string
	IP         netip.Addr
	// By is the name of this host.
	By string
	// Protocol is what Protocol returned.
	Protocol string
	// TLS describes the encryption, such as "TLS1.3 TLS_AES_128_GCM_SHA256"; empty where there is none.
	TLS string
	// ID is the trace id of the transaction.
	ID string
	// For is the recipient, where there is but one; with several, naming one would tell it to the
	// others (RFC 5321 section 7.2).
	For address.Address
	// Date is when the message came.
	Date time.Time
}

// Protocol returns the name of the protocol for the with clause (RFC 3848, RFC 6531 section 4.3).
func Protocol(extended, tls, authenticated, smtputf8 bool) string {
	if !extended {
		return "SMTP"
	}
	name := "ESMTP"
	if smtputf8 {
		name = "UTF8SMTP"
	}
	if tls {
		name += "S"
	}
	if authenticated {
		name += "A"
	}
	return name
}

// AppendTo appends the field to dst, folded, with its line end.
func (r *Received) AppendTo(dst []byte) []byte {
	h := Header{UTF8: true, buf: dst}
	h.begin("Received")
	h.words("from " + atomOr(r.HELO, "unknown") + r.client())
	h.words(" by " + atomOr(r.By, "localhost") + " with " + r.Protocol)
	if r.TLS != "" {
		h.words(" (" + commentSafe(r.TLS) + ")")
	}
	if r.ID != "" {
		h.words(" id " + atomOr(r.ID, "unknown"))
	}
	if !r.For.IsNull() {
		h.words(" for " + oneLine(r.For.Path()))
	}
	h.buf = append(h.buf, ';')
	h.column++
	date := FormatDate(r.Date)
	if h.column+1+len(date) > maxColumns {
		h.buf = append(h.buf, "\r\n"...)
		h.column = 0
	}
	h.buf = append(append(h.buf, ' '), date...)
	h.end()
	return h.buf
}

// client writes TCP-info: the name and address of the client as they were seen.
func (r *Received) client() string {
	if !r.IP.IsValid() {
		return ""
	}
	literal := r.IP.Unmap().WithZone("").String()
	if r.IP.Unmap().Is6() {
		literal = "IPv6:" + literal
	}
	if r.Host == "" {
		return " ([" + literal + "])"
	}
	return " (" + atomOr(r.Host, "unknown") + " [" + literal + "])"
}

// atomOr makes one word of what a client said, so that it cannot pose as another clause.
func atomOr(text, otherwise string) string {
	text = strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f || strings.ContainsRune(`()<>;,"\`, r) {
			return -1
		}
		return r
	}, oneLine(text))
	if text == "" {
		return otherwise
	}
	return text
}

// commentSafe keeps text from ending its comment.
func commentSafe(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '(' || r == ')' || r == '\\' {
			return ' '
		}
		return r
	}, oneLine(text))
}
