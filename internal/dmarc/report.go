package dmarc

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/xml"
	"fmt"
	"slices"
	"time"
)

// Report is an aggregate report: what one receiver saw of the mail in one domain's name, mostly in a day
// (RFC 7489 section 7.2 and appendix C).
type Report struct {
	XMLName   xml.Name  `xml:"feedback" json:"-"`
	Version   string    `xml:"version,omitempty" json:"-"`
	Metadata  Metadata  `xml:"report_metadata" json:"metadata"`
	Published Published `xml:"policy_published" json:"policy"`
	Records   []Row     `xml:"record" json:"records"`
	// Truncated tells that there were more records than are read.
	Truncated bool `xml:"-" json:"truncated,omitempty"`
}

// Metadata is who reports and about when.
type Metadata struct {
	Organization string  `xml:"org_name" json:"organization"`
	Email        string  `xml:"email" json:"email"`
	Contact      string  `xml:"extra_contact_info,omitempty" json:"contact,omitempty"`
	ID           string  `xml:"report_id" json:"id"`
	Begin        seconds `xml:"date_range>begin" json:"begin"`
	End          seconds `xml:"date_range>end" json:"end"`
}

// Published is the policy as the receiver found it.
type Published struct {
	Domain      string `xml:"domain" json:"domain"`
	DKIM        string `xml:"adkim,omitempty" json:"adkim,omitempty"`
	SPF         string `xml:"aspf,omitempty" json:"aspf,omitempty"`
	Policy      string `xml:"p" json:"p"`
	Subdomains  string `xml:"sp,omitempty" json:"sp,omitempty"`
	Nonexistent string `xml:"np,omitempty" json:"np,omitempty"`
	Percent     string `xml:"pct,omitempty" json:"pct,omitempty"`
}

// Row is messages that came in one way.
type Row struct {
	Source      string      `xml:"row>source_ip" json:"source"`
	Count       int64       `xml:"row>count" json:"count"`
	Disposition string      `xml:"row>policy_evaluated>disposition" json:"disposition"`
	DKIM        string      `xml:"row>policy_evaluated>dkim" json:"dkim"` // in alignment: pass or fail
	SPF         string      `xml:"row>policy_evaluated>spf" json:"spf"`
	Reasons     []Reason    `xml:"row>policy_evaluated>reason" json:"reasons,omitempty"`
	To          string      `xml:"identifiers>envelope_to,omitempty" json:"envelope_to,omitempty"`
	Envelope    string      `xml:"identifiers>envelope_from,omitempty" json:"envelope_from,omitempty"`
	From        string      `xml:"identifiers>header_from" json:"header_from"`
	Signatures  []Signature `xml:"auth_results>dkim" json:"signatures,omitempty"`
	Senders     []Sender    `xml:"auth_results>spf" json:"senders,omitempty"`
}

// Passed tells whether the messages were found genuine.
func (r *Row) Passed() bool { return r.DKIM == "pass" || r.SPF == "pass" }

// Reason is why a receiver did something else than the policy says.
type Reason struct {
	Type    string `xml:"type" json:"type"`
	Comment string `xml:"comment,omitempty" json:"comment,omitempty"`
}

// Signature is one DKIM signature, aligned or not.
type Signature struct {
	Domain   string `xml:"domain" json:"domain"`
	Selector string `xml:"selector,omitempty" json:"selector,omitempty"`
	Result   string `xml:"result" json:"result"`
}

// Sender is what SPF said.
type Sender struct {
	Domain string `xml:"domain" json:"domain"`
	Scope  string `xml:"scope,omitempty" json:"scope,omitempty"`
	Result string `xml:"result" json:"result"`
}

// seconds is a time as reports write it.
type seconds int64

// Time is the time.
func (s seconds) Time() time.Time { return time.Unix(int64(s), 0).UTC() }

// Total adds up what a report counts.
func (r *Report) Total() (all, failed, refused, junk int64) {
	for i := range r.Records {
		row := &r.Records[i]
		all += row.Count
		if !row.Passed() {
			failed += row.Count
		}
		switch Disposition(row.Disposition) {
		case Reject:
			refused += row.Count
		case Quarantine:
			junk += row.Count
		}
	}
	return all, failed, refused, junk
}

// Largest returns at most n records, those of the most messages first.
func (r *Report) Largest(n int) []Row {
	list := slices.Clone(r.Records)
	slices.SortStableFunc(list, func(a, b Row) int { return cmp.Compare(b.Count, a.Count) })
	return list[:max(0, min(n, len(list)))]
}

// compressed is the report as it is sent.
func (r *Report) compressed() ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(xml.Header)); err != nil {
		return nil, fmt.Errorf("dmarc: write report: %w", err)
	}
	e := xml.NewEncoder(z)
	e.Indent("", " ")
	if err := e.Encode(r); err != nil {
		return nil, fmt.Errorf("dmarc: write report: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("dmarc: write report: %w", err)
	}
	return b.Bytes(), nil
}
