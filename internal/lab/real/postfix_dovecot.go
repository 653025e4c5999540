package real

import (
	"bytes"
	"context"
	"crypto/tls"
	"embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/postiljon/postiljon/internal/lab/netns"
)

// ErrNeedsRoot is what servers say that only root can run.
var ErrNeedsRoot = errors.New("real: Postfix and Dovecot need root")

// PostfixDovecotOptions says how Postfix and Dovecot are run.
type PostfixDovecotOptions struct {
	Dir         string // an empty folder that other users may enter
	Domain      string
	Hostname    string
	Certificate tls.Certificate
	Address     string         // to listen on; "" is 127.0.0.1
	Ports       map[string]int // by service; nil chooses free ones
	Accounts    []MailAccount
	Dovecot     string // further lines of dovecot.conf
	Postfix     string // further lines of main.cf
	// Resolver is the DNS server that Postfix asks when it sends; "" is that of the system.
	Resolver string
	Place    Place
}

// MailAccount is an account of Dovecot's.
type MailAccount struct {
	Address, Password string
	Quota             string // "10M"; "" is none
	Extra             string // further fields of the passwd-file: "nologin=y reason=…"
}

// PostfixDovecot is Postfix and Dovecot at work, over one folder.
type PostfixDovecot struct {
	Address string
	Ports   map[string]int // "smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s"
	o       PostfixDovecotOptions
	imap    *process // the first process of Dovecot
	postfix *process // the first process of Postfix
}

// services are what the two offer.
func services() []string {
	return []string{"smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s"}
}

//go:embed *.tmpl
var templateFiles embed.FS

// StartPostfixDovecot starts both and waits until they answer.
func StartPostfixDovecot(o PostfixDovecotOptions) (*PostfixDovecot, error) {
	if os.Geteuid() != 0 {
		return nil, ErrNeedsRoot
	}
	if o.Address == "" {
		o.Address = "127.0.0.1"
	}
	s := &PostfixDovecot{Address: o.Address, Ports: o.Ports, o: o}
	if s.Ports == nil {
		var err error
		if s.Ports, err = freePorts(o.Address, services()); err != nil {
			return nil, err
		}
	}
	if err := s.write(); err != nil {
		return nil, err
	}
	if err := s.start(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// freePorts returns ports that were free a moment ago.
func freePorts(address string, names []string) (map[string]int, error) {
	ports := make(map[string]int)
	for _, name := range names {
		l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
		if err != nil {
			return nil, fmt.Errorf("real: %w", err)
		}
		defer l.Close() // all at the end, so that all differ
		ports[name] = l.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}

// write makes folders and files for both.
func (s *PostfixDovecot) write() error {
	if err := s.folders(); err != nil {
		return err
	}
	chain, key, err := writeCertificate(s.o.Dir, s.o.Certificate)
	if err != nil {
		return err
	}
	values := struct {
		PostfixDovecotOptions
		Ports      map[string]int
		Chain, Key string
	}{s.o, s.Ports, chain, key}
	templates, err := template.ParseFS(templateFiles, "*.tmpl")
	if err != nil {
		return fmt.Errorf("real: templates: %w", err)
	}
	for _, name := range []string{"dovecot.conf", "main.cf", "master.cf"} {
		var b bytes.Buffer
		if err := templates.ExecuteTemplate(&b, name+".tmpl", values); err != nil {
			return fmt.Errorf("real: %s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(s.o.Dir, name), b.Bytes(), 0o644); err != nil {
			return fmt.Errorf("real: %w", err)
		}
	}
	return errors.Join(s.accounts(), s.chain(key, chain))
}

// folders makes what the two want to find, owned by whom they want.
func (s *PostfixDovecot) folders() error {
	if err := os.Chmod(s.o.Dir, 0o755); err != nil {
		return fmt.Errorf("real: %w", err)
	}
	for folder, owner := range map[string]string{
		"spool": "", "run": "", "log": "", "dovecot-state": "", "postfix-state": "postfix", "mail": "nobody",
	} {
		path := filepath.Join(s.o.Dir, folder)
		if err := os.Mkdir(path, 0o755); err != nil {
			return fmt.Errorf("real: %w", err)
		}
		if owner == "" {
			continue
		}
		u, err := user.Lookup(owner)
		if err != nil {
			return fmt.Errorf("real: %w", err)
		}
		uid, err := strconv.Atoi(u.Uid)
		if err != nil {
			return fmt.Errorf("real: user %s: %w", owner, err)
		}
		if err := os.Chown(path, uid, 0); err != nil {
			return fmt.Errorf("real: %w", err)
		}
	}
	return nil
}

// accounts writes who there is: for Dovecot, and as recipients and senders for Postfix.
func (s *PostfixDovecot) accounts() error {
	var users, mailboxes, owners strings.Builder
	for _, a := range s.o.Accounts {
		extra := a.Extra
		if a.Quota != "" {
			extra += " userdb_quota_rule=*:storage=" + a.Quota
		}
		fmt.Fprintf(&users, "%s:{PLAIN}%s::::::%s\n", a.Address, a.Password, strings.TrimSpace(extra))
		fmt.Fprintf(&mailboxes, "%s x\n", a.Address)
		fmt.Fprintf(&owners, "%s %s\n", a.Address, a.Address)
	}
	return errors.Join(
		os.WriteFile(filepath.Join(s.o.Dir, "users"), []byte(users.String()), 0o644),
		os.WriteFile(filepath.Join(s.o.Dir, "mailboxes"), []byte(mailboxes.String()), 0o644),
		os.WriteFile(filepath.Join(s.o.Dir, "owners"), []byte(owners.String()), 0o644),
	)
}

// chain writes key and certificates in one file, as Postfix likes them.
func (s *PostfixDovecot) chain(files ...string) error {
	var all []byte
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return fmt.Errorf("real: %w", err)
		}
		all = append(all, b...)
	}
	return os.WriteFile(filepath.Join(s.o.Dir, "chain.pem"), all, 0o600)
}

// start runs both in the foreground as children of this process.
func (s *PostfixDovecot) start() (err error) {
	if s.imap, err = startProcess(s.o.Place, exec.Command("dovecot", "-F", "-c", filepath.Join(s.o.Dir, "dovecot.conf"))); err != nil {
		return err
	}
	if err := s.prepareQueue(); err != nil {
		return err
	}
	cmd, err := s.master("-c", s.o.Dir, "-d", "-s")
	if err != nil {
		return err
	}
	cmd.Env = append(os.Environ(), "LAB_RESOLV_CONF="+s.resolvConf(), "MAIL_CONFIG="+s.o.Dir, "config_directory="+s.o.Dir, "queue_directory="+filepath.Join(s.o.Dir, "spool"),
		"daemon_directory=/usr/lib/postfix/sbin", "command_directory=/usr/sbin", "mail_owner=postfix", "setgid_group=postdrop", "MAIL_LOGTAG=postfix")
	if s.postfix, err = startProcess(s.o.Place, cmd); err != nil {
		return err
	}
	return s.ready()
}

func (s *PostfixDovecot) resolvConf() string { return filepath.Join(s.o.Dir, "resolv.conf") }

// master is the first process of Postfix. Where it has a DNS server of its own, it sees
// another resolv.conf than the rest of the machine.
func (s *PostfixDovecot) master(args ...string) (*exec.Cmd, error) {
	const program = "/usr/lib/postfix/sbin/master"
	if s.o.Resolver == "" {
		return exec.Command(program, args...), nil
	}
	conf := "nameserver " + s.o.Resolver + "\noptions edns0 trust-ad\n"
	if err := os.WriteFile(s.resolvConf(), []byte(conf), 0o644); err != nil {
		return nil, fmt.Errorf("real: %w", err)
	}
	const mounted = `mount --make-rprivate / && mount --bind "$LAB_RESOLV_CONF" /etc/resolv.conf && exec "$0" "$@"`
	cmd := exec.Command("/bin/sh", append([]string{"-c", mounted, program}, args...)...)
	netns.PrivateMounts(cmd)
	return cmd, nil
}

// prepareQueue lets Postfix make the folders of its queue.
func (s *PostfixDovecot) prepareQueue() error { return s.command("postfix", "-c", s.o.Dir, "check") }

// command runs a command of one of the two.
func (s *PostfixDovecot) command(name string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), commandTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	return s.o.Place.do(func() error {
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("real: %s: %w: %s", name, err, bytes.TrimSpace(out))
		}
		return nil
	})
}

