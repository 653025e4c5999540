package view

import (
	"archive/zip"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/message"
)

// raw is the message as it came: a download, or with ?view=1 text to be looked at.
func (s *Server) raw(w http.ResponseWriter, r *request) error {
	done, err := s.longAnswer(w, r)
	if err != nil {
		return err
	}
	defer done()
	body, err := s.store.Body(r.Context(), &r.mail.Email)
	if err != nil {
		return err
	}
	defer body.Close()
	h := w.Header()
	name := contentDisposition("attachment", safeName(r.mail.subject, -1)+".eml")
	h.Set("Content-Type", "message/rfc822")
	if r.URL.Query().Get("view") == "1" {
		h.Set("Content-Type", "text/plain; charset=utf-8")
		name = "inline"
	}
	h.Set("Content-Disposition", name)
	h.Set("Content-Length", fmt.Sprint(r.mail.Size))
	if _, err := io.Copy(w, io.NewSectionReader(body, 0, r.mail.Size)); err != nil {
		s.log.Debug("view: download ended", "error", err)
	}
	return nil
}

// archive is all attachments as one file, made while it is sent.
func (s *Server) archive(w http.ResponseWriter, r *request) error {
	list, err := s.archived(r)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return errStatus(http.StatusNotFound)
	}
	done, err := s.longAnswer(w, r)
	if err != nil {
		return err
	}
	defer done()
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", contentDisposition("attachment", safeName(r.mail.subject, -1)+".zip"))
	z := zip.NewWriter(w)
	names := map[string]bool{}
	for _, i := range list {
		if err := s.addTo(z, r, i, uniqueName(names, r.mail.fileName(i))); err != nil {
			s.log.Info("view: archive ended", "error", err)
			return nil // without its directory, so that nobody takes the half for the whole
		}
	}
	return z.Close()
}

// archived are the parts that an archive has: all attachments, and an invitation once.
func (s *Server) archived(r *request) ([]int, error) {
	list := message.BodiesOf(r.mail.parts, 0).Attachments
	part, text, err := s.calendar(r)
	if err != nil || part < 0 {
		return list, err
	}
	again, err := s.attachedAgain(r, part, text)
	return slices.DeleteFunc(list, func(i int) bool { return again && i == part }), err
}

// addTo adds an attachment to an archive. Text is worth compressing; most else is compressed already.
func (s *Server) addTo(z *zip.Writer, r *request, i int, name string) error {
	method := zip.Store
	if r.mail.parts[i].Type == "text" {
		method = zip.Deflate
	}
	file, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: method, Modified: r.mail.Received})
	if err != nil {
		return err
	}
	body, err := s.octets(r.Context(), r.mail, i)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(file, body)
	return err
}

// uniqueName is a name that is not there yet.
func uniqueName(names map[string]bool, name string) string {
	ext := path.Ext(name)
	unique := name
	for n := 2; names[strings.ToLower(unique)]; n++ {
		unique = fmt.Sprintf("%s (%d)%s", strings.TrimSuffix(name, ext), n, ext)
	}
	names[strings.ToLower(unique)] = true
	return unique
}

// field is one field of a header, decoded.
type field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// hop is one server on the way of a message.
type hop struct {
	From string `json:"from"`
	By   string `json:"by"`
	IP   string `json:"ip,omitempty"`
	// At is when it took the message (RFC 3339), "" if it does not say; Delay is the time since the hop before in
	// seconds, below 0 where clocks differ.
	At       string  `json:"at"`
	Delay    float64 `json:"delay"`
	Protocol string  `json:"protocol,omitempty"`
	TLS      bool    `json:"tls"`
}

// headers is the header of a message: its fields in their order, and its way, the first server first.
type headers struct {
	Hops   []hop   `json:"hops"`
	Fields []field `json:"fields"`
}

// maxFields bounds how many fields are told.
const maxFields = 2000

func (s *Server) headers(w http.ResponseWriter, r *request) error {
	raw, err := s.header(r.Context(), r.mail, 0)
	if err != nil {
		return err
	}
	told := headers{Hops: []hop{}, Fields: []field{}}
	for f := range message.HeaderFields(raw) {
		if len(f.Name) > 0 && len(told.Fields) < maxFields {
			told.Fields = append(told.Fields, field{strings.ToValidUTF8(string(f.Name), "\uFFFD"), message.DecodeHeader(string(f.Value()))})
		}
	}
	for _, one := range hopsOf(raw) {
		h := hop{From: one.From, By: one.By, Delay: one.Delay.Seconds(), Protocol: one.Protocol, TLS: one.TLS}
		if one.IP.IsValid() {
			h.IP = one.IP.String()
		}
		if !one.Time.IsZero() {
			h.At = one.Time.UTC().Format("2006-01-02T15:04:05Z")
		}
		told.Hops = append(told.Hops, h)
	}
	s.answers.JSON(w, told)
	return nil
}

// isOneOf tells whether a word is in a list of words.
func isOneOf(word, list string) bool { return slices.Contains(strings.Fields(list), word) }
