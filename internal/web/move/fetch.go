package move

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"hash/maphash"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/public"
	"github.com/postiljon/postiljon/internal/settings"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
	"github.com/postiljon/postiljon/internal/transfer"
)

// FetchRequest is the body of POST /api/import/imap.
type FetchRequest struct {
	Host     string `json:"host"`
	Port     int    `json:"port"` // 0 is the usual one
	TLS      string `json:"tls"`  // "tls" from the start (the default) or "starttls"
	User     string `json:"user"`
	Password string `json:"password"` // in memory only, until the job ends
	// Into is a mailbox below which all comes; "" puts what is in the INBOX, in Sent and so on where it is here.
	Into string `json:"into"`
}

const (
	securityTLS      = "tls"
	securityStartTLS = "starttls"

	connectTime = 30 * time.Second
	// fetchStep is how many messages are looked up at once, maxTries how often a broken connection is made again without
	// a message in between, retryAfter how long it rests before the first, each time twice as long.
	fetchStep  = 100
	maxTries   = 5
	retryAfter = 2 * time.Second
	maxBoxes   = 10_000
	maxUIDs    = 10_000_000 // of a mailbox
)

// fetch answers POST /api/import/imap.
func (s *Server) fetch(w http.ResponseWriter, r *http.Request, a *store.Account) {
	var want FetchRequest
	if !s.answer.Read(w, r, &want) {
		return
	}
	if d := s.checkFetch(&want); !d.Allowed() {
		s.answer.Refuse(w, r, http.StatusBadRequest, d)
		return
	}
	j := store.Job{
		Account: a.ID, Kind: store.JobFetch, Name: want.User + " (" + want.Host + ")", Into: want.Into,
		Host: want.Host, Port: want.Port, TLS: want.TLS, User: want.User,
	}
	s.begin(w, r, j, func(ctx context.Context, r *run) error {
		f := &fetcher{s: s, run: r, job: j, password: want.Password, known: map[string]*progress{}, to: s.newTaker(j.Account, r)}
		return f.all(ctx)
	})
}

// checkFetch brings a request into its simple form.
func (s *Server) checkFetch(f *FetchRequest) cause.Decision {
	f.Host = strings.TrimSuffix(strings.ToLower(strings.TrimSpace(f.Host)), ".")
	host, err := address.ParseDomain(f.Host, address.Options{UTF8: true})
	if net.ParseIP(f.Host) == nil {
		if err != nil || strings.HasPrefix(host, "[") {
			return cause.Refuse(cause.ClientWrongHost, cause.Text("host", f.Host))
		}
		f.Host = address.NormalizeDomain(host)
	}
	if f.TLS == "" {
		f.TLS = securityTLS
	}
	if f.Port == 0 {
		f.Port = map[string]int{securityTLS: 993, securityStartTLS: 143}[f.TLS]
	}
	switch {
	case f.TLS != securityTLS && f.TLS != securityStartTLS, f.User == "", f.Password == "", len(f.User)+len(f.Password) > 2000,
		strings.ContainsAny(f.User+f.Password, "\x00\r\n"):
		return cause.Refuse(cause.ClientProtocolError)
	case f.Port != 993 && f.Port != 143 && !s.options.Private, f.Port < 1, f.Port > 65535:
		return cause.Refuse(cause.ClientWrongPort)
	}
	if _, err := store.ParseMailboxName(f.Into); f.Into != "" && (err != nil || len(f.Into) > maxInto) {
		return cause.Refuse(cause.MailboxNameInvalid, cause.Text("mailbox", f.Into))
	}
	return cause.Allow()
}

// fetcher fetches the mail of one mailbox elsewhere, over one connection at a time.
type fetcher struct {
	s        *Server
	run      *run
	job      store.Job
	password string
	to       *taker
	conn     *metered
	known    map[string]*progress // of mailboxes that were begun
	moved    bool                 // something came since the connection was made
	seen     map[uint64]struct{}
	seed     maphash.Seed
}

