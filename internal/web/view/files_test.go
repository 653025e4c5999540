package view

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"net/http"
	"strings"
	"testing"
)

// dots is a picture of a size.
func dots(t testing.TB, w, h int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range img.Pix {
		img.Pix[i] = byte(i * 7)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// attached is a message with files, given as name, type and content in turn.
func attached(files ...string) string {
	var b strings.Builder
	b.WriteString("From: a@example.org\nSubject: Two files\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nText\n")
	for i := 0; i < len(files); i += 3 {
		b.WriteString("--b\nContent-Type: " + files[i+1] + "; name=\"" + files[i] + "\"\nContent-Disposition: attachment\nContent-Transfer-Encoding: base64\n\n")
		b.WriteString(base64.StdEncoding.EncodeToString([]byte(files[i+2])) + "\n")
	}
	return b.String() + "--b--\n"
}

func TestArchive(t *testing.T) {
	w := newWorld(t)
	at := w.put(attached("a.txt", "text/plain", "one", "../A.txt", "text/plain", "two", "b", "image/png", "three"))
	a := w.get(at + "/attachments.zip")
	z, err := zip.NewReader(bytes.NewReader(a.Body.Bytes()), int64(a.Body.Len()))
	if err != nil || a.Header().Get("Content-Disposition") != `attachment; filename="Two files.zip"` {
		t.Fatal(err, a.Header())
	}
	var got []string
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		got = append(got, f.Name+"="+string(text))
		if err != nil {
			t.Fatal(err)
		}
	}
	if want := "a.txt=one A (2).txt=two b=three"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
	if none := w.get(w.put("Subject: x\n\ny\n") + "/attachments.zip"); none.Code != http.StatusNotFound {
		t.Error(none.Code)
	}
}

// TestNames gives parts that have no name a usual one.
func TestNames(t *testing.T) {
	w := newWorld(t)
	at := w.put("Content-Type: multipart/mixed; boundary=b\n\n--b\n\nText\n--b\nContent-Type: message/rfc822\n\nSubject: inside\n\nx\n--b\nContent-Type: audio/x-strange\n\nx\n--b--\n")
	for part, want := range map[string]string{"3": "message.eml", "5": "part-5"} {
		if got := w.get(at + "/part/" + part + "/x").Header().Get("Content-Disposition"); got != `attachment; filename="`+want+`"` {
			t.Errorf("%s: %s", part, got)
		}
	}
}

func TestRaw(t *testing.T) {
	w := newWorld(t)
	at := w.put("Subject: <b>\n\n<script>alert(1)</script>\n")
	for query, kind := range map[string]string{"": "message/rfc822", "?view=1": "text/plain; charset=utf-8"} {
		a := w.get(at + "/raw" + query)
		if a.Header().Get("Content-Type") != kind || a.Body.String() != "Subject: <b>\r\n\r\n<script>alert(1)</script>\r\n" || !strings.Contains(a.Header().Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%s: %v %s", query, a.Header(), a.Body)
		}
	}
}

func TestHeaders(t *testing.T) {
	w := newWorld(t)
	at := w.put("Received: from b.example by mx.demo.test with ESMTPS id x; Mon, 2 Nov 2026 10:01:30 +0100\n" +
		"Received: from a.example by b.example with ESMTP; Mon, 2 Nov 2026 10:00:00 +0100\nSubject: =?utf-8?q?R=C3=A4ka?=\n\nx\n")
	var told headers
	if err := json.Unmarshal(w.get(at+"/headers").Body.Bytes(), &told); err != nil {
		t.Fatal(err)
	}
	if len(told.Hops) != 2 || told.Hops[0].By != "b.example" || told.Hops[1].Delay != 90 || told.Hops[1].At != "2026-11-02T09:01:30Z" || !told.Hops[1].TLS {
		t.Errorf("%+v", told.Hops)
	}
	if len(told.Fields) != 3 || told.Fields[2] != (field{"Subject", "Räka"}) {
		t.Errorf("%+v", told.Fields)
	}
}

func TestPreview(t *testing.T) {
	w := newWorld(t)
	at := w.put(attached("a.png", "image/png", string(dots(t, 1000, 500)), "b.png", "image/png", "<script>", "c.png", "image/png", string(dots(t, 10, 10))[:60]))
	a := w.get(at + "/preview/3?w=200")
	img, err := png.Decode(a.Body)
	if err != nil || img.Bounds().Dx() != 200 || img.Bounds().Dy() != 100 {
		t.Errorf("%v %v", a.Code, err)
	}
	for _, path := range []string{"/preview/4", "/preview/5", "/preview/2"} {
		if a := w.get(at + path); a.Code != http.StatusUnsupportedMediaType {
			t.Errorf("%s: %d", path, a.Code)
		}
	}
	if a := w.get(at + "/preview/3?w=99999"); a.Code != http.StatusBadRequest {
		t.Error(a.Code)
	}
}

// TestAnswersTakeTurns holds that an account has so many files open at once and no more, whatever it asks for, and others their own.
func TestAnswersTakeTurns(t *testing.T) {
	w := newWorld(t)
	at := w.put("From: a@example.org\nSubject: x\n\nx\n")
	var done []func()
	for range streamSlots {
		one, ok := w.streaming.take(t.Context(), w.anna.ID)
		if !ok {
			t.Fatal("no turn")
		}
		done = append(done, one)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, ok := w.streaming.take(over, w.anna.ID); ok {
		t.Error("one too many")
	}
	if _, ok := w.streaming.take(t.Context(), w.anna.ID+1); !ok {
		t.Error("another account waits")
	}
	done[0]()
	for _, path := range []string{"/raw", "/part/1/x.txt", "/raw", "/part/1/x.txt"} { // each gives its turn back
		if a := w.get(at + path); a.Code != http.StatusOK {
			t.Errorf("%s: %d", path, a.Code)
		}
	}
}

// TestRemake makes pictures anew: nothing but dots is left of what came.
func TestRemake(t *testing.T) {
	p, err := remake(append(dots(t, 20, 10), "<script>alert(1)</script>"...), maxShown)
	if err != nil || bytes.Contains(p.data, []byte("script")) || p.kind != "image/png" {
		t.Fatal(err)
	}
	var moving bytes.Buffer
	frame := image.NewPaletted(image.Rect(0, 0, 8, 8), color.Palette{color.Black, color.White})
	if err := gif.EncodeAll(&moving, &gif.GIF{Image: []*image.Paletted{frame, frame, frame}, Delay: []int{5, 5, 5}}); err != nil {
		t.Fatal(err)
	}
	if p, err = remake(moving.Bytes(), maxShown); err != nil || p.kind != "image/gif" || countFrames(p.data) != 3 {
		t.Errorf("a moving picture: %v", err)
	}
	// One that claims to be larger than anybody's memory.
	bomb := dots(t, 2, 2)
	copy(bomb[16:24], []byte{0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff})
	if _, err = remake(bomb, maxShown); err == nil {
		t.Error("a bomb was decoded")
	}
	// One whose passes would all be in memory, which it says behind what has no length.
	var passes bytes.Buffer
	if err := jpeg.Encode(&passes, image.NewGray(image.Rect(0, 0, 4000, 4000)), nil); err != nil {
		t.Fatal(err)
	}
	if _, err = remake(passes.Bytes(), 64); err != nil || progressive(passes.Bytes()) {
		t.Errorf("a large photo: %v", err)
	}
	many := bytes.Replace(passes.Bytes(), []byte{0xff, 0xc0}, []byte{0xff, 0x00, 0xff, 0xd3, 0xff, 0xff, 0xc2}, 1)
	if _, err = remake(many, 64); err == nil || !progressive(many) {
		t.Error("a photo in passes that takes much memory was decoded")
	}
	for _, kind := range []string{"", "<svg xmlns='http://www.w3.org/2000/svg'/>", "%PDF-1.7", "GIF89a"} {
		if _, err = remake([]byte(kind), maxShown); err == nil {
			t.Errorf("%q was decoded", kind)
		}
	}
}

// TestUpright turns pictures as the camera was held.
func TestUpright(t *testing.T) {
	img := image.NewRGBA(image.Rect(0, 0, 32, 16))
	for i := range 16 * 16 {
		img.Set(i%16, i/16, color.White) // the left half
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	exif := "\xff\xe1\x00\x22Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"
	p, err := remake([]byte("\xff\xd8"+exif+b.String()[2:]), maxShown)
	if err != nil {
		t.Fatal(err)
	}
	turned, err := jpeg.Decode(bytes.NewReader(p.data))
	if err != nil || turned.Bounds().Dx() != 16 || turned.Bounds().Dy() != 32 {
		t.Fatal(err, turned.Bounds())
	}
	if top, _, _, _ := turned.At(8, 4).RGBA(); top < 0xc000 {
		t.Error("the left side did not become the top")
	}
}

func TestSafeName(t *testing.T) {
	for in, want := range map[string]string{
		"a.pdf": "a.pdf", "../../etc/passwd": "passwd", `C:\x\y.doc`: "y.doc", "": "part-4", "..": "part-4", ".htaccess": "htaccess", "CON.txt": "_CON.txt",
		"a\u202egpj.exe": "agpj.exe", "a\x00b\r\nc": "abc", "a:b?": "a_b_", strings.Repeat("å", 200) + ".pdf": strings.Repeat("å", 73) + ".pdf",
	} {
		if got := safeName(in, 3); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzSafeName(f *testing.F) {
	f.Add("../a.pdf")
	f.Fuzz(func(t *testing.T, in string) {
		name := safeName(in, 0)
		if name == "" || name == "." || name == ".." || len(name) > maxName+10 || strings.ContainsAny(name, "/\\\x00\r\n\"") {
			t.Errorf("%q: %q", in, name)
		}
		if d := contentDisposition("attachment", name); strings.ContainsAny(d, "\r\n") || strings.Count(d, `"`) != 2 {
			t.Errorf("%q", d)
		}
	})
}

// FuzzPicture decodes whatever comes, or refuses it.
func FuzzPicture(f *testing.F) {
	f.Add(dots(f, 4, 4))
	f.Add([]byte("GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"))
	f.Fuzz(func(t *testing.T, in []byte) {
		decode, ok := decoders[rasterType(in)]
		if !ok {
			return
		}
		if config, err := decode.config(bytes.NewReader(in)); err != nil || config.Width > 2000 || config.Height > 2000 {
			return // what is large takes long
		}
		if p, err := remake(in, 64); err == nil && rasterType(p.data) != p.kind {
			t.Errorf("%s is %s", p.kind, rasterType(p.data))
		}
	})
}
