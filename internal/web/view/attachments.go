package view

import (
	"archive/zip"
	"bytes"
	"io"
	"path"
	"strings"
	"unicode"

	"github.com/postiljon/postiljon/internal/message"
)

// attachmentNote is what a reader should know before opening an attachment.
type attachmentNote struct {
	PartID string `json:"partId"`
	Name   string `json:"name"`
	said
}

// What files are by the end of their names: programs and what starts them; documents with programs inside; pages.
const (
	programNames = `.exe .scr .com .bat .cmd .pif .js .jse .vbs .vbe .wsf .wsh .hta .lnk .iso .img .vhd .vhdx .msi .msix .appx .jar .ps1 .psm1 .cpl .one .xll
		.chm .reg .inf .scf .url .library-ms .search-ms .msc .dll .sys .sh .command .app .dmg .pkg .apk .ipa .deb .rpm .py .pl .rb .ade .adp .mde`
	macroNames = ".docm .dotm .xlsm .xltm .xlam .pptm .potm .ppam .ppsm .sldm"
	pageNames  = ".htm .html .xhtml .xht .shtml .mht .mhtml .svg .svgz .xml"
)

// lookedAt bounds how many attachments are looked at, archiveSize how large an archive can be that is looked into, in octets.
const (
	lookedAt    = 100
	archiveSize = 10 << 20
	maxEntries  = 2000
)

// aboutAttachments looks at names and beginnings of attachments, and into archives.
func (s *Server) aboutAttachments(r *request) ([]attachmentNote, error) {
	notes := []attachmentNote{}
	list := message.BodiesOf(r.mail.parts, 0).Attachments
	for _, i := range list[:min(len(list), lookedAt)] {
		id, level, pairs, err := s.lookAt(r, i)
		if err != nil {
			return nil, err
		}
		if id != "" {
			name := r.mail.fileName(i)
			notes = append(notes, attachmentNote{partID(i), name, r.words(s).said(level, id, append(pairs, "name", name)...)})
		}
	}
	return notes, nil
}

// lookAt finds the worst that is to be said of an attachment: the name of a text, its level and what fills it.
func (s *Server) lookAt(r *request, i int) (id, level string, pairs []string, err error) {
	title := r.mail.parts[i].Title()
	ext := strings.ToLower(path.Ext(strings.TrimRight(title, ". ")))
	body, err := s.octets(r.Context(), r.mail, i)
	if err != nil {
		return "", "", nil, err
	}
	defer body.Close()
	begin := make([]byte, sniffLength)
	n, _ := io.ReadFull(body, begin)
	begin = begin[:n]
	switch {
	case strings.ContainsFunc(title, func(c rune) bool { return unicode.Is(unicode.Bidi_Control, c) }):
		return "name-turned", "bad", nil, nil
	case isOneOf(ext, programNames) && posesAs(title, ext) != "":
		return "double-extension", "bad", []string{"shown", posesAs(title, ext), "ext", ext}, nil
	case isOneOf(ext, programNames):
		return "program", "bad", []string{"ext", ext}, nil
	case isProgram(begin):
		return "program-inside", "bad", nil, nil
	case isOneOf(ext, macroNames):
		return "macros", "warn", []string{"ext", ext}, nil
	case isOneOf(ext, pageNames):
		return "page", "warn", []string{"ext", ext}, nil
	case bytes.HasPrefix(begin, []byte("PK\x03\x04")):
		rest, err := io.ReadAll(io.LimitReader(body, archiveSize))
		if err != nil {
			return "", "", nil, err
		}
		id, level, pairs = lookInto(append(begin, rest...))
		return id, level, pairs, nil
	case encryptedRAR(begin):
		return "encrypted", "warn", nil, nil
	}
	return "", "", nil, nil
}

// posesAs is the harmless ending that stands before the real one, as in "invoice.pdf.exe", or "".
func posesAs(title, ext string) string {
	before := strings.ToLower(path.Ext(strings.TrimSpace(strings.TrimSuffix(strings.ToLower(title), ext))))
	if isOneOf(before, ".pdf .doc .docx .xls .xlsx .ppt .pptx .jpg .jpeg .png .gif .txt .rtf .odt .ods .csv .mp3 .mp4 .avi .zip .htm .html") {
		return before
	}
	return ""
}

// isProgram tells of files that systems run, whatever they are called.
func isProgram(begin []byte) bool {
	for _, magic := range []string{"MZ", "\x7fELF", "\xfe\xed\xfa\xce", "\xfe\xed\xfa\xcf", "\xcf\xfa\xed\xfe", "\xce\xfa\xed\xfe", "L\x00\x00\x00\x01\x14\x02\x00"} {
		if bytes.HasPrefix(begin, []byte(magic)) && len(begin) > 64 {
			return true
		}
	}
	return false
}

// lookInto looks at the names in an archive, and whether it is encrypted, so that nobody could look into it on the way.
func lookInto(archive []byte) (id, level string, pairs []string) {
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		if len(archive) > 8 && archive[6]&1 != 0 {
			return "encrypted", "warn", nil
		}
		return "", "", nil
	}
	for n, f := range z.File {
		if n == maxEntries {
			break
		}
		if ext := strings.ToLower(path.Ext(f.Name)); isOneOf(ext, programNames) {
			return "program-in-archive", "bad", []string{"inside", safeName(f.Name, 0)}
		}
		if f.Flags&1 != 0 {
			id, level = "encrypted", "warn"
		}
	}
	return id, level, nil
}

// encryptedRAR tells of archives of RAR 4 and 5 whose headers are encrypted.
func encryptedRAR(begin []byte) bool {
	switch {
	case bytes.HasPrefix(begin, []byte("Rar!\x1a\x07\x01\x00")) && len(begin) > 14:
		return begin[13] == 4 // the type of the first header: archive encryption
	case bytes.HasPrefix(begin, []byte("Rar!\x1a\x07\x00")) && len(begin) > 11:
		return begin[10]&0x80 != 0 // MHD_PASSWORD
	}
	return false
}
