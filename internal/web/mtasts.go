package web

import (
	"net"
	"net/http"
	"strings"
)

// mtaSTS tells other servers how mail of a domain here wants to be brought (RFC 8461 section 3.2). They
// ask at mta-sts.DOMAIN.
func (s *Server) mtaSTS(w http.ResponseWriter, r *http.Request) {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	domain, ok := strings.CutPrefix(strings.ToLower(host), "mta-sts.")
	if !ok {
		s.missing(w, r)
		return
	}
	policy := s.options.MTASTS(r.Context(), domain)
	if policy == nil {
		s.missing(w, r)
		return
	}
	document(w, "text/plain; charset=utf-8", policy)
}
