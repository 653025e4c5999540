package message

import (
	"bytes"
	"strings"
)

// Readdress puts one address in the place of another in the fields To, Cc and Bcc of a header; names stay, as does all that has not the old
// address, octet for octet. Groups of a field that changes are dissolved. changed tells whether the old address was there.
func Readdress(header []byte, old, to string) (corrected []byte, changed bool) {
	var h Header
	rest := header
	for f := range HeaderFields(header) {
		rest = rest[len(f.Raw):]
		name := string(f.Name)
		if !strings.EqualFold(name, "To") && !strings.EqualFold(name, "Cc") && !strings.EqualFold(name, "Bcc") {
			h.buf = append(h.buf, f.Raw...)
			continue
		}
		list, found := ParseAddressList(string(bytes.TrimSpace(f.Value()))), false
		for i := range list {
			if strings.EqualFold(list[i].Email, old) {
				list[i].Email, found = to, true
			}
		}
		if !found {
			h.buf = append(h.buf, f.Raw...)
			continue
		}
		changed = true
		h.AddAddresses(name, list)
	}
	return append(h.buf, rest...), changed
}

// Signed reports whether a program signed what a header says: with DKIM, or as the part of a message that is signed or encrypted as a whole and
// may have its header inside, too (RFC 9788).
func Signed(header []byte) bool {
	for f := range HeaderFields(header) {
		switch strings.ToLower(string(f.Name)) {
		case "dkim-signature", "arc-message-signature":
			return true
		case "content-type":
			kind := strings.ToLower(string(bytes.TrimSpace(f.Value())))
			for _, one := range []string{"multipart/signed", "multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"} {
				if strings.HasPrefix(kind, one) {
					return true
				}
			}
		}
	}
	return false
}
