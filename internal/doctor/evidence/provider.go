package evidence

import (
	"time"

	"github.com/postiljon/postiljon/internal/settings"
)

// Provider is what the lookup of settings found: whose account it is and which servers are right.
type Provider struct {
	ID     string           `json:"id,omitempty"` // in the table of providers
	Name   string           `json:"name,omitempty"`
	Result *settings.Result `json:"result"`
}

// FactName implements Value.
func (*Provider) FactName() string { return "settings" }

// Status is what the provider's status page says.
type Status struct {
	URL     string  `json:"url"`
	Outcome Outcome `json:"outcome"`
	// Down names the services that the page says do not work: "mail", "imap", "smtp", "signin"; empty is all well.
	Down  []string   `json:"down,omitempty"`
	Title string     `json:"title,omitempty"`
	Since *time.Time `json:"since,omitempty"`
	Until *time.Time `json:"until,omitempty"`
}

// FactName implements Value.
func (Status) FactName() string { return "status-page" }
