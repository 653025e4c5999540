package files

import (
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/web/page"
)

// File is a file as the JSON interface tells of it.
type File struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Type   string `json:"type"`   // media type, "" if it is not known
	Size   int64  `json:"size"`   // octets of the whole
	Offset int64  `json:"offset"` // octets that have come in
	Whole  bool   `json:"whole"`  // all has come in
	SHA256 string `json:"sha256,omitempty"`
	// Compress tells that packing a file of this type would likely have made it smaller.
	Compress   bool      `json:"compress"`
	Created    time.Time `json:"created"`
	Expires    time.Time `json:"expires"` // when it is given up, or its link ends
	Over       bool      `json:"over"`    // nobody can have it any more
	Link       *Link     `json:"link,omitempty"`
	Email      string    `json:"email,omitempty"`      // the message with the link, as the client named it
	Submission string    `json:"submission,omitempty"` // its submission
}

// Link is the link of a file.
type Link struct {
	URL          string    `json:"url"`
	Created      time.Time `json:"created"`
	Revoked      time.Time `json:"revoked,omitzero"`
	Downloads    int64     `json:"downloads"` // how often somebody began to fetch it
	LastDownload time.Time `json:"lastDownload,omitzero"`
}

// List is the answer of GET /api/files.
type List struct {
	Files []File `json:"files"` // newest first
	Usage Usage  `json:"usage"`
	// MaxSize is the largest file, KeepDays how long a link works, MaxKeepDays how long one may.
	MaxSize     int64 `json:"maxSize"`
	KeepDays    int   `json:"keepDays"`
	MaxKeepDays int   `json:"maxKeepDays"`
}

// Usage is how much room the files of an account take.
type Usage struct {
	Files int   `json:"files"`
	Used  int64 `json:"used"`
	Limit int64 `json:"limit"`
}

// LinkRequest is the body of POST /api/files/{id}/link; all is optional.
type LinkRequest struct {
	Days       int    `json:"days"`       // from now; 0 is as long as usual
	Email      string `json:"email"`      // what to remember of the message with the link
	Submission string `json:"submission"` // likewise
}

// Linked is the answer: the file with its link, and what to write into the message in its place.
type Linked struct {
	File File   `json:"file"`
	Text string `json:"text"` // for the plain part
	HTML string `json:"html"` // for the HTML part
}

func (s *Server) describe(f *store.File) File {
	d := File{
		ID: f.ID, Name: f.Name, Type: f.Type, Size: f.Size, Offset: f.Offset, Whole: !f.Whole.IsZero(), SHA256: hex.EncodeToString(f.SHA256),
		Compress: compressible(f.Name, f.Type), Created: f.Created, Expires: f.Expires, Over: f.Over(s.now()),
		Email: f.Email, Submission: f.Submission,
	}
	if f.Link != nil {
		d.Link = &Link{URL: s.url(f), Created: f.Link.Created, Revoked: f.Link.Revoked, Downloads: f.Link.Downloads, LastDownload: f.Link.Last}
	}
	return d
}

func (s *Server) url(f *store.File) string { return s.options.BaseURL + "/f/" + f.Link.Token }

// list answers GET /api/files.
func (s *Server) list(w http.ResponseWriter, r *http.Request, a *store.Account) {
	all, err := s.options.Store.Files(r.Context(), a.ID)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	usage, err := s.options.Store.FileUsage(r.Context(), a.ID)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	days := int(s.options.Limits.Keep / (24 * time.Hour))
	l := List{
		Files: []File{}, Usage: Usage{usage.Files, usage.Octets, s.options.Limits.Total},
		MaxSize: s.options.Limits.Size, KeepDays: days, MaxKeepDays: days * maxKeepTimes,
	}
	for i := range all {
		l.Files = append(l.Files, s.describe(&all[i]))
	}
	s.answer.JSON(w, l)
}

// show answers GET /api/files/{id}.
func (s *Server) show(w http.ResponseWriter, r *http.Request, a *store.Account) {
	if f, ok := s.file(w, r, a); ok {
		s.answer.JSON(w, s.describe(&f))
	}
}

// remove answers DELETE /api/files/{id}: file, link and record are gone, and an upload that runs ends.
func (s *Server) remove(w http.ResponseWriter, r *http.Request, a *store.Account) {
	s.terminate(w, r, a)
}

