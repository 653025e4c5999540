package view

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/signature"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/web/answer"
	"github.com/postiljon/postiljon/internal/web/sanitize"
)

// offer is how a list is left (RFC 2369, RFC 8058).
type offer struct {
	// OneClick tells that the service can do it with one request, which the sender's signature vouches for.
	OneClick bool `json:"oneClick"`
	// Mailto is a message that leaves the list, URL a page.
	Mailto string `json:"mailto,omitempty"`
	URL    string `json:"url,omitempty"`
}

// unsubscribeOffer reads what a header offers; nil if nothing.
func unsubscribeOffer(header []byte, o *origin) *offer {
	value, ok := oneField(header, "List-Unsubscribe")
	if !ok {
		return nil
	}
	var out offer
	for _, address := range bracketed(value) {
		if to, ok := strings.CutPrefix(address, "mailto:"); ok && out.Mailto == "" && strings.Contains(to, "@") && len(to) < 2000 {
			out.Mailto = address
		} else if a, ok := sanitize.ParseAddress(address); ok && (out.URL == "" || strings.HasPrefix(a.Text, "https:") && strings.HasPrefix(out.URL, "http:")) {
			out.URL = a.Text
		}
	}
	if out.URL == "" && out.Mailto == "" {
		return nil
	}
	post, ok := oneField(header, "List-Unsubscribe-Post")
	out.OneClick = ok && strings.EqualFold(strings.ReplaceAll(post, " ", ""), oneClick) && strings.HasPrefix(out.URL, "https:") && covered(header, o)
	return &out
}

const oneClick = "List-Unsubscribe=One-Click"

// oneField is the text of a field that stands there once: of several, nobody knows which was signed.
func oneField(header []byte, name string) (text string, ok bool) {
	n := 0
	for text = range message.DecodedFields(header, name) {
		n++
	}
	return text, n == 1
}

// bracketed are the addresses in angle brackets.
func bracketed(value string) (list []string) {
	for {
		_, rest, ok := strings.Cut(value, "<")
		if !ok {
			return list
		}
		address, after, ok := strings.Cut(rest, ">")
		if !ok {
			return list
		}
		list = append(list, strings.ReplaceAll(strings.TrimSpace(address), " ", ""))
		value = after
	}
}

// covered tells whether a signature that was valid when the message came is over both fields (RFC 8058 section 4).
func covered(header []byte, o *origin) bool {
	for f := range message.HeaderFields(header) {
		if !strings.EqualFold(string(f.Name), "DKIM-Signature") {
			continue
		}
		sig, failure := signature.Parse(signature.DKIM, f.Raw)
		if failure != nil || !signs(sig, "list-unsubscribe") || !signs(sig, "list-unsubscribe-post") {
			continue
		}
		for _, valid := range o.signatures {
			p := valid.Properties
			if strings.EqualFold(p["header.d"], sig.Domain) && p["header.s"] == sig.Selector && p["header.b"] == sig.Short {
				return true
			}
		}
	}
	return false
}

func signs(s *signature.Signature, name string) bool {
	return slices.ContainsFunc(s.Names, func(one string) bool { return strings.EqualFold(strings.TrimSpace(one), name) })
}

// unsubscribe leaves a list with one request, if the message offers that and its signature vouches for it.
func (s *Server) unsubscribe(w http.ResponseWriter, r *request) error {
	header, err := s.header(r.Context(), r.mail, 0)
	if err != nil {
		return err
	}
	from, err := s.origin(r.Context(), r.mail, header)
	if err != nil {
		return err
	}
	o := unsubscribeOffer(header, from)
	if o == nil || r.mail.owner != r.account.ID || !o.OneClick || s.options.Fetch == nil {
		return errStatus(http.StatusConflict)
	}
	if err := s.leave(r.Context(), o.URL); err != nil {
		s.log.Info("view: list not left", "error", err)
		words := r.words(s)
		s.answers.Status(w, http.StatusBadGateway, answer.Refusal{
			Cause: cause.Unknown, Title: words.say("not-left"), Text: words.say("not-left-text"), Action: words.say("not-left-action"),
		})
		return nil
	}
	if s.options.Note != nil {
		fields := []store.Field{{Name: "message-id", Value: r.mail.messageID}, {Name: "host", Value: hostOf(o.URL)}}
		if len(r.mail.from) > 0 {
			fields = append(fields, store.Field{Name: "from", Value: r.mail.from[0].Email})
		}
		s.options.Note(r.Context(), r.account.ID, journal.MessageListLeft, fields...)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func hostOf(address string) string {
	a, _ := sanitize.ParseAddress(address)
	return a.Host
}

// leave makes the request of RFC 8058 section 3.2: no cookies, no redirects.
func (s *Server) leave(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	if !usualPort(address) {
		return errStatus(http.StatusForbidden)
	}
	form := url.Values{"List-Unsubscribe": {"One-Click"}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("User-Agent", "Postiljon")
	response, err := s.options.Fetch.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // what it says does not matter
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("view: unsubscribe: %s", response.Status)
	}
	return nil
}
