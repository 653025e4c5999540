package view

import (
	"bufio"
	"cmp"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"unicode"
)

// filePolicy is for files, and whatever else is answered about a message: a page that a browser makes of it by itself can do nothing.
const filePolicy = "default-src 'none'; sandbox; frame-ancestors 'self'"

// part is a part as a file. Pictures of dots are shown where a page asks for them, and a PDF with ?view=1; what they are is
// seen from their content, whatever the message says. Everything else is a download.
func (s *Server) part(w http.ResponseWriter, r *request) error {
	i, err := r.mail.partNumber(r.PathValue("part"))
	if err != nil {
		return err
	}
	done, err := s.longAnswer(w, r)
	if err != nil {
		return err
	}
	defer done()
	body, err := s.octets(r.Context(), r.mail, i)
	if err != nil {
		return err
	}
	defer body.Close()
	b := bufio.NewReaderSize(body, 4096)
	begin, _ := b.Peek(sniffLength) // what cannot be read shows below
	kind, disposition := "application/octet-stream", "attachment"
	query := r.URL.Query()
	switch found := rasterType(begin); {
	case query.Get("download") != "":
	case found != "":
		kind, disposition = found, "inline"
	case query.Get("view") == "1" && isPDF(begin):
		kind, disposition = "application/pdf", "inline"
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", contentDisposition(disposition, r.mail.fileName(i)))
	h.Set("Cache-Control", "private, max-age=31536000, immutable")
	h.Set("Vary", "Cookie, Authorization")
	if _, err := io.Copy(w, b); err != nil {
		s.log.Debug("view: download ended", "error", err)
	}
	return nil
}

// sniffLength is how much of a file tells what it is.
const sniffLength = 1024

// rasterType is the media type of a picture of dots that browsers show, "" for anything else.
func rasterType(begin []byte) string {
	text := string(begin)
	switch {
	case strings.HasPrefix(text, "\x89PNG\r\n\x1a\n"):
		return "image/png"
	case strings.HasPrefix(text, "\xff\xd8\xff"):
		return "image/jpeg"
	case strings.HasPrefix(text, "GIF87a"), strings.HasPrefix(text, "GIF89a"):
		return "image/gif"
	case len(text) >= 12 && text[:4] == "RIFF" && text[8:12] == "WEBP":
		return "image/webp"
	case strings.HasPrefix(text, "BM") && len(text) > 26 && text[6:10] == "\x00\x00\x00\x00":
		return "image/bmp"
	}
	return ""
}

func isPDF(begin []byte) bool { return strings.HasPrefix(string(begin), "%PDF-") }

// maxName is how long the name of a file can be, in octets.
const maxName = 150

// usualNames are for parts that the message does not name.
var usualNames = map[string]string{
	"message/rfc822": "message.eml", "text/calendar": "invitation.ics", "text/plain": "text.txt", "text/html": "text.html", "application/pdf": "document.pdf",
	"image/png": "image.png", "image/jpeg": "image.jpg", "image/gif": "image.gif", "image/webp": "image.webp",
}

// fileName is the name of a part as a file.
func (m *mail) fileName(i int) string {
	p := &m.parts[i]
	return safeName(cmp.Or(p.Title(), usualNames[p.Type+"/"+p.Subtype]), i)
}

// safeName makes of what a message says a name that is one everywhere: no path, nothing that is not seen or turns the
// order of letters, nothing that a system takes for a device.
func safeName(name string, part int) string {
	name = path.Base(strings.ReplaceAll(strings.TrimSpace(name), `\`, "/"))
	name = strings.Map(func(c rune) rune {
		switch {
		case unicode.IsControl(c), unicode.Is(unicode.Cf, c), c == unicode.ReplacementChar:
			return -1
		case strings.ContainsRune(`/:*?"<>|`, c):
			return '_'
		case unicode.IsSpace(c):
			return ' '
		}
		return c
	}, name)
	name = strings.TrimSpace(strings.TrimLeft(name, ". "))
	name = strings.TrimRight(name, ". ")
	for ext := path.Ext(name); len(name) > maxName; {
		stem := []rune(strings.TrimSuffix(name, ext))
		if len(ext) > 20 || len(stem) < 2 {
			name = string([]rune(name)[:maxName/4])
			break
		}
		name = string(stem[:len(stem)-1]) + ext
	}
	stem, _, _ := strings.Cut(strings.ToUpper(name), ".")
	if devices := " CON PRN AUX NUL COM1 COM2 COM3 COM4 COM5 COM6 COM7 COM8 COM9 LPT1 LPT2 LPT3 LPT4 LPT5 LPT6 LPT7 LPT8 LPT9 "; stem != "" && strings.Contains(devices, " "+stem+" ") {
		name = "_" + name
	}
	if name == "" {
		name = "part-" + strconv.Itoa(part+1)
	}
	return name
}

// contentDisposition names a file twice (RFC 6266 appendix D): in ASCII, and as it is.
func contentDisposition(disposition, name string) string {
	ascii := strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '%' {
			return '_'
		}
		return c
	}, name)
	field := disposition + `; filename="` + ascii + `"`
	if ascii != name {
		field += "; filename*=UTF-8''" + percent(name)
	}
	return field
}

// percent writes an ext-value (RFC 8187 section 3.2.1).
func percent(s string) string {
	const hex = "0123456789ABCDEF"
	var b []byte
	for i := range len(s) {
		if c := s[i]; 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("!#$&+-.^_`|~", c) >= 0 {
			b = append(b, c)
		} else {
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}
