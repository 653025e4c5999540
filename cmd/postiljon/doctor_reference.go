package main

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/settings"
)

// referenceProviders are whom an account is compared with where nothing else was
// asked for: large ones that do not run on each other's servers, so that both
// fail together only where the line does. The first two that are not the
// account's own are taken.
var referenceProviders = []string{"gmail", "icloud", "fastmail"}

const references = 2

// defaultReferences are servers of others, for reading and for sending, to
// compare an account's with. There are none for servers on this computer, which
// no line of others leads to, nor where a name server on this computer was asked for.
func defaultReferences(table *settings.Table, address string, given []evidence.Endpoint, resolver string) (all []string) {
	if onThisComputer(resolver) || slices.ContainsFunc(given, func(ep evidence.Endpoint) bool { return onThisComputer(ep.Host) }) {
		return nil
	}
	own := map[*settings.Provider]bool{table.ByDomain(evidence.DomainOf(address)): true}
	for _, ep := range given {
		own[table.ByHost(ep.Host)] = true
	}
	taken := 0
	for _, id := range referenceProviders {
		p := table.ByID(id)
		if p == nil || own[p] || taken == references {
			continue
		}
		taken++
		for _, protocol := range []settings.Protocol{settings.IMAP, settings.SMTP} {
			i := slices.IndexFunc(p.Servers, func(s settings.Server) bool { return s.Protocol == protocol })
			if i >= 0 {
				all = append(all, net.JoinHostPort(p.Servers[i].Host, strconv.Itoa(p.Servers[i].Port)))
			}
		}
	}
	return all
}

// onThisComputer tells whether a host, with a port or without, is this computer.
func onThisComputer(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback() || strings.EqualFold(host, "localhost")
}
