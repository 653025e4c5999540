package probe

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

// maxFeed bounds a status feed: Google's holds years of incidents.
const maxFeed = 4 << 20

var errNoFeed = errors.New("no status feed that is known")

// StatusPage reads what the provider's status page says, where a machine can read it.
func (r *Run) StatusPage() Probe {
	return Probe{Name: "status page", Run: func(ctx context.Context) error {
		url := r.statusURL()
		if url == "" {
			return fmt.Errorf("no status feed is known: %w", ErrBlocked)
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := r.httpClient().Do(req)
		if err != nil {
			r.Evidence.Add(evidence.Status{URL: url, Outcome: outcomeOf(err)}, err.Error())
			return err
		}
		defer resp.Body.Close()
		r.clock(url, resp.Header.Get("Date"))
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxFeed))
		if err != nil {
			return fmt.Errorf("status: %w", err)
		}
		fact, err := readFeed(body, r.Now())
		if err != nil {
			return fmt.Errorf("status: %w", err)
		}
		fact.URL, fact.Outcome = url, evidence.OK
		r.Evidence.Add(fact, "")
		return nil
	}}
}

func (r *Run) statusURL() string {
	if r.StatusURL != "" {
		return r.StatusURL
	}
	p, ok := evidence.First[*evidence.Provider](r.Evidence)
	if !ok || p.Result.Provider == nil {
		return ""
	}
	return p.Result.Provider.Status.FeedURL
}

// readFeed reads a feed in any of the formats of the table of providers, which tell
// themselves apart.
func readFeed(body []byte, now time.Time) (evidence.Status, error) {
	body = bytes.TrimSpace(body)
	if open := bytes.IndexByte(body, '('); open >= 0 && !bytes.ContainsAny(body[:open], "{[") { // a call around it: jsonCallback({…});
		body = bytes.TrimRight(bytes.TrimSpace(body[open+1:]), ");\n ")
	}
	switch {
	case bytes.HasPrefix(body, []byte("[")):
		return readGoogle(body)
	case bytes.Contains(body, []byte(`"serviceName"`)):
		return readApple(body, now)
	case bytes.Contains(body, []byte(`"components"`)):
		return readStatuspage(body)
	}
	return evidence.Status{}, errNoFeed
}

// services reads from a name which of the services of mail it is about; none where it is about something else.
func services(name string) []string {
	name = strings.ToLower(name)
	switch {
	case strings.Contains(name, "imap"), strings.Contains(name, "pop3"), strings.Contains(name, "incoming"):
		return []string{"imap"}
	case strings.Contains(name, "smtp"), strings.Contains(name, "outgoing"), strings.Contains(name, "sending"):
		return []string{"smtp"}
	case strings.Contains(name, "sign-in"), strings.Contains(name, "sign in"), strings.Contains(name, "login"), strings.Contains(name, "authentication"), strings.Contains(name, "apple account"):
		return []string{"signin"}
	case strings.Contains(name, "mail"):
		return []string{"mail"}
	}
	return nil
}

func down(s *evidence.Status, name, title string, since time.Time) {
	about := services(name)
	if len(about) == 0 {
		return
	}
	s.Down = append(s.Down, about...)
	s.Title = cmp.Or(s.Title, title)
	if s.Since == nil && !since.IsZero() {
		s.Since = &since
	}
}

// readStatuspage reads /api/v2/summary.json of Atlassian Statuspage.
func readStatuspage(body []byte) (evidence.Status, error) {
	var feed struct {
		Components []struct{ Name, Status string }
		Incidents  []struct {
			Name      string
			StartedAt time.Time `json:"started_at"`
			CreatedAt time.Time `json:"created_at"`
		}
	}
	var s evidence.Status
	if err := json.Unmarshal(body, &feed); err != nil {
		return s, err
	}
	title, since := "", time.Time{}
	for _, i := range feed.Incidents {
		title, since = i.Name, i.StartedAt
		if since.IsZero() {
			since = i.CreatedAt
		}
	}
	for _, c := range feed.Components {
		if c.Status == "partial_outage" || c.Status == "major_outage" {
			down(&s, c.Name, title, since)
		}
	}
	return s, nil
}

// readApple reads the list of services with their events.
func readApple(body []byte, now time.Time) (evidence.Status, error) {
	var feed struct {
		Services []struct {
			ServiceName string `json:"serviceName"`
			Events      []struct {
				EventStatus string `json:"eventStatus"`
				StatusType  string `json:"statusType"`
				Message     string `json:"message"`
				Start       int64  `json:"epochStartDate"` // ms
				End         *int64 `json:"epochEndDate"`
			}
		}
	}
	var s evidence.Status
	if err := json.Unmarshal(body, &feed); err != nil {
		return s, err
	}
	for _, service := range feed.Services {
		for _, e := range service.Events {
			over := e.End != nil && time.UnixMilli(*e.End).Before(now)
			if e.EventStatus == "ongoing" && !over && e.StatusType != "Maintenance" {
				down(&s, service.ServiceName, e.Message, time.UnixMilli(e.Start))
			}
		}
	}
	return s, nil
}

// readGoogle reads incidents.json: one without an end goes on.
func readGoogle(body []byte) (evidence.Status, error) {
	var feed []struct {
		Begin, End   time.Time
		ServiceName  string `json:"service_name"`
		ExternalDesc string `json:"external_desc"`
		StatusImpact string `json:"status_impact"`
		Affected     []struct{ Title string }
	}
	var s evidence.Status
	if err := json.Unmarshal(body, &feed); err != nil {
		return s, err
	}
	for _, i := range feed {
		if i.End.IsZero() && i.StatusImpact != "SERVICE_INFORMATION" {
			down(&s, i.ServiceName, i.ExternalDesc, i.Begin)
		}
	}
	return s, nil
}
