package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// big is the account whose INBOX grows.
const big = 31

// growthRow is one thing that is measured at each size.
type growthRow struct {
	name    string
	measure func(g *growth) (float64, error)
}

// growth is a mailbox that grows.
type growth struct {
	s    *server
	dir  string      // where the server has its data
	c    *imapClient // has the mailbox selected
	size int
}

// measureGrowth fills one INBOX to each size in turn and measures what a user
// does with it. Costs that do not grow with the mailbox show as equal columns.
func measureGrowth(o settings) error {
	var sizes []int
	for field := range strings.SplitSeq(o.sizes, ",") {
		n, err := strconv.Atoi(field)
		if err != nil || len(sizes) > 0 && n <= sizes[len(sizes)-1] {
			return fmt.Errorf("sizes must rise: %q", o.sizes)
		}
		sizes = append(sizes, n)
	}
	s, err := startPostiljon(o.binary, o.dir, nil)
	if err != nil {
		return err
	}
	g := &growth{s: s, dir: o.dir}
	defer func() { g.s.stop() }()
	defer (&server{stop: func() { g.s.stop() }}).stopOnSignal(o.dir)()
	columns := make([]map[string]float64, len(sizes))
	for i, n := range sizes {
		if columns[i], err = g.column(n); err != nil {
			return fmt.Errorf("%d messages: %w", n, err)
		}
	}
	fmt.Printf("%s, %d cores, %s\n\n| what |", runtime.GOARCH, runtime.NumCPU(), cpuName())
	for _, n := range sizes {
		fmt.Printf(" %d |", n)
	}
	fmt.Printf("\n|---|%s\n", strings.Repeat("---:|", len(sizes)))
	for _, row := range growthRows {
		if !strings.Contains(row.name, o.only) {
			continue
		}
		fmt.Printf("| %s |", row.name)
		for _, c := range columns {
			fmt.Printf(" %s |", number(c[row.name]))
		}
		fmt.Println()
	}
	return nil
}

// column brings the mailbox to a size and measures all rows.
func (g *growth) column(size int) (map[string]float64, error) {
	figures := map[string]float64{}
	begin := time.Now()
	if err := g.fill(size); err != nil {
		return nil, fmt.Errorf("fill: %w", err)
	}
	figures[filled] = float64(size-g.size) / time.Since(begin).Seconds()
	g.size = size
	begin = time.Now()
	if err := g.s.indexed(account(big)); err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "postiljon: %d messages, index up to date %.1f s later\n", size, time.Since(begin).Seconds())
	var err error
	if g.c, err = dialIMAP(g.s.imap, false, account(big)); err != nil {
		return nil, err
	}
	defer func() { g.c.close() }()
	for _, row := range growthRows {
		if row.measure == nil {
			continue
		}
		if figures[row.name], err = row.measure(g); err != nil {
			return nil, fmt.Errorf("%s: %w", row.name, err)
		}
		fmt.Fprintf(os.Stderr, "postiljon: %d messages, %s: %s\n", size, row.name, number(figures[row.name]))
	}
	return figures, nil
}

// indexed waits until the search index of an account has all its messages but a
// handful, which searches read.
func (s *server) indexed(address string) error {
	for deadline := time.Now().Add(20 * time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		out, err := exec.Command(s.binary, "index", "status", address, "--socket", s.control, "--json").Output()
		if err != nil {
			return fmt.Errorf("status of the index: %w", err)
		}
		var list []struct{ Waiting int }
		if err := json.Unmarshal(out, &list); err != nil || len(list) != 1 {
			return fmt.Errorf("status of the index: %w: %s", err, out)
		}
		if list[0].Waiting < 32 {
			return nil
		}
	}
	return fmt.Errorf("the index of %s does not come up to date", address)
}

// filled is the name of the row that filling itself gives.
const filled = "Fill by APPEND of 100 messages at once, 4 connections, messages/s"

// fewUnseen is how many messages of the mailbox are unseen.
const fewUnseen = 20

