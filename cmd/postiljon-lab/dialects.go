package main

import (
	"fmt"
	"io"

	"github.com/postiljon/postiljon/internal/lab/peer"
)

type dialectsCommand struct {
	Name string `arg:"" optional:"" help:"The one to show."`
}

// Run lists the dialects, or what one says on which occasion.
func (d *dialectsCommand) Run(out io.Writer) error {
	if d.Name == "" {
		names, err := peer.DialectNames()
		if err != nil {
			return err
		}
		for _, n := range names {
			if _, err := fmt.Fprintln(out, n); err != nil {
				return err
			}
		}
		return nil
	}
	dialect, err := peer.Speak(d.Name)
	if err != nil {
		return err
	}
	for _, occasion := range dialect.Occasions() {
		for _, proto := range []peer.Protocol{peer.ProtoSMTP, peer.ProtoIMAP, peer.ProtoPOP3} {
			for _, line := range dialect.Says(proto, occasion) {
				if _, err := fmt.Fprintf(out, "%-20s %-5s %s\n", occasion, proto, line); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
