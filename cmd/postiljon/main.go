// Postiljon is a mail service in one program: SMTP, submission, IMAP and POP3,
// with a cause for everything that does not work.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/alecthomas/kong"
	"golang.org/x/term"
)

// commands is the command line: one field a command, one file a command.
type commands struct {
	Config string `short:"c" placeholder:"FILE" env:"POSTILJON_CONFIG" help:"Configuration file (default: ${config})."`
	Socket string `placeholder:"PATH" env:"POSTILJON_SOCKET" help:"Control socket of the running service (default: the one that the configuration names)."`

	Demo   demoCommand   `cmd:"" group:"service" help:"Try Postiljon on this machine: two accounts, all services on loopback."`
	Init   initCommand   `cmd:"" group:"service" help:"Make an installation: configuration, keys, first account, DNS records."`
	Serve  serveCommand  `cmd:"" group:"service" help:"Run the service."`
	Status statusCommand `cmd:"" group:"service" help:"Say how the running service is."`
	Reload reloadCommand `cmd:"" group:"service" help:"Read configuration and certificates again; sessions go on."`
	Conf   configCommand `cmd:"" name:"config" group:"service" help:"The configuration."`
	DNS    dnsCommand    `cmd:"" name:"dns" group:"service" help:"Show the DNS records that a domain needs, or check them."`
	DKIM   dkimCommand   `cmd:"" name:"dkim" group:"service" help:"Keys that messages are signed with."`

	Domain      domainCommand      `cmd:"" group:"people" help:"Domains."`
	Account     accountCommand     `cmd:"" group:"people" help:"Accounts."`
	Alias       aliasCommand       `cmd:"" group:"people" help:"Aliases."`
	Share       shareCommand       `cmd:"" group:"people" help:"Mailboxes that accounts of a domain share."`
	Rules       rulesCommand       `cmd:"" group:"people" help:"What accounts want done with their mail: rules, absence, forwarding."`
	Password    passwordCommand    `cmd:"" group:"people" help:"Passwords of accounts."`
	Apppassword appPasswordCommand `cmd:"" group:"people" help:"Passwords for single programs."`
	Token       tokenCommand       `cmd:"" group:"people" help:"Tokens for single programs, in place of a password."`
	Files       filesCommand       `cmd:"" group:"people" help:"Large files that people sent as links."`
	Ban         banCommand         `cmd:"" group:"people" help:"Blocks after wrong passwords."`

	Trace   traceCommand   `cmd:"" group:"mail" help:"Tell what became of a message or a sign-in, and why."`
	Limit   limitCommand   `cmd:"" group:"mail" help:"How much may be sent."`
	Refused refusedCommand `cmd:"" group:"mail" help:"Mail for an account that was turned away."`
	Queue   queueCommand   `cmd:"" group:"mail" help:"Messages on their way to other servers."`
	Route   routeCommand   `cmd:"" group:"mail" help:"Say which way mail to a domain would take, and how it would be protected."`
	TLSRPT  tlsrptCommand  `cmd:"" name:"tlsrpt" group:"mail" help:"Reports of other services on encryption of mail to a domain."`
	DMARC   dmarcCommand   `cmd:"" name:"dmarc" group:"mail" help:"Reports of other services on mail in a domain's name."`
	Causes  causesCommand  `cmd:"" group:"mail" help:"List the causes by which mail can fail, or explain one."`
	Doctor  doctorCommand  `cmd:"" group:"mail" help:"Find out why mail does not work, for an account at any provider."`
	Lookup  lookupCommand  `cmd:"" group:"mail" help:"Find the right settings of a mailbox at any provider, and compare them with yours."`

	Verify  verifyCommand  `cmd:"" group:"data" help:"Check all that is stored against itself."`
	Backup  backupCommand  `cmd:"" group:"data" help:"Make a backup while the service goes on."`
	Index   indexCommand   `cmd:"" group:"data" help:"The search index: how far it is, or make it anew."`
	Restore restoreCommand `cmd:"" group:"data" help:"Make a data folder of a backup."`
	Collect collectCommand `cmd:"" group:"data" help:"Give back the room of deleted messages now; the service does it every night."`
	Export  exportCommand  `cmd:"" group:"data" help:"Write the mail of an account to files."`
	Import  importCommand  `cmd:"" group:"data" help:"Read mail from files into an account."`

	Version versionCommand `cmd:"" group:"other" help:"Say which Postiljon this is."`
}

// defaultConfig is where an installation keeps its configuration.
const defaultConfig = "/etc/postiljon/postiljon.toml"

// Exit codes.
const (
	exitFailure = 1
	exitUsage   = 2
)

// streams are what a command reads and writes, so that nothing else does.
type streams struct {
	in       *os.File
	out      *os.File
	err      io.Writer
	terminal bool // out is a terminal: colours and progress
}

func main() { os.Exit(run(os.Args[1:])) }

// asMeant takes two habits of other programs: "help COMMAND" and "--version".
func asMeant(args []string) []string {
	switch {
	case len(args) > 0 && args[0] == "help":
		return append(slices.Clone(args[1:]), "--help")
	case len(args) == 1 && args[0] == "--version":
		return []string{"version"}
	}
	return args
}

func run(args []string) int {
	s := &streams{in: os.Stdin, out: os.Stdout, err: os.Stderr, terminal: isTerminal(os.Stdout)}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once

	var c commands
	code := -1
	parser, err := kong.New(&c,
		kong.Name("postiljon"),
		kong.Description("A mail service that says what happened, why, who must act and what to do."),
		kong.Vars{"config": defaultConfig},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
		kong.ExplicitGroups(groups),
		kong.Writers(s.out, s.err),
		kong.Exit(func(n int) { code = n }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(s, &c),
	)
	if err != nil {
		return fail(s, err)
	}
	parsed, err := parser.Parse(asMeant(args))
	if code >= 0 { // help was asked for
		return code
	}
	if err != nil {
		fmt.Fprintf(s.err, "postiljon: %v\n", err)
		fmt.Fprintln(s.err, "'postiljon --help' lists the commands, 'postiljon COMMAND --help' explains one.")
		return misused(args)
	}
	if err := parsed.Run(); err != nil {
		return fail(s, err)
	}
	return 0
}

// misused is the exit code for a command line that cannot be read: the doctor's own, for 2 is one of its answers.
func misused(args []string) int {
	if len(args) > 0 && args[0] == "doctor" {
		return exitDoctorMisused
	}
	return exitUsage
}

var groups = []kong.Group{
	{Key: "service", Title: "The service"},
	{Key: "people", Title: "Domains, accounts, passwords"},
	{Key: "mail", Title: "Mail and what became of it"},
	{Key: "data", Title: "Data"},
	{Key: "other", Title: "Other"},
}

// usageError is the fault of whoever typed the command.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// advised is an error that knows what to do next.
type advised interface {
	error
	NextStep() string
}

func fail(s *streams, err error) int {
	if e, ok := errors.AsType[exitWith](err); ok {
		if e.error != nil {
			fail(s, e.error)
		}
		return e.code
	}
	fmt.Fprintf(s.err, "postiljon: %v\n", err)
	if a, ok := errors.AsType[advised](err); ok && a.NextStep() != "" {
		fmt.Fprintln(s.err, a.NextStep())
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	return exitFailure
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
