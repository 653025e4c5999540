package files

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postiljon/postiljon/internal/store"
)

// uploads knows which files somebody works on: one request at a time, and not too many.
type uploads struct {
	mu       sync.Mutex
	work     map[string]*upload
	accounts map[store.AccountID]int
	stopping bool
}

// upload is one request that works on a file.
type upload struct {
	account store.AccountID
	control *http.ResponseController
	told    atomic.Bool // to end
	done    chan struct{}
}

const (
	// How many uploads run at once, in all and of one account.
	maxUploads        = 200
	maxAccountUploads = 10
	// handover is how long who comes later waits for who is told to end.
	handover = 10 * time.Second
)

var (
	errTooMany  = errors.New("files: too many uploads at once")
	errBusy     = errors.New("files: somebody else works on the file")
	errStopping = errors.New("files: the service stops")
)

func (u *uploads) init() {
	u.work, u.accounts = map[string]*upload{}, map[store.AccountID]int{}
}

// take makes the caller the one who works on a file. Who does so already is told to end: its connection is dead,
// or its client would not begin anew.
func (u *uploads) take(ctx context.Context, a store.AccountID, id string, control *http.ResponseController) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, handover)
	defer cancel()
	for {
		mine, other, err := u.enter(a, id, control)
		if err != nil {
			return nil, err
		}
		if mine != nil {
			return func() { u.leave(id, mine) }, nil
		}
		other.end()
		select {
		case <-other.done:
		case <-ctx.Done():
			return nil, errBusy
		}
	}
}

// enter returns a place of one's own, or whose place it is.
func (u *uploads) enter(a store.AccountID, id string, control *http.ResponseController) (mine, other *upload, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.stopping:
		return nil, nil, errStopping
	case u.work[id] != nil && u.work[id].account != a: // ids are not guessed; this one was told
		return nil, nil, errBusy
	case u.work[id] != nil:
		return nil, u.work[id], nil
	case len(u.work) >= maxUploads || u.accounts[a] >= maxAccountUploads:
		return nil, nil, errTooMany
	}
	mine = &upload{account: a, control: control, done: make(chan struct{})}
	u.work[id] = mine
	u.accounts[a]++
	return mine, nil, nil
}

func (u *uploads) leave(id string, mine *upload) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.work, id)
	if u.accounts[mine.account]--; u.accounts[mine.account] == 0 {
		delete(u.accounts, mine.account)
	}
	close(mine.done)
}

// running is the request that works on a file.
func (u *uploads) running(id string) *upload {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.work[id]
}

// close ends all uploads and waits for them.
func (u *uploads) close(ctx context.Context) error {
	u.mu.Lock()
	u.stopping = true
	var all []*upload
	for _, one := range u.work {
		all = append(all, one)
	}
	u.mu.Unlock()
	for _, one := range all {
		one.end()
	}
	for _, one := range all {
		select {
		case <-one.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// end has the request's next read fail.
func (u *upload) end() {
	u.told.Store(true)
	_ = u.control.SetReadDeadline(time.Now()) // one that ends at its next read otherwise
}

// patient reads a body whose deadline moves with what comes in.
type patient struct {
	r       io.Reader
	control *http.ResponseController
	running *upload
	moved   time.Time
	err     error // of reading
}

func (p *patient) Read(b []byte) (int, error) {
	if now := time.Now(); now.Sub(p.moved) > patience/10 {
		p.moved = now
		// That of writing, too: over HTTP/2 it ends a request even if nothing is to be written yet.
		_ = p.control.SetReadDeadline(now.Add(patience)) // a connection that cannot has none
		_ = p.control.SetWriteDeadline(now.Add(2 * patience))
	}
	if p.running.told.Load() {
		p.err = errBusy
		return 0, p.err
	}
	n, err := p.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		p.err = err
	}
	return n, err
}
