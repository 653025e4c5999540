package bounce

import (
	"regexp"
	"strings"

	"github.com/postiljon/postiljon/internal/doctor/dialect"
)

// What reports quote of a dialogue.
var (
	// replyStart finds where a quoted reply begins.
	replyStart = regexp.MustCompile(`(?:^|[\s:;"'(#>«])#?([45][0-9]{2})(?:[ \-](?:#?[45]\.[0-9]{1,3}\.[0-9]{1,3})|[ \-][^\s0-9]|[ \-][0-9]{1,3}[. ])`)
	statusIn   = regexp.MustCompile(`(?:^|[^0-9.])[245]\.[0-9]{1,3}\.[0-9]{1,3}(?:$|[^0-9.])`)
	hostSaid   = regexp.MustCompile(`(?i)\b(?:host|server|connect to|connected to|by|from)[\s"':]+([a-z0-9\-]+(?:\.[a-z0-9\-]+)+)\.?"? ?(?:\[|\(|said|\bby\b|:)`)
	inBrackets = regexp.MustCompile(`(?i)\[([a-z0-9\-]+(?:\.[a-z0-9\-]+)*\.[a-z]{2,})\]`)
	inReplyTo  = regexp.MustCompile(`(?i)\bin reply to (?:the )?(end of data|[a-z ]+?) command`)
	afterSent  = regexp.MustCompile(`(?i)(?:\b(?:after|nach|efter|etter|during|on|response to) (?:the )?|>>> )(initial connection|end of data|HELO|EHLO|LHLO|STARTTLS|MAIL FROM|RCPT TO|DATA|pipelined DATA|sending data block)\b`)
)

// reply takes the reply of a server out of what a report says of it; all of it where it quotes none.
func reply(said string) string {
	said = strings.TrimSpace(said)
	if m := replyStart.FindStringSubmatchIndex(said); m != nil {
		said = said[m[2]:]
		said, _, _ = strings.Cut(said, "\nGiving up on ") // qmail's own words
		said = strings.TrimSuffix(strings.TrimSpace(said), "##")
	}
	return cut(said, maxReply)
}

func hasStatus(text string) bool { return statusIn.MatchString(text) }

// stageOf tells where in the dialogue a server refused, by the words of the report.
func stageOf(texts ...string) dialect.Stage {
	for _, text := range texts {
		text = strings.Join(strings.Fields(text), " ")
		if m := inReplyTo.FindStringSubmatch(text); m != nil {
			return commandStage(m[1])
		}
		if m := afterSent.FindStringSubmatch(text); m != nil {
			return commandStage(m[1])
		}
		for _, w := range stageWords {
			if strings.Contains(text, w.words) {
				return w.stage
			}
		}
	}
	return dialect.StageOther
}

// stageWords are what qmail says instead of the command.
var stageWords = []struct {
	words string
	stage dialect.Stage
}{
	{"does not like recipient", dialect.StageRcpt},
	{"failed after I sent the message", dialect.StageEndOfData},
	{"failed on DATA command", dialect.StageData},
	{"but sender was rejected", dialect.StageMail},
	{"but greeting failed", dialect.StageGreeting},
	{"refused to talk to me", dialect.StageGreeting},
	{"my name was rejected", dialect.StageCapability},
}

func commandStage(command string) dialect.Stage {
	switch strings.ToUpper(strings.TrimSpace(command)) {
	case "INITIAL CONNECTION":
		return dialect.StageGreeting
	case "HELO", "EHLO", "LHLO":
		return dialect.StageCapability
	case "STARTTLS":
		return dialect.StageStartTLS
	case "MAIL FROM":
		return dialect.StageMail
	case "RCPT TO":
		return dialect.StageRcpt
	case "DATA", "PIPELINED DATA":
		return dialect.StageData
	case "END OF DATA", "SENDING DATA BLOCK":
		return dialect.StageEndOfData
	}
	return dialect.StageOther
}

// remoteHost finds the name of the server that a report speaks of.
func remoteHost(said string) string {
	if m := hostSaid.FindStringSubmatch(said); m != nil {
		return hostName(m[1])
	}
	if m := inBrackets.FindStringSubmatch(said); m != nil {
		return hostName(m[1])
	}
	return ""
}

// hostName takes brackets, addresses and comments off a host as reports write it; empty where it is
// no name but an address.
func hostName(host string) string {
	host, _, _ = strings.Cut(strings.TrimSpace(host), " ")
	host, _, _ = strings.Cut(host, "[")
	host = strings.ToLower(strings.Trim(host, "<>().,;"))
	if strings.Trim(host, "0123456789.:abcdef") == "" && strings.ContainsAny(host, "0123456789") {
		return ""
	}
	return host
}

// passage returns what a text says of an address: from where it stands first to the next empty line
// after some words.
func passage(text, address string) string {
	if address == "" {
		return ""
	}
	i := strings.Index(strings.ToLower(text), strings.ToLower(address))
	if i < 0 || i > len(text) {
		return ""
	}
	rest := strings.TrimLeft(text[i+min(len(address), len(text)-i):], ">:\"' \t\n")
	if end := strings.Index(rest, "\n\n"); end >= 0 {
		rest = rest[:end]
	}
	return cut(strings.ToValidUTF8(strings.TrimSpace(rest), ""), maxReply)
}
