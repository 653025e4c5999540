package journal

import (
	"context"
	"hash/maphash"
	"strconv"
	"sync"

	"github.com/postiljon/postiljon/internal/store"
)

// Whoever asks where a message is wants to know whether somebody has read it. Browsers and programs ask for the same text again and
// again, so it is told once for each message and session.

// Reading is that a program or a browser got the text of messages.
type Reading struct {
	Kind    string          // MessageOpened, MessageFetchedJMAP
	Owner   store.AccountID // whose messages they are
	By      string          // the address of who read them, if that is another
	Client  string          // the program
	Session string          // what it is signed in with
	Emails  []ReadEmail
}

// ReadEmail is a message that was read.
type ReadEmail struct {
	ID        store.EmailID
	MessageID string
}

// readings remember what was told: the latest, in two halves of which the older one is forgotten when the newer is full.
type readings struct {
	mu         sync.Mutex
	seed       maphash.Seed
	newer, old map[reading]bool
}

// reading is a message that a session read.
type reading struct {
	owner   store.AccountID
	email   store.EmailID
	session uint64 // a hash
}

// maxReadings bounds one half of what is remembered: some 2 MB.
const maxReadings = 1 << 15

// first notes a reading and tells whether it is new.
func (r *readings) first(one reading) bool {
	if r.newer[one] || r.old[one] {
		return false
	}
	if r.newer == nil || len(r.newer) >= maxReadings {
		r.old, r.newer = r.newer, map[reading]bool{}
	}
	r.newer[one] = true
	return true
}

// fresh are the emails of a reading that its session had not read.
func (r *readings) fresh(of *Reading) (list []ReadEmail) {
	r.mu.Lock()
	defer r.mu.Unlock()
	session := maphash.String(r.seed, of.Kind+"\x00"+of.By+"\x00"+of.Client+"\x00"+of.Session)
	for _, e := range of.Emails {
		if r.first(reading{of.Owner, e.ID, session}) {
			list = append(list, e)
		}
	}
	return list
}

// Read leaves an event of what a session reads for the first time. It names the last of the messages: they are asked about.
func (j *Journal) Read(ctx context.Context, r Reading) {
	list := j.readings.fresh(&r)
	if len(list) == 0 {
		return
	}
	now := j.now()
	e := store.Event{Time: now, Trace: store.NewTraceID(now), Account: r.Owner, Kind: r.Kind, Fields: []store.Field{
		{Name: "count", Value: strconv.Itoa(len(list))}, {Name: "client", Value: r.Client},
	}}
	if r.By != "" {
		e.Fields = append(e.Fields, store.Field{Name: "by", Value: r.By})
	}
	for _, one := range list[max(len(list)-store.MaxEventMessages, 0):] {
		if one.MessageID != "" {
			e.Fields = append(e.Fields, store.Field{Name: "message-id", Value: one.MessageID})
		}
	}
	j.Record(ctx, e)
}
