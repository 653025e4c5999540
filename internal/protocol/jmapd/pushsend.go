package jmapd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/SherClockHolmes/webpush-go"

	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/public"
	"github.com/postiljon/postiljon/internal/store"
)

// Push says how devices are told of changes while they have no connection (RFC 8620 section 7.2, RFC 8030).
type Push struct {
	// Anywhere lets devices be told at addresses of private networks, too. For tests.
	Anywhere bool
	// Transport, if not nil, carries requests in the place of the guarded one. For tests.
	Transport http.RoundTripper
	// Wait is how long changes are gathered before a device is told; default 200 ms.
	Wait time.Duration
	// Again is after how long a message that failed is tried again the first time; default 30 s.
	Again time.Duration
}

// Bounds of push messages.
const (
	maxPushes    = 16               // at once
	pushTime     = 20 * time.Second // for one request
	mostAgain    = 2 * time.Hour    // between two tries
	pushTTL      = 24 * time.Hour   // how long a push service keeps a message for a device that is off
	betweenPush  = time.Second      // between two messages to a device
	verifyTries  = 5
	maxPushReply = 64 << 10 // octets of an answer that are read
)

// vapidSetting is where the keys lie by which push services know this service (RFC 8292).
const vapidSetting = "jmap.vapid"

// vapid are those keys, base64url.
type vapid struct {
	Private string `json:"private"`
	Public  string `json:"public"`
}

// pusher tells devices. Each subscription that is verified has a goroutine.
type pusher struct {
	s      *Server
	o      Push
	client *http.Client
	keys   vapid
	places chan struct{}

	ctx  context.Context
	stop context.CancelFunc
	wait sync.WaitGroup

	watching atomic.Int32 // devices that are watched for

	mu      sync.Mutex
	running map[deviceID]context.CancelFunc
	created map[store.AccountID][]time.Time // when subscriptions were made lately
}

// deviceID names a subscription.
type deviceID struct {
	account store.AccountID
	id      uint64
}

// openPush reads the keys, made once, and begins to tell the devices that are subscribed.
func (s *Server) openPush(ctx context.Context, o Push) error {
	p := &pusher{s: s, o: o, places: make(chan struct{}, maxPushes), running: map[deviceID]context.CancelFunc{}, created: map[store.AccountID][]time.Time{}}
	if p.o.Wait == 0 {
		p.o.Wait = 200 * time.Millisecond
	}
	if p.o.Again == 0 {
		p.o.Again = 30 * time.Second
	}
	var err error
	if p.keys, err = vapidKeys(ctx, s.store); err != nil {
		return err
	}
	transport := o.Transport
	if transport == nil {
		transport = guarded(o.Anywhere)
	}
	p.client = &http.Client{Transport: transport, Timeout: pushTime, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	p.ctx, p.stop = context.WithCancel(context.Background())
	s.pusher = p
	accounts, err := s.store.Subscribed(ctx)
	if err != nil {
		return err
	}
	for _, a := range accounts {
		list, err := s.store.PushSubscriptions(ctx, a)
		if err != nil {
			return err
		}
		for i := range list {
			p.begin(a, &list[i])
		}
	}
	return nil
}

func vapidKeys(ctx context.Context, s *store.Store) (k vapid, err error) {
	text, err := s.Setting(ctx, vapidSetting)
	if err != nil {
		return k, err
	}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &k); err != nil {
			return k, fmt.Errorf("jmapd: the keys for push services: %w", err)
		}
		return k, nil
	}
	if k.Private, k.Public, err = webpush.GenerateVAPIDKeys(); err != nil {
		return k, fmt.Errorf("jmapd: make keys for push services: %w", err)
	}
	if text, err = json.Marshal(k); err != nil {
		return k, err
	}
	return k, s.PutSetting(ctx, vapidSetting, text)
}

// errPrivate is a push service at an address that is not of the internet.
var errPrivate = errors.New("not an address of the internet")

// guarded is a transport that reaches the internet alone: what is connected to is looked at after names are resolved, so
// that no name leads into the network of the service.
func guarded(anywhere bool) *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	if !anywhere {
		dialer.Control = func(_, address string, _ syscall.RawConn) error {
			if at, err := netip.ParseAddrPort(address); err != nil || !public.Address(at.Addr()) {
				return fmt.Errorf("jmapd: %s: %w", address, errPrivate)
			}
			return nil
		}
	}
	return &http.Transport{DialContext: dialer.DialContext, ForceAttemptHTTP2: true, MaxIdleConns: 32, IdleConnTimeout: time.Minute, TLSHandshakeTimeout: 10 * time.Second, MaxResponseHeaderBytes: maxPushReply}
}

