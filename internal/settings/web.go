package settings

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// webClient fetches small documents over https, with our own resolver and dialer.
type webClient struct {
	*http.Client
	timeout time.Duration
}

// statusError is an answer of a web server that is no success.
type statusError struct{ code int }

func (e *statusError) Error() string {
	return fmt.Sprintf("%d %s", e.code, http.StatusText(e.code))
}

// maxRedirects is how often a web server may send us elsewhere.
const maxRedirects = 5

func (f *Finder) newWebClient() *webClient {
	transport := &http.Transport{
		DialContext:            f.dialName,
		TLSClientConfig:        f.tlsConfig(""),
		TLSHandshakeTimeout:    f.Timeout,
		ResponseHeaderTimeout:  f.Timeout,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConns:           8,
	}
	return &webClient{timeout: f.Timeout, Client: &http.Client{
		Transport: transport,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) >= maxRedirects {
				return errors.New("too many redirects")
			}
			if r.URL.Scheme != "https" {
				return fmt.Errorf("redirect to %s, which is not https", r.URL.Scheme)
			}
			return nil
		},
	}}
}

func (f *Finder) tlsConfig(name string) *tls.Config {
	return &tls.Config{ServerName: name, RootCAs: f.Roots, Time: f.Now, MinVersion: tls.VersionTLS12}
}

// get fetches a document; post sends one and fetches the answer. Both are done
// when the whole answer is there.
func (w *webClient) get(ctx context.Context, where string) ([]byte, error) {
	return w.do(ctx, http.MethodGet, where, nil)
}

func (w *webClient) post(ctx context.Context, where string, document []byte) ([]byte, error) {
	return w.do(ctx, http.MethodPost, where, document)
}

func (w *webClient) do(ctx context.Context, method, where string, document []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, where, bytes.NewReader(document))
	if err != nil {
		return nil, err
	}
	if document != nil {
		r.Header.Set("Content-Type", "text/xml; charset=utf-8")
	}
	answer, err := w.Do(r)
	if err != nil {
		var about *url.Error // it repeats the address
		if errors.As(err, &about) {
			err = about.Err
		}
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, &statusError{answer.StatusCode}
	}
	return io.ReadAll(io.LimitReader(answer.Body, maxConfig+1))
}

// maxAddresses is how many addresses of a host are tried.
const maxAddresses = 4

// dialName connects to "name:port": it resolves the name and tries its addresses
// one after the other, each with its share of the time.
func (f *Finder) dialName(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	ips, err := f.addresses(ctx, host)
	if err != nil {
		return nil, err
	}
	ips = ips[:min(len(ips), maxAddresses)]
	err = &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
	for i, ip := range ips {
		share := f.Timeout / time.Duration(len(ips)-i)
		dialCtx, cancel := context.WithTimeout(ctx, share)
		var c net.Conn
		c, err = f.Dialer.DialContext(dialCtx, network, net.JoinHostPort(ip.String(), port))
		cancel()
		if err == nil {
			return c, nil
		}
	}
	return nil, err
}

func (f *Finder) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, f.Timeout)
	defer cancel()
	ips, err := f.Resolver.LookupNetIP(ctx, "ip", rooted(host))
	for i := range ips {
		ips[i] = ips[i].Unmap()
	}
	return ips, err
}

// rooted returns a name as the DNS has it, so that no search list of this computer
// is put behind it.
func rooted(name string) string { return name + "." }
