package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// row is one thing that is measured.
type row struct {
	name    string
	figures []figure
	measure func(s *server, o settings) (map[string]float64, error)
}

// figure is one number of a row.
type figure struct {
	suffix       string
	lessIsBetter bool
}

var deliveryRows = []row{
	{"SMTP in, 4 KiB, 20 connections", []figure{{", visible messages/s", false}, {", ack p50 ms", true}, {", ack p99 ms", true}},
		func(s *server, o settings) (map[string]float64, error) {
			return ingest(s, job{conns: o.conns, messages: o.messages, size: 4096})
		}},
	{"SMTP in, 4 KiB, 1 connection", []figure{{", visible messages/s", false}, {", ack p50 ms", true}},
		func(s *server, _ settings) (map[string]float64, error) {
			return ingest(s, job{conns: 1, messages: 300, size: 4096})
		}},
	{"SMTP in, 64 KiB, 20 connections", []figure{{", visible messages/s", false}},
		func(s *server, o settings) (map[string]float64, error) {
			return ingest(s, job{conns: o.conns, messages: 50, size: 64 << 10})
		}},
	{"Submission over TLS with sign-in, 20 connections", []figure{{", visible messages/s", false}},
		func(s *server, o settings) (map[string]float64, error) {
			return ingest(s, job{conns: o.conns, messages: 50, size: 4096, submission: true})
		}},
	{"APPEND 4 KiB, 1 connection", []figure{{", messages/s", false}},
		func(s *server, _ settings) (map[string]float64, error) { return appendAll(s, 1, 1000) }},
	{"APPEND 4 KiB, 8 connections", []figure{{", messages/s", false}},
		func(s *server, _ settings) (map[string]float64, error) { return appendAll(s, 8, 4000) }},
	{"Sign-in without TLS, 10 at once", signInFigures, func(s *server, _ settings) (map[string]float64, error) { return signIns(s, inTheClear) }},
	{"Sign-in over TLS, 10 at once", signInFigures, func(s *server, _ settings) (map[string]float64, error) { return signIns(s, overTLS) }},
	{"Sign-in over TLS, session taken up again, 10 at once", signInFigures, func(s *server, _ settings) (map[string]float64, error) { return signIns(s, resumed) }},
	{"Push, 250 to EXISTS", []figure{{", p50 ms", true}, {", p99 ms", true}}, pushes},
}

// job is a delivery: so many connections with so many messages each.
type job struct {
	conns, messages, size int
	submission            bool
}

const (
	markField  = "X-Bench"
	recipients = 20 // accounts that deliveries go to
)

var runs atomic.Int64

// letter is a message of about size octets with a mark of its own.
func letter(mark, from, to string, size int) []byte {
	b := make([]byte, 0, size+100)
	b = fmt.Appendf(b, "From: Some Body <%s>\r\nTo: <%s>\r\nSubject: Letter %s about the harbour\r\nMessage-ID: <%s@sender.test>\r\n"+
		"Date: Mon, 2 Nov 2026 10:00:00 +0100\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=\"b%s\"\r\n%s: %s\r\n\r\n",
		from, to, mark, mark, mark, markField, mark)
	for _, kind := range []string{"plain", "html"} {
		b = fmt.Appendf(b, "--b%s\r\nContent-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n", mark, kind)
		for end := len(b) + (size-500)/2; len(b) < end; {
			b = append(b, "The boat leaves at noon and comes back with the evening tide.\r\n"...)
		}
	}
	return fmt.Appendf(b, "--b%s--\r\n", mark)
}