// mayPush reports whether a device can be told at a URL at all.
func (p *pusher) mayPush(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || len(text) > maxPushURL {
		return false
	}
	if p.o.Anywhere {
		return true
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return (u.Port() == "" || u.Port() == "443") && (err != nil || public.Address(ip))
}

// close ends all that runs and waits for it.
func (p *pusher) close() {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.stop() // nothing begins after this
	p.mu.Unlock()
	p.wait.Wait()
	p.client.CloseIdleConnections()
}

// begin tells a device from now on, if it is verified; one that is told already is told as the subscription is now.
func (p *pusher) begin(a store.AccountID, sub *store.PushSubscription) {
	p.end(a, sub.ID)
	if !sub.Verified {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithCancel(p.ctx)
	p.running[deviceID{a, sub.ID}] = cancel
	d := &device{p: p, account: a, sub: *sub, types: typesOf(sub.Types)}
	p.wait.Go(func() {
		defer cancel()
		d.run(ctx)
	})
}

// end stops telling a device.
func (p *pusher) end(a store.AccountID, id uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	name := deviceID{a, id}
	if cancel := p.running[name]; cancel != nil {
		cancel()
		delete(p.running, name)
	}
}

// Unsubscribe ends push subscriptions of an account, such as those that were made with what does not count any more, as Options.With
// names it (RFC 8620 section 7.2).
func (s *Server) Unsubscribe(ctx context.Context, a store.AccountID, which func(*store.PushSubscription) bool) error {
	list, err := s.store.PushSubscriptions(ctx, a)
	for i := range list {
		if !which(&list[i]) {
			continue
		}
		s.pusher.end(a, list[i].ID)
		err = errors.Join(err, s.store.DeletePushSubscription(ctx, a, list[i].ID))
	}
	return err
}

// verify sends the code that the device must tell (RFC 8620 section 7.2.2).
func (p *pusher) verify(a store.AccountID, sub store.PushSubscription) {
	p.aside(a, sub, object{"@type": "PushVerification", "pushSubscriptionId": pushID(sub.ID), "verificationCode": sub.Code})
}

// aside sends a message that belongs to no change, trying it some times.
func (p *pusher) aside(a store.AccountID, sub store.PushSubscription, message object) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		return
	}
	d := &device{p: p, account: a, sub: sub}
	p.wait.Go(func() {
		for try := range verifyTries {
			if after, err := d.send(p.ctx, message, true); err == nil || after < 0 || !pause(p.ctx, max(after, p.o.Again<<try)) {
				return
			}
		}
	})
}

// pause waits and reports whether there is still time.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// device is one that is told.
type device struct {
	p       *pusher
	account store.AccountID
	sub     store.PushSubscription
	types   []string
	watch   *watch
	told    now
	// announcing is the mail that the message being sent tells of.
	announcing announcing
}

// announcing is how many emails a device is told of, and the identifiers of the first of them.
type announcing struct {
	n   int
	ids []string
}

// announced notes in the traces of emails that a device was told of them.
func (d *device) announced(ctx context.Context) {
	s, what := d.p.s, d.announcing
	if d.announcing = (announcing{}); what.n == 0 {
		return
	}
	e := store.Event{Time: s.store.Now(), Account: d.account, Kind: journal.MessageAnnounced, Fields: []store.Field{{Name: "count", Value: strconv.Itoa(what.n)}}}
	e.Trace = store.NewTraceID(e.Time)
	if to, err := url.Parse(d.sub.URL); err == nil { // all else of it is a secret
		e.Fields = append(e.Fields, store.Field{Name: "host", Value: to.Hostname()})
	}
	for _, id := range what.ids {
		e.Fields = append(e.Fields, store.Field{Name: "message-id", Value: id})
	}
	s.options.Holder.Journal.Record(ctx, e)
}

// run tells the device of changes until its time is over.
func (d *device) run(ctx context.Context) {
	s := d.p.s
	d.watch = s.watch(d.account)
	defer d.watch.end()
	over := time.NewTimer(d.sub.Expires.Sub(s.store.Now()))
	defer over.Stop()
	var err error
	if d.told, err = s.now(ctx, d.account); err != nil {
		s.log.Warn("jmapd: a device is not told of changes", "account", d.account, "error", err)
		return
	}
	d.watch.follow(&d.told)
	d.p.watching.Add(1)
	defer d.p.watching.Add(-1)
	for {
		select {
		case <-ctx.Done():
			return
		case <-over.C:
			d.forget("its time is over")
			return
		case <-d.watch.changed:
		}
		if !pause(ctx, d.p.o.Wait) || !d.tell(ctx) || !pause(ctx, min(betweenPush, 5*d.p.o.Wait)) {
			return
		}
	}
}

