package resolver

import (
	"container/list"
	"time"

	"github.com/miekg/dns"
)

// maxRemembered bounds the octets of an answer that is remembered.
const maxRemembered = 4096

// cache remembers answers as long as they hold, those least asked for the shortest.
type cache struct {
	room    int
	entries map[question]*list.Element
	recent  *list.List // of *entry, the last used first
}

type entry struct {
	question question
	answer   *answer
	until    time.Time
}

func newCache(room int) cache {
	return cache{room: room, entries: make(map[question]*list.Element), recent: list.New()}
}

func (c *cache) get(q question, now time.Time) *answer {
	at := c.entries[q]
	if at == nil {
		return nil
	}
	e := at.Value.(*entry)
	if !now.Before(e.until) {
		c.drop(at)
		return nil
	}
	c.recent.MoveToFront(at)
	return e.answer
}

func (c *cache) put(q question, a *answer, now time.Time) {
	if at := c.entries[q]; at != nil {
		c.drop(at)
	}
	size := 0
	for _, rr := range a.records {
		size += dns.Len(rr)
	}
	if a.ttl <= 0 || size > maxRemembered {
		return
	}
	if len(c.entries) >= c.room {
		c.drop(c.recent.Back())
	}
	c.entries[q] = c.recent.PushFront(&entry{q, a, now.Add(a.ttl)})
}

func (c *cache) drop(at *list.Element) {
	delete(c.entries, at.Value.(*entry).question)
	c.recent.Remove(at)
}