// progress is how far a mailbox is, over all connections.
type progress struct {
	mark  store.FetchMark   // how far it was fetched; what is noted of it may lag behind
	taken map[imap.UID]bool // behind the mark
	holes bool              // something behind what is noted failed
	done  bool
}

// all goes through everything, with another connection when one breaks off.
func (f *fetcher) all(ctx context.Context) error {
	for tries := 0; ; tries++ {
		err := f.session(ctx)
		var stop *stopped
		if f.conn != nil && f.conn.left.Load() < 0 {
			return &stopped{cause: cause.ProviderIMAPDown, detail: errTalks.Error()}
		}
		if err == nil || ctx.Err() != nil || errors.As(err, &stop) || store.KindOf(err) != store.KindOther {
			return err
		}
		if f.moved {
			tries, f.moved = 0, false
		}
		if tries >= maxTries {
			return &stopped{cause: cause.ProviderIMAPDown, detail: err.Error()}
		}
		select {
		case <-ctx.Done():
		case <-time.After(f.s.rest << tries):
		}
	}
}

// session goes as far as one connection leads.
func (f *fetcher) session(ctx context.Context) error {
	c, err := f.connect(ctx)
	if err != nil {
		return err
	}
	ended := context.AfterFunc(ctx, func() { c.Close() })
	defer func() {
		ended()
		c.Close() // what it still says does not matter
	}()
	if err := f.signIn(c); err != nil {
		return f.refused(c, err)
	}
	if err := speak(c); err != nil {
		return err
	}
	boxes, err := f.boxes(c)
	if err != nil {
		return err
	}
	for i := range boxes {
		if p := f.known[boxes[i].name]; p != nil && p.done {
			continue
		}
		if err := f.box(ctx, c, &boxes[i]); err != nil {
			return err
		}
		f.run.tell(func(p *store.JobProgress) { p.Mailboxes++ })
	}
	_ = c.Logout().Wait() // all is here
	f.run.tell(func(p *store.JobProgress) { p.Mailbox, p.OctetsTotal = "", p.Octets })
	return nil
}

// signIn gives the password as the server likes it; AUTHENTICATE takes names and passwords in any script.
func (f *fetcher) signIn(c *imapclient.Client) error {
	if c.Caps().Has(imap.AuthCap("PLAIN")) {
		return c.Authenticate(sasl.NewPlainClient("", f.job.User, f.password))
	}
	return c.Login(f.job.User, f.password).Wait()
}

