package service

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/test/harness"
)

// noise is as many octets as one likes, the same for a seed, from any place.
func noise(seed byte, size int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8([32]byte{seed}), size)
}

// noiseFrom is noise without its beginning.
func noiseFrom(t *testing.T, seed byte, from, size int64) io.Reader {
	t.Helper()
	r := noise(seed, size)
	if _, err := io.CopyN(io.Discard, r, from); err != nil {
		t.Fatal(err)
	}
	return r
}

// webClient makes requests of one account; a new one after each start of the service.
type webClient struct {
	*testing.T
	s       *harness.Service
	http    *http.Client
	account harness.Account
}

func newWebClient(t *testing.T, s *harness.Service) *webClient {
	return &webClient{t, s, &http.Client{Transport: &http.Transport{TLSClientConfig: s.TLS, ForceAttemptHTTP2: true}, Timeout: time.Minute}, s.Accounts[0]}
}

func (c *webClient) do(method, path string, body io.Reader, length int64, headers ...string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(c.Context(), method, "https://"+c.s.HTTPS+path, body)
	if err != nil {
		return nil, err
	}
	r.SetBasicAuth(c.account.Address, c.account.Password)
	r.Header.Set("Tus-Resumable", "1.0.0")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if body != nil {
		r.ContentLength = length
	}
	return c.http.Do(r)
}

// offset is how far the service says that an upload is.
func (c *webClient) offset(path string) int64 {
	c.Helper()
	r, err := c.do("HEAD", path, nil, 0)
	if err != nil {
		c.Fatal(err)
	}
	defer r.Body.Close()
	n, err := strconv.ParseInt(r.Header.Get("Upload-Offset"), 10, 64)
	if err != nil {
		c.Fatalf("HEAD: %s, %v", r.Status, err)
	}
	return n
}

// patch brings octets and returns the offset that was acknowledged.
func (c *webClient) patch(path string, at int64, body io.Reader, length int64) (int64, error) {
	r, err := c.do("PATCH", path, io.LimitReader(body, length), length, "Content-Type", "application/offset+octet-stream", "Upload-Offset", strconv.FormatInt(at, 10))
	if err != nil {
		return at, err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusNoContent {
		return at, errors.New(r.Status)
	}
	return strconv.ParseInt(r.Header.Get("Upload-Offset"), 10, 64)
}

// TestUploadOutlivesKill kills the program again and again while a large file comes in: nothing that was acknowledged
// is gone, what comes out is what went in, and the store agrees with itself.
func TestUploadOutlivesKill(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{})
	const size = 256 << 20
	c := newWebClient(t, s)
	r, err := c.do("POST", "/files/", nil, 0, "Upload-Length", strconv.Itoa(size), "Upload-Metadata", "filename YS5iaW4=")
	if err != nil || r.StatusCode != http.StatusCreated {
		t.Fatalf("created: %v, %v", r, err)
	}
	r.Body.Close()
	path, acked := r.Header.Get("Location"), int64(0)
	for kills := 0; acked < size; {
		at := c.offset(path)
		if at < acked {
			t.Fatalf("%d octets were acknowledged, %d are there", acked, at)
		}
		rest := noiseFrom(t, 7, at, size)
		// A few octets that are acknowledged, then many in one go, in whose midst the program dies.
		small := min(int64(3<<20)+int64(kills), size-at)
		if acked, err = c.patch(path, at, rest, small); err != nil {
			t.Fatal(err)
		}
		if kills < 4 {
			kills++
			body := &killing{Reader: rest, after: int64(kills) * 20 << 20, kill: s.Kill}
			if _, err := c.patch(path, acked, body, size-acked); err == nil {
				t.Fatal("acknowledged by a dead program")
			}
			s.Run()
			c = newWebClient(t, s)
			continue
		}
		if acked < size {
			if acked, err = c.patch(path, acked, rest, size-acked); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got, want := c.fetched(path), summed(t, noise(7, size)); got != want {
		t.Errorf("fetched %s, want %s", got, want)
	}
	if out, err := s.Command("verify"); err != nil || !strings.Contains(out, "Everything agrees") {
		t.Errorf("verify: %s, %v", out, err)
	}
	out, err := s.Command("files", "list", s.Accounts[0].Address)
	if err != nil || !strings.Contains(out, "a.bin") {
		t.Errorf("files list: %s, %v", out, err)
	}
	if out, err = s.Command("files", "revoke", s.Accounts[0].Address); err != nil || !strings.Contains(out, "Ended 1 link") {
		t.Errorf("files revoke: %s, %v", out, err)
	}
}

// fetched gives the file a link and returns the checksum of what is behind it.
func (c *webClient) fetched(path string) string {
	c.Helper()
	r, err := c.do("POST", "/api"+path+"/link", nil, 0)
	if err != nil {
		c.Fatal(err)
	}
	defer r.Body.Close()
	var linked struct {
		File struct {
			SHA256 string
			Link   struct{ URL string }
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&linked); err != nil {
		c.Fatal(err)
	}
	url := linked.File.Link.URL
	down, err := c.do("GET", url[strings.Index(url, "/f/"):]+"/download", nil, 0)
	if err != nil {
		c.Fatal(err)
	}
	defer down.Body.Close()
	sum := summed(c.T, down.Body)
	if sum != linked.File.SHA256 {
		c.Errorf("the service says %s", linked.File.SHA256)
	}
	return sum
}

func summed(t *testing.T, r io.Reader) string {
	t.Helper()
	h := sha256.New()
	if n, err := io.Copy(h, r); err != nil {
		t.Fatal(fmt.Errorf("after %d octets: %w", n, err))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// killing kills once so much was read of it.
type killing struct {
	io.Reader
	after int64
	kill  func()
}

func (k *killing) Read(p []byte) (int, error) {
	n, err := k.Reader.Read(p)
	if k.after -= int64(n); k.after < 0 && k.kill != nil {
		k.kill()
		k.kill = nil
	}
	return n, err
}
