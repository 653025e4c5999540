package dialect

import (
	"slices"
	"strings"
)

// Identify tells which software a server runs and whose it is, by its greeting, by what it announces (the
// reply to EHLO, CAPABILITY or CAPA, or all of them) and by what it says to ID (RFC 2971). Each may be
// empty. What does not show is empty.
func (b *Book) Identify(banner, capabilities, id string) (software, provider string) {
	if d := b.announced(b.software, banner, capabilities, id); d != nil {
		software = d.ID
	}
	if d := b.announced(b.providers, banner, capabilities, id); d != nil {
		provider = d.ID
		if software == "" {
			software = d.Uses
		}
	}
	return software, provider
}

// ProviderOf returns the provider whose server has a name, such as that of an MX; empty where it
// is none that is known.
func (b *Book) ProviderOf(host string) string {
	if d := ownerOf(b.providers, strings.ToLower(host)); d != nil {
		return d.ID
	}
	return ""
}

// ownerOf finds whose server has a name in lower case: the longest domain counts.
func ownerOf(list []*dialect, host string) (owner *dialect) {
	longest := 0
	host = strings.TrimSuffix(host, ".")
	for _, d := range list {
		for _, domain := range d.Hosts {
			if len(domain) > longest && within(host, domain) {
				owner, longest = d, len(domain)
			}
		}
	}
	return owner
}

// within tells whether a host is a domain or below it.
func within(host, domain string) bool {
	return strings.HasSuffix(host, domain) && (len(host) == len(domain) || host[len(host)-len(domain)-1] == '.')
}

func (b *Book) announced(list []*dialect, banner, capabilities, id string) *dialect {
	banner, id = cut(banner, maxReply), cut(id, maxReply)
	if d := b.marked(list, fold(id+" "+banner), banner); d != nil {
		return d
	}
	for _, d := range list {
		for word := range strings.FieldsSeq(cut(capabilities, maxReply)) {
			if slices.ContainsFunc(d.Capabilities, func(c string) bool { return strings.EqualFold(c, word) }) {
				return d
			}
		}
	}
	return b.marked(list, fold(cut(capabilities, maxReply)), capabilities)
}

// marked finds the dialect whose marks a text has, or else one of whose hosts it names.
func (b *Book) marked(list []*dialect, folded, text string) *dialect {
	for _, d := range list {
		for i := range d.marks {
			if d.marks[i].in(folded) {
				return d
			}
		}
	}
	for host := range strings.FieldsFuncSeq(strings.ToLower(cut(text, maxReply)), notHost) {
		if d := ownerOf(list, host); d != nil {
			return d
		}
	}
	return nil
}

// notHost tells what ends a host name. An address' domain is none of the server's names, so "@" is
// part of the word and spoils it.
func notHost(r rune) bool {
	return !(r == '.' || r == '-' || r == '@' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z')
}