// speak settles that names of mailboxes are UTF-8 where the server can: package imapclient writes them so then whether that was
// settled or not (RFC 9051 section 6.3.1).
func speak(c *imapclient.Client) error {
	var wanted []imap.Cap
	for _, one := range []imap.Cap{imap.CapIMAP4rev2, imap.CapUTF8Accept} {
		if c.Caps().Has(one) {
			wanted = append(wanted, one)
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	_, err := c.Enable(wanted...).Wait()
	return err
}

// connect makes an encrypted connection to a server that proves who it is. What a person must know of its failure is in
// a *stopped.
func (f *fetcher) connect(ctx context.Context) (*imapclient.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	plain, err := f.s.dialer.DialContext(ctx, "tcp", net.JoinHostPort(f.job.Host, strconv.Itoa(f.job.Port)))
	if err != nil {
		return nil, f.unreached(err)
	}
	conn := &metered{Conn: plain}
	conn.left.Store(maxTalk)
	f.conn = conn
	config := &tls.Config{ServerName: f.job.Host, RootCAs: f.s.options.Roots, MinVersion: tls.VersionTLS12}
	var c *imapclient.Client
	if f.job.TLS == securityStartTLS {
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		c, err = imapclient.NewStartTLS(conn, &imapclient.Options{TLSConfig: config})
		stop()
	} else {
		secured := tls.Client(conn, config)
		if err = secured.HandshakeContext(ctx); err == nil {
			c = imapclient.New(secured, nil)
			err = c.WaitGreeting()
		}
	}
	if err != nil {
		conn.Close()
		return nil, f.insecure(err)
	}
	return c, nil
}

// unreached names why there is no connection.
func (f *fetcher) unreached(err error) error {
	var dns *net.DNSError
	switch {
	case errors.Is(err, public.ErrPrivate):
		return &stopped{cause: cause.ClientWrongHost, detail: err.Error()}
	case errors.As(err, &dns) && dns.IsNotFound:
		return &stopped{cause: cause.DNSHostMisspelt, detail: err.Error()}
	case len(f.known) == 0: // at the first: to try again helps nobody who waits
		return &stopped{cause: cause.ProviderIMAPDown, detail: err.Error()}
	}
	return err
}

// insecure names why a connection is not encrypted, or not with whom it should be.
func (f *fetcher) insecure(err error) error {
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	var unknown x509.UnknownAuthorityError
	var record tls.RecordHeaderError
	var refused *imap.Error
	id := cause.ID("")
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		id = cause.TLSExpired
	case errors.As(err, &name):
		id = cause.TLSNameMismatch
	case errors.As(err, &unknown), errors.As(err, &invalid):
		id = cause.TLSUntrusted
	case errors.As(err, &record):
		id = cause.TLSModeSwapped
	case errors.As(err, &refused) && f.job.TLS == securityStartTLS:
		id = cause.TLSStarttlsMissing
	case len(f.known) == 0:
		id = cause.ProviderIMAPDown
	default:
		return err
	}
	return &stopped{cause: id, detail: err.Error()}
}

// refused reads what a server answers to a sign-in, with what is known of its provider.
func (f *fetcher) refused(c *imapclient.Client, err error) error {
	var no *imap.Error
	if !errors.As(err, &no) {
		return err
	}
	reply := "a " + string(no.Type) + " "
	if no.Code != "" {
		reply += "[" + string(no.Code) + "] "
	}
	reply += no.Text
	reading := f.s.options.Book.Read(f.s.options.Book.ProviderOf(f.job.Host), dialect.IMAP, dialect.StageAuth, reply)
	id := reading.Cause
	if causes := reading.First().Kind.Causes(dialect.IMAP); id == "" && len(causes) > 0 {
		id = causes[0]
	}
	if id == "" {
		id = cause.AuthPasswordWrong
		if c.Caps().Has(imap.CapLoginDisabled) {
			id = cause.AuthOAuthRequired
		}
	}
	if p := f.s.options.Table.ByHost(f.job.Host); id == cause.AuthPasswordWrong && p != nil && p.AppPassword == settings.Always {
		id = cause.AuthAppPasswordRequired // nearly everybody tries their own first
	}
	return &stopped{cause: id, detail: strings.TrimPrefix(reply, "a ")}
}

// farBox is a mailbox elsewhere.
type farBox struct {
	name     string // there
	target   string // here
	role     store.Role
	all      bool // shows what is in others, too
	messages int64
	octets   int64 // 0 if that is not told
}

// boxes lists what there is, with how much is in it; what shows the messages of all others comes last.
func (f *fetcher) boxes(c *imapclient.Client) ([]farBox, error) {
	caps := c.Caps()
	o := &imap.ListOptions{}
	status := &imap.StatusOptions{NumMessages: true, Size: caps.Has(imap.CapStatusSize)}
	if caps.Has(imap.CapSpecialUse) && caps.Has(imap.CapListExtended) {
		o.ReturnSpecialUse = true
	}
	if caps.Has(imap.CapListStatus) {
		o.ReturnStatus = status
	}
	list, err := c.List("", "*", o).Collect()
	if err != nil {
		return nil, err
	}
	if len(list) > maxBoxes {
		return nil, &stopped{cause: cause.MailboxLimit, detail: fmt.Sprintf("%d mailboxes", len(list))}
	}
	var boxes []farBox
	for _, l := range list {
		b, ok := f.farBox(l)
		if !ok {
			continue
		}
		if l.Status == nil {
			if l.Status, err = c.Status(l.Mailbox, status).Wait(); err != nil {
				var no *imap.Error
				if !errors.As(err, &no) {
					return nil, err
				}
				l.Status = &imap.StatusData{} // it shows when it is opened
			}
		}
		if l.Status.NumMessages != nil {
			b.messages = int64(*l.Status.NumMessages)
		}
		if l.Status.Size != nil {
			b.octets = *l.Status.Size
		}
		boxes = append(boxes, b)
	}
	slices.SortStableFunc(boxes, func(x, y farBox) int {
		switch {
		case x.all != y.all && x.all:
			return 1
		case x.all != y.all, strings.EqualFold(x.name, "INBOX"):
			return -1
		}
		return 0
	})
	if len(f.known) == 0 {
		f.total(boxes)
	}
	return boxes, nil
}

// total tells how much there is to do.
func (f *fetcher) total(boxes []farBox) {
	var messages, octets int64
	known := true
	for i := range boxes {
		messages += boxes[i].messages
		octets += boxes[i].octets
		known = known && (boxes[i].octets > 0 || boxes[i].messages == 0)
	}
	if !known {
		octets = 0
	}
	f.run.tell(func(p *store.JobProgress) {
		p.MailboxesTotal, p.MessagesTotal, p.OctetsTotal = len(boxes), messages, octets
	})
}

// uses are the special uses (RFC 6154) and where their mail goes; what only shows the mail of others is not fetched.
var uses = map[imap.MailboxAttr]store.Role{
	imap.MailboxAttrSent: store.RoleSent, imap.MailboxAttrDrafts: store.RoleDrafts, imap.MailboxAttrTrash: store.RoleTrash,
	imap.MailboxAttrJunk: store.RoleJunk, imap.MailboxAttrArchive: store.RoleArchive, imap.MailboxAttrAll: store.RoleArchive,
}

// usualNames are those that mailboxes have where the server does not tell what they are for.
var usualNames = map[string]store.Role{
	"sent": store.RoleSent, "sent items": store.RoleSent, "sent messages": store.RoleSent, "sent mail": store.RoleSent,
	"skickat": store.RoleSent, "skickade objekt": store.RoleSent, "sendte elementer": store.RoleSent, "sendt": store.RoleSent,
	"drafts": store.RoleDrafts, "draft": store.RoleDrafts, "utkast": store.RoleDrafts, "kladd": store.RoleDrafts, "kladder": store.RoleDrafts,
	"trash": store.RoleTrash, "deleted items": store.RoleTrash, "deleted messages": store.RoleTrash, "bin": store.RoleTrash,
	"papperskorgen": store.RoleTrash, "borttagna objekt": store.RoleTrash, "papirkurv": store.RoleTrash, "slettede elementer": store.RoleTrash, "søppelpost": store.RoleJunk,
	"junk": store.RoleJunk, "spam": store.RoleJunk, "junk e-mail": store.RoleJunk, "junk email": store.RoleJunk, "bulk mail": store.RoleJunk,
	"skräppost": store.RoleJunk, "archive": store.RoleArchive, "arkiv": store.RoleArchive,
}

// farBox says what to do with a mailbox; ok is false for one that has no mail of its own.
func (f *fetcher) farBox(l *imap.ListData) (b farBox, ok bool) {
	b = farBox{name: l.Mailbox, target: localName(l)}
	for _, attr := range l.Attrs {
		switch {
		case strings.EqualFold(string(attr), string(imap.MailboxAttrNoSelect)), strings.EqualFold(string(attr), string(imap.MailboxAttrNonExistent)),
			strings.EqualFold(string(attr), string(imap.MailboxAttrFlagged)), strings.EqualFold(string(attr), string(imap.MailboxAttrImportant)):
			return b, false
		}
		for use, role := range uses {
			if strings.EqualFold(string(attr), string(use)) {
				b.role, b.all = role, use == imap.MailboxAttrAll
			}
		}
	}
	if b.role == store.RoleNone && !strings.Contains(b.target, "/") {
		b.role = usualNames[strings.ToLower(b.target)]
	}
	return b, true
}

// localName turns a name from elsewhere into one here: levels are divided by "/", and a prefix that all mailboxes of a person have
// there goes.
func localName(l *imap.ListData) string {
	if strings.EqualFold(l.Mailbox, "INBOX") || l.Delim == 0 {
		if strings.EqualFold(l.Mailbox, "INBOX") {
			return "INBOX"
		}
		return strings.ReplaceAll(l.Mailbox, "/", "-")
	}
	name := l.Mailbox
	if l.Delim != '/' {
		name = strings.ReplaceAll(name, "/", "-")
		name = strings.ReplaceAll(name, string(l.Delim), "/")
	}
	for _, prefix := range []string{"INBOX/", "[Gmail]/", "[Google Mail]/"} {
		if len(name) > len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
			return name[len(prefix):]
		}
	}
	return name
}

