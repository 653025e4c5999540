// Command bench compares Postiljon with Debian's Postfix and Dovecot on this
// machine, in one run, and prints a table with ratios:
//
//	go run ./bench              both: mail in, sign-in, push
//	go run ./bench -read        both: reading a large mailbox over IMAP
//	go run ./bench -read -fts   the same with Dovecot's search index (Xapian)
//	go run ./bench -growth      Postiljon alone: one mailbox of 10,000, 100,000 and 1,000,000
//	go run ./bench -idle 10000  both: so many idle connections over TLS
//	go run ./bench -webmail     both: the webmail in Chromium, beside Roundcube over Dovecot (-mailbox 100000)
//	go run ./bench -outbound    both: mail out to 100 domains, with smtp-sink as their server
//	go run ./bench -peer none   Postiljon alone
//	go run ./bench -reps 1      quicker and noisier
//
// It starts both servers itself on loopback ports, one after the other, sends
// the same messages to each, and looks over IMAP whether every acknowledged
// message is there. Postfix and Dovecot are installed from Debian's packages if
// they are missing, which needs root.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

type settings struct {
	peer     string
	reps     int
	conns    int
	messages int // of one connection
	watchers int
	only     string
	read     bool
	mailbox  int
	fts      bool
	idle     int
	growth   bool
	webmail  bool
	outbound bool
	dead     int
	dkim     bool
	sizes    string
	binary   string
	dir      string // of all that is made
}

func main() {
	var o settings
	flag.StringVar(&o.peer, "peer", "postfix-dovecot", "whom to compare with: postfix-dovecot or none")
	flag.IntVar(&o.reps, "reps", 3, "repetitions; the median counts")
	flag.IntVar(&o.conns, "conns", 20, "SMTP connections")
	flag.IntVar(&o.messages, "messages", 250, "messages of one connection")
	flag.IntVar(&o.watchers, "watchers", 200, "IDLE connections while pushes are measured")
	flag.IntVar(&o.idle, "idle", 0, "measure so many IDLE connections over TLS instead")
	flag.StringVar(&o.only, "only", "", "measure only the rows whose name contains this")
	flag.BoolVar(&o.read, "read", false, "measure reading a mailbox instead of deliveries")
	flag.IntVar(&o.mailbox, "mailbox", 20000, "messages of the mailbox that is read")
	flag.BoolVar(&o.fts, "fts", false, "give Dovecot its search index")
	flag.BoolVar(&o.growth, "growth", false, "measure how costs grow with one mailbox")
	flag.BoolVar(&o.webmail, "webmail", false, "measure the webmail in Chromium, beside Debian's Roundcube over Dovecot; needs Node, and root for Roundcube")
	flag.BoolVar(&o.outbound, "outbound", false, "measure sending to other servers instead; needs root")
	flag.BoolVar(&o.dkim, "dkim", false, "with -outbound: have each message signed: by Postiljon with RSA and Ed25519, for Postfix by OpenDKIM with RSA")
	flag.IntVar(&o.dead, "dead", 0, "with -outbound: so many messages before to a domain whose server never answers")
	flag.StringVar(&o.sizes, "sizes", "10000,100000,1000000", "messages of the mailbox that grows")
	flag.StringVar(&o.binary, "binary", "", "the program; built if empty")
	flag.Parse()
	// The load shares the processors with the server: it should take as little
	// of them as it can.
	debug.SetGCPercent(1000)
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o settings) error {
	dir, err := os.MkdirTemp("", "postiljon-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o.dir = dir
	if o.growth {
		return measureGrowth(o)
	}
	var far *elsewhere
	if o.outbound {
		if far, err = openElsewhere(dir, o.dkim); err != nil {
			return err
		}
		defer far.stop()
	}
	ours, err := measureServer(o, "postiljon", func() (*server, error) { return startPostiljon(o.binary, dir, far) })
	if err != nil {
		return err
	}
	results := []results{ours}
	if o.peer == "postfix-dovecot" {
		theirs, err := measureServer(o, o.peer, func() (*server, error) { return startPeer(filepath.Join(dir, "peer"), o.fts, far) })
		if err != nil {
			return err
		}
		results = append(results, theirs)
	}
	printTable(o.rows(), results)
	return nil
}

func (o settings) rows() []row {
	switch {
	case o.webmail:
		return webmailRows()
	case o.read:
		return readRows
	case o.outbound:
		return outboundRows
	case o.idle > 0:
		return idleRows
	}
	return deliveryRows
}

// results are the figures of one server by row.
type results struct {
	name    string
	figures map[string]float64
}

func measureServer(o settings, name string, start func() (*server, error)) (results, error) {
	r := results{name: name, figures: map[string]float64{}}
	s, err := start()
	if err != nil {
		return r, fmt.Errorf("start %s: %w", name, err)
	}
	defer s.stop()
	defer s.stopOnSignal(o.dir)()
	if o.read || o.webmail {
		begin := time.Now()
		if err := fill(s, o.mailbox); err != nil {
			return r, fmt.Errorf("fill %s: %w", name, err)
		}
		fmt.Fprintf(os.Stderr, "%s: filled in %.0f s\n", name, time.Since(begin).Seconds())
		if err := s.settle(o); err != nil {
			return r, fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, row := range o.rows() {
		if !strings.Contains(row.name, o.only) {
			continue
		}
		values := map[string][]float64{}
		for range o.reps {
			figures, err := row.measure(s, o)
			if err != nil {
				return r, fmt.Errorf("%s: %s: %w", name, row.name, err)
			}
			for k, v := range figures {
				values[k] = append(values[k], v)
			}
		}
		for k, v := range values {
			slices.Sort(v)
			r.figures[row.name+k] = v[len(v)/2]
		}
		fmt.Fprintf(os.Stderr, "%s: %s done\n", name, row.name)
	}
	return r, nil
}

// printTable writes Markdown. A ratio above 1 is in favour of Postiljon.
func printTable(rows []row, all []results) {
	fmt.Printf("%s, %d cores, %s\n\n", runtime.GOARCH, runtime.NumCPU(), cpuName())
	fmt.Print("| what |")
	for _, r := range all {
		fmt.Printf(" %s |", r.name)
	}
	if len(all) > 1 {
		fmt.Print(" ratio |")
	}
	fmt.Printf("\n|---|%s\n", strings.Repeat("---:|", len(all)+len(all)-1))
	for _, row := range rows {
		for _, f := range row.figures {
			ours, ok := all[0].figures[row.name+f.suffix]
			if !ok {
				continue
			}
			fmt.Printf("| %s%s |", row.name, f.suffix)
			fmt.Printf(" %s |", number(ours))
			for _, r := range all[1:] {
				theirs, ok := r.figures[row.name+f.suffix]
				if !ok {
					fmt.Print(" | |")
					continue
				}
				ratio := ours / theirs
				if f.lessIsBetter {
					ratio = theirs / ours
				}
				fmt.Printf(" %s | %.1f |", number(theirs), ratio)
			}
			fmt.Println()
		}
	}
}

func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func cpuName() string {
	b, err := exec.Command("sh", "-c", "grep -m1 'model name' /proc/cpuinfo | cut -d: -f2").Output()
	if err != nil {
		return "unknown processor"
	}
	return strings.TrimSpace(string(b))
}
