package peer

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Canary puts up the pages by which devices see whether they are on the internet.
func (w *Web) Canary() {
	w.Page("/generate_204", Code(http.StatusNoContent))
	w.Page("/canary.txt", Text("text/plain", "success\n"))
	w.Page("/hotspot-detect.html", Text("text/html", "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>"))
}

// Portal makes the server a captive portal: every page leads to its sign-in.
func (w *Web) Portal() {
	w.Page("/", Redirect("http://"+w.Name+"/sign-in"))
	w.Page("/sign-in", Text("text/html", "<html><title>Guest network</title><form method=post>Room number <input name=room></form></html>"))
}

// MTASTS publishes a policy for a domain (RFC 8461 section 3.2); the server must answer
// as mta-sts.DOMAIN. Modes are "enforce", "testing" and "none".
func (w *Web) MTASTS(mode string, mx ...string) {
	var b strings.Builder
	fmt.Fprintf(&b, "version: STSv1\r\nmode: %s\r\n", mode)
	for _, m := range mx {
		fmt.Fprintf(&b, "mx: %s\r\n", m)
	}
	b.WriteString("max_age: 86400\r\n")
	w.Page("/.well-known/mta-sts.txt", Text("text/plain", b.String()))
}

// MailServer is a server as settings files name it.
type MailServer struct {
	Type     string   `xml:"type,attr"` // imap, pop3, smtp
	Host     string   `xml:"hostname"`
	Port     int      `xml:"port"`
	Socket   string   `xml:"socketType"` // SSL, STARTTLS, plain
	Username string   `xml:"username"`   // %EMAILADDRESS%, %EMAILLOCALPART%
	Auth     []string `xml:"authentication"`
}

// Autoconfig is the document by which programs configure an account of a domain.
func Autoconfig(domain string, servers ...MailServer) (string, error) {
	type server struct {
		XMLName xml.Name
		MailServer
	}
	doc := struct {
		XMLName  xml.Name `xml:"clientConfig"`
		Version  string   `xml:"version,attr"`
		Provider struct {
			ID      string `xml:"id,attr"`
			Domain  string `xml:"domain"`
			Name    string `xml:"displayName"`
			Servers []server
		} `xml:"emailProvider"`
	}{Version: "1.1"}
	doc.Provider.ID, doc.Provider.Domain, doc.Provider.Name = domain, domain, domain
	for _, s := range servers {
		name := "incomingServer"
		if s.Type == "smtp" {
			name = "outgoingServer"
		}
		doc.Provider.Servers = append(doc.Provider.Servers, server{xml.Name{Local: name}, s})
	}
	b, err := xml.MarshalIndent(doc, "", "  ")
	if err != nil {
		return "", fmt.Errorf("peer: autoconfig of %s: %w", domain, err)
	}
	return xml.Header + string(b) + "\n", nil
}

// Incident is something that a status page tells.
type Incident struct {
	Service string // "Mail"
	Title   string
	Impact  string // "none", "minor", "major", "critical"
	Since   time.Time
	Until   time.Time // zero while it goes on
}

func (i Incident) open() bool { return i.Until.IsZero() }

// StatusFeed is a kind of machine-readable status page.
type StatusFeed string

// The kinds.
const (
	FeedStatuspage StatusFeed = "statuspage" // /api/v2/summary.json, as hosted status pages have it
	FeedApple      StatusFeed = "apple"      // services with their events, wrapped in a call
	FeedGoogle     StatusFeed = "google"     // a list of incidents
	FeedPlain      StatusFeed = "plain"      // one line of text
)

// Status publishes incidents at a path in one of the kinds; without any all is well.
func (w *Web) Status(path string, kind StatusFeed, services []string, incidents ...Incident) error {
	switch kind {
	case FeedStatuspage:
		w.Page(path, JSON(statuspage(w.Name, services, incidents)))
	case FeedGoogle:
		w.Page(path, JSON(googleFeed(incidents)))
	case FeedApple:
		b, err := json.Marshal(appleFeed(services, incidents))
		if err != nil {
			return fmt.Errorf("peer: status feed: %w", err)
		}
		w.Page(path, Text("application/javascript", "jsonCallback("+string(b)+");"))
	case FeedPlain:
		line := "OK\n"
		for _, i := range incidents {
			if i.open() {
				line = i.Service + ": " + i.Title + "\n"
			}
		}
		w.Page(path, Text("text/plain", line))
	}
	return nil
}