// target is the name of the mailbox here for one elsewhere.
func (f *fetcher) target(ctx context.Context, b *farBox) (string, error) {
	if f.job.Into != "" {
		if b.target == "INBOX" {
			return f.job.Into, nil
		}
		return f.job.Into + "/" + b.target, nil
	}
	if b.role == store.RoleNone {
		return b.target, nil
	}
	m, err := f.s.options.Store.MailboxByRole(ctx, f.job.Account, b.role)
	if store.KindOf(err) == store.KindNotFound {
		return b.target, nil
	}
	return m.Name, err
}

// box fetches what a mailbox has since it was fetched last.
func (f *fetcher) box(ctx context.Context, c *imapclient.Client, b *farBox) error {
	target, err := f.target(ctx, b)
	if err != nil {
		return err
	}
	f.run.tell(func(p *store.JobProgress) { p.Mailbox = target })
	selected, err := c.Select(b.name, &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		var no *imap.Error
		if errors.As(err, &no) { // listed, and not to be opened: the others may be
			f.run.failure(b.name, err)
			f.known[b.name] = &progress{done: true}
			return nil
		}
		return err
	}
	p, err := f.begun(ctx, b, target, selected)
	if err != nil {
		return err
	}
	uids, err := since(c, p.mark.UID, selected.NumMessages)
	if err != nil {
		return err
	}
	if f.known[b.name] == nil {
		f.known[b.name] = p
		f.before(b, int64(selected.NumMessages), int64(len(uids)))
	}
	if b.all && len(uids) > 0 {
		if err := f.look(ctx); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(uids, fetchStep) {
		failed := f.to.failed
		err := f.some(ctx, c, b, p, target, slices.DeleteFunc(slices.Clone(some), func(u imap.UID) bool { return p.taken[u] }))
		p.holes = p.holes || f.to.failed > failed
		if err != nil {
			return err
		}
		p.mark.UID, p.taken = uint32(some[len(some)-1]), map[imap.UID]bool{}
		if p.holes { // what failed is tried again by who asks for all again
			continue
		}
		if err := f.s.options.Store.PutFetchMark(ctx, f.job.Account, p.mark); err != nil {
			return err
		}
	}
	p.done = true
	return nil
}

// begun returns how far a mailbox is; where it was made anew, it is at its beginning.
func (f *fetcher) begun(ctx context.Context, b *farBox, target string, selected *imap.SelectData) (*progress, error) {
	if p := f.known[b.name]; p != nil && p.mark.UIDValidity == selected.UIDValidity {
		return p, nil
	}
	mark, err := f.s.options.Store.FetchMark(ctx, f.job.Account, f.job.Host, f.job.User, b.name+"\x00"+target)
	if mark.UIDValidity != selected.UIDValidity {
		mark.UIDValidity, mark.UID = selected.UIDValidity, 0
	}
	return &progress{mark: mark, taken: map[imap.UID]bool{}}, err
}

// before counts what was fetched by an earlier job.
func (f *fetcher) before(b *farBox, messages, left int64) {
	n := messages - left
	if n <= 0 {
		return
	}
	f.to.before += n
	f.run.tell(func(p *store.JobProgress) {
		p.Messages += n
		p.Skipped += n
		p.OctetsTotal = max(0, p.OctetsTotal-b.octets*n/messages) // about
	})
}

// since lists the UIDs behind one, in order.
func since(c *imapclient.Client, last uint32, messages uint32) ([]imap.UID, error) {
	if messages == 0 {
		return nil, nil
	}
	behind := imap.UIDSet{{Start: imap.UID(last + 1), Stop: 0}} // "*" names the last even if it is before
	data, err := c.UIDSearch(&imap.SearchCriteria{UID: []imap.UIDSet{behind}}, nil).Wait()
	if err != nil {
		return nil, err
	}
	return listed(data.All, last)
}

// listed are the UIDs behind one that a server found. Package imapclient would panic at a range without an end and write out any
// other, and what the server says may be a lie.
func listed(found imap.NumSet, last uint32) (uids []imap.UID, err error) {
	ranges, _ := found.(imap.UIDSet) // none at all is no set
	var n uint64
	for _, r := range ranges {
		if n += uint64(r.Stop) - uint64(r.Start) + 1; r.Start == 0 || r.Stop < r.Start || n > maxUIDs {
			return nil, &stopped{cause: cause.ProviderIMAPDown, detail: fmt.Sprintf("answer to UID SEARCH with %s", found)}
		}
	}
	for _, r := range ranges {
		for u := uint64(r.Start); u <= uint64(r.Stop); u++ {
			if u > uint64(last) {
				uids = append(uids, imap.UID(u))
			}
		}
	}
	slices.Sort(uids)
	return slices.Compact(uids), nil
}

// some fetches a few messages: first what is known of them, then the messages, each as it comes.
func (f *fetcher) some(ctx context.Context, c *imapclient.Client, b *farBox, p *progress, target string, uids []imap.UID) error {
	if len(uids) == 0 {
		return nil
	}
	f.conn.left.Store(maxTalk)
	known, err := c.Fetch(imap.UIDSetNum(uids...), &imap.FetchOptions{UID: true, Flags: true, InternalDate: true, RFC822Size: true, Envelope: b.all}).Collect()
	if err != nil {
		return err
	}
	about, bySeq := map[imap.UID]*imapclient.FetchMessageBuffer{}, map[uint32]imap.UID{}
	var wanted []imap.UID
	for _, m := range known {
		if b.all && m.Envelope != nil && f.has(m.Envelope.MessageID, m.RFC822Size) {
			f.there(m.RFC822Size)
			p.taken[m.UID] = true
			continue
		}
		if m.RFC822Size > maxMessage {
			f.tooLarge(m.RFC822Size, fmt.Sprintf("%s, UID %d", b.name, m.UID))
			p.taken[m.UID] = true
			continue
		}
		about[m.UID], bySeq[m.SeqNum] = m, m.UID
		wanted = append(wanted, m.UID)
	}
	if len(wanted) == 0 {
		return nil
	}
	f.conn.expect(about)
	section := &imap.FetchItemBodySection{Peek: true}
	cmd := c.Fetch(imap.UIDSetNum(wanted...), &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{section}})
	for m := cmd.Next(); m != nil; m = cmd.Next() {
		if err = f.one(ctx, m, b, p, target, about, bySeq); err != nil {
			break
		}
	}
	if err != nil {
		f.conn.Close() // before what still comes is let go, which may be much, or never come
	}
	var broken *unread
	if errors.As(err, &broken) {
		// Package imapclient must not be asked to read on from there.
		return errors.Join(err, f.to.settle(context.WithoutCancel(ctx)))
	}
	if err := errors.Join(err, cmd.Close(), f.to.settle(ctx)); err != nil {
		return err
	}
	for u := range about { // gone meanwhile, or not given
		f.to.failed++
		f.run.tell(func(p *store.JobProgress) { p.Messages++ })
		f.run.failure(fmt.Sprintf("%s, UID %d", b.name, u), errNotGiven)
	}
	return nil
}