// tell sends what is new, again and again until it is there; what comes in the meantime goes with it. It returns
// false if the device is not to be told any more.
func (d *device) tell(ctx context.Context) bool {
	again := d.p.o.Again
	for {
		now, message, urgent, err := d.news(ctx)
		if store.KindOf(err) == store.KindNotFound {
			d.forget("the account is gone")
			return false
		} else if err != nil {
			d.p.s.log.Warn("jmapd: a device cannot be told of changes now", "account", d.account, "error", err)
		} else if message == nil {
			d.told = now
			return ctx.Err() == nil
		} else {
			after, err := d.send(ctx, message, urgent)
			switch {
			case err == nil:
				d.told = now
				d.announced(ctx)
				return true
			case after < 0:
				d.forget(err.Error())
				return false
			}
			d.p.s.log.Debug("jmapd: a push message failed", "account", d.account, "error", err)
			again = max(again, after)
		}
		if !pause(ctx, again) || !d.p.s.store.Now().Before(d.sub.Expires) {
			return false
		}
		again = min(2*again, mostAgain)
	}
}

// forget ends the subscription.
func (d *device) forget(why string) {
	d.p.s.log.Info("jmapd: a push subscription ended", "account", d.account, "device", d.sub.Device, "reason", why)
	if err := d.p.s.store.DeletePushSubscription(context.WithoutCancel(d.p.ctx), d.account, d.sub.ID); err != nil && store.KindOf(err) != store.KindNotFound {
		d.p.s.log.Warn("jmapd: a push subscription stays", "account", d.account, "error", err)
	}
	d.p.mu.Lock()
	delete(d.p.running, deviceID{d.account, d.sub.ID})
	d.p.mu.Unlock()
}

// news is the message that tells what is other than what was told, nil if nothing is, or if nobody may use the account.
func (d *device) news(ctx context.Context) (n now, message object, urgent bool, err error) {
	if n, err = d.p.s.now(ctx, d.account); err != nil {
		return n, nil, false, err
	}
	d.watch.follow(&n)
	account, err := d.p.s.store.Account(ctx, d.account)
	if err != nil || account.Disabled || account.Suspended != "" {
		return n, nil, false, err
	}
	news := n.other(d.told.states, d.types)
	message, d.announcing = object{}, announcing{}
	if len(d.sub.Notify) > 0 && news.has("EmailDelivery") {
		notice, in, err := d.notice(ctx, &n)
		if err != nil {
			return n, nil, false, err
		}
		for a := range n.states {
			if !in[a] {
				news.drop(a, "EmailDelivery") // nothing of what the device wants to show
			}
		}
		maps.Copy(message, notice)
		urgent = notice != nil
	}
	if len(news) == 0 {
		return n, nil, false, nil
	}
	maps.Copy(message, stateChange(news))
	return n, message, urgent, nil
}

// send sends one message, encrypted for the device (RFC 8291), with our keys (RFC 8292). The error comes with how long the
// service wants to be left alone; negative: for good.
func (d *device) send(ctx context.Context, message object, urgent bool) (after time.Duration, err error) {
	text, err := json.Marshal(message)
	if err != nil {
		return -1, err
	}
	select {
	case d.p.places <- struct{}{}:
		defer func() { <-d.p.places }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	answer, err := d.post(ctx, text, urgent)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // the URL is a secret
		}
		return 0, fmt.Errorf("push: %w", err)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, maxPushReply)) // so that the connection can be used again
	switch code := answer.StatusCode; {
	case code >= 200 && code < 300:
		return 0, nil
	case code == http.StatusNotFound || code == http.StatusGone: // RFC 8030 section 7.3
		return -1, fmt.Errorf("push: %s", answer.Status)
	}
	seconds, err := strconv.Atoi(answer.Header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		seconds = 0
	}
	return min(time.Duration(seconds)*time.Second, mostAgain), fmt.Errorf("push: %s", answer.Status)
}

func (d *device) post(ctx context.Context, text []byte, urgent bool) (*http.Response, error) {
	if d.sub.P256dh == "" { // a client may do without encryption (RFC 8620 section 7.2)
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.sub.URL, bytes.NewReader(text))
		if err != nil {
			return nil, err
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("TTL", strconv.Itoa(int(pushTTL.Seconds())))
		return d.p.client.Do(r)
	}
	o := &webpush.Options{
		HTTPClient: d.p.client, TTL: int(pushTTL.Seconds()), VAPIDPublicKey: d.p.keys.Public, VAPIDPrivateKey: d.p.keys.Private,
		Subscriber: d.p.s.options.BaseURL, Urgency: webpush.UrgencyNormal,
	}
	if urgent {
		o.Urgency = webpush.UrgencyHigh
	}
	to := &webpush.Subscription{Endpoint: d.sub.URL, Keys: webpush.Keys{Auth: d.sub.Auth, P256dh: d.sub.P256dh}}
	return webpush.SendNotificationWithContext(ctx, text, to, o)
}
