package causes

import (
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// content.unreadable: the server cannot read what the program gave it, such as
// a search in a character set that it does not know, and says so with a response code (RFC
// 9051 section 7.1, RFC 3516 section 4.3). A refused message is another cause.
var contentUnreadable = &infer.Cause{
	ID:       cause.ContentUnreadable,
	Requires: []*infer.Sign{unreadable},
	Proof:    []*infer.Sign{unreadable},
	Params: func(e *evidence.Evidence) []cause.Param {
		for _, c := range evidence.All[evidence.ClientError](e) {
			if cannotRead(c) {
				return textParam("detail", c.Text)
			}
		}
		return nil
	},
}

var unreadable = &infer.Sign{Name: "unreadable", Of: func(e *evidence.Evidence) infer.Truth {
	return anyOf(evidence.All[evidence.ClientError](e), cannotRead)
}}

// cannotRead finds the response code wherever the program shows it, or the words of servers that send none: most
// programs put words of their own around them.
func cannotRead(c evidence.ClientError) bool {
	return slices.ContainsFunc([]string{
		"[BADCHARSET", "[PARSE]", "[UNKNOWN-CTE]", "UNSUPPORTED CHARSET", "UNKNOWN CHARSET", "CHARSET NOT SUPPORTED", "CHARACTER SET IS NOT", "CHARACTER SET NOT",
	}, func(code string) bool {
		return strings.Contains(strings.ToUpper(c.Text), code)
	})
}
