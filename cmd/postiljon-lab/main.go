// Postiljon-lab makes small internets on this machine, for whoever wants to see what
// mail programs and the doctor do when something is wrong.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/alecthomas/kong"
)

// commands is the command line: one field a command, one file a command.
type commands struct {
	Run      runCommand      `cmd:"" help:"Run a program in a world with a mail provider where something is broken."`
	Faults   faultsCommand   `cmd:"" help:"List what can be broken."`
	Dialects dialectsCommand `cmd:"" help:"List the ways in which servers speak, or show one."`
	Score    scoreCommand    `cmd:"" help:"Let the doctor look at every scenario, and count how often it is right."`
	Junk     junkCommand     `cmd:"" help:"Teach the junk filter with some messages of a collection, and count what it makes of the others."`
}

// Exit codes.
const (
	exitFailure = 1
	exitUsage   = 2
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run runs the command line and returns the exit code; that of a program which was run
// in a world is passed on.
func run(args []string, out, errs io.Writer) int {
	var c commands
	ended := -1
	parser, err := kong.New(&c,
		kong.Name("postiljon-lab"), kong.Description("Small internets on one machine, with mail providers that can be broken."),
		kong.UsageOnError(), kong.Writers(out, errs), kong.Exit(func(code int) { ended = code }),
		kong.BindTo(out, (*io.Writer)(nil)),
	)
	if err != nil {
		fmt.Fprintln(errs, "postiljon-lab:", err)
		return exitFailure
	}
	ctx, err := parser.Parse(args)
	if ended >= 0 { // help was asked for
		return ended
	}
	if err != nil {
		fmt.Fprintln(errs, "postiljon-lab:", err)
		return exitUsage
	}
	err = ctx.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return max(exit.ExitCode(), exitFailure)
	}
	fmt.Fprintln(errs, "postiljon-lab:", err)
	return exitFailure
}
