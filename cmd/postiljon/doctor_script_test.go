package main

import (
	"net"

	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/testscript"
)

// scriptNames starts a name server that knows no names, at $DNS.
func scriptNames(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: names")
	}
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	ts.Check(err)
	tcp, err := net.Listen("tcp", udp.LocalAddr().String())
	ts.Check(err)
	knowsNone := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		_ = w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeNameError)) // who does not hear it asks again
	})
	for _, s := range []*dns.Server{{PacketConn: udp, Handler: knowsNone}, {Listener: tcp, Handler: knowsNone}} {
		go s.ActivateAndServe()
		ts.Defer(func() { _ = s.Shutdown() })
	}
	ts.Setenv("DNS", udp.LocalAddr().String())
}
