package message

import (
	"strings"
)

// BaseSubject returns the subject without reply and forward marks, by which threads are put
// together and mail is sorted (RFC 5256 section 2.1). See the function of the same name.
func (s *Summary) BaseSubject() string {
	base, _ := BaseSubject(s.Subject)
	return base
}

// BaseSubject extracts the base subject of a decoded subject (RFC 5256 section 2.1): without "Re:",
// "Fwd:", "[list]" and "(fwd)", white space collapsed. ReplyOrForward tells whether any mark of a
// reply or a forwarded message was taken away. Beyond the RFC, the Scandinavian and German marks
// "Sv:", "VS:", "Vb:", "AW:", "WG:" count as well, for half of our mail has them.
func BaseSubject(subject string) (base string, replyOrForward bool) {
	text := strings.Join(strings.Fields(subject), " ") // step 1
	for {
		text = trimTrailers(text, &replyOrForward) // step 2
		text = trimLeaders(text, &replyOrForward)  // steps 3 to 5
		// Step 6: what is wrapped in "[fwd: " and "]" is looked at again.
		if len(text) < 6 || !strings.EqualFold(text[:5], "[fwd:") || text[len(text)-1] != ']' {
			return text, replyOrForward
		}
		text = text[5 : len(text)-1]
		replyOrForward = true
	}
}

// trimTrailers takes "(fwd)" and white space off the end (subj-trailer).
func trimTrailers(text string, found *bool) string {
	for {
		text = strings.TrimRight(text, " ")
		n := len(text) - len("(fwd)")
		if n < 0 || !strings.EqualFold(text[n:], "(fwd)") {
			return text
		}
		text, *found = text[:n], true
	}
}

// trimLeaders takes "Re:" and the like, and "[blob]"s, off the start (subj-leader, subj-blob). A
// blob stays where nothing else would be left.
func trimLeaders(text string, found *bool) string {
	for {
		text = strings.TrimLeft(text, " ")
		if n := leaderLen(text); n > 0 {
			text, *found = text[n:], true
			continue
		}
		n := blobLen(text)
		if n == 0 || n == len(text) {
			return text
		}
		text = text[n:]
	}
}

// leaderLen returns the length of (*subj-blob subj-refwd) at the start of text, 0 for none.
func leaderLen(text string) int {
	i := 0
	for n := blobLen(text); n > 0; n = blobLen(text[i:]) {
		i += n
	}
	n := refwdLen(text[i:])
	if n == 0 {
		return 0
	}
	i += n
	for i < len(text) && text[i] == ' ' {
		i++
	}
	if n := blobLen(text[i:]); n > 0 {
		i += n
	}
	if i == len(text) || text[i] != ':' {
		return 0
	}
	return i + 1
}

// blobLen returns the length of "[...]" and the spaces after it (subj-blob).
func blobLen(text string) int {
	if text == "" || text[0] != '[' {
		return 0
	}
	i := 1 + strings.IndexAny(text[1:], "[]")
	if i == 0 || text[i] != ']' {
		return 0
	}
	for i++; i < len(text) && text[i] == ' '; i++ {
	}
	return i
}

// refwdLen returns the length of the mark of a reply or forwarded message.
func refwdLen(text string) int {
	for _, mark := range [...]string{"re", "fwd", "fw", "sv", "vs", "vb", "aw", "wg"} {
		if len(text) >= len(mark) && strings.EqualFold(text[:len(mark)], mark) {
			return len(mark)
		}
	}
	return 0
}
