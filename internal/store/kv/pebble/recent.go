package pebble

import (
	"bytes"
	"encoding/binary"

	"github.com/cockroachdb/pebble/v2"
)

// Some records are read and written by nearly every transaction of an account: its counters. What such a transaction wrote is kept
// here, so that the next one need not look for it among all that is in memory tables and files.

const (
	recentValues = 8   // of an account
	recentSize   = 512 // octets of a value that is kept
	recentWrites = 256 // of a transaction: one that writes more is not looked through
)

// recent has the values of those keys of an account that a transaction read and wrote, as they are now. It is guarded by the
// account's lock. Its values are replaced, never changed.
type recent struct {
	values []recentValue
	next   int    // whose place the next new one takes when there is no other
	read   []byte // what the running transaction read, each key after its length
}

type recentValue struct{ key, value []byte }

// begin forgets what the transaction before read.
func (c *recent) begin() { c.read = c.read[:0] }

// get returns a recent value. A nil recent, that of a snapshot, has none.
func (c *recent) get(key []byte) (value []byte, ok bool) {
	if c == nil {
		return nil, false
	}
	if i := c.find(key); i >= 0 {
		return c.values[i].value, true
	}
	return nil, false
}

func (c *recent) find(key []byte) int {
	for i := range c.values {
		if bytes.Equal(c.values[i].key, key) {
			return i
		}
	}
	return -1
}

// note tells that the running transaction read a key; there is room for few.
func (c *recent) note(key []byte) {
	const room = 96
	if c == nil || len(c.read)+1+len(key) > room {
		return
	}
	if c.read == nil {
		c.read = make([]byte, 0, room)
	}
	c.read = append(append(c.read, byte(len(key))), key...)
}

func (c *recent) wasRead(key []byte) bool {
	for rest := c.read; len(rest) > 0; rest = rest[1+int(rest[0]):] {
		if bytes.Equal(rest[1:1+int(rest[0])], key) {
			return true
		}
	}
	return false
}

// wrote takes over what a batch wrote of an account; it is applied.
func (acc *account) wrote(b *pebble.Batch) {
	c := &acc.recent
	if len(c.values) == 0 && len(c.read) == 0 {
		return
	}
	if b.Count() > recentWrites || b.Empty() { // Pebble keeps the octets of a large one for itself
		c.values = nil
		return
	}
	r := b.Reader()
	for n := b.Count(); n > 0; n-- {
		kind, key, value, ok, err := r.Next()
		if err != nil || !ok {
			c.values = nil
			return
		}
		if len(key) < 8 || binary.BigEndian.Uint64(key) != uint64(acc.id) {
			continue
		}
		switch key = key[8:]; kind {
		case pebble.InternalKeyKindSet:
			c.put(key, value)
		case pebble.InternalKeyKindDelete:
			c.drop(key)
		default:
			c.values = nil
		}
	}
}

func (c *recent) put(key, value []byte) {
	i := c.find(key)
	switch {
	case len(value) > recentSize:
		c.drop(key)
		return
	case i >= 0:
	case !c.wasRead(key):
		return
	case len(c.values) < recentValues:
		i = len(c.values)
		c.values = append(c.values, recentValue{key: bytes.Clone(key)})
	default:
		i = c.next
		c.next = (c.next + 1) % recentValues
		c.values[i].key = bytes.Clone(key)
	}
	c.values[i].value = append(make([]byte, 0, len(value)), value...)
}

func (c *recent) drop(key []byte) {
	if i := c.find(key); i >= 0 {
		last := len(c.values) - 1
		c.values[i] = c.values[last]
		c.values = c.values[:last]
		c.next = 0
	}
}
