package peer

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// list answers LIST, with what it may be told to choose (RFC 5258 section 3.1), and LSUB.
func (x *imapSession) list(cmd *imapCommand) {
	args, only := cmd.args, ""
	if len(args) > 0 && args[0].isList {
		if len(args[0].list) > 0 {
			only = strings.ToUpper(args[0].list[0].text)
		}
		args = args[1:]
	}
	if len(args) < 2 {
		x.bad("LIST wants a reference and a pattern")
		return
	}
	if args[1].text == "" {
		x.data(`* LIST (\Noselect) "/" ""`)
		x.ok("done")
		return
	}
	pattern := strings.ToUpper(args[0].text + args[1].text)
	x.s.Mail.mu.Lock()
	var lines []string
	for _, b := range x.account.boxes {
		switch {
		case !glob(pattern, strings.ToUpper(b.Name)):
		case (cmd.verb == "LSUB" || only == "SUBSCRIBED") && !b.Subscribed, only == "SPECIAL-USE" && b.Role == "":
		default:
			lines = append(lines, fmt.Sprintf(`* %s (\HasNoChildren%s) "/" %q`, cmd.verb, strings.TrimRight(" "+b.Role, " "), b.Name))
		}
	}
	x.s.Mail.mu.Unlock()
	x.data(lines...)
	x.ok("done")
}

// glob matches LIST patterns, in which * and % stand for anything here.
func glob(pattern, name string) bool {
	before, after, wild := strings.Cut(strings.ReplaceAll(pattern, "%", "*"), "*")
	if !wild {
		return pattern == name
	}
	rest, ok := strings.CutPrefix(name, before)
	if !ok {
		return false
	}
	for i := 0; i <= len(rest); i++ {
		if glob(after, rest[i:]) {
			return true
		}
	}
	return false
}

func (x *imapSession) status(cmd *imapCommand) {
	x.s.Mail.mu.Lock()
	b := x.account.Mailbox(cmd.arg(0))
	var items []string
	if b != nil && len(cmd.args) > 1 {
		for _, item := range cmd.args[1].list {
			if n, known := b.counted(strings.ToUpper(item.text)); known {
				items = append(items, fmt.Sprintf("%s %d", strings.ToUpper(item.text), n))
			}
		}
	}
	x.s.Mail.mu.Unlock()
	if b == nil {
		x.no("no-mailbox")
		return
	}
	x.data(fmt.Sprintf("* STATUS %q (%s)", b.Name, strings.Join(items, " ")))
	x.ok("done")
}

func (b *Mailbox) counted(item string) (uint32, bool) {
	switch item {
	case "MESSAGES":
		return uint32(len(b.Messages)), true
	case "UIDNEXT":
		return b.Next, true
	case "UIDVALIDITY":
		return b.Validity, true
	case "UNSEEN":
		n := uint32(0)
		for _, m := range b.Messages {
			if !m.has(`\Seen`) {
				n++
			}
		}
		return n, true
	case "RECENT":
		return 0, true
	}
	return 0, false
}

func (m *Message) has(flag string) bool {
	return slices.ContainsFunc(m.Flags, func(f string) bool { return strings.EqualFold(f, flag) })
}

func (x *imapSession) selectBox(cmd *imapCommand) {
	x.s.Mail.mu.Lock()
	b := x.account.Mailbox(cmd.arg(0))
	x.box, x.shown = b, nil
	var lines []string
	if b != nil {
		for _, m := range b.Messages {
			x.shown = append(x.shown, m.UID)
		}
		lines = []string{
			`* FLAGS (\Answered \Flagged \Deleted \Seen \Draft)`,
			fmt.Sprintf("* %d EXISTS", len(b.Messages)), "* 0 RECENT",
			fmt.Sprintf("* OK [UIDVALIDITY %d] valid", b.Validity), fmt.Sprintf("* OK [UIDNEXT %d] next", b.Next),
			`* OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft \*)] kept`,
		}
	}
	x.s.Mail.mu.Unlock()
	if b == nil {
		x.no("no-mailbox")
		return
	}
	x.data(lines...)
	x.readOnly = cmd.verb == "EXAMINE"
	if x.readOnly {
		x.ok("[READ-ONLY] done")
		return
	}
	x.ok("[READ-WRITE] done")
}

