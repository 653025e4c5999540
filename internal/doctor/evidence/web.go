package evidence

// WebPart is what of a webmail was fetched.
type WebPart string

// The parts: the page itself, one of its fixed files, and what programs ask for data.
const (
	WebPage WebPart = "page"
	WebFile WebPart = "file"
	WebAPI  WebPart = "api"
)

// WebLook is one fetch from the webmail of the account's provider, without signing in.
type WebLook struct {
	Part    WebPart `json:"part"`
	URL     string  `json:"url"` // where redirects led
	Outcome Outcome `json:"outcome"`
	Status  int     `json:"status,omitempty"` // of HTTP
	Type    string  `json:"type,omitempty"`   // the media type
	// Untrusted tells that somebody answered who could not prove to be the server.
	Untrusted bool `json:"untrusted,omitempty"`
	// Version is what the page's own script is called by, where that shows.
	Version string `json:"version,omitempty"`
}

// FactName implements Value.
func (w WebLook) FactName() string { return "webmail " + string(w.Part) }

// Came tells that the part came as it should.
func (w WebLook) Came() bool {
	switch w.Part {
	case WebFile:
		return w.Outcome == OK && w.Status == 200 && w.Type != "text/html"
	case WebAPI:
		return w.Outcome == OK && (w.Status == 200 || w.Status == 401)
	}
	return w.Outcome == OK && w.Status >= 200 && w.Status < 400
}

// Kept tells that somebody in between seems to have kept it back: the connection was cut or fell silent, another
// server answered, or it was refused for legal or network reasons (RFC 7725, RFC 6585 section 6), or a file came
// as a page.
func (w WebLook) Kept() bool {
	switch w.Outcome {
	case Reset, Closed, TimedOut:
		return true
	case OK:
		return w.Status == 451 || w.Status == 511 || w.Status == 403 && w.Part != WebPage || w.Part == WebFile && w.Status == 200 && w.Type == "text/html"
	}
	return w.Untrusted
}
