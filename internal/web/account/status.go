package account

import (
	"crypto/tls"
	"net/http"
	"time"

	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/store"
)

// Status is what a browser's check of itself is held against.
type Status struct {
	Version string `json:"version"` // of the service
	Time    string `json:"time"`    // to the millisecond
	Address string `json:"address"`
	// HTTP and TLS are how the browser is connected: "HTTP/2.0", "TLS 1.3".
	HTTP   string       `json:"http"`
	TLS    string       `json:"tls"`
	Cipher string       `json:"cipher"`
	Limits StatusLimits `json:"limits"`
}

// StatusLimits are the bounds of an account.
type StatusLimits struct {
	MessageSize int64         `json:"messageSize"` // octets
	Recipients  int           `json:"recipients"`  // of one message
	Used        int64         `json:"used"`        // storage, octets
	Quota       int64         `json:"quota"`       // 0 for none
	Sending     []StatusMeter `json:"sending"`
}

// StatusMeter is how far a sending limit is used up.
type StatusMeter struct {
	Counted string `json:"counted"` // messages, recipients, or domain
	Of      string `json:"of"`
	Used    int64  `json:"used"`
	Limit   int64  `json:"limit"`
	Closed  bool   `json:"closed,omitempty"`
	Resets  string `json:"resets,omitempty"`
}

// countedAs are the names of what is counted, in answers.
var countedAs = map[policy.Counted]string{policy.MessagesOfAddress: "messages", policy.RecipientsOfAddress: "recipients", policy.MessagesOfDomain: "domain"}

func (a *API) status(_ http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	usage, err := a.Store.Usage(r.Context(), who.ID)
	if err != nil {
		return nil, err
	}
	meters, err := a.Meters(r.Context(), who)
	if err != nil {
		return nil, err
	}
	s := &Status{
		Version: a.Version, Time: a.Store.Now().UTC().Format("2006-01-02T15:04:05.000Z07:00"), Address: who.Address, HTTP: r.Proto,
		TLS: tls.VersionName(r.TLS.Version), Cipher: tls.CipherSuiteName(r.TLS.CipherSuite),
		Limits: StatusLimits{MessageSize: a.MessageSize, Recipients: a.Recipients, Used: usage.Size, Quota: who.Quota, Sending: []StatusMeter{}},
	}
	for _, m := range meters {
		one := StatusMeter{Counted: countedAs[m.Counted], Of: m.Of, Used: m.Used, Limit: m.Limit, Closed: m.Closed}
		if m.Closed {
			one.Resets = m.Resets.UTC().Format(time.RFC3339)
		}
		s.Limits.Sending = append(s.Limits.Sending, one)
	}
	return s, nil
}
