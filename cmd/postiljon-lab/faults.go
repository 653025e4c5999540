package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/lab"
)

// kind is a fault that the command line can name.
type kind struct {
	name, help string
	number     int // what N is without one; 0 for kinds that take none
	make       func(n int) lab.Fault
}

// kinds are the faults that a real network can have.
func kinds() []kind {
	none := func(f func() lab.Fault) func(int) lab.Fault { return func(int) lab.Fault { return f() } }
	return []kind{
		{"drop", "every packet vanishes", 0, none(lab.Drop)},
		{"refuse", "connections are refused", 0, none(lab.Refuse)},
		{"no-host", "a router says that the host cannot be reached", 0, none(lab.HostUnreachable)},
		{"no-network", "a router says that the network cannot be reached", 0, none(lab.NetworkUnreachable)},
		{"denied", "the device itself forbids the connection", 0, none(lab.Denied)},
		{"lose", "N per cent of the connections vanish", 30, func(n int) lab.Fault { return lab.Loss(n, 1) }},
		{"black-hole", "packets to the device above N octets vanish", 1400, func(n int) lab.Fault { return lab.BlackHole(n, lab.Down) }},
		{"black-hole-up", "packets from the device above N octets vanish", 1400, func(n int) lab.Fault { return lab.BlackHole(n, lab.Up) }},
		{"reset-hello", "the connection is reset when TLS begins", 0, none(lab.ResetHello)},
		{"stall-hello", "the connection falls silent when TLS begins", 0, none(lab.StallHello)},
		{"reset-after", "the connection is reset after N octets from the server", 500, func(n int) lab.Fault { return lab.ResetAfter(n, lab.Down) }},
		{"stall-after", "the connection falls silent after N octets from the server", 500, func(n int) lab.Fault { return lab.StallAfter(n, lab.Down) }},
		{"delay", "everything takes N milliseconds longer, each way", 200, func(n int) lab.Fault { return lab.Delay(time.Duration(n) * time.Millisecond) }},
		{"forget-idle", "connections are forgotten after N seconds of silence", 60, func(n int) lab.Fault { return lab.ForgetIdle(time.Duration(n) * time.Second) }},
		{"strip-starttls", "a middlebox takes away the offer of STARTTLS", 0, none(lab.StripSTARTTLS)},
	}
}

// parseFault reads KIND[=N][:PORT][@HOST].
func parseFault(text string) (lab.Where, lab.Fault, error) {
	var where lab.Where
	rest, host, _ := strings.Cut(text, "@")
	where.Host = host
	rest, port, hasPort := strings.Cut(rest, ":")
	if hasPort {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return where, lab.Fault{}, fmt.Errorf("%q: %q is no port", text, port)
		}
		where.Port = int(n)
	}
	name, number, hasNumber := strings.Cut(rest, "=")
	for _, k := range kinds() {
		if k.name != name {
			continue
		}
		n := k.number
		if hasNumber {
			var err error
			if n, err = strconv.Atoi(number); err != nil || n < 1 || k.number == 0 {
				return where, lab.Fault{}, fmt.Errorf("%q: %s does not take the number %q", text, k.name, number)
			}
		}
		return where, k.make(n), nil
	}
	return where, lab.Fault{}, fmt.Errorf("%q: there is no fault %q; postiljon-lab faults lists them", text, name)
}

type faultsCommand struct{}

// Run lists the kinds.
func (faultsCommand) Run(out io.Writer) error {
	for _, k := range kinds() {
		n := ""
		if k.number > 0 {
			n = fmt.Sprintf(" (N is %d without =N)", k.number)
		}
		if _, err := fmt.Fprintf(out, "%-15s %s%s\n", k.name, k.help, n); err != nil {
			return err
		}
	}
	return nil
}
