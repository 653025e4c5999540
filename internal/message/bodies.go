package message

// Bodies are the parts of a message as a reader is shown them (RFC 8621 section 4.1.4), as indexes in Summary.Parts. None of the lists
// is nil.
type Bodies struct{ Text, HTML, Attachments []int }

// BodiesOf sorts the parts below one of them by the algorithm of RFC 8621 section 4.1.4: root is 0 for the message
// itself, or the part behind a message/rfc822 part for the message inside.
func BodiesOf(parts []Part, root int) Bodies {
	b := Bodies{Text: []int{}, HTML: []int{}, Attachments: []int{}}
	s := bodySorter{parts: parts, b: &b}
	s.sort([]int{root}, "mixed", false, &b.Text, &b.HTML)
	return b
}

// Children are the parts of a multipart; a message inside a message is a leaf.
func Children(parts []Part, of int) (list []int) {
	if parts[of].IsMultipart() {
		for i := of + 1; i < len(parts); i++ {
			if parts[i].Parent == of {
				list = append(list, i)
			}
		}
	}
	return list
}

type bodySorter struct {
	parts []Part
	b     *Bodies
}

// sort adds parts to the lists; a nil list is not to be added to any more.
func (s *bodySorter) sort(parts []int, multipart string, alternative bool, text, html *[]int) {
	texts, htmls := -1, -1
	if text != nil {
		texts = len(*text)
	}
	if html != nil {
		htmls = len(*html)
	}
	for n, i := range parts {
		p := &s.parts[i]
		kind := p.Type + "/" + p.Subtype
		media := p.Type == "image" || p.Type == "audio" || p.Type == "video"
		inline := p.Disposition != "attachment" && (kind == "text/plain" || kind == "text/html" || media) &&
			(n == 0 || multipart != "related" && (media || p.Title() == ""))
		switch {
		case p.IsMultipart():
			s.sort(Children(s.parts, i), p.Subtype, alternative || p.Subtype == "alternative", text, html)
		case !inline:
			s.b.Attachments = append(s.b.Attachments, i)
		case multipart == "alternative":
			switch {
			case kind == "text/plain" && text != nil:
				*text = append(*text, i)
			case kind == "text/html" && html != nil:
				*html = append(*html, i)
			default:
				s.b.Attachments = append(s.b.Attachments, i)
			}
		default:
			if alternative && kind == "text/plain" {
				html = nil
			}
			if alternative && kind == "text/html" {
				text = nil
			}
			if text != nil {
				*text = append(*text, i)
			}
			if html != nil {
				*html = append(*html, i)
			}
			if (text == nil || html == nil) && media {
				s.b.Attachments = append(s.b.Attachments, i)
			}
		}
	}
	if multipart == "alternative" && text != nil && html != nil {
		if texts == len(*text) && htmls != len(*html) {
			*text = append(*text, (*html)[htmls:]...)
		} else if htmls == len(*html) && texts != len(*text) {
			*html = append(*html, (*text)[texts:]...)
		}
	}
}