var growthRows = []growthRow{
	{filled, nil},
	{"SELECT, first after the fill, ms", func(g *growth) (float64, error) { return g.once("SELECT INBOX") }},
	{"SELECT, p50 ms", func(g *growth) (float64, error) {
		return g.median(200, func(int) string { return "SELECT INBOX" })
	}},
	{"STATUS with UNSEEN of another connection, p50 ms", (*growth).status},
	{"Delivery over SMTP, ack p50 ms", (*growth).deliver},
	{"Delivery to EXISTS in IDLE, p50 ms", (*growth).push},
	{"APPEND, p50 ms", (*growth).append},
	{"STORE of one flag, p50 ms", func(g *growth) (float64, error) {
		return g.median(200, func(i int) string {
			return fmt.Sprintf("UID STORE %d %cFLAGS.SILENT (\\Flagged)", g.pick(i), "+-"[i%2])
		})
	}},
	{"FETCH of one body by UID, p50 ms", func(g *growth) (float64, error) {
		return g.median(500, func(i int) string { return fmt.Sprintf("UID FETCH %d (BODY.PEEK[])", g.pick(i)) })
	}},
	{"SEARCH UNSEEN, few hits, first, ms", func(g *growth) (float64, error) { return g.once("UID SEARCH UNSEEN") }},
	{"SEARCH UNSEEN, few hits, p50 ms", func(g *growth) (float64, error) {
		return g.median(20, func(int) string { return "UID SEARCH UNSEEN" })
	}},
	{"STORE of one flag, then SEARCH UNSEEN, p50 ms of both", (*growth).storeAndSearch},
	{"SEARCH SUBJECT, rare word, p50 ms", func(g *growth) (float64, error) {
		if err := g.s.indexed(account(big)); err != nil { // what was delivered above
			return 0, err
		}
		return g.median(10, func(int) string { return "UID SEARCH SUBJECT walnut" })
	}},
	{"SEARCH TEXT, rare word, p50 ms", func(g *growth) (float64, error) {
		return g.median(10, func(int) string { return "UID SEARCH TEXT walnut" })
	}},
	{"SEARCH SENTSINCE, none, first, ms", func(g *growth) (float64, error) { return g.once("UID SEARCH SENTSINCE 9-Nov-2026") }},
	{"SEARCH SENTSINCE, none, p50 ms", func(g *growth) (float64, error) {
		return g.median(10, func(int) string { return "UID SEARCH SENTSINCE 9-Nov-2026" })
	}},
	{"STORE \\Deleted and EXPUNGE of one, p50 ms", (*growth).expunge},
	{"MOVE of one, p50 ms", func(g *growth) (float64, error) {
		return g.median(20, func(i int) string { return fmt.Sprintf("UID MOVE %d Archive", g.size/2+i) })
	}},
	{"First sync of all, messages/s", func(g *growth) (float64, error) {
		return g.perSecond("FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)")
	}},
	{"Flags of all, messages/s", func(g *growth) (float64, error) { return g.perSecond("FETCH 1:* (UID FLAGS)") }},
	{"SORT by date of all, messages/s", func(g *growth) (float64, error) { return g.perSecond("UID SORT (DATE) UTF-8 ALL") }},
	{"THREAD of all, messages/s", func(g *growth) (float64, error) { return g.perSecond("UID THREAD REFERENCES UTF-8 ALL") }},
	{"First SELECT after a start, ms", func(g *growth) (float64, error) {
		if err := g.restart(); err != nil {
			return 0, err
		}
		return g.once("SELECT INBOX")
	}},
	{"First SEARCH UNSEEN after a start, ms", func(g *growth) (float64, error) { return g.once("UID SEARCH UNSEEN") }},
	{"First SEARCH SENTSINCE after a start, ms", func(g *growth) (float64, error) { return g.once("UID SEARCH SENTSINCE 9-Nov-2026") }},
	{"First EXPUNGE of one after a start, ms", func(g *growth) (float64, error) {
		if _, _, err := g.c.drain(fmt.Sprintf("UID STORE %d +FLAGS.SILENT (\\Deleted)", g.size/3), "*"); err != nil {
			return 0, err
		}
		return g.once("EXPUNGE")
	}},
	{"Memory of the process afterwards, MB", func(g *growth) (float64, error) {
		time.Sleep(3 * time.Second)
		n, err := g.s.memory()
		return float64(n) / 1e6, err
	}},
	{"Memory of ten more sessions that have it selected, MB each", (*growth).sessions},
}

// restart stops the server and starts it again with the same data.
func (g *growth) restart() error {
	g.c.close()
	g.s.stop()
	s, err := startPostiljon(g.s.binary, g.dir, nil)
	if err != nil {
		return err
	}
	g.s = s
	g.c, err = dialIMAP(g.s.imap, false, account(big))
	return err
}

// pick is the UID of a message in the lower half of the mailbox.
func (g *growth) pick(i int) int { return 1 + i*7919%(g.size/2) }

