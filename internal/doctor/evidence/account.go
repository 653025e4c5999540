package evidence

import (
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/settings"
)

// GivenSetting is one setting of the mail program beside the right one.
type GivenSetting struct{ settings.Row }

// FactName implements Value.
func (g GivenSetting) FactName() string {
	return "setting " + string(g.Protocol) + " " + string(g.Field)
}

// ClientError is an error that the mail program shows, read as the reply of a server.
type ClientError struct {
	// Where it shows: "outbox" or "last-error".
	Where string `json:"where"`
	// Protocol is whose reply it reads like; "" where that does not show.
	Protocol Protocol        `json:"protocol,omitempty"`
	Stage    dialect.Stage   `json:"stage"`
	Text     string          `json:"text"`
	Reading  dialect.Reading `json:"reading"`
}

// FactName implements Value.
func (c ClientError) FactName() string { return "client " + c.Where }

// Maildrop is what lies in the inbox, as a protocol shows it.
type Maildrop struct {
	Endpoint Endpoint `json:"endpoint"`
	Messages int64    `json:"messages"`
	// Next is the UID that the next message will get (RFC 9051 section 2.3.1.1): more
	// than Messages+1 shows that messages were removed. 0 is not known.
	Next int64 `json:"next,omitempty"`
}

// FactName implements Value.
func (m Maildrop) FactName() string { return "maildrop " + string(m.Endpoint.Protocol) }
