package web

import (
	"encoding/json"
	"net/http"
	"strings"
)

// autodiscoverJSON leads programs that ask in JSON, as newer Outlook does first, to the answer in XML: of what they
// may ask for, that is what there is here.
func (s *Server) autodiscoverJSON(w http.ResponseWriter, r *http.Request) {
	q := map[string]string{} // names are in any case, as the programs write them
	for name, values := range r.URL.Query() {
		q[strings.ToLower(name)] = values[0]
	}
	answer, code := any(struct {
		Protocol string
		Url      string
	}{"AutodiscoverV1", "https://" + s.options.Hostname + "/autodiscover/autodiscover.xml"}), http.StatusOK
	switch {
	case q["protocol"] == "":
		answer, code = trouble("MandatoryParameterMissing", "the question lacks the parameter Protocol"), http.StatusBadRequest
	case !strings.EqualFold(q["protocol"], "AutodiscoverV1"):
		answer, code = trouble("InvalidProtocol", "there is AutodiscoverV1 alone"), http.StatusBadRequest
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(answer) // a client that went away
}

func trouble(code, text string) any {
	return struct{ ErrorCode, ErrorMessage string }{code, text}
}