func (x *imapSession) change(cmd *imapCommand) {
	name := cmd.arg(0)
	x.s.Mail.mu.Lock()
	a := x.account
	b := a.Mailbox(name)
	done := true
	switch {
	case cmd.verb == "CREATE" && b == nil && name != "":
		a.AddMailbox(name, false)
	case cmd.verb == "DELETE" && b != nil && b.Name != "INBOX":
		a.boxes = slices.DeleteFunc(a.boxes, func(o *Mailbox) bool { return o == b })
	case cmd.verb == "RENAME" && b != nil && b.Name != "INBOX" && cmd.arg(1) != "" && a.Mailbox(cmd.arg(1)) == nil:
		b.Name = cmd.arg(1)
	case strings.HasSuffix(cmd.verb, "SUBSCRIBE") && b != nil:
		b.Subscribed = cmd.verb == "SUBSCRIBE"
	default:
		done = false
	}
	x.s.Mail.mu.Unlock()
	if !done {
		x.final(x.tag + " NO Cannot " + strings.ToLower(cmd.verb) + " this mailbox")
		return
	}
	x.ok("done")
}

// appendMessage takes APPEND mailbox [flags] [date] literal (RFC 9051 section 6.3.12).
func (x *imapSession) appendMessage(cmd *imapCommand) {
	if len(cmd.args) < 2 {
		x.bad("APPEND wants a mailbox and a message")
		return
	}
	var flags []string
	for _, a := range cmd.args[1 : len(cmd.args)-1] {
		for _, f := range a.list {
			flags = append(flags, f.text)
		}
	}
	text := cmd.args[len(cmd.args)-1].text
	if x.o.AppendLimit > 0 && len(text) > x.o.AppendLimit {
		x.no("too-large")
		return
	}
	uid, validity, why := x.s.Mail.deliver(x.account, cmd.arg(0), []byte(text), flags, time.Now())
	switch why {
	case "":
		x.s.count(func(n *Counts) { n.Messages++ })
		x.ok(fmt.Sprintf("[APPENDUID %d %d] done", validity, uid))
	case "no-mailbox":
		x.final(x.tag + " NO [TRYCREATE] No such mailbox")
	default:
		x.no(why)
	}
}

// quota answers in units of 1024 octets (RFC 9208).
func (x *imapSession) quota(cmd *imapCommand) {
	x.s.Mail.mu.Lock()
	used, limit := x.account.used(), x.account.Quota
	x.s.Mail.mu.Unlock()
	var lines []string
	if cmd.verb == "GETQUOTAROOT" {
		lines = append(lines, fmt.Sprintf(`* QUOTAROOT %q ""`, cmd.arg(0)))
	}
	if limit > 0 {
		lines = append(lines, fmt.Sprintf(`* QUOTA "" (STORAGE %d %d)`, (used+1023)/1024, (limit+1023)/1024))
	}
	x.data(lines...)
	x.ok("done")
}

// idle tells what is new until the client has heard enough (RFC 2177).
func (x *imapSession) idle() bool {
	x.send("+ idling")
	type said struct {
		line string
		err  error
	}
	heard := make(chan said, 1)
	go func() {
		line, err := x.line(false)
		heard <- said{line, err}
	}()
	for {
		next := x.s.Mail.next()
		x.news()
		select {
		case <-next:
		case h := <-heard:
			if h.err != nil {
				return false
			}
			if !strings.EqualFold(h.line, "DONE") {
				x.bad("DONE expected")
				return true
			}
			x.ok("done")
			return true
		}
	}
}

// news tells what came and went since the client last heard.
func (x *imapSession) news() {
	if x.box == nil {
		return
	}
	x.s.Mail.mu.Lock()
	present := make(map[uint32]bool)
	for _, m := range x.box.Messages {
		present[m.UID] = true
	}
	var lines []string
	for i := len(x.shown) - 1; i >= 0; i-- {
		if !present[x.shown[i]] {
			lines = append(lines, fmt.Sprintf("* %d EXPUNGE", i+1))
			x.shown = slices.Delete(x.shown, i, i+1)
		}
	}
	before := len(x.shown)
	for _, m := range x.box.Messages {
		if !slices.Contains(x.shown, m.UID) {
			x.shown = append(x.shown, m.UID)
		}
	}
	x.s.Mail.mu.Unlock()
	if len(x.shown) > before {
		lines = append(lines, fmt.Sprintf("* %d EXISTS", len(x.shown)))
	}
	if len(lines) > 0 {
		x.data(lines...)
	}
}