// ingest delivers and waits until every acknowledged message is visible.
func ingest(s *server, j job) (map[string]float64, error) {
	run := fmt.Sprintf("%x.%d", time.Now().Unix(), runs.Add(1))
	boxes, err := watchBoxes(s)
	if err != nil {
		return nil, err
	}
	defer closeAll(boxes)
	clients := make([]*smtpClient, j.conns)
	err = parallel(j.conns, func(w int) (err error) {
		addr, user := s.smtp, ""
		if j.submission {
			addr, user = s.submissions, account(w)
		}
		clients[w], err = dialSMTP(addr, j.submission, w, user)
		return err
	})
	if err != nil {
		return nil, err
	}
	want := make([]atomic.Int64, recipients)
	latencies := make([][]time.Duration, j.conns)
	start := time.Now()
	err = parallel(j.conns, func(w int) error {
		defer clients[w].close()
		from := fmt.Sprintf("person%d@d%d.sender.test", w, w)
		if j.submission {
			from = account(w)
		}
		for i := range j.messages {
			to := (w + i) % recipients
			text := letter(fmt.Sprintf("%s.%d.%d", run, w, i), from, account(to), j.size)
			begin := time.Now()
			if err := clients[w].send(from, account(to), text); err != nil {
				return err
			}
			latencies[w] = append(latencies[w], time.Since(begin))
			want[to].Add(1)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, b := range boxes {
		if err := b.await(int(want[i].Load())); err != nil {
			return nil, err
		}
	}
	elapsed := time.Since(start)
	if err := verify(boxes, run, j); err != nil {
		return nil, err
	}
	all := slices.Concat(latencies...)
	return map[string]float64{
		", visible messages/s": float64(j.conns*j.messages) / elapsed.Seconds(),
		", ack p50 ms":         percentile(all, 50), ", ack p99 ms": percentile(all, 99),
	}, nil
}

// box is a mailbox that deliveries go to.
type box struct {
	c        *imapClient
	messages int
	uidNext  int
}

func watchBoxes(s *server) ([]*box, error) {
	boxes := make([]*box, recipients)
	return boxes, parallel(recipients, func(i int) error {
		c, err := dialIMAP(s.imap, false, account(i))
		if err != nil {
			return err
		}
		boxes[i] = &box{c: c}
		boxes[i].messages, boxes[i].uidNext, err = boxes[i].status()
		return err
	})
}

func closeAll(boxes []*box) {
	for _, b := range boxes {
		if b != nil {
			b.c.close()
		}
	}
}

func (b *box) status() (messages, uidNext int, err error) {
	err = b.c.command(func(line string) {
		messages, uidNext = max(messages, after(line, "MESSAGES ")), max(uidNext, after(line, "UIDNEXT "))
	}, "STATUS INBOX (MESSAGES UIDNEXT)")
	return messages, uidNext, err
}

// after reads the number behind a word, 0 if there is none.
func after(line, word string) int {
	_, rest, _ := strings.Cut(line, word)
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	n, err := strconv.Atoi(rest[:max(end, 0)])
	if err != nil {
		return 0
	}
	return n
}

func (b *box) await(more int) error {
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		n, _, err := b.status()
		if err != nil || n >= b.messages+more {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d of %d messages became visible", n-b.messages, more)
		}
	}
}

// verify fetches the marks of all new messages: each must be there once.
func verify(boxes []*box, run string, j job) error {
	seen := map[string]int{}
	for _, b := range boxes {
		if err := b.c.command(nil, "SELECT INBOX"); err != nil {
			return err
		}
		err := b.c.command(func(line string) {
			if _, mark, ok := strings.Cut(line, markField+": "); ok {
				mark, _, _ = strings.Cut(mark, "\r\n")
				seen[mark]++
			}
		}, fmt.Sprintf("UID FETCH %d:* (BODY.PEEK[HEADER.FIELDS (%s)])", b.uidNext, markField))
		if err != nil {
			return err
		}
	}
	for w := range j.conns {
		for i := range j.messages {
			mark := fmt.Sprintf("%s.%d.%d", run, w, i)
			if seen[mark] != 1 {
				return fmt.Errorf("message %s is there %d times", mark, seen[mark])
			}
		}
	}
	return nil
}

func appendAll(s *server, conns, messages int) (map[string]float64, error) {
	run := fmt.Sprintf("%x.%d", time.Now().Unix(), runs.Add(1))
	clients := make([]*imapClient, conns)
	err := parallel(conns, func(i int) (err error) {
		if clients[i], err = dialIMAP(s.imap, false, account(40+i)); err == nil {
			clients[i].command(nil, "CREATE Filled") // it may be there
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	start := time.Now()
	err = parallel(conns, func(w int) error {
		for i := w; i < messages; i += conns {
			if err := clients[w].append("Filled", letter(fmt.Sprintf("%s.%d", run, i), "a@sender.test", "b@bench.test", 4096)); err != nil {
				return err
			}
		}
		return nil
	})
	elapsed := time.Since(start)
	for _, c := range clients {
		c.close()
	}
	return map[string]float64{", messages/s": float64(messages) / elapsed.Seconds()}, err
}

// login says how signIns connects.
type login uint8

const (
	inTheClear login = iota
	overTLS
	resumed // with sessions taken up again, as programs do that have been there before
)

var signInFigures = []figure{{", sign-ins/s", false}, {", CPU of the server for each, µs", true}}

// signIns has 10 connections at once sign in and out again.
func signIns(s *server, how login) (map[string]float64, error) {
	const conns, count = 10, 2000
	worked, err := s.cpu()
	if err != nil {
		return nil, err
	}
	addr := s.imaps
	if how == inTheClear {
		addr = s.imap
	}
	start := time.Now()
	err = parallel(conns, func(w int) error {
		var sessions tls.ClientSessionCache
		if how == resumed {
			sessions = tls.NewLRUClientSessionCache(1)
		}
		for i := w; i < count; i += conns {
			c, err := dialIMAPWith(addr, how != inTheClear, account(i%20), sessions)
			if err != nil {
				return err
			}
			c.close()
		}
		return nil
	})
	elapsed := time.Since(start)
	if err != nil {
		return nil, err
	}
	now, err := s.cpu()
	return map[string]float64{
		", sign-ins/s":                     count / elapsed.Seconds(),
		", CPU of the server for each, µs": float64((now - worked).Microseconds()) / count,
	}, err
}

// pushes measures the time from the 250 to the untagged EXISTS while many
// connections idle.
func pushes(s *server, o settings) (map[string]float64, error) {
	watchers, err := idle(s, o.watchers, false)
	defer hangUp(watchers)
	if err != nil {
		return nil, err
	}
	return pushTo(s, watchers)
}

// hangUp ends connections without a word; nil is none.
func hangUp(clients []*imapClient) {
	for _, c := range clients {
		if c != nil {
			c.c.Close()
		}
	}
}

// idle opens connections that have INBOX selected and are in IDLE, for each
// account in turn. It returns those that it opened also with an error.
func idle(s *server, conns int, secure bool) ([]*imapClient, error) {
	clients := make([]*imapClient, conns)
	addr := s.imap
	if secure {
		addr = s.imaps
	}
	err := parallel(10, func(w int) (err error) {
		for i := w; i < conns; i += 10 {
			if clients[i], err = dialIMAP(addr, secure, account(i)); err != nil {
				return err
			}
			if err := clients[i].idle(); err != nil {
				return err
			}
		}
		return nil
	})
	return clients, err
}

func (c *imapClient) idle() error {
	if err := c.command(nil, "SELECT INBOX"); err != nil {
		return err
	}
	c.send("IDLE")
	if err := c.w.Flush(); err != nil {
		return err
	}
	line, err := c.line()
	if err == nil && !strings.HasPrefix(line, "+") {
		err = fmt.Errorf("IDLE answered %q", line)
	}
	return err
}

// pushTo delivers to the first accounts and measures how long the first
// connection of each, which is in IDLE, waits for it.
func pushTo(s *server, watchers []*imapClient) (map[string]float64, error) {
	const deliveries = 120
	watched := make([]chan time.Time, recipients)
	for i, c := range watchers {
		if i < recipients {
			watched[i] = make(chan time.Time, deliveries)
			go watch(c, watched[i])
		} else {
			go watch(c, nil)
		}
	}
	sender, err := dialSMTP(s.smtp, false, 1, "")
	if err != nil {
		return nil, err
	}
	defer sender.close()
	run := fmt.Sprintf("%x.%d", time.Now().Unix(), runs.Add(1))
	var latencies []time.Duration
	for i := range deliveries {
		to := i % recipients
		if err := sender.send("a@sender.test", account(to), letter(fmt.Sprintf("%s.%d", run, i), "a@sender.test", account(to), 4096)); err != nil {
			return nil, err
		}
		acked := time.Now()
		select {
		case at := <-watched[to]:
			latencies = append(latencies, max(at.Sub(acked), 0))
		case <-time.After(10 * time.Second):
			return nil, fmt.Errorf("no EXISTS within 10 seconds for message %d", i)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return map[string]float64{", p50 ms": percentile(latencies, 50), ", p99 ms": percentile(latencies, 99)}, nil
}

// watch tells when an EXISTS arrives, until the connection is closed.
func watch(c *imapClient, exists chan<- time.Time) {
	c.c.SetDeadline(time.Time{})
	for {
		line, err := c.line()
		if err != nil {
			return
		}
		if exists != nil && strings.HasSuffix(strings.TrimSpace(line), " EXISTS") {
			exists <- time.Now()
		}
	}
}

func percentile(d []time.Duration, p int) float64 {
	slices.Sort(d)
	return float64(d[min(len(d)*p/100, len(d)-1)]) / float64(time.Millisecond)
}

// parallel runs f(0) to f(n-1) at once and joins their errors.
func parallel(n int, f func(i int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
