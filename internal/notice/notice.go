// Package notice writes to account holders before something stops working: when their storage or an
// hour's sending is nearly used up. A notice is an ordinary message in their inbox, in their language,
// written by the service itself.
package notice

import (
	"context"
	"embed"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/phrases"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/store"
)

//go:embed texts/*.toml
var textFiles embed.FS

// Options are what notices are made of; all but Mail must be given.
type Options struct {
	// Mail sends a message to an address elsewhere, where it is worth nothing after a time; without it none goes there.
	Mail      func(ctx context.Context, to string, raw []byte, until time.Time) error
	Store     *store.Store
	Catalogue *cause.Catalogue // whose numbers, sizes and times are written as the reader does
	Hostname  string           // of the service, which a notice is from
	BaseURL   string           // of its web
	Log       *slog.Logger
}

// Sender sends notices, one after another in a goroutine of its own. Its methods may be called from
// several goroutines and do not block: of notices there are few, and one that finds too many waiting is
// dropped and logged.
type Sender struct {
	Options
	texts map[cause.Lang]*phrases.Set
	jobs  chan func(context.Context) error
	life  context.Context
	end   context.CancelFunc
	done  chan struct{}

	mu     sync.Mutex
	levels map[store.AccountID]int // storage, in percent, that was told of last; known only since the start
}

// maxWaiting is how many notices wait to be written.
const maxWaiting = 1000

// New starts a sender. An error means that the embedded texts are wrong.
func New(o Options) (*Sender, error) {
	s := &Sender{
		Options: o, texts: map[cause.Lang]*phrases.Set{}, jobs: make(chan func(context.Context) error, maxWaiting),
		done: make(chan struct{}), levels: map[store.AccountID]int{},
	}
	for _, lang := range cause.Languages() {
		set, err := phrases.Load(textFiles, lang)
		if err != nil {
			return nil, fmt.Errorf("notice: %w", err)
		}
		s.texts[lang] = set
	}
	s.life, s.end = context.WithCancel(context.Background())
	go s.run()
	return s, nil
}

// Close ends the sender; what waits is written first, for as long as ctx lasts.
func (s *Sender) Close(ctx context.Context) error {
	close(s.jobs)
	select {
	case <-s.done:
	case <-ctx.Done():
		s.end()
		<-s.done
	}
	s.end()
	return nil
}

func (s *Sender) run() {
	defer close(s.done)
	for job := range s.jobs {
		if err := job(s.life); err != nil {
			s.Log.Error("notice not sent", "error", err)
		}
	}
}

func (s *Sender) enqueue(job func(context.Context) error) {
	select {
	case s.jobs <- job:
	default:
		s.Log.Warn("notice dropped: too many wait")
	}
}

// Limit tells who is concerned that most of a sending limit is used up: the holder of the address, or
// for a whole domain its postmaster.
func (s *Sender) Limit(m policy.Meter) {
	s.enqueue(func(ctx context.Context) error {
		to, kind := m.Of, "limit-messages"
		switch m.Counted {
		case policy.RecipientsOfAddress:
			kind = "limit-recipients"
		case policy.MessagesOfDomain:
			to, kind = "postmaster@"+m.Of, "limit-domain"
		}
		found, err := s.Store.Resolve(ctx, to)
		if store.KindOf(err) == store.KindNotFound {
			return nil
		}
		if err != nil {
			return fmt.Errorf("notice: %s to %s: %w", kind, to, err)
		}
		for i := range found.Accounts {
			if err := s.write(ctx, &found.Accounts[i], kind, cause.Text("of", m.Of), cause.Count("used", m.Used), cause.Count("limit", m.Limit)); err != nil {
				return err
			}
		}
		return nil
	})
}

// levels of storage, in percent of the quota, that its owner hears of.
var storageLevels = []int{80, 90, 95, 100}

// levelOf is the highest level that so much of a quota reaches, 0 below all.
func levelOf(used, quota int64) (level int) {
	for _, l := range storageLevels {
		if float64(used) >= float64(quota)*float64(l)/100 {
			level = l
		}
	}
	return level
}

// forgetAfter is when a level that was told of is told of again, though nobody saw the storage fall below it.
const forgetAfter = 30 * 24 * time.Hour

// Storage tells the owner of an account how full it is, once for each level. Used are the octets it holds, or
// would hold with a message that found no room.
func (s *Sender) Storage(a *store.Account, used int64) {
	level := levelOf(used, a.Quota)
	s.mu.Lock()
	last, known := s.levels[a.ID]
	switch {
	case level == 0 && known:
		delete(s.levels, a.ID)
	case level > 0:
		s.levels[a.ID] = level
	}
	s.mu.Unlock()
	account := *a
	switch {
	case level == 0 && known: // there is room again: the next level is news
		s.enqueue(func(ctx context.Context) error { return s.Store.PutSetting(ctx, levelSetting(account.ID), nil) })
	case level > last:
		s.enqueue(func(ctx context.Context) error { return s.storage(ctx, &account, level, used) })
	}
}

