package smtpd

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/postiljon/postiljon/internal/message/address"
)

const (
	maxEnvID = 100 // characters of ENVID as it is sent (RFC 3461 section 4.4)
	maxORcpt = 500 // characters of ORCPT as it is sent (RFC 3461 section 4.2)
)

// The faults that parameters can have, as variants of client.protocol-error; "" is none.
const (
	faultUnknown = "parameter" // 555: RFC 5321 section 4.1.1.11
	faultValue   = "arguments" // 501
)

// cutParam takes the next parameter of a MAIL or RCPT command (RFC 5321 section 4.1.2): a space and
// KEYWORD or KEYWORD=value. The keyword is in upper case. At the end, key is "".
func cutParam(s string) (key, value string, hasValue bool, rest, fault string) {
	s = strings.TrimLeft(s, " ")
	if s == "" {
		return "", "", false, "", ""
	}
	param, rest, _ := strings.Cut(s, " ")
	key, value, hasValue = strings.Cut(param, "=")
	if !isKeyword(key) || hasValue && !isValue(value) {
		return "", "", false, "", faultValue
	}
	return strings.ToUpper(key), value, hasValue, rest, ""
}

func isKeyword(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-' && i > 0:
		default:
			return false
		}
	}
	return s != ""
}

// isValue checks an esmtp-value, with UTF-8 (RFC 6531 section 3.3).
func isValue(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c == '=' || c == 0x7f {
			return false
		}
	}
	return s != "" && utf8.ValidString(s)
}

// parseParams reads the parameters of MAIL and returns the fault of the first bad one.
func (m *Mail) parseParams(s string, c *conn) (fault string) {
	var seen uint
	for {
		key, value, hasValue, rest, fault := cutParam(s)
		if key == "" || fault != "" {
			return fault
		}
		if !c.info.ESMTP {
			return faultUnknown // after HELO there are no extensions
		}
		bit, fault := m.setParam(key, value, hasValue, c)
		if fault != "" {
			return fault
		}
		if seen&bit != 0 { // section 4.1.1.11: a keyword appears once
			return faultValue
		}
		seen |= bit
		s = rest
	}
}

// setParam sets one parameter of MAIL and returns a bit of its own.
func (m *Mail) setParam(key, value string, hasValue bool, c *conn) (bit uint, fault string) {
	ok := hasValue
	switch key {
	case "SIZE": // RFC 1870 section 5: at most 20 digits
		bit, ok = 1, ok && isDigits(value) && len(value) <= 20
		if ok {
			m.Size, _ = strconv.ParseInt(value, 10, 64) // out of range gives the largest, which is too large
		}
	case "BODY": // RFC 6152, RFC 3030
		bit = 2
		switch strings.ToUpper(value) {
		case "7BIT":
			m.Body = Body7Bit
		case "8BITMIME":
			m.Body = Body8BitMIME
		case "BINARYMIME":
			m.Body = BodyBinaryMIME
		default:
			ok = false
		}
	case "SMTPUTF8": // RFC 6531 section 3.4
		bit, ok, m.SMTPUTF8 = 4, !hasValue, true
	case "RET": // RFC 3461 section 4.3
		m.Ret = strings.ToUpper(value)
		bit, ok = 8, m.Ret == "FULL" || m.Ret == "HDRS"
	case "ENVID": // RFC 3461 section 4.4
		bit, ok = 16, ok && len(value) <= maxEnvID && unxtext(value, &m.EnvID)
	case "REQUIRETLS": // RFC 8689 section 2
		if c.info.TLS == nil {
			return 0, faultUnknown
		}
		bit, ok, m.RequireTLS = 32, !hasValue, true
	case "AUTH": // RFC 4954 section 5
		if len(c.mechanisms()) == 0 {
			return 0, faultUnknown
		}
		bit, ok = 64, ok && unxtext(value, &m.Auth) && isAuthValue(m.Auth)
	default:
		return 0, faultUnknown
	}
	if !ok {
		return 0, faultValue
	}
	return bit, ""
}

