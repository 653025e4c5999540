package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"time"
)

// reader is the account whose INBOX is read.
const reader = 30

// fill puts messages of mixed sizes into the reader's INBOX: most small, some
// with an attachment's worth of text, 14 KiB on average.
func fill(s *server, messages int) error {
	const conns, batch = 4, 50
	return parallel(conns, func(w int) error {
		c, err := dialIMAP(s.imap, false, account(reader))
		if err != nil {
			return err
		}
		defer c.close()
		random := rand.New(rand.NewPCG(1, uint64(w)))
		for first := w * batch; first < messages; first += conns * batch {
			err := c.appendAll(min(batch, messages-first), func(i int) (flags string, text []byte) {
				i += first
				mark := "fill." + strconv.Itoa(i)
				if i%2000 == 7 {
					mark += ".walnut" // a rare word
				}
				return "", letter(mark, fmt.Sprintf("person%d@sender.test", i%500), account(reader), mixedSize(random))
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// settle waits until the server has done what it does after mail came, such as an
// index.
func (s *server) settle(o settings) error {
	time.Sleep(10 * time.Second)
	if s.control != "" {
		return s.indexed(account(reader))
	}
	if !o.fts {
		return nil
	}
	begin := time.Now()
	if err := s.index(account(reader)); err != nil {
		return fmt.Errorf("search index: %w", err)
	}
	fmt.Fprintf(os.Stderr, "its search index made in %.0f s\n", time.Since(begin).Seconds())
	return nil
}

func mixedSize(random *rand.Rand) int {
	switch p := random.IntN(100); {
	case p < 2:
		return 256 << 10
	case p < 10:
		return 48 << 10
	case p < 30:
		return 12 << 10
	}
	return 4 << 10
}

var readRows = []row{
	{"First sync, 1 connection", []figure{{", messages/s", false}}, fetchAll(1, "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)")},
	{"First sync, 4 connections", []figure{{", messages/s", false}}, fetchAll(4, "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)")},
	{"Flags of all", []figure{{", messages/s", false}}, fetchAll(1, "FETCH 1:* (UID FLAGS)")},
	{"Header fields of all", []figure{{", messages/s", false}}, fetchAll(1, "FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (DATE FROM TO CC SUBJECT MESSAGE-ID REFERENCES CONTENT-TYPE)])")},
	{"Whole bodies, 1 connection", []figure{{", MB/s", false}}, fetchAll(1, "FETCH 1:* (UID BODY.PEEK[])")},
	{"Whole bodies, 4 connections", []figure{{", MB/s", false}}, fetchAll(4, "FETCH 1:* (UID BODY.PEEK[])")},
	{"FETCH of one body", []figure{{", per second", false}, {", p99 ms", true}}, repeatCommand(2000, func(r *rand.Rand, n int) string {
		return fmt.Sprintf("FETCH %d (UID BODY.PEEK[])", 1+r.IntN(n))
	})},
	{"STORE of one flag", []figure{{", per second", false}, {", p99 ms", true}}, repeatCommand(500, func(r *rand.Rand, n int) string {
		return fmt.Sprintf("STORE %d %cFLAGS.SILENT (\\Flagged)", 1+r.IntN(n), "+-"[r.IntN(2)])
	})},
	{"STORE of all", []figure{{", messages/s", false}}, storeAll},
	{"SELECT", []figure{{", p50 ms", true}}, repeatCommand(200, func(*rand.Rand, int) string { return "SELECT INBOX" })},
	{"SEARCH SUBJECT, rare", []figure{{", p50 ms", true}}, repeatCommand(5, func(*rand.Rand, int) string { return "UID SEARCH SUBJECT walnut" })},
	{"SEARCH FROM, rare", []figure{{", p50 ms", true}}, repeatCommand(5, func(*rand.Rand, int) string { return "UID SEARCH FROM person77" })},
	{"SEARCH TEXT, rare", []figure{{", p50 ms", true}}, repeatCommand(3, func(*rand.Rand, int) string { return "UID SEARCH TEXT walnut" })},
	{"SEARCH BODY, absent", []figure{{", p50 ms", true}}, repeatCommand(3, func(*rand.Rand, int) string { return "UID SEARCH BODY zyxwvu" })},
	{"SEARCH TEXT, in every message", []figure{{", p50 ms", true}}, repeatCommand(3, func(*rand.Rand, int) string { return "UID SEARCH TEXT evening" })},
	{"SEARCH SUBJECT, in every message", []figure{{", p50 ms", true}}, repeatCommand(3, func(*rand.Rand, int) string { return "UID SEARCH SUBJECT harbour" })},
	{"SEARCH SINCE, all", []figure{{", p50 ms", true}}, repeatCommand(10, func(*rand.Rand, int) string { return "UID SEARCH SINCE 1-Jan-2020" })},
	{"SEARCH SENTSINCE, none", []figure{{", p50 ms", true}}, repeatCommand(10, func(*rand.Rand, int) string { return "UID SEARCH SENTSINCE 9-Nov-2026" })},
	{"SORT by date", []figure{{", p50 ms", true}}, repeatCommand(5, func(*rand.Rand, int) string { return "UID SORT (DATE) UTF-8 ALL" })},
	{"SORT by subject", []figure{{", p50 ms", true}}, repeatCommand(5, func(*rand.Rand, int) string { return "UID SORT (SUBJECT) UTF-8 ALL" })},
	{"THREAD", []figure{{", p50 ms", true}}, repeatCommand(5, func(*rand.Rand, int) string { return "UID THREAD REFERENCES UTF-8 ALL" })},
	{"SEARCH UNSEEN", []figure{{", p50 ms", true}}, repeatCommand(20, func(*rand.Rand, int) string { return "UID SEARCH UNSEEN" })},
}

// fetchAll fetches something of every message on so many connections at once.
func fetchAll(conns int, command string) func(*server, settings) (map[string]float64, error) {
	return func(s *server, o settings) (map[string]float64, error) {
		clients, err := selectAll(s, conns)
		if err != nil {
			return nil, err
		}
		total := make([]int64, conns)
		start := time.Now()
		err = parallel(conns, func(i int) error {
			n, octets, err := clients[i].drain(command, " FETCH (")
			if err == nil && n != o.mailbox {
				err = fmt.Errorf("%d FETCH responses for %d messages", n, o.mailbox)
			}
			total[i] = octets
			return err
		})
		elapsed := time.Since(start).Seconds()
		octets := int64(0)
		for i, c := range clients {
			octets += total[i]
			c.close()
		}
		return map[string]float64{", messages/s": float64(conns*o.mailbox) / elapsed, ", MB/s": float64(octets) / 1e6 / elapsed}, err
	}
}

func selectAll(s *server, conns int) ([]*imapClient, error) {
	clients := make([]*imapClient, conns)
	return clients, parallel(conns, func(i int) (err error) {
		if clients[i], err = dialIMAP(s.imap, false, account(reader)); err != nil {
			return err
		}
		return clients[i].command(nil, "SELECT INBOX")
	})
}

// repeatCommand times a command that is made anew each time.
func repeatCommand(times int, next func(r *rand.Rand, messages int) string) func(*server, settings) (map[string]float64, error) {
	return func(s *server, o settings) (map[string]float64, error) {
		clients, err := selectAll(s, 1)
		if err != nil {
			return nil, err
		}
		defer clients[0].close()
		random := rand.New(rand.NewPCG(7, 7))
		var latencies []time.Duration
		start := time.Now()
		for range times {
			begin := time.Now()
			if _, _, err := clients[0].drain(next(random, o.mailbox), "*"); err != nil {
				return nil, err
			}
			latencies = append(latencies, time.Since(begin))
		}
		elapsed := time.Since(start).Seconds()
		return map[string]float64{
			", per second": float64(times) / elapsed, ", p50 ms": percentile(latencies, 50), ", p99 ms": percentile(latencies, 99),
		}, nil
	}
}

func storeAll(s *server, o settings) (map[string]float64, error) {
	clients, err := selectAll(s, 1)
	if err != nil {
		return nil, err
	}
	defer clients[0].close()
	start := time.Now()
	for _, op := range "+-" {
		if _, _, err := clients[0].drain(fmt.Sprintf("STORE 1:* %cFLAGS.SILENT (\\Answered)", op), "*"); err != nil {
			return nil, err
		}
	}
	return map[string]float64{", messages/s": float64(2*o.mailbox) / time.Since(start).Seconds()}, nil
}
