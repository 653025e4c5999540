package files

import (
	"encoding/base64"
	"encoding/hex"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/netserve"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/web/page"
)

// landingPage is what whoever has the link sees before fetching the file.
type landingPage struct {
	page.Frame
	Sender string // a name, never an address
	Name   string
	Size   string
	Until  string
	SHA256 string
	Path   string // of the download
}

// endedPage says that there is no file, why, and what to do.
type endedPage struct {
	page.Frame
	Text string
	Step string
}

// landing answers GET /f/{token}.
func (s *Server) landing(w http.ResponseWriter, r *http.Request) {
	release, ok := s.visitor(w, r)
	if !ok {
		return
	}
	defer release()
	f, ok := s.linkedFile(w, r)
	if !ok {
		return
	}
	p := landingPage{Frame: s.pages.Frame(r), Name: f.Name, SHA256: hex.EncodeToString(f.SHA256), Path: "/f/" + f.Link.Token + "/download"}
	c := s.options.Catalogue.Here(page.Zone(r, ""), s.now())
	p.Title = f.Name
	p.Size, p.Until = c.Value(p.Lang, cause.Size("size", f.Size)), c.Day(p.Lang, f.Expires)
	p.Sender = s.sender(r, &f, p.T)
	s.pages.Write(w, http.StatusOK, "file.html", p.Lang, p)
}

// sender names who sent a file: by the name of the account, or by its domain. The link may have been passed on, so the address
// stays private; whoever got the message has it.
func (s *Server) sender(r *http.Request, f *store.File, words map[string]string) string {
	a, err := s.options.Store.Account(r.Context(), f.Account)
	if err != nil {
		return s.options.Hostname
	}
	if a.Name != "" {
		return a.Name
	}
	return strings.ReplaceAll(words["somebody"], "{domain}", a.Domain())
}

// private are the headers of all that a link leads to: not to be found, not to be kept, and not to tell where it was.
func private(h http.Header) {
	h.Set("X-Robots-Tag", "noindex, nofollow")
	h.Set("Cache-Control", "private, no-store")
	h.Set("Referrer-Policy", "no-referrer")
}

// linkedFile returns the file that a link leads to. Where it leads to none it has answered, with a page.
func (s *Server) linkedFile(w http.ResponseWriter, r *http.Request) (store.File, bool) {
	private(w.Header())
	f, err := s.options.Store.FileByToken(r.Context(), r.PathValue("token"))
	status, text := http.StatusGone, ""
	frame := s.pages.Frame(r)
	switch {
	case store.KindOf(err) == store.KindNotFound:
		status, text = http.StatusNotFound, frame.T["unknown_text"]
	case err != nil:
		s.options.Log.Error("files: link not followed", "error", err)
		status, text = http.StatusServiceUnavailable, frame.T["later_text"]
	case s.held(r, &f):
		status, text = http.StatusForbidden, frame.T["held_text"]
	case f.Link.Revoked.IsZero() && !f.Over(s.now()):
		return f, true
	case !f.Link.Revoked.IsZero():
		text = frame.T["revoked_text"]
	default:
		text = strings.ReplaceAll(frame.T["expired_text"], "{until}", s.options.Catalogue.Here(page.Zone(r, ""), s.now()).Day(frame.Lang, f.Expires))
	}
	p := endedPage{Frame: frame, Text: text, Step: frame.T["ask_sender"]}
	p.Title = frame.T["ended_title"]
	if status == http.StatusServiceUnavailable {
		p.Title, p.Step = frame.T["later_title"], frame.T["later_step"]
	}
	s.pages.Write(w, status, "ended.html", frame.Lang, p)
	return f, false
}

// held reports whether the files of an account are not handed out, for it may not be used.
func (s *Server) held(r *http.Request, f *store.File) bool {
	a, err := s.options.Store.Account(r.Context(), f.Account)
	return err != nil || a.Disabled || a.Suspended != ""
}