// isAuthValue checks the decoded AUTH parameter: "<>" or an address.
func isAuthValue(s string) bool {
	if s == "<>" {
		return true
	}
	_, err := address.Parse(s, address.Options{UTF8: true, LongLocal: true})
	return err == nil
}

// parseParams reads the parameters of RCPT and returns the fault of the first bad one.
func (r *Rcpt) parseParams(s string, c *conn) (fault string) {
	for {
		key, value, _, rest, fault := cutParam(s)
		if key == "" || fault != "" {
			return fault
		}
		if !c.info.ESMTP {
			return faultUnknown
		}
		switch key {
		case "NOTIFY": // RFC 3461 section 4.1
			if r.Notify != 0 || !r.setNotify(value) {
				return faultValue
			}
		case "ORCPT": // RFC 3461 section 4.2
			if r.ORcpt != "" || len(value) > maxORcpt || !r.setORcpt(value, c.tx.mail.SMTPUTF8) {
				return faultValue
			}
		default:
			return faultUnknown
		}
		s = rest
	}
}

func (r *Rcpt) setNotify(value string) bool {
	for word := range strings.SplitSeq(value, ",") {
		var bit Notify
		switch strings.ToUpper(word) {
		case "NEVER":
			bit = NotifyNever
		case "SUCCESS":
			bit = NotifySuccess
		case "FAILURE":
			bit = NotifyFailure
		case "DELAY":
			bit = NotifyDelay
		default:
			return false
		}
		if r.Notify&bit != 0 {
			return false
		}
		r.Notify |= bit
	}
	return r.Notify&NotifyNever == 0 || r.Notify == NotifyNever
}

func (r *Rcpt) setORcpt(value string, smtputf8 bool) bool {
	kind, text, ok := strings.Cut(value, ";")
	if !ok || !isKeyword(kind) || text == "" {
		return false
	}
	var decoded string
	if strings.EqualFold(kind, "utf-8") {
		ok = (smtputf8 || isASCII(text)) && unembed(text, &decoded)
	} else {
		ok = unxtext(text, &decoded)
	}
	r.ORcpt = kind + ";" + decoded
	return ok
}

// unxtext decodes xtext (RFC 3461 section 4) and reports whether it is well-formed and decodes to
// printable ASCII, so that it can be shown and sent on.
func unxtext(s string, to *string) bool {
	if strings.IndexByte(s, '+') < 0 {
		*to = s
		return isASCII(s) // isValue has seen the rest
	}
	decoded := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		b := s[i]
		if b == '+' {
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return false
			}
			v, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				return false
			}
			b, i = byte(v), i+2
		}
		if b < ' ' || b > '~' {
			return false
		}
		decoded = append(decoded, b)
	}
	*to = string(decoded)
	return true
}

// isHex allows only capitals, as RFC 3461 does.
func isHex(c byte) bool { return '0' <= c && c <= '9' || 'A' <= c && c <= 'F' }

// unembed decodes the \x{...} of an utf-8 address (RFC 6533 section 3) and reports whether it is
// well-formed.
func unembed(s string, to *string) bool {
	var decoded strings.Builder
	for {
		before, rest, found := strings.Cut(s, `\`)
		decoded.WriteString(before)
		if !found {
			*to = decoded.String()
			return true
		}
		digits, after, closed := strings.Cut(rest, "}")
		digits, opened := strings.CutPrefix(digits, "x{")
		r, err := strconv.ParseUint(digits, 16, 32)
		if !opened || !closed || len(digits) < 2 || len(digits) > 6 || err != nil || !isShown(rune(r)) {
			return false
		}
		decoded.WriteRune(rune(r))
		s = after
	}
}

// isShown keeps control characters and surrogates out.
func isShown(r rune) bool { return r >= ' ' && r != 0x7f && utf8.ValidRune(r) }

func isDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
