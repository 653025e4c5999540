// Package tlsrpt counts how well connections to other domains' mail servers could be
// encrypted, tells those domains once a day, and reads what others tell us (SMTP TLS
// reporting, RFC 8460).
package tlsrpt

import (
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// PolicyType is what a session had to keep to (RFC 8460 section 4.4).
type PolicyType string

const (
	TLSA     PolicyType = "tlsa"            // DANE
	STS      PolicyType = "sts"             // MTA-STS
	NoPolicy PolicyType = "no-policy-found" // the domain publishes none
)

// Result is why a session failed to keep to its policy (RFC 8460 section 4.3).
type Result string

const (
	StartTLSNotSupported Result = "starttls-not-supported"
	HostMismatch         Result = "certificate-host-mismatch"
	Expired              Result = "certificate-expired"
	NotTrusted           Result = "certificate-not-trusted"
	ValidationFailure    Result = "validation-failure"
	TLSAInvalid          Result = "tlsa-invalid"
	DNSSECInvalid        Result = "dnssec-invalid"
	STSFetchError        Result = "sts-policy-fetch-error"
	STSInvalid           Result = "sts-policy-invalid"
	STSWebPKIInvalid     Result = "sts-webpki-invalid"
)

// Report is what one sender tells one domain about one day (RFC 8460 section 4.4).
type Report struct {
	Organization string         `json:"organization-name"`
	Range        DateRange      `json:"date-range"`
	Contact      string         `json:"contact-info,omitempty"`
	ID           string         `json:"report-id"`
	Policies     []PolicyResult `json:"policies"`
}

// DateRange is the time that a report is about.
type DateRange struct {
	Start time.Time `json:"start-datetime"`
	End   time.Time `json:"end-datetime"`
}

// PolicyResult is how sessions went under one policy.
type PolicyResult struct {
	Policy   Policy    `json:"policy"`
	Summary  Summary   `json:"summary"`
	Failures []Failure `json:"failure-details,omitempty"`
}

// Policy is what a domain wanted of its sessions.
type Policy struct {
	Type    PolicyType `json:"policy-type"`
	Strings Texts      `json:"policy-string,omitempty"` // lines of the policy, or TLSA records
	Domain  string     `json:"policy-domain"`
	MX      Texts      `json:"mx-host,omitempty"` // the patterns of an MTA-STS policy
}

// Summary counts sessions.
type Summary struct {
	Successful int64 `json:"total-successful-session-count"`
	Failed     int64 `json:"total-failure-session-count"`
}

// Failure is one way in which sessions failed, and how many did.
type Failure struct {
	Result     Result `json:"result-type"`
	SendingIP  string `json:"sending-mta-ip,omitempty"`
	Host       string `json:"receiving-mx-hostname,omitempty"`
	IP         string `json:"receiving-ip,omitempty"`
	Sessions   int64  `json:"failed-session-count"`
	Additional string `json:"additional-information,omitempty"`
	Reason     string `json:"failure-reason-code,omitempty"`
}

// Texts is a list of texts; some senders write one without brackets.
type Texts []string

// UnmarshalJSON reads a list, or one text.
func (o *Texts) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*o = Texts{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(o))
}

// Total adds up what a report counts.
func (r *Report) Total() (s Summary) {
	for i := range r.Policies {
		s.Successful += r.Policies[i].Summary.Successful
		s.Failed += r.Policies[i].Summary.Failed
	}
	return s
}

// Domain is what the report is about.
func (r *Report) Domain() string {
	if len(r.Policies) == 0 {
		return ""
	}
	return r.Policies[0].Policy.Domain
}

// ErrNoReports says that a domain wants no reports.
var ErrNoReports = errors.New("tlsrpt: the domain wants no reports")

// maxEndpoints bounds how many places a domain can have its reports sent to.
const maxEndpoints = 5

// ReadRecord returns where the TXT records of "_smtp._tls." and a domain want its
// reports: "mailto:" and "https:" URIs (RFC 8460 section 3).
func ReadRecord(texts []string) (rua []string, err error) {
	var found []string
	for _, t := range texts {
		if strings.HasPrefix(strings.ReplaceAll(t, " ", ""), "v=TLSRPTv1;") {
			found = append(found, t)
		}
	}
	if len(found) != 1 {
		return nil, ErrNoReports
	}
	for _, field := range strings.Split(found[0], ";")[1:] {
		name, value, _ := strings.Cut(field, "=")
		if strings.TrimSpace(name) != "rua" {
			continue
		}
		for uri := range strings.SplitSeq(value, ",") {
			uri = strings.TrimSpace(uri)
			scheme, rest, ok := strings.Cut(uri, ":")
			known := strings.EqualFold(scheme, "mailto") || strings.EqualFold(scheme, "https")
			if ok && known && rest != "" && len(rua) < maxEndpoints {
				rua = append(rua, strings.ToLower(scheme)+":"+rest)
			}
		}
	}
	if len(rua) == 0 {
		return nil, ErrNoReports
	}
	return rua, nil
}
