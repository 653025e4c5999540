package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/postiljon/postiljon/internal/lab"
	"github.com/postiljon/postiljon/internal/lab/peer"
)

type runCommand struct {
	Provider string   `default:"north.example" placeholder:"DOMAIN" help:"Domain of the provider (default: ${default})."`
	Account  string   `default:"anna" placeholder:"NAME" help:"Account at the provider; its password is made up and in LAB_PASSWORD (default: ${default})."`
	Dialect  string   `placeholder:"NAME" help:"How its servers speak; postiljon-lab dialects lists the ways."`
	Break    []string `placeholder:"FAULT" sep:"none" help:"What is broken: KIND[=N][:PORT][@HOST], such as drop:587 or refuse@imap.north.example; postiljon-lab faults lists the kinds."`
	Command  []string `arg:"" optional:"" passthrough:"" help:"Program and arguments; without, a shell. It sees the world and nothing else."`
}

// Run makes the world, runs the program on its device, and takes the world apart.
func (r *runCommand) Run(out io.Writer) (err error) {
	w, err := lab.OpenReal()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if !w.Real() {
		return errors.New("only root, with the programs ip and nft, can make a network that other programs see")
	}
	password := strings.ToLower(rand.Text()[:16])
	if err := r.provide(w, password); err != nil {
		return err
	}
	command := r.Command
	if len(command) > 0 && command[0] == "--" {
		command = command[1:]
	}
	if len(command) == 0 {
		command = []string{"/bin/sh"}
		fmt.Fprintf(out, "%s@%s has the password in LAB_PASSWORD; imap., smtp. and pop.%s answer. Leave with exit.\n", r.Account, r.Provider, r.Provider)
	}
	cmd, err := w.Home().Command(command[0], command[1:]...)
	if err != nil {
		return err
	}
	cmd.Env = append(cmd.Env, "LAB_PASSWORD="+password)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, out, os.Stderr
	if err := w.Home().Start(cmd); err != nil {
		return err
	}
	defer untilChild(cmd)()
	return cmd.Wait()
}

// untilChild lets this program live as long as the one that it runs, so that the world
// is taken apart: an interrupt at the terminal reaches the other one too, and a request to
// end is passed on.
func untilChild(cmd *exec.Cmd) (done func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	var wg sync.WaitGroup
	wg.Go(func() {
		for s := range signals {
			if s == syscall.SIGTERM {
				cmd.Process.Signal(s)
			}
		}
	})
	return func() {
		signal.Stop(signals)
		close(signals)
		wg.Wait()
	}
}

// provide puts the provider and the faults into the world.
func (r *runCommand) provide(w *lab.World, password string) error {
	p := w.Provider(r.Provider)
	p.Account(r.Account+"@"+r.Provider, password)
	if r.Dialect != "" {
		d, err := peer.Speak(r.Dialect)
		if err != nil {
			return err
		}
		p.SetDialect(d)
	}
	for _, text := range r.Break {
		where, fault, err := parseFault(text)
		if err != nil {
			return err
		}
		w.Break(where, fault)
	}
	return nil
}
