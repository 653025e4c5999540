package view

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/web/sanitize"
)

// wantsImages tells whether pictures of the web are shown: as the request says, or as the account wants it for a sender
// who is proven.
func (s *Server) wantsImages(r *request) (bool, error) {
	switch r.URL.Query().Get("images") {
	case "1":
		return true, nil
	case "0":
		return false, nil
	}
	return s.imagesAllowed(r)
}

// imageAddress is where the service hands out a picture of the web that a message has.
func (s *Server) imageAddress(m *mail, a store.AccountID, address string) string {
	return at(m.id, "image?u="+url.QueryEscape(address)+"&s="+s.signature(m, a, address))
}

// signature says that a picture is one of a message: the service fetches nothing else.
func (s *Server) signature(m *mail, a store.AccountID, address string) string {
	h := hmac.New(sha256.New, s.key[:])
	fmt.Fprintf(h, "image %d %d %d %s", a, m.owner, m.ID, address)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Bounds of fetching pictures.
const (
	fetchTime    = 12 * time.Second
	fetchSlots   = 8 // at once, for an account
	maxRedirects = 5
	cacheSize    = 32 << 20 // octets
	cacheTime    = time.Hour
)

// image is a picture of the web that the message has: fetched by the service, so that its sender learns neither who looks nor
// from where, and made anew.
func (s *Server) image(w http.ResponseWriter, r *request) error {
	query := r.URL.Query()
	address := query.Get("u")
	if !hmac.Equal([]byte(query.Get("s")), []byte(s.signature(r.mail, r.account.ID, address))) {
		return errStatus(http.StatusForbidden)
	}
	if s.options.Fetch == nil {
		return errStatus(http.StatusNotFound)
	}
	p, err := s.pictures.get(r.Context(), address, func(ctx context.Context) (*picture, error) {
		return s.fetchPicture(ctx, r.account.ID, address)
	})
	var status errStatus
	switch {
	case errors.As(err, &status):
		return status
	case err != nil:
		s.log.Debug("view: picture not fetched", "error", err)
		return errStatus(http.StatusBadGateway)
	}
	p.write(w, "private, max-age=86400")
	return nil
}

// fetchPicture gets a picture and makes it anew. The turn lasts until it is made, so that no more lie in memory than are fetched at
// once.
func (s *Server) fetchPicture(ctx context.Context, a store.AccountID, address string) (*picture, error) {
	wait, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	done, ok := s.fetching.take(wait, a)
	if !ok {
		return nil, errStatus(http.StatusServiceUnavailable)
	}
	defer done()
	data, err := s.fetch(ctx, address)
	if err != nil {
		return nil, err
	}
	return s.remake(ctx, a, maxShown, func() ([]byte, error) { return data, nil })
}

// fetch gets what is at an address. Each on the way is one of the web, and Options.Fetch reaches nothing that is not public.
func (s *Server) fetch(ctx context.Context, address string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	for range maxRedirects + 1 {
		a, ok := sanitize.ParseAddress(address)
		if !ok || !usualPort(a.Text) {
			return nil, errStatus(http.StatusForbidden)
		}
		data, next, err := s.fetchOnce(ctx, a.Text)
		if err != nil || next == "" {
			return data, err
		}
		address = next
	}
	return nil, errStatus(http.StatusBadGateway)
}

// turns lets each account do so much at once, so that no message holds up the others.
type turns struct {
	most int
	mu   sync.Mutex
	all  map[store.AccountID]*turn
}

type turn struct {
	slots chan struct{}
	users int
}

// take waits for a turn, which is over when done is called; it is false if ctx ends before.
func (t *turns) take(ctx context.Context, a store.AccountID) (done func(), ok bool) {
	t.mu.Lock()
	one := t.all[a]
	if one == nil {
		one = &turn{slots: make(chan struct{}, t.most)}
		t.all[a] = one
	}
	one.users++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if one.users--; one.users == 0 {
			delete(t.all, a)
		}
	}
	select {
	case one.slots <- struct{}{}:
		return func() { <-one.slots; leave() }, true
	case <-ctx.Done():
		leave()
		return nil, false
	}
}

// usualPort keeps requests away from what is no web server: ports below 1024 but those of the web.
func usualPort(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	port, err := strconv.Atoi(u.Port())
	return u.Port() == "" || err == nil && (port == 80 || port == 443 || port >= 1024)
}

// fetchOnce makes one request, which tells nothing of who asks, and returns what came or where it leads to.
func (s *Server) fetchOnce(ctx context.Context, address string) (data []byte, next string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, "", err
	}
	request.Header.Set("User-Agent", "Mozilla/5.0 (compatible; ImageProxy)")
	request.Header.Set("Accept", "image/png,image/jpeg,image/gif,image/webp")
	answer, err := s.options.Fetch.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer answer.Body.Close()
	if to := answer.Header.Get("Location"); answer.StatusCode/100 == 3 && to != "" {
		there, err := request.URL.Parse(to)
		if err != nil {
			return nil, "", err
		}
		return nil, there.String(), nil
	}
	if answer.StatusCode != http.StatusOK {
		return nil, "", fmt.Errorf("view: picture: %s", answer.Status)
	}
	if data, err = io.ReadAll(io.LimitReader(answer.Body, maxPicture+1)); err != nil {
		return nil, "", err
	}
	if len(data) > maxPicture || rasterType(data) == "" {
		return nil, "", errStatus(http.StatusUnsupportedMediaType)
	}
	return data, "", nil
}

// pictureCache keeps pictures of the web in memory for a while; each is fetched once, however many ask.
type pictureCache struct {
	mu    sync.Mutex
	all   map[string]cached
	order []string // oldest first
	size  int
	once  singleflight.Group
	now   func() time.Time
}

type cached struct {
	*picture
	until time.Time
}

func (c *pictureCache) get(ctx context.Context, address string, fetch func(context.Context) (*picture, error)) (*picture, error) {
	if p := c.find(address); p != nil {
		return p, nil
	}
	// Who asked first may go away; the others still want it.
	found := c.once.DoChan(address, func() (any, error) {
		p, err := fetch(context.WithoutCancel(ctx))
		if err == nil {
			c.keep(address, p)
		}
		return p, err
	})
	select {
	case f := <-found:
		if f.Err != nil {
			return nil, f.Err
		}
		return f.Val.(*picture), nil
	case <-ctx.Done():
		return nil, errStatus(http.StatusServiceUnavailable)
	}
}

func (c *pictureCache) find(address string) *picture {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p, ok := c.all[address]; ok && c.now().Before(p.until) {
		return p.picture
	}
	return nil
}

func (c *pictureCache) keep(address string, p *picture) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(p.data) > cacheSize/8 {
		return
	}
	if old, ok := c.all[address]; ok { // it was too old
		c.size -= len(old.data)
	} else {
		c.order = append(c.order, address)
	}
	c.all[address] = cached{p, c.now().Add(cacheTime)}
	for c.size += len(p.data); c.size > cacheSize && len(c.order) > 1; c.order = c.order[1:] {
		c.size -= len(c.all[c.order[0]].data)
		delete(c.all, c.order[0])
	}
}