// fill appends messages that are read, many to a command, and leaves few unseen.
func (g *growth) fill(size int) error {
	const conns, batch = 4, 100
	done := g.size / batch
	err := parallel(conns, func(w int) error {
		c, err := dialIMAP(g.s.imap, false, account(big))
		if err != nil {
			return err
		}
		defer c.close()
		for b := done + w; b < size/batch; b += conns {
			err := c.appendAll(batch, func(i int) (flags string, text []byte) {
				i += b * batch
				mark := "big." + strconv.Itoa(i)
				if i < 2000 && i%100 == 7 {
					mark += ".walnut" // a rare word, as rare in a mailbox of any size
				}
				return "\\Seen", letter(mark, fmt.Sprintf("person%d@sender.test", i%500), account(big), 1200)
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	c, err := dialIMAP(g.s.imap, false, account(big))
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.command(nil, "SELECT INBOX"); err != nil {
		return err
	}
	return c.command(nil, fmt.Sprintf("STORE 1:%d -FLAGS.SILENT (\\Seen)", fewUnseen))
}

// once times a command.
func (g *growth) once(command string) (float64, error) {
	begin := time.Now()
	_, _, err := g.c.drain(command, "*")
	return ms(time.Since(begin)), err
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// median times a command that is made anew each time.
func (g *growth) median(times int, next func(i int) string) (float64, error) {
	var list []time.Duration
	for i := range times {
		begin := time.Now()
		if _, _, err := g.c.drain(next(i), "*"); err != nil {
			return 0, err
		}
		list = append(list, time.Since(begin))
	}
	return percentile(list, 50), nil
}

// perSecond is how many messages of the mailbox a command does in a second.
func (g *growth) perSecond(command string) (float64, error) {
	begin := time.Now()
	_, _, err := g.c.drain(command, "*")
	return float64(g.size) / time.Since(begin).Seconds(), err
}

// timed is the median time that fn takes.
func timed(times int, fn func(i int) error) (float64, error) {
	var list []time.Duration
	for i := range times {
		begin := time.Now()
		if err := fn(i); err != nil {
			return 0, err
		}
		list = append(list, time.Since(begin))
	}
	return percentile(list, 50), nil
}

func (g *growth) status() (float64, error) {
	c, err := dialIMAP(g.s.imap, false, account(big))
	if err != nil {
		return 0, err
	}
	defer c.close()
	return timed(200, func(int) error { return c.command(nil, "STATUS INBOX (MESSAGES UNSEEN UIDNEXT)") })
}

func (g *growth) deliver() (float64, error) {
	c, err := dialSMTP(g.s.smtp, false, 1, "")
	if err != nil {
		return 0, err
	}
	defer c.close()
	return timed(100, func(i int) error {
		return c.send("a@sender.test", account(big), letter(fmt.Sprintf("deliver.%d.%d", g.size, i), "a@sender.test", account(big), 1200))
	})
}

// push measures from the 250 to EXISTS.
func (g *growth) push() (float64, error) {
	c, err := g.session()
	if err != nil {
		return 0, err
	}
	defer c.c.Close()
	tag := c.send("IDLE")
	if err := c.w.Flush(); err != nil {
		return 0, err
	}
	if line, err := c.line(); err != nil || !strings.HasPrefix(line, "+") {
		return 0, errors.Join(err, fmt.Errorf("%s IDLE answered %q", tag, line))
	}
	exists := make(chan time.Time, 1)
	go watch(c, exists)
	sender, err := dialSMTP(g.s.smtp, false, 1, "")
	if err != nil {
		return 0, err
	}
	defer sender.close()
	var list []time.Duration
	for i := range 50 {
		text := letter(fmt.Sprintf("push.%d.%d", g.size, i), "a@sender.test", account(big), 1200)
		if err := sender.send("a@sender.test", account(big), text); err != nil {
			return 0, err
		}
		acked := time.Now()
		select {
		case at := <-exists:
			list = append(list, max(at.Sub(acked), 0))
		case <-time.After(10 * time.Second):
			return 0, fmt.Errorf("no EXISTS within 10 seconds for message %d", i)
		}
	}
	return percentile(list, 50), nil
}

// session is one more that has the mailbox selected.
func (g *growth) session() (*imapClient, error) {
	c, err := dialIMAP(g.s.imap, false, account(big))
	if err != nil {
		return nil, err
	}
	return c, c.command(nil, "SELECT INBOX")
}

func (g *growth) append() (float64, error) {
	return timed(50, func(i int) error {
		text := letter(fmt.Sprintf("append.%d.%d", g.size, i), "a@sender.test", account(big), 1200)
		return g.c.append("INBOX (\\Seen)", text)
	})
}

func (g *growth) storeAndSearch() (float64, error) {
	return timed(50, func(i int) error {
		if err := g.c.command(nil, fmt.Sprintf("UID STORE %d %cFLAGS.SILENT (\\Seen)", g.pick(i/2), "-+"[i%2])); err != nil {
			return err
		}
		return g.c.command(nil, "UID SEARCH UNSEEN")
	})
}

func (g *growth) expunge() (float64, error) {
	return timed(20, func(i int) error {
		if err := g.c.command(nil, fmt.Sprintf("UID STORE %d +FLAGS.SILENT (\\Deleted)", g.size/2+100+i)); err != nil {
			return err
		}
		return g.c.command(nil, "EXPUNGE")
	})
}

// sessions measures what sessions take that have the mailbox selected and have
// told all its flags.
func (g *growth) sessions() (float64, error) {
	const sessions = 10
	before, err := g.s.memory()
	if err != nil {
		return 0, err
	}
	for range sessions {
		c, err := g.session()
		if err != nil {
			return 0, err
		}
		defer c.c.Close()
		if _, _, err := c.drain("FETCH 1:* (UID FLAGS)", "*"); err != nil {
			return 0, err
		}
	}
	time.Sleep(3 * time.Second)
	after, err := g.s.memory()
	return float64(after-before) / 1e6 / sessions, err
}
