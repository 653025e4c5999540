package page

import (
	"fmt"
	"strings"

	qrcode "github.com/skip2/go-qrcode"
)

// QR draws a QR code as an SVG image, one path for all that is dark, in black on white whatever the colours of the page: cameras want it so. An error
// means that the text is too long for one.
func QR(text string) (string, error) {
	q, err := qrcode.New(text, qrcode.Medium)
	if err != nil {
		return "", fmt.Errorf("page: %w", err)
	}
	rows := q.Bitmap() // with its quiet zone
	var path strings.Builder
	for y, row := range rows {
		for x := 0; x < len(row); x++ {
			from := x
			for x < len(row) && row[x] {
				x++
			}
			if x > from {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", from, y, x-from, x-from)
			}
		}
	}
	n := len(rows)
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h%dv%dH0z"/><path d="%s"/></svg>`, n, n, n, n, path.String()), nil
}
