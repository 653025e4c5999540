package store

import "sync"

// kept is what is known of mailboxes beside their records, derived and in memory
// only: the latest of each, as long as there is room.
type kept[T any, P interface {
	*T
	footprint() int
	newerThan(P) bool
}] struct {
	mu   sync.Mutex
	of   map[viewKey]P
	size int
}

// maxKept bounds the memory of all that is kept of one kind, in octets; what is
// dropped at random is read again. The flags of a mailbox of a million messages
// take 1 MB, their dates 12 MB.
const maxKept = 32 << 20

func (c *kept[T, P]) get(k viewKey) P {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.of[k]
}

func (c *kept[T, P]) put(k viewKey, v P) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[viewKey]P{}
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

func (c *kept[T, P]) drop(k viewKey) {
	c.size -= c.of[k].footprint()
	delete(c.of, k)
}