// download answers GET /f/{token}/download, whole or a range of it (RFC 9110 section 14).
func (s *Server) download(w http.ResponseWriter, r *http.Request) {
	release, ok := s.visitor(w, r)
	if !ok {
		return
	}
	defer release()
	f, ok := s.linkedFile(w, r)
	if !ok {
		return
	}
	content, err := s.options.Store.Blobs().Open(r.Context(), f.Blob)
	if err != nil {
		s.options.Log.Error("files: contents not opened", "file", f.ID, "error", err)
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		return
	}
	defer content.Close()
	h := w.Header()
	h.Set("Content-Type", harmless(f.Type))
	h.Set("Content-Disposition", disposition(f.Name))
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("ETag", `"`+hex.EncodeToString(f.SHA256)+`"`)
	h.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(f.SHA256)+":") // RFC 9530
	if r.Method == http.MethodGet && begins(r.Header.Get("Range")) {
		if err := s.options.Store.CountDownload(r.Context(), f.Account, f.ID); err != nil {
			s.options.Log.Warn("files: a download was not counted", "file", f.ID, "error", err)
		}
	}
	http.ServeContent(netserve.Patiently(w, patience), r, "", f.Whole, io.NewSectionReader(content, 0, content.Size()))
}

// begins reports whether a request for a range asks for the first octet: whoever goes on with a download is not counted
// again.
func begins(header string) bool {
	return header == "" || strings.HasPrefix(strings.TrimPrefix(strings.ReplaceAll(header, " ", ""), "bytes="), "0-")
}

// harmless is the media type to tell: none that a browser would run.
func harmless(kind string) string {
	major, minor, _ := strings.Cut(kind, "/")
	switch {
	case major == "image" && minor != "svg+xml", major == "audio", major == "video", kind == "application/pdf", kind == "application/zip":
		return kind
	}
	return "application/octet-stream"
}

// disposition names a file for saving (RFC 6266), in ASCII too for who knows no better.
func disposition(name string) string {
	ascii := strings.Map(func(r rune) rune {
		if r > 0x7e || r < ' ' || strings.ContainsRune(`"\%`, r) {
			return '_'
		}
		return r
	}, name)
	value := `attachment; filename="` + ascii + `"`
	if ascii == name {
		return value
	}
	// The parameter of RFC 8187 alone; FormatMediaType writes it after the type.
	if full := mime.FormatMediaType("attachment", map[string]string{"filename": name}); strings.Contains(full, "filename*=") {
		return value + strings.TrimPrefix(full, "attachment")
	}
	return value
}

// fetches bounds what one place on the net asks for without having signed in.
type fetches struct {
	mu     sync.Mutex
	places map[netip.Prefix]*place
}

// place is an address, or a /64 of IPv6.
type place struct {
	left    float64 // requests that it may make at once
	at      time.Time
	running int
}

const (
	// So many requests at once, then one for each interval.
	fetchBurst    = 60
	fetchInterval = time.Second
	// maxRunning is how many downloads one place runs at once.
	maxRunning = 16
	maxPlaces  = 20_000
)

func (f *fetches) init() { f.places = map[netip.Prefix]*place{} }

// visitor admits a request without sign-in, or tells it to come later.
func (s *Server) visitor(w http.ResponseWriter, r *http.Request) (release func(), ok bool) {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err == nil {
		if release, ok = s.fetches.admit(remote.Addr().Unmap(), time.Now()); ok {
			return release, true
		}
	}
	private(w.Header())
	w.Header().Set("Retry-After", "10")
	p := endedPage{Frame: s.pages.Frame(r)}
	p.Title, p.Text, p.Step = p.T["often_title"], p.T["often_text"], p.T["later_step"]
	s.pages.Write(w, http.StatusTooManyRequests, "ended.html", p.Lang, p)
	return nil, false
}

func (f *fetches) admit(a netip.Addr, now time.Time) (release func(), ok bool) {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	prefix, err := a.WithZone("").Prefix(bits)
	if err != nil {
		return nil, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.places[prefix]
	if p == nil {
		if len(f.places) >= maxPlaces {
			f.forget(now)
		}
		p = &place{left: fetchBurst, at: now}
		f.places[prefix] = p
	}
	p.refill(now)
	if p.left < 1 || p.running >= maxRunning {
		return nil, false
	}
	p.left--
	p.running++
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		p.running--
	}, true
}

func (p *place) refill(now time.Time) {
	p.left = min(fetchBurst, p.left+float64(now.Sub(p.at))/float64(fetchInterval))
	p.at = now
}

// forget drops the places that are as good as new, or if there are none any that runs nothing.
func (f *fetches) forget(now time.Time) {
	before := len(f.places)
	for k, p := range f.places {
		if p.refill(now); p.running == 0 && p.left >= fetchBurst {
			delete(f.places, k)
		}
	}
	for k, p := range f.places {
		if len(f.places) < before {
			return
		}
		if p.running == 0 {
			delete(f.places, k)
		}
	}
}
