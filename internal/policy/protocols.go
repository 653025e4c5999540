package policy

import (
	"strings"

	"github.com/postiljon/postiljon/internal/store"
)

// protocolWords are the protocols of an account, by the words of commands and interfaces.
var protocolWords = []struct {
	name string
	bit  store.Protocol
}{
	{"imap", store.ProtocolIMAP}, {"pop3", store.ProtocolPOP3}, {"submission", store.ProtocolSubmission},
	{"jmap", store.ProtocolJMAP}, {"web", store.ProtocolWeb},
}

// ProtocolNames are the words of a set of protocols.
func ProtocolNames(p store.Protocol) []string {
	names := []string{}
	for _, one := range protocolWords {
		if p.Has(one.bit) {
			names = append(names, one.name)
		}
	}
	return names
}

// ParseProtocols reads words; none means all. Bad is the first that is no protocol.
func ParseProtocols(names []string) (p store.Protocol, bad string) {
	if len(names) == 0 {
		return store.AllProtocols, ""
	}
next:
	for _, name := range names {
		for _, one := range protocolWords {
			if strings.EqualFold(name, one.name) || one.bit == store.ProtocolSubmission && strings.EqualFold(name, "smtp") {
				p |= one.bit
				continue next
			}
		}
		return 0, name
	}
	return p, ""
}
