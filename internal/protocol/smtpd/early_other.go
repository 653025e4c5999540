//go:build !unix

package smtpd

import "net"

// readable would report whether something has arrived on c. Here only Timeouts.Greeting finds early
// talk.
func readable(net.Conn) bool { return false }
