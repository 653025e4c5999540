package message

// intern returns b as a string, without allocating for the words that stand in nearly every
// message.
func intern(b []byte) string {
	if text, ok := wellKnown[string(b)]; ok { // the compiler looks up without converting
		return text
	}
	return string(b)
}

var wellKnown = func() map[string]string {
	known := map[string]string{}
	for _, text := range []string{
		"", "text", "plain", "html", "calendar",
		"multipart", "alternative", "mixed", "related", "signed", "report",
		"message", "rfc822", "application", "octet-stream", "pdf", "image", "jpeg", "png", "gif",
		"7bit", "8bit", "binary", "base64", "quoted-printable",
		"utf-8", "us-ascii", "iso-8859-1", "windows-1252",
		"attachment", "inline",
	} {
		known[text] = text
	}
	return known
}()
