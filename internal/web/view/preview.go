package view

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/image/bmp"
	"golang.org/x/image/draw"
	"golang.org/x/image/webp"

	"github.com/postiljon/postiljon/internal/store"
)

// Bounds of pictures that are decoded.
const (
	maxPicture  = 10 << 20   // octets
	maxDots     = 40_000_000 // of all frames together
	maxFrames   = 300
	maxShown    = 2400      // dots on a side; larger ones are made smaller
	maxMemory   = 256 << 20 // octets that one takes while it is decoded
	decodeSlots = 2         // decoded at once, one of an account
	decodeWait  = 20 * time.Second
)

var errPicture = errors.New("view: not a picture that can be shown")

// picture is one that was made anew: whatever else stood in the original is gone.
type picture struct {
	kind string // media type
	data []byte
}

// remake decodes a picture and makes it anew, no wider and no higher than side.
func remake(data []byte, side int) (*picture, error) {
	kind := rasterType(data)
	decode, ok := decoders[kind]
	if !ok {
		return nil, errPicture
	}
	config, err := decode.config(bytes.NewReader(data))
	if err != nil || config.Width <= 0 || config.Height <= 0 || config.Width > maxDots/config.Height || config.Width*config.Height > maxMemory/perDot(kind, config, data) {
		return nil, errPicture
	}
	if kind == "image/gif" && side >= maxShown {
		if p, ok := remakeAnimation(data, config); ok {
			return p, nil
		}
	}
	img, err := decode.image(bytes.NewReader(data))
	if err != nil {
		return nil, errPicture
	}
	img = fit(img, side)
	if kind == "image/jpeg" {
		img = upright(img, orientation(data))
	}
	var b bytes.Buffer
	if o, ok := img.(interface{ Opaque() bool }); kind == "image/jpeg" || kind == "image/webp" && ok && o.Opaque() {
		err = jpeg.Encode(&b, img, &jpeg.Options{Quality: 85})
		return &picture{"image/jpeg", b.Bytes()}, err
	}
	err = (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, img)
	return &picture{"image/png", b.Bytes()}, err
}

// perDot is about how many octets a dot takes while a picture is decoded.
func perDot(kind string, c image.Config, data []byte) int {
	switch {
	case kind == "image/jpeg" && progressive(data):
		return 20 // package jpeg has all coefficients in memory then
	case kind == "image/webp", c.ColorModel == color.NRGBA64Model, c.ColorModel == color.RGBA64Model:
		return 8
	}
	return 4
}

// progressive tells whether a JPEG comes in several passes (ITU-T T.81 section B.1.1.3: SOF2).
func progressive(data []byte) bool {
	for at := 2; at+4 < len(data); {
		switch marker := data[at+1]; {
		case data[at] != 0xff || marker == 0xff: // fill, as package jpeg passes over it
			at++
		case marker == 0 || marker >= 0xd0 && marker <= 0xd7: // has no length
			at += 2
		case marker == 0xc2:
			return true
		case marker == 0xc0, marker == 0xc1, marker == 0xda:
			return false
		default:
			at += 2 + int(binary.BigEndian.Uint16(data[at+2:]))
		}
	}
	return false
}

// decoder reads pictures of a type.
type decoder struct {
	config func(io.Reader) (image.Config, error)
	image  func(io.Reader) (image.Image, error)
}

// decoders are those of all types that are shown.
var decoders = map[string]decoder{
	"image/png": {png.DecodeConfig, png.Decode}, "image/jpeg": {jpeg.DecodeConfig, jpeg.Decode}, "image/gif": {gif.DecodeConfig, gif.Decode},
	"image/webp": {webp.DecodeConfig, webp.Decode}, "image/bmp": {bmp.DecodeConfig, bmp.Decode},
}

// remakeAnimation makes a picture that moves anew, if it is one and within the bounds.
func remakeAnimation(data []byte, config image.Config) (*picture, bool) {
	if frames := countFrames(data); frames < 2 || frames > maxFrames || frames*config.Width*config.Height > maxDots {
		return nil, false
	}
	all, err := gif.DecodeAll(bytes.NewReader(data))
	if err != nil {
		return nil, false
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, all); err != nil {
		return nil, false
	}
	return &picture{"image/gif", b.Bytes()}, true
}

// countFrames counts the pictures in a GIF without decoding any.
func countFrames(data []byte) (frames int) {
	if len(data) < 13 {
		return 0
	}
	at := 13 + colourTable(data[10])
	blocks := func() {
		for at < len(data) && data[at] != 0 {
			at += int(data[at]) + 1
		}
		at++
	}
	for at < len(data) {
		switch data[at] {
		case 0x21:
			at += 2
			blocks()
		case 0x2c:
			if at+10 >= len(data) {
				return frames
			}
			frames++
			at += 11 + colourTable(data[at+9])
			blocks()
		default:
			return frames
		}
	}
	return frames
}

func colourTable(flags byte) int {
	if flags&0x80 == 0 {
		return 0
	}
	return 3 << (flags&7 + 1)
}

// fit makes a picture smaller if it is larger than a square.
func fit(img image.Image, side int) image.Image {
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	if w <= side && h <= side {
		return img
	}
	nw, nh := side, max(1, h*side/max(w, 1))
	if h > w {
		nw, nh = max(1, w*side/h), side
	}
	img = halved(img, nw, nh)
	out := image.NewRGBA(image.Rect(0, 0, nw, nh))
	draw.ApproxBiLinear.Scale(out, out.Bounds(), img, img.Bounds(), draw.Src, nil)
	return out
}

