package main

import (
	"fmt"
	"net"
	"os"
)

// notify tells systemd the state of the service (sd_notify(3)): "READY=1",
// "RELOADING=1", "STOPPING=1". Without systemd it does nothing.
func notify(state string) error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	// A name that begins with "@" is in the abstract name space; net knows.
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(state)); err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	return nil
}
