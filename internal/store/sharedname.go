package store

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/postiljon/postiljon/internal/message/address"
)

// OtherUsers is the name under which the mailboxes of others are shown (RFC 2342); no mailbox of an
// account's own can have it.
const OtherUsers = "Other Users"

// SharedName is the name of an owner's mailbox for those it is shared with: OtherUsers, the local
// part of the owner's address as one level, and the owner's name for the mailbox.
func SharedName(owner *Account, mailbox string) string {
	local := localPart(owner.Address)
	if a, err := address.Parse(owner.Address, address.Options{UTF8: true}); err == nil {
		local = a.Local // without quotes
	}
	return OtherUsers + Separator + escapeLevel(local) + Separator + mailbox
}

// ParseSharedName reads what SharedName wrote: the local part of the owner's address, and the owner's
// name for the mailbox.
func ParseSharedName(name string) (local, mailbox string, ok bool) {
	rest, ok := strings.CutPrefix(name, OtherUsers+Separator)
	if !ok {
		return "", "", false
	}
	level, mailbox, ok := strings.Cut(rest, Separator)
	if !ok {
		return "", "", false
	}
	local, ok = unescapeLevel(level)
	return local, mailbox, ok
}

// escapeLevel writes any text as one level of a mailbox name: "/", the wildcards, and "=" itself
// become "=" and two hexadecimal digits.
func escapeLevel(text string) string {
	var b strings.Builder
	for i := range len(text) {
		switch c := text[i]; c {
		case '/', '%', '*', '=':
			fmt.Fprintf(&b, "=%02X", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// unescapeLevel reads what escapeLevel wrote.
func unescapeLevel(level string) (text string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(level); i++ {
		if level[i] != '=' {
			b.WriteByte(level[i])
			continue
		}
		if i+3 > len(level) {
			return "", false
		}
		c, err := strconv.ParseUint(level[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(c))
		i += 2
	}
	return b.String(), b.Len() > 0
}