var errNotGiven = errors.New("the other server did not give this message")

// one takes a message from the connection.
func (f *fetcher) one(ctx context.Context, m *imapclient.FetchMessageData, b *farBox, p *progress, target string, about map[imap.UID]*imapclient.FetchMessageBuffer, bySeq map[uint32]imap.UID) error {
	u := bySeq[m.SeqNum]
	for item := m.Next(); item != nil; item = m.Next() {
		switch item := item.(type) {
		case imapclient.FetchItemDataUID:
			u = item.UID
		case imapclient.FetchItemDataBodySection:
			meta := about[u]
			if meta == nil || item.Literal == nil {
				continue
			}
			if item.Literal.Size() > maxMessage { // which it did not say before
				return &stopped{cause: cause.ProviderIMAPDown, detail: fmt.Sprintf("UID %d of %d octets", u, item.Literal.Size())}
			}
			one := &transfer.Item{Mailbox: target, Received: meta.InternalDate, Size: item.Literal.Size(), Body: item.Literal}
			for _, flag := range meta.Flags {
				one.Flags = append(one.Flags, string(flag))
			}
			if err := f.to.take(ctx, one, fmt.Sprintf("%s, UID %d", b.name, u)); err != nil {
				return err
			}
			delete(about, u)
			p.taken[u], f.moved = true, true
			f.run.tell(func(p *store.JobProgress) { p.Octets += one.Size })
		}
	}
	return nil
}

