package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"

	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

// What of a webmail is read.
const (
	maxPage      = 512 << 10
	maxRedirects = 5
)

// Webmail fetches the page of the provider's webmail, one of its files, and what programs ask for
// data, where that is the standard one. It signs in nowhere.
func (r *Run) Webmail() Probe {
	return Probe{Name: "webmail", Run: func(ctx context.Context) error {
		if r.Evidence.Complaint.Symptom != evidence.Webmail {
			return fmt.Errorf("not asked about: %w", ErrBlocked)
		}
		address, guessed, err := r.webmailURL(ctx)
		if err != nil {
			return err
		}
		page, body := r.fetch(ctx, evidence.WebPage, address)
		if guessed && page.Status == http.StatusNotFound {
			return fmt.Errorf("nothing is at %s: %w", page.URL, ErrBlocked)
		}
		file := scriptOf(page.URL, body)
		page.Version = versionIn(file)
		r.Evidence.Add(page, "")
		if !page.Came() {
			return fmt.Errorf("%s: %s %d", page.URL, page.Outcome, page.Status)
		}
		if file != "" {
			look, _ := r.fetch(ctx, evidence.WebFile, file)
			r.Evidence.Add(look, "")
		}
		// RFC 8620 section 2.2: where programs find the API, if the server has it.
		api, _ := r.fetch(ctx, evidence.WebAPI, resolved(page.URL, "/.well-known/jmap"))
		if api.Came() || api.Kept() {
			r.Evidence.Add(api, "")
		}
		return nil
	}}
}

// webmailURL is where the provider's webmail is: as the table of providers knows it, else where most are.
func (r *Run) webmailURL(ctx context.Context) (address string, guessed bool, err error) {
	p, ok := evidence.First[*evidence.Provider](r.Evidence)
	if ok && p.Result.Provider != nil && p.Result.Provider.Webmail != "" {
		return p.Result.Provider.Webmail, false, nil
	}
	host := "webmail." + r.Evidence.Complaint.Domain()
	if len(r.Addresses(ctx, host)) == 0 {
		return "", true, fmt.Errorf("no webmail is known: %w", ErrBlocked)
	}
	return "https://" + host + "/", true, nil
}

// fetch gets one thing and follows redirects; the body is that of the last answer.
func (r *Run) fetch(ctx context.Context, part evidence.WebPart, address string) (look evidence.WebLook, body []byte) {
	look = evidence.WebLook{Part: part, URL: address}
	for range maxRedirects {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, look.URL, nil)
		if err != nil {
			look.Outcome = evidence.OtherFailure
			return look, nil
		}
		resp, err := r.httpClient().Do(req)
		look.Outcome = outcomeOf(err)
		var untrusted *tls.CertificateVerificationError
		if look.Untrusted = errors.As(err, &untrusted); err != nil {
			return look, nil
		}
		body, err = io.ReadAll(io.LimitReader(resp.Body, maxPage))
		resp.Body.Close()
		look.Status, look.Outcome = resp.StatusCode, outcomeOf(err)
		look.Type, _, _ = mime.ParseMediaType(resp.Header.Get("Content-Type")) // one that cannot be read is none
		if next := resp.Header.Get("Location"); next == "" || resp.StatusCode/100 != 3 {
			return look, body
		} else {
			look.URL = resolved(look.URL, next)
		}
	}
	return look, body
}

var (
	scriptSource  = regexp.MustCompile(`(?i)<script[^>]*\ssrc\s*=\s*["']?([^"' >]+)`)
	scriptVersion = regexp.MustCompile(`(?:[-._/]v?([0-9]+(?:\.[0-9]+)*)\.(?:min\.)?m?js)|[?&]v(?:er)?=([0-9A-Za-z.]+)`)
)

// scriptOf is the address of the first script of a page; "" if there is none.
func scriptOf(page string, body []byte) string {
	m := scriptSource.FindSubmatch(body)
	if m == nil {
		return ""
	}
	return resolved(page, string(m[1]))
}

// versionIn reads the version in a file's name; "" if there is none.
func versionIn(file string) string {
	m := scriptVersion.FindStringSubmatch(file)
	if m == nil {
		return ""
	}
	return m[1] + m[2]
}

// resolved is where a link on a page leads; "" if it cannot be read.
func resolved(page, link string) string {
	base, err := url.Parse(page)
	if err != nil {
		return ""
	}
	u, err := base.Parse(link)
	if err != nil {
		return ""
	}
	return u.String()
}
