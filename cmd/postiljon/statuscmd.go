package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/control"
)

type statusCommand struct{ outputFlags }

// Run tells how the service is. Its exit code is 1 if the service has trouble.
func (st *statusCommand) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	status, err := client.Status(ctx)
	if err != nil {
		return err
	}
	if st.JSON {
		err = printJSON(s, status)
	} else {
		err = writeStatus(s, &status)
	}
	if err == nil && status.Trouble != "" {
		err = &advice{errors.New(status.Trouble), troubleAdvice(&status)}
	}
	return err
}

// troubleAdvice says what helps where the service cannot store mail.
func troubleAdvice(st *control.Status) string {
	if st.FreeSpace < lowSpace {
		return "The disk of " + st.Data + " is full: make room, or move the folder to a larger one. Until then mail waits with its\n" +
			"senders; reading and deleting go on, and nothing that was acknowledged is lost."
	}
	return "The log of the service says more: journalctl -u postiljon"
}

func writeStatus(s *streams, st *control.Status) error {
	var services []string
	for _, l := range st.Listeners {
		services = append(services, l.Service+" "+l.Address)
	}
	dropped := ""
	if st.EventsDropped > 0 {
		dropped = strconv.FormatUint(st.EventsDropped, 10) + " lost"
	}
	return pairs(s.out,
		"Postiljon", st.Version+", process "+strconv.Itoa(st.PID)+", running for "+time.Since(st.Started).Round(time.Second).String(),
		"Host", st.Hostname,
		"Services", strings.TrimPrefix(folded(strings.Join(services, ", "), statusMargin), statusMargin),
		"Certificate", certificateText(st), "", certificateTrouble(st),
		"Connections", strconv.FormatInt(st.Connections, 10),
		"Queue", fmt.Sprintf("%d waiting, %d ready, %d under way", st.Queue.Waiting, st.Queue.Ready, st.Queue.Active),
		"Domains", strconv.Itoa(st.Domains), "Accounts", strconv.Itoa(st.Accounts), "Bans", strconv.Itoa(st.Bans),
		"Journal", dropped,
		"Memory", octets(int64(st.Memory)), "Data", st.Data+", "+octets(int64(st.FreeSpace))+" free",
		"Trouble", st.Trouble,
	)
}

// statusMargin is where the values of a status begin.
const statusMargin = "             "

// certificateTrouble says why the public authority gives no certificate, and what helps.
func certificateTrouble(st *control.Status) string {
	if len(st.Certificate.Trouble) == 0 {
		return ""
	}
	t := st.Certificate.Trouble[0]
	about := cause.TLSUntrusted
	if !st.Certificate.Private {
		about = cause.TLSExpired
	}
	text := fmt.Sprintf("%s has none from the public authority since %s: %s.\n"+
		"             It is tried again by itself. The DNS must lead the name to this machine, and the authority must reach it\n"+
		"             there at port 80 or 443. Until then programs say: %s.", t.Name, moment(t.Since), strings.TrimSuffix(t.Reason, "."), about)
	if more := len(st.Certificate.Trouble) - 1; more > 0 {
		text += fmt.Sprintf(" So it is with other names, too: %d.", more)
	}
	return text
}

func certificateText(st *control.Status) string {
	text := "for " + strings.Join(st.Certificate.Names, ", ") + ", until " + moment(st.Certificate.Until)
	if st.Certificate.Private {
		text += ", of the private authority"
	}
	return text
}