type object = map[string]any

func statuspage(name string, services []string, incidents []Incident) object {
	worst, state := "none", make(map[string]string)
	open := []object{}
	for _, i := range incidents {
		if !i.open() {
			continue
		}
		worst = i.Impact
		state[i.Service] = map[string]string{"minor": "degraded_performance", "major": "partial_outage", "critical": "major_outage"}[i.Impact]
		open = append(open, object{"name": i.Title, "status": "investigating", "impact": i.Impact, "started_at": i.Since.UTC().Format(time.RFC3339)})
	}
	components := []object{}
	for _, s := range services {
		status := state[s]
		if status == "" {
			status = "operational"
		}
		components = append(components, object{"name": s, "status": status})
	}
	text := "All Systems Operational"
	if worst != "none" {
		text = "Service disruption"
	}
	return object{
		"page": object{"name": name}, "status": object{"indicator": worst, "description": text},
		"components": components, "incidents": open, "scheduled_maintenances": []object{},
	}
}

func appleFeed(services []string, incidents []Incident) object {
	list := []object{}
	for _, s := range services {
		events := []object{}
		for _, i := range incidents {
			if i.Service != s {
				continue
			}
			e := object{"statusType": "Outage", "eventStatus": "ongoing", "message": i.Title, "epochStartDate": i.Since.UnixMilli(), "epochEndDate": nil}
			if !i.open() {
				e["eventStatus"], e["epochEndDate"] = "resolved", i.Until.UnixMilli()
			}
			events = append(events, e)
		}
		list = append(list, object{"serviceName": s, "redirectUrl": nil, "events": events})
	}
	return object{"drpost": false, "services": list}
}

func googleFeed(incidents []Incident) []object {
	list := []object{}
	for n, i := range incidents {
		e := object{
			"id": fmt.Sprintf("incident-%d", n+1), "begin": i.Since.UTC().Format(time.RFC3339), "external_desc": i.Title,
			"service_name": i.Service, "affected_products": []object{{"title": i.Service}}, "status_impact": "SERVICE_DISRUPTION",
		}
		if i.Impact == "critical" {
			e["status_impact"] = "SERVICE_OUTAGE"
		}
		if !i.open() {
			e["end"] = i.Until.UTC().Format(time.RFC3339)
		}
		list = append(list, e)
	}
	return list
}

// Webmail puts up a small webmail: a page that names its script by version, the
// script, and an API to sign in to the accounts of mail.
func (w *Web) Webmail(mail *Mail, version string) {
	w.Page("/mail/", Text("text/html", `<html><title>Mail</title><script src="/assets/app-`+version+`.js"></script></html>`))
	w.Page("/assets/app-"+version+".js", Text("text/javascript", `"use strict"; const version = "`+version+`";`))
	w.Page("/api/version", JSON(object{"version": version}))
	w.Page("/api/sign-in", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var in struct{ Name, Password string }
		if r.Method != http.MethodPost || json.NewDecoder(http.MaxBytesReader(rw, r.Body, maxLine)).Decode(&in) != nil {
			rw.WriteHeader(http.StatusBadRequest)
			return
		}
		if why := mail.webSignIn(in.Name, in.Password); why != "" {
			rw.WriteHeader(http.StatusUnauthorized)
			json.NewEncoder(rw).Encode(object{"error": why})
			return
		}
		json.NewEncoder(rw).Encode(object{"ok": true})
	}))
}

// webSignIn checks the account's own password, which the web takes where programs
// need another one.
func (m *Mail) webSignIn(name, password string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.named(name)
	switch {
	case a == nil || a.Password != password:
		return "bad-password"
	case a.Refuse[ProtoWeb] != "":
		return a.Refuse[ProtoWeb]
	}
	return ""
}