// halved averages dots until a picture is less than twice as large as wanted, so that scaling leaves none out.
func halved(img image.Image, w, h int) image.Image {
	b := img.Bounds()
	step := min(b.Dx()/max(w, 1), b.Dy()/max(h, 1))
	if step < 2 {
		return img
	}
	out := image.NewRGBA(image.Rect(0, 0, b.Dx()/step, b.Dy()/step))
	samples := min(step, 4)
	for y := range out.Rect.Dy() {
		for x := range out.Rect.Dx() {
			var r, g, bl, a uint32
			for i := range samples {
				for j := range samples {
					r1, g1, b1, a1 := img.At(b.Min.X+x*step+j*step/samples, b.Min.Y+y*step+i*step/samples).RGBA()
					r, g, bl, a = r+r1>>8, g+g1>>8, bl+b1>>8, a+a1>>8
				}
			}
			n := uint32(samples * samples)
			out.SetRGBA(x, y, color.RGBA{uint8(r / n), uint8(g / n), uint8(bl / n), uint8(a / n)})
		}
	}
	return out
}

// orientation is how a camera was held (Exif, tag 0x112): 1 to 8, 1 if it is not told.
func orientation(data []byte) int {
	for at := 2; at+4 < len(data) && data[at] == 0xff && data[at+1] != 0xda; {
		size := int(binary.BigEndian.Uint16(data[at+2:]))
		if data[at+1] == 0xe1 && at+4+size < len(data) && size > 16 && string(data[at+4:at+10]) == "Exif\x00\x00" {
			return exifOrientation(data[at+10 : at+2+size])
		}
		at += 2 + size
	}
	return 1
}

func exifOrientation(tiff []byte) int {
	if len(tiff) < 14 {
		return 1
	}
	var order binary.ByteOrder = binary.BigEndian
	if string(tiff[:2]) == "II" {
		order = binary.LittleEndian
	}
	at := int(order.Uint32(tiff[4:]))
	if at < 8 || at+2 > len(tiff) {
		return 1
	}
	for n := int(order.Uint16(tiff[at:])); n > 0; n-- {
		entry := at + 2 + (n-1)*12
		if entry+12 <= len(tiff) && order.Uint16(tiff[entry:]) == 0x112 {
			if o := int(order.Uint16(tiff[entry+8:])); o >= 1 && o <= 8 {
				return o
			}
		}
	}
	return 1
}

// upright turns a picture as the camera was held.
func upright(img image.Image, orientation int) image.Image {
	if orientation == 1 {
		return img
	}
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	size := image.Rect(0, 0, w, h)
	if orientation >= 5 {
		size = image.Rect(0, 0, h, w)
	}
	out := image.NewRGBA(size)
	for y := range h {
		for x := range w {
			tx, ty := x, y
			switch orientation {
			case 2:
				tx = w - 1 - x
			case 3:
				tx, ty = w-1-x, h-1-y
			case 4:
				ty = h - 1 - y
			case 5:
				tx, ty = y, x
			case 6:
				tx, ty = h-1-y, x
			case 7:
				tx, ty = h-1-y, w-1-x
			case 8:
				tx, ty = y, w-1-x
			}
			out.Set(tx, ty, img.At(b.Min.X+x, b.Min.Y+y))
		}
	}
	return out
}

// preview is a small picture of an attachment that is one, at most w dots wide and high.
func (s *Server) preview(w http.ResponseWriter, r *request) error {
	i, err := r.mail.partNumber(r.PathValue("part"))
	if err != nil {
		return err
	}
	side := 320
	if text := r.URL.Query().Get("w"); text != "" {
		if side, err = strconv.Atoi(text); err != nil || side < 16 || side > 1600 {
			return errStatus(http.StatusBadRequest)
		}
	}
	body, err := s.octets(r.Context(), r.mail, i)
	if err != nil {
		return err
	}
	defer body.Close()
	begin := make([]byte, sniffLength)
	n, _ := io.ReadFull(body, begin)
	if rasterType(begin[:n]) == "" {
		return errStatus(http.StatusUnsupportedMediaType)
	}
	p, err := s.remake(r.Context(), r.account.ID, side, func() ([]byte, error) {
		rest, err := io.ReadAll(io.LimitReader(body, 3*maxPicture))
		if err != nil {
			return nil, fmt.Errorf("view: read picture: %w", err)
		}
		return append(begin[:n:n], rest...), nil
	})
	if err != nil {
		return err
	}
	p.write(w, "private, max-age=31536000, immutable")
	return nil
}

// remake waits for its turn, and reads the picture then: pictures take much memory. An account waits with one picture at a time, so that a
// message with a hundred holds up nobody else.
func (s *Server) remake(ctx context.Context, a store.AccountID, side int, read func() ([]byte, error)) (*picture, error) {
	wait, cancel := context.WithTimeout(ctx, decodeWait)
	defer cancel()
	done, ok := s.turn.take(wait, a)
	if !ok {
		return nil, errStatus(http.StatusServiceUnavailable)
	}
	defer done()
	select {
	case s.decoding <- struct{}{}:
		defer func() { <-s.decoding }()
	case <-wait.Done():
		return nil, errStatus(http.StatusServiceUnavailable)
	}
	data, err := read()
	if err != nil {
		return nil, err
	}
	p, err := remake(data, side)
	if err != nil {
		return nil, errStatus(http.StatusUnsupportedMediaType)
	}
	return p, nil
}

func (p *picture) write(w http.ResponseWriter, cache string) {
	h := w.Header()
	h.Set("Content-Type", p.kind)
	h.Set("Content-Length", fmt.Sprint(len(p.data)))
	h.Set("Content-Disposition", "inline")
	h.Set("Cache-Control", cache)
	h.Set("Vary", "Cookie, Authorization")
	_, _ = w.Write(p.data) // a client that went away
}