func levelSetting(a store.AccountID) string {
	return "notice.storage." + strconv.FormatUint(uint64(a), 10)
}

// storage writes the notice, unless the same was told before the last restart.
func (s *Sender) storage(ctx context.Context, a *store.Account, level int, used int64) error {
	told, err := s.Store.Setting(ctx, levelSetting(a.ID))
	if err != nil {
		return fmt.Errorf("notice: storage of %s: %w", a.Address, err)
	}
	now := s.Store.Now()
	before, at, _ := strings.Cut(string(told), " ")
	if n, err := strconv.Atoi(before); err == nil && n >= level {
		if t, err := time.Parse(time.RFC3339, at); err == nil && now.Sub(t) < forgetAfter {
			return nil
		}
	}
	kind := "storage"
	if level == 100 {
		kind = "storage-full"
	}
	if err := s.write(ctx, a, kind, cause.Count("percent", int64(level)), cause.Size("used", used), cause.Size("limit", a.Quota)); err != nil {
		return err
	}
	return s.Store.PutSetting(ctx, levelSetting(a.ID), []byte(strconv.Itoa(level)+" "+now.UTC().Format(time.RFC3339)))
}

// write puts a notice into the inbox of an account. It is not bound by the quota that it may be about.
func (s *Sender) write(ctx context.Context, a *store.Account, kind string, values ...cause.Param) error {
	now := s.Store.Now()
	trace := store.NewTraceID(now)
	lang := cause.English
	chosen, err := s.Store.LanguageOf(ctx, a)
	if err != nil {
		return fmt.Errorf("notice: language of %s: %w", a.Address, err)
	}
	if chosen != "" {
		lang = cause.ParseLang(chosen)
	}
	subject, text := s.compose(a, message.Address{Name: a.Name, Email: a.Address}, lang, kind, trace, values)
	text = append([]byte("Return-Path: <>\r\n"), text...)
	ref, err := s.Store.Blobs().Put(ctx, text)
	if err != nil {
		return fmt.Errorf("notice: store %s for %s: %w", kind, a.Address, err)
	}
	scanner := message.NewScanner(message.Limits{})
	scanner.Write(text)
	results, err := s.Store.Deliver(ctx, store.Delivery{
		Email: store.NewEmail{Blob: ref, Summary: scanner.Finish(), Received: now},
		Recipients: []store.DeliverTo{{Account: a.ID, Role: store.RoleInbox, Events: []store.Event{{
			Time: now, Trace: trace, Kind: journal.NoticeSent,
			Fields: []store.Field{{Name: "to", Value: a.Address}, {Name: "subject", Value: subject}, {Name: "mailbox", Value: "INBOX"}},
		}}}},
	})
	if err == nil && len(results) == 1 {
		err = results[0].Err
	}
	if err != nil {
		return fmt.Errorf("notice: %s for %s: %w", kind, a.Address, err)
	}
	return nil
}

// compose writes the message about an account.
func (s *Sender) compose(a *store.Account, to message.Address, lang cause.Lang, kind string, trace store.TraceID, values []cause.Param) (subject string, text []byte) {
	words := s.texts[lang]
	pairs := []string{"address", a.Address, "host", s.Hostname, "base", s.BaseURL}
	catalogue := s.Catalogue
	if zone, err := time.LoadLocation(a.Zone); err == nil && a.Zone != "" {
		catalogue = catalogue.In(zone)
	}
	for _, v := range values {
		pairs = append(pairs, v.Name, catalogue.Value(lang, v))
	}
	subject = words.Say(kind+".subject", pairs...)
	var h message.Header
	h.AddAddresses("From", []message.Address{{Name: words.Say("all.from"), Email: "postmaster@" + a.Domain()}})
	h.AddAddresses("To", []message.Address{to})
	h.AddText("Subject", subject)
	h.AddDate("Date", s.Store.Now())
	h.AddMessageIDs("Message-ID", trace.String()+"@"+s.Hostname)
	h.AddStructured("Auto-Submitted", "auto-generated") // RFC 3834 section 5
	h.AddStructured("MIME-Version", "1.0")
	h.AddStructured("Content-Type", "text/plain; charset=utf-8; format=flowed")
	h.AddStructured("Content-Transfer-Encoding", "quoted-printable")
	h.AddStructured("Content-Language", string(lang))
	body := words.Say(kind+".text", pairs...) + "\n\n" + words.Say("all.signature", pairs...)
	return subject, append(append(h.Bytes(), '\r', '\n'), quoted(body)...)
}