// ready waits until every port answers.
func (s *PostfixDovecot) ready() error {
	end := time.Now().Add(startTime)
	for _, name := range services() {
		for {
			err := s.answers(s.Ports[name])
			if err == nil {
				break
			}
			if time.Now().After(end) {
				return fmt.Errorf("real: %s is not ready: %w; Dovecot said: %s; Postfix said: %s", name, err, s.log("dovecot.log", s.imap), s.log("postfix.log", s.postfix))
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return nil
}

func (s *PostfixDovecot) answers(port int) error { return answers(s.o.Place, s.Address, port) }

// answers tries whether somebody listens.
func answers(in Place, address string, port int) error {
	return in.do(func() error {
		c, err := net.DialTimeout("tcp", net.JoinHostPort(address, strconv.Itoa(port)), time.Second)
		if err != nil {
			return err
		}
		return c.Close()
	})
}

// log is the end of a log file, and what the program itself printed.
func (s *PostfixDovecot) log(name string, p *process) string {
	said := ""
	if p != nil {
		said = p.log.String()
	}
	b, err := os.ReadFile(filepath.Join(s.o.Dir, "log", name))
	if err != nil {
		return said
	}
	return said + string(b[max(0, len(b)-tailSize):])
}

// SetCertificate lets both show another certificate from now on.
func (s *PostfixDovecot) SetCertificate(cert tls.Certificate) error {
	chain, key, err := writeCertificate(s.o.Dir, cert)
	if err != nil {
		return err
	}
	if err := s.chain(key, chain); err != nil {
		return err
	}
	return errors.Join(s.command("doveadm", "-c", filepath.Join(s.o.Dir, "dovecot.conf"), "reload"), s.command("postfix", "-c", s.o.Dir, "reload"))
}

// StopDovecot ends Dovecot alone: nobody can read, and Postfix has nobody to ask about passwords.
func (s *PostfixDovecot) StopDovecot() error { return s.imap.stop() }

// Log returns the ends of both logs.
func (s *PostfixDovecot) Log() string {
	return s.log("dovecot.log", s.imap) + s.log("postfix.log", s.postfix)
}

// Close ends both.
func (s *PostfixDovecot) Close() error {
	var errs []error
	for _, p := range []*process{s.postfix, s.imap} {
		if p != nil {
			errs = append(errs, p.stop())
		}
	}
	return errors.Join(errs...)
}