// link answers POST /api/files/{id}/link: it gives the file a link, or the one that it has more time.
func (s *Server) link(w http.ResponseWriter, r *http.Request, a *store.Account) {
	var want LinkRequest
	if !s.answer.Read(w, r, &want) {
		return
	}
	usual := int(s.options.Limits.Keep / (24 * time.Hour))
	if want.Days == 0 {
		want.Days = usual
	}
	if want.Days < 0 || len(want.Email) > maxName || len(want.Submission) > maxName {
		s.answer.Refuse(w, r, http.StatusBadRequest, cause.Refuse(cause.ClientProtocolError))
		return
	}
	until := s.now().AddDate(0, 0, min(want.Days, usual*maxKeepTimes))
	f, err := s.options.Store.LinkFile(r.Context(), a.ID, r.PathValue("id"), until, func(f *store.File) {
		if want.Email != "" {
			f.Email = want.Email
		}
		if want.Submission != "" {
			f.Submission = want.Submission
		}
	})
	if store.KindOf(err) == store.KindInvalid {
		if f, ok := s.file(w, r, a); ok {
			d := cause.Refuse(cause.FileIncomplete, cause.Text("name", f.Name))
			if f.Over(s.now()) {
				d.Cause = cause.FileGone
			}
			s.answer.Refuse(w, r, http.StatusConflict, d)
		}
		return
	}
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.options.Note(r.Context(), a.ID, journal.FileLinked, store.Field{Name: "file", Value: f.Name},
		store.Field{Name: "until", Value: f.Expires.Format(time.DateOnly)})
	s.linked(w, r, &f)
}

// unlink answers DELETE /api/files/{id}/link: nobody can fetch the file any more.
func (s *Server) unlink(w http.ResponseWriter, r *http.Request, a *store.Account) {
	ended := false
	f, err := s.options.Store.ChangeFile(r.Context(), a.ID, r.PathValue("id"), func(f *store.File) error {
		if ended = f.Link != nil && f.Link.Revoked.IsZero(); ended {
			f.Link.Revoked = s.now().UTC()
		}
		return nil
	})
	if err != nil {
		s.failed(w, r, err)
		return
	}
	if ended {
		s.options.Note(r.Context(), a.ID, journal.FileUnlinked, store.Field{Name: "file", Value: f.Name})
	}
	s.answer.JSON(w, s.describe(&f))
}

// text answers GET /api/files/{id}/text: what stands in a message in place of the file, in the language asked for.
func (s *Server) text(w http.ResponseWriter, r *http.Request, a *store.Account) {
	f, ok := s.file(w, r, a)
	if !ok {
		return
	}
	if f.Link == nil || f.Over(s.now()) {
		s.answer.Refuse(w, r, http.StatusConflict, cause.Refuse(cause.FileGone, cause.Text("name", f.Name)))
		return
	}
	s.linked(w, r, &f)
}

func (s *Server) linked(w http.ResponseWriter, r *http.Request, f *store.File) {
	frame := s.pages.Frame(r)
	b := s.block(f, page.Lang(r), frame.T)
	s.answer.JSON(w, Linked{File: s.describe(f), Text: b.text(), HTML: b.html()})
}

// compressible tells by name and type whether packing would likely make a file smaller: most large files are packed
// already.
func compressible(name, kind string) bool {
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		switch strings.ToLower(name[i+1:]) {
		case "zip", "7z", "gz", "tgz", "bz2", "xz", "zst", "rar", "br", "lz4", "cab", "dmg", "iso", "apk", "jar",
			"jpg", "jpeg", "png", "gif", "webp", "heic", "heif", "avif", "mp3", "m4a", "aac", "ogg", "opus", "flac", "wma",
			"mp4", "m4v", "mov", "mkv", "webm", "avi", "wmv", "mpg", "mpeg", "3gp", "docx", "xlsx", "pptx", "odt", "ods", "odp", "epub", "pdf":
			return false
		case "txt", "csv", "tsv", "log", "json", "xml", "html", "sql", "bmp", "tif", "tiff", "wav", "aif", "aiff", "psd", "mbox", "eml", "tar", "doc", "xls", "ppt", "rtf", "svg", "dwg", "stl", "obj", "vmdk", "vdi":
			return true
		}
	}
	major, minor, _ := strings.Cut(kind, "/")
	switch major {
	case "text":
		return true
	case "image":
		return minor == "bmp" || minor == "tiff" || minor == "svg+xml"
	case "audio":
		return minor == "wav" || minor == "x-wav" || minor == "aiff"
	case "application":
		return minor == "json" || minor == "xml" || minor == "x-tar" || minor == "sql" || strings.HasSuffix(minor, "+xml") || strings.HasSuffix(minor, "+json")
	}
	return false
}