// there counts a message that is here already under another name.
func (f *fetcher) there(size int64) {
	f.to.before++
	f.run.tell(func(p *store.JobProgress) { p.Messages++; p.Skipped++; p.Octets += size })
}

// tooLarge passes over a message that is larger than what is taken.
func (f *fetcher) tooLarge(size int64, where string) {
	f.to.failed++
	f.run.tell(func(p *store.JobProgress) { p.Messages++; p.Octets += size })
	f.run.failure(where, transfer.ErrTooLarge)
}

// look learns what is here, for a mailbox that shows the messages of others: by Message-ID and size.
func (f *fetcher) look(ctx context.Context) error {
	if f.seen != nil {
		return nil
	}
	seen, seed := map[uint64]struct{}{}, maphash.MakeSeed()
	st := f.s.options.Store
	boxes, err := st.Mailboxes(ctx, f.job.Account)
	if err != nil {
		return err
	}
	for i := range boxes {
		err := st.Messages(ctx, f.job.Account, boxes[i].ID, uid.All(), func(m *store.Message) error {
			if id := m.Email.Summary.MessageID(); len(id) > 0 {
				seen[fingerprint(seed, string(id), m.Email.Size)] = struct{}{}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	f.seen, f.seed = seen, seed
	return nil
}

func (f *fetcher) has(id string, size int64) bool {
	if id == "" {
		return false
	}
	_, there := f.seen[fingerprint(f.seed, id, size)]
	return there
}

// fingerprint tells messages apart.
func fingerprint(seed maphash.Seed, id string, size int64) uint64 {
	return maphash.String(seed, strings.Trim(id, "<> ")+" "+strconv.FormatInt(size, 10))
}
