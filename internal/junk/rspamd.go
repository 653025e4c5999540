package junk

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// Rspamd asks an rspamd about messages, over its HTTP protocol (/checkv2).
type Rspamd struct {
	URL    string // such as "http://127.0.0.1:11333"
	Client *http.Client
}

const (
	rspamdTime  = 5 * time.Second
	rspamdReply = 1 << 20
	rspamdMost  = 6 // weight of its word
)

type rspamdResult struct {
	Score    float64 `json:"score"`
	Required float64 `json:"required_score"`
	Action   string  `json:"action"`
}

// ask returns what rspamd thinks as a reason; nothing if it cannot be asked, for mail does not wait for it.
func (r *Rspamd) ask(ctx context.Context, m *Message, log *slog.Logger) []Reason {
	result, err := r.check(ctx, m)
	if err != nil {
		log.Warn("rspamd did not judge a message", "error", err)
		return nil
	}
	if result.Required <= 0 {
		return nil
	}
	// At the score from which rspamd takes it for junk the weight is that of our own threshold.
	weight := 4 * result.Score / result.Required
	return []Reason{{RspamdSays, min(max(weight, -2), rspamdMost), result.Action}}
}

func (r *Rspamd) check(ctx context.Context, m *Message) (out rspamdResult, err error) {
	ctx, cancel := context.WithTimeout(ctx, rspamdTime)
	defer cancel()
	body := io.NewSectionReader(m.Raw, 0, m.Summary.Size)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(r.URL, "/")+"/checkv2", body)
	if err != nil {
		return out, fmt.Errorf("junk: ask rspamd: %w", err)
	}
	req.ContentLength = m.Summary.Size
	if m.Checked != nil {
		req.Header.Set("IP", m.Checked.Envelope.Remote.String())
		req.Header.Set("From", m.Checked.Envelope.From)
	}
	req.Header.Set("Helo", oneLine(m.Helo))
	reply, err := r.Client.Do(req)
	if err != nil {
		return out, fmt.Errorf("junk: ask rspamd: %w", err)
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		return out, fmt.Errorf("junk: rspamd answers %s", reply.Status)
	}
	if err := json.NewDecoder(io.LimitReader(reply.Body, rspamdReply)).Decode(&out); err != nil {
		return out, fmt.Errorf("junk: read what rspamd says: %w", err)
	}
	return out, nil
}

func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
}
