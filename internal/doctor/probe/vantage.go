package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/vantage"
)

// maxAnswer bounds what another vantage answers.
const maxAnswer = 64 << 10

// OtherVantage lets another place look at the endpoints to which nothing came through from here.
func (r *Run) OtherVantage(endpoints []evidence.Endpoint) Probe {
	return Probe{Name: "vantage", Run: func(ctx context.Context) error {
		if r.Vantage == "" || len(endpoints) == 0 {
			return fmt.Errorf("there is no other vantage: %w", ErrBlocked)
		}
		endpoints = endpoints[:min(len(endpoints), vantage.MaxEndpoints)]
		var ask vantage.Request
		for _, ep := range endpoints {
			ask.Endpoints = append(ask.Endpoints, vantage.Endpoint{Host: ep.Host, Port: ep.Port, TLS: ep.Security == evidence.TLS})
		}
		answer, err := r.askVantage(ctx, ask)
		if err != nil {
			return err
		}
		for i, seen := range answer.Seen[:min(len(answer.Seen), len(endpoints))] {
			r.Evidence.Add(evidence.Vantage{
				Place: r.Evidence.Clean(answer.Place), Endpoint: endpoints[i], Outcome: evidence.Outcome(seen.Outcome), Greeting: r.Evidence.Clean(seen.Greeting),
			}, seen.Greeting)
		}
		return nil
	}}
}

func (r *Run) askVantage(ctx context.Context, ask vantage.Request) (*vantage.Answer, error) {
	body, err := json.Marshal(ask)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.Vantage, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("vantage: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	client := r.httpClient()
	client.Timeout = 3 * r.Step // the other place waits, too
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("vantage: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("vantage: %s", resp.Status)
	}
	var answer vantage.Answer
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&answer); err != nil {
		return nil, fmt.Errorf("vantage: %w", err)
	}
	return &answer, nil
}

// Unanswered returns the endpoints of mail programs at which nothing was greeted from here.
func (r *Run) Unanswered() []evidence.Endpoint {
	var dead []evidence.Endpoint
	for _, ep := range r.Endpoints() {
		_, tried := evidence.Find(r.Evidence, func(c evidence.Connect) bool { return c.Endpoint == ep })
		_, greeted := evidence.Find(r.Evidence, func(g evidence.Greeting) bool { return g.Endpoint == ep && g.Positive })
		if tried && !greeted && ep.Origin != evidence.MX {
			dead = append(dead, ep)
		}
	}
	return dead
}
