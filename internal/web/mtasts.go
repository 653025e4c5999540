package web

import (
	"net/http"
	"strings"
)

// mtaSTS tells other servers how mail of a domain here wants to be brought (RFC 8461 section 3.2). They
// ask at mta-sts.DOMAIN.
func (s *Server) mtaSTS(w http.ResponseWriter, r *http.Request) {
	domain, ok := strings.CutPrefix(strings.ToLower(hostOf(r)), "mta-sts.")
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
