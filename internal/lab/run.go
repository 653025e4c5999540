package lab

import (
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/postiljon/postiljon/internal/lab/netns"
)

// ErrSimulated is what only a real network can do.
var ErrSimulated = errors.New("lab: the network is simulated; other programs cannot see it")

// onDevice gives a program the device's resolvers and then becomes it. The mount is seen by
// this program alone.
const onDevice = `mount --make-rprivate / && mount --bind "$LAB_RESOLV_CONF" /etc/resolv.conf && exec "$0" "$@"`

// Command prepares a program that runs on the device, in a real network: it asks the
// device's resolvers, and trusts the world's authority where it goes by SSL_CERT_FILE or CURL_CA_BUNDLE. It
// is begun with Start.
func (v *Vantage) Command(name string, args ...string) (*exec.Cmd, error) {
	if v.w.kernel == nil {
		return nil, ErrSimulated
	}
	dir, err := os.MkdirTemp("", "lab-device-")
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	v.w.add(closeFunc(func() error { return os.RemoveAll(dir) }))
	var servers strings.Builder
	for _, h := range v.resolverHosts() {
		fmt.Fprintf(&servers, "nameserver %s\n", h.V4())
	}
	resolv, trust := filepath.Join(dir, "resolv.conf"), filepath.Join(dir, "ca.pem")
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: v.w.CA.Root().Raw})
	if err := errors.Join(os.WriteFile(resolv, []byte(servers.String()), 0o644), os.WriteFile(trust, root, 0o644)); err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	cmd := exec.Command("/bin/sh", append([]string{"-c", onDevice, path}, args...)...)
	cmd.Env = append(os.Environ(), "LAB_RESOLV_CONF="+resolv, "SSL_CERT_FILE="+trust, "CURL_CA_BUNDLE="+trust)
	netns.PrivateMounts(cmd)
	return cmd, nil
}

// Start begins a program that Command prepared.
func (v *Vantage) Start(cmd *exec.Cmd) error {
	if v.w.kernel == nil {
		return ErrSimulated
	}
	v.w.kernel.mu.Lock()
	d := v.w.kernel.devices[v.index]
	v.w.kernel.mu.Unlock()
	return d.Do(cmd.Start)
}

func (v *Vantage) resolverHosts() []*Host {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]*Host(nil), v.dns...)
}
