package sanitize

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"golang.org/x/image/colornames"
)

// colour is one of sRGB with its opacity, each from 0 to 1.
type colour struct{ r, g, b, a float64 }

// String writes it as CSS reads it.
func (c colour) String() string {
	r, g, b := octet(c.r), octet(c.g), octet(c.b)
	if c.a >= 1 {
		return fmt.Sprintf("#%02x%02x%02x", r, g, b)
	}
	return fmt.Sprintf("rgba(%d,%d,%d,%s)", r, g, b, strconv.FormatFloat(math.Round(c.a*100)/100, 'f', -1, 64))
}

func octet(v float64) int { return int(math.Round(min(max(v, 0), 1) * 255)) }

// parseColour reads a name or a number of CSS; of an attribute, the mark before the number may be missing.
func parseColour(text string, attribute bool) (c colour, ok bool) {
	text = strings.ToLower(strings.TrimSpace(text))
	if n, ok := colornames.Map[text]; ok {
		return colour{float64(n.R) / 255, float64(n.G) / 255, float64(n.B) / 255, 1}, true
	}
	hex, ok := strings.CutPrefix(text, "#")
	if !ok && !attribute {
		return colour{}, false
	}
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil {
		return colour{}, false
	}
	part := func(shift, bits uint) float64 { return float64(n>>shift&(1<<bits-1)) / float64(uint(1)<<bits-1) }
	switch len(hex) {
	case 3:
		return colour{part(8, 4), part(4, 4), part(0, 4), 1}, true
	case 4:
		return colour{part(12, 4), part(8, 4), part(4, 4), part(0, 4)}, true
	case 6:
		return colour{part(16, 8), part(8, 8), part(0, 8), 1}, true
	case 8:
		return colour{part(24, 8), part(16, 8), part(8, 8), part(0, 8)}, true
	}
	return colour{}, false
}

// fromHSL makes a colour of a hue in degrees, saturation and lightness.
func fromHSL(h, s, l, a float64) colour {
	h = math.Mod(math.Mod(h, 360)+360, 360) / 30
	s, l = min(max(s, 0), 1), min(max(l, 0), 1)
	f := func(n float64) float64 {
		k := math.Mod(n+h, 12)
		return l - s*min(l, 1-l)*max(-1, min(k-3, 9-k, 1))
	}
	return colour{f(0), f(8), f(4), a}
}

// use is what a colour is for.
type use uint8

const (
	forText use = iota
	forBackground
	forBorder
)

// shade is a colour as it is shown: on a dark page light grounds become dark and dark text light, of the same hue, so
// that what could be read can still be read; pictures stay as they are.
func (w *writer) shade(c colour, u use) colour {
	if !w.o.Dark || c.a == 0 {
		return c
	}
	l, a, b := c.lab()
	switch u {
	case forText:
		if l < 0.72 {
			l = 0.95 - 0.28*l
		}
	case forBackground:
		if l > 0.6 {
			l = 0.25 + (1-l)*0.5
			if a, b = a*0.8, b*0.8; math.Hypot(a, b) < 0.01 { // white and grey become the ground of the page
				a, b = -0.003, -0.019
			}
		}
	case forBorder:
		if l > 0.6 {
			l = 0.38 + (1-l)*0.5
		} else if l < 0.3 {
			l = 0.5
		}
	}
	return fromLab(l, a, b, c.a)
}

// lab is a colour in Oklab, where the first number is how light it looks.
func (c colour) lab() (l, a, b float64) {
	r, g, bl := linear(c.r), linear(c.g), linear(c.b)
	x := math.Cbrt(0.4122214708*r + 0.5363325363*g + 0.0514459929*bl)
	y := math.Cbrt(0.2119034982*r + 0.6806995451*g + 0.1073969566*bl)
	z := math.Cbrt(0.0883024619*r + 0.2817188376*g + 0.6299787005*bl)
	return 0.2104542553*x + 0.7936177850*y - 0.0040720468*z,
		1.9779984951*x - 2.4285922050*y + 0.4505937099*z,
		0.0259040371*x + 0.7827717662*y - 0.8086757660*z
}

func fromLab(l, a, b, opacity float64) colour {
	x := cube(l + 0.3963377774*a + 0.2158037573*b)
	y := cube(l - 0.1055613458*a - 0.0638541728*b)
	z := cube(l - 0.0894841775*a - 1.2914855480*b)
	return colour{
		gamma(4.0767416621*x - 3.3077115913*y + 0.2309699292*z),
		gamma(-1.2684380046*x + 2.6097574011*y - 0.3413193965*z),
		gamma(-0.0041960863*x - 0.7034186147*y + 1.7076147010*z),
		opacity,
	}
}

func cube(v float64) float64 { return v * v * v }

func linear(v float64) float64 {
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

func gamma(v float64) float64 {
	if v <= 0.0031308 {
		return 12.92 * max(v, 0)
	}
	return 1.055*math.Pow(v, 1/2.4) - 0.055
}
