package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// passwordFlags say where a password comes from. It is never an argument:
// other users of the machine can read those.
type passwordFlags struct {
	PasswordFile string `placeholder:"FILE" help:"File whose first line is the password; - is standard input."`
	Generate     bool   `help:"Make a password and show it once."`
}

// maxPasswordFile bounds what is read for a password.
const maxPasswordFile = 4096

// password reads the password, "" if one shall be made. On a terminal it asks,
// twice and without showing it.
func (p *passwordFlags) password(s *streams) (string, error) {
	switch {
	case p.Generate && p.PasswordFile != "":
		return "", usagef("--generate and --password-file exclude each other")
	case p.Generate:
		return "", nil
	case p.PasswordFile != "":
		return readPassword(s, p.PasswordFile)
	case !isTerminal(s.in):
		return "", usagef("no terminal to ask for a password; give --password-file FILE (or - for standard input) or --generate")
	}
	first, err := ask(s, "Password (empty to have one made): ")
	if err != nil || first == "" {
		return "", err
	}
	second, err := ask(s, "The same again: ")
	if err != nil {
		return "", err
	}
	if first != second {
		return "", usagef("the two are not the same")
	}
	return first, nil
}

func readPassword(s *streams, file string) (string, error) {
	var from io.Reader = s.in
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		defer f.Close()
		from = f
	}
	b, err := io.ReadAll(io.LimitReader(from, maxPasswordFile))
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return "", usagef("the password is empty")
	}
	return line, nil
}

func ask(s *streams, prompt string) (string, error) {
	fmt.Fprint(s.err, prompt)
	b, err := term.ReadPassword(int(s.in.Fd()))
	fmt.Fprintln(s.err)
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return string(b), nil
}

// confirm asks before something is lost for ever.
func confirm(s *streams, yes bool, question string) error {
	if yes {
		return nil
	}
	if !isTerminal(s.in) {
		return usagef("%s Add --yes to do it without being asked.", question)
	}
	fmt.Fprintf(s.err, "%s Type yes to go on: ", question)
	var answer string
	if _, err := fmt.Fscanln(s.in, &answer); err != nil || answer != "yes" {
		return &advice{fmt.Errorf("nothing was done"), ""}
	}
	return nil
}
