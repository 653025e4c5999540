package store

import "sync"

// kept is what is known of mailboxes beside their records, derived and in memory:
// the latest of each, as long as there is room.
type kept struct {
	mu   sync.Mutex
	of   map[viewKey]keepable
	size int
}

// keepable is what is known of one mailbox, of one kind.
type keepable interface {
	footprint() int              // octets of memory, about
	newerThan(old keepable) bool // or of as late a moment
}

// maxKept bounds the memory of all that is kept of one kind, in octets; what is
// dropped at random is read again. The flags of a mailbox of a million messages
// take 1 MB, their dates 12 MB.
const maxKept = 32 << 20

func (c *kept) get(k viewKey) keepable {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.of[k]
}

func (c *kept) put(k viewKey, v keepable) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[viewKey]keepable{}
	}
	if old := c.of[k]; old != nil {
		if !v.newerThan(old) {
			return
		}
		c.drop(k)
	}
	c.size += v.footprint()
	c.of[k] = v
	for other := range c.of {
		if c.size <= maxKept {
			return
		}
		if other != k {
			c.drop(other)
		}
	}
}

func (c *kept) drop(k viewKey) {
	c.size -= c.of[k].footprint()
	delete(c.of, k)
}

// forget drops what is known of an account's mailboxes.
func (c *kept) forget(a AccountID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k := range c.of {
		if k.account == a {
			c.drop(k)
		}
	}
}
