package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/postiljon/postiljon/internal/config"
)

// listeners are the open sockets of each service, by the name of its key in
// [listen].
type listeners map[string][]net.Listener

func (l listeners) close() {
	for _, all := range l {
		for _, one := range all {
			one.Close()
		}
	}
}

// first is where a service can be reached, "" if nowhere.
func (l listeners) first(service string) string {
	if len(l[service]) == 0 {
		return ""
	}
	return l[service][0].Addr().String()
}

// listen opens every socket of the configuration. Sockets that systemd has
// opened already take the place of those configured for the same service.
func listen(c *config.Listen, inherited listeners) (l listeners, err error) {
	l = listeners{}
	defer func() {
		if err != nil {
			l.close()
			inherited.close()
		}
	}()
	for _, service := range c.Services() {
		if given := inherited[service.Name]; len(given) > 0 {
			l[service.Name] = given
			continue
		}
		for _, address := range service.Addresses {
			one, err := net.Listen("tcp", address)
			if err != nil {
				return l, listenTrouble(service.Name, address, err)
			}
			l[service.Name] = append(l[service.Name], one)
		}
	}
	return l, nil
}

// portError is a port that cannot be had, with the remedy.
type portError struct {
	text, remedy string
	err          error
}

func (e *portError) Error() string    { return e.text }
func (e *portError) NextStep() string { return e.remedy }
func (e *portError) Unwrap() error    { return e.err }

func listenTrouble(service, address string, err error) error {
	_, port, _ := net.SplitHostPort(address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return &portError{
			fmt.Sprintf("port %s (%s) is taken by another program", port, service),
			fmt.Sprintf("'ss -ltnp sport = :%s' shows which; stop it, or choose another port for listen.%s.", port, service), err}
	case errors.Is(err, syscall.EACCES):
		return &portError{
			fmt.Sprintf("port %s (%s) may not be opened by this user", port, service),
			"Ports below 1024 need the systemd unit of Postiljon, or the capability CAP_NET_BIND_SERVICE.", err}
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return &portError{
			fmt.Sprintf("%s (%s) is not an address of this machine", address, service),
			fmt.Sprintf("'ip address' shows those that are; correct listen.%s.", service), err}
	}
	return fmt.Errorf("listen on %s for %s: %w", address, service, err)
}

// firstInherited is the first file descriptor that systemd hands over
// (sd_listen_fds(3)).
const firstInherited = 3

// inherit takes the sockets that systemd has opened. Their names are those of
// the services: FileDescriptorName=smtp in the socket unit.
func inherit() (listeners, error) {
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || n < 0 || n > 1000 {
		return nil, fmt.Errorf("systemd hands over LISTEN_FDS=%q", os.Getenv("LISTEN_FDS"))
	}
	names := strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	l := listeners{}
	for i := range n {
		name := ""
		if i < len(names) {
			name = names[i]
		}
		if !isService(name) {
			l.close()
			return nil, fmt.Errorf("systemd hands over a socket named %q; FileDescriptorName must be smtp, submission, submissions, imap, imaps, pop3, pop3s, sieve, http or https", name)
		}
		f := os.NewFile(uintptr(firstInherited+i), name)
		one, err := net.FileListener(f) // a copy
		f.Close()
		if err != nil {
			l.close()
			return nil, fmt.Errorf("the socket %q of systemd: %w", name, err)
		}
		l[name] = append(l[name], one)
	}
	return l, nil
}

func isService(name string) bool {
	for _, s := range (&config.Listen{}).Services() {
		if s.Name == name {
			return true
		}
	}
	return false
}
