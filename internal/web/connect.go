package web

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/postiljon/postiljon/internal/settings"
)

// published are the settings for mailboxes of a domain. They are the same for every
// domain, and told to anyone: whether there is such a domain here does not show.
func (s *Server) published(domain string) *settings.Published {
	p := &settings.Published{Domain: domain, Name: s.options.Hostname}
	for _, one := range s.options.Services {
		port, err := strconv.Atoi(one.Port)
		if err != nil {
			continue
		}
		server := settings.Server{Protocol: settings.Protocol(strings.ToLower(one.Protocol)), Host: s.options.MailServer, Port: port, Security: settings.STARTTLS}
		if one.TLS {
			server.Security = settings.TLS
		}
		p.Servers = append(p.Servers, server)
	}
	return p
}

// askedDomain is the domain that a program asks about: that of the address it gives,
// or that of the server it asks, autoconfig.DOMAIN.
func (s *Server) askedDomain(r *http.Request, address string) string {
	for _, text := range []string{address, strings.TrimPrefix(hostOf(r), "autoconfig.")} {
		if domain, ok := settings.DomainOf(text); ok {
			return domain
		}
	}
	return s.options.Hostname
}

// hostOf is the name of the server that was asked, without its port.
func hostOf(r *http.Request) string {
	if name, _, err := net.SplitHostPort(r.Host); err == nil {
		return name
	}
	return r.Host
}

// autoconfig answers Thunderbird and those that ask in its way.
func (s *Server) autoconfig(w http.ResponseWriter, r *http.Request) {
	domain := s.askedDomain(r, r.URL.Query().Get("emailaddress"))
	document(w, "text/xml; charset=utf-8", s.published(domain).Config())
}

// maxRequest is how much a request of autodiscover may be.
const maxRequest = 16 << 10

// autodiscover answers Outlook and those that ask in its way.
func (s *Server) autodiscover(w http.ResponseWriter, r *http.Request) {
	request, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	var answer []byte
	if err == nil {
		answer, err = s.published(s.options.Hostname).Autodiscover(request)
	}
	if err != nil {
		s.options.Log.Debug("autodiscover: bad request", "error", err)
		say(w, http.StatusBadRequest, "not a request of autodiscover\n")
		return
	}
	document(w, "text/xml; charset=utf-8", answer)
}

// profile hands out a configuration profile for Apple's devices. Without ?address=
// the device asks for the address.
func (s *Server) profile(w http.ResponseWriter, r *http.Request) {
	address := r.URL.Query().Get("address")
	domain, ok := settings.DomainOf(address)
	if !ok || !strings.Contains(address, "@") {
		address, domain = "", s.options.Hostname
	}
	profile := s.published(domain).Profile(address)
	if profile == nil {
		s.missing(w, r)
		return
	}
	if s.options.SignProfile != nil {
		signed, err := s.options.SignProfile(profile)
		if err != nil { // the device says that it is not signed, and takes it
			s.options.Log.Error("profile not signed", "error", err)
		} else {
			profile = signed
		}
	}
	w.Header().Set("Content-Disposition", `attachment; filename="mail.mobileconfig"`)
	document(w, "application/x-apple-aspen-config", profile)
}

// document sends what a program asked for.
func document(w http.ResponseWriter, kind string, text []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(text) // a client that went away
}
