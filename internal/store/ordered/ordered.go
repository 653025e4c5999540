// Package ordered has lists that stay in order: immutable, so that whoever looks at one sees it as it was, and cheap to
// carry on, because a changed list shares all but a few nodes with the one before. An item is found by its value or by
// its position, and a position by an item, in a time that grows with the logarithm of the length.
package ordered

import (
	"iter"
	"slices"
)

// Bounds of nodes. A change copies a node of each level.
const (
	maxItems = 64 // of a leaf
	maxKids  = 64 // of another node
)

// List is a list of items in ascending order without equals. The zero value is empty and cannot be edited; New and Build
// make others. It is safe for concurrent use.
type List[T any] struct {
	compare func(a, b T) int
	root    *node[T]
}

// node is a leaf, which has items, or has kids, each with its first item.
type node[T any] struct {
	owner  *Edit[T] // who may change it in place
	count  int      // items below
	items  []T
	firsts []T
	kids   []*node[T]
}

// New returns an empty list in the order of compare.
func New[T any](compare func(a, b T) int) List[T] { return List[T]{compare: compare, root: &node[T]{}} }

// Build returns a list of items that are in order already, without equals. It copies them.
func Build[T any](compare func(a, b T) int, items []T) List[T] {
	var level []*node[T]
	for part := range slices.Chunk(items, maxItems) {
		level = append(level, &node[T]{count: len(part), items: slices.Clone(part)})
	}
	for len(level) > 1 {
		var above []*node[T]
		for kids := range slices.Chunk(level, maxKids) {
			n := &node[T]{kids: slices.Clone(kids), firsts: make([]T, len(kids))}
			for i, k := range kids {
				n.firsts[i] = k.first()
				n.count += k.count
			}
			above = append(above, n)
		}
		level = above
	}
	if len(level) == 0 {
		return New(compare)
	}
	return List[T]{compare: compare, root: level[0]}
}

func (n *node[T]) first() T {
	if n.kids != nil {
		return n.firsts[0]
	}
	return n.items[0]
}

// Len is the number of items.
func (l List[T]) Len() int {
	if l.root == nil {
		return 0
	}
	return l.root.count
}

// At returns the item at a position, which must be there.
func (l List[T]) At(i int) T {
	n := l.root
	for n.kids != nil {
		k := 0
		for i >= n.kids[k].count {
			i -= n.kids[k].count
			k++
		}
		n = n.kids[k]
	}
	return n.items[i]
}

// Find returns the position of an item, or where it would be if it is not there.
func (l List[T]) Find(v T) (at int, there bool) {
	if l.root == nil {
		return 0, false
	}
	n := l.root
	for n.kids != nil {
		k := n.kid(v, l.compare)
		for _, before := range n.kids[:k] {
			at += before.count
		}
		n = n.kids[k]
	}
	i, there := slices.BinarySearchFunc(n.items, v, l.compare)
	return at + i, there
}

// Get returns the item of the list that equals one.
func (l List[T]) Get(v T) (item T, there bool) {
	if l.root == nil {
		return item, false
	}
	n := l.root
	for n.kids != nil {
		n = n.kids[n.kid(v, l.compare)]
	}
	if i, there := slices.BinarySearchFunc(n.items, v, l.compare); there {
		return n.items[i], true
	}
	return item, false
}

// kid is the position of the kid that an item belongs to.
func (n *node[T]) kid(v T, compare func(a, b T) int) int {
	k, there := slices.BinarySearchFunc(n.firsts, v, compare)
	if there {
		return k
	}
	return max(k-1, 0)
}

// From returns the items from a position on.
func (l List[T]) From(i int) iter.Seq[T] {
	return func(yield func(T) bool) {
		if l.root != nil && i < l.root.count {
			l.root.walk(max(i, 0), yield)
		}
	}
}

// All returns all items.
func (l List[T]) All() iter.Seq[T] { return l.From(0) }

func (n *node[T]) walk(i int, yield func(T) bool) bool {
	for ; n.kids == nil && i < len(n.items); i++ {
		if !yield(n.items[i]) {
			return false
		}
	}
	for _, k := range n.kids {
		if i >= k.count {
			i -= k.count
			continue
		}
		if !k.walk(i, yield) {
			return false
		}
		i = 0
	}
	return true
}

// Edit makes a list out of another. It is for one goroutine.
type Edit[T any] struct{ list List[T] }

// Edit begins to change a copy of the list.
func (l List[T]) Edit() *Edit[T] { return &Edit[T]{l} }

// List returns the list as it is now and ends the edit.
func (e *Edit[T]) List() List[T] {
	l := e.list
	e.list = List[T]{}
	return l
}

// Set adds an item, in the place of one that equals it.
func (e *Edit[T]) Set(v T) {
	root, split := e.set(e.list.root, v)
	if split != nil {
		root = &node[T]{owner: e, count: root.count + split.count, kids: []*node[T]{root, split}, firsts: []T{root.first(), split.first()}}
	}
	e.list.root = root
}

// Delete takes the item away that equals v, if there is one, and reports whether there was.
func (e *Edit[T]) Delete(v T) bool {
	if _, there := e.list.Get(v); !there {
		return false
	}
	root := e.delete(e.list.root, v)
	for len(root.kids) == 1 {
		root = root.kids[0]
	}
	if root.count == 0 {
		root = &node[T]{owner: e}
	}
	e.list.root = root
	return true
}

// own returns a node that may be changed in place.
func (e *Edit[T]) own(n *node[T]) *node[T] {
	if n.owner == e {
		return n
	}
	const room = 2
	own := &node[T]{owner: e, count: n.count}
	if n.kids == nil {
		own.items = append(make([]T, 0, len(n.items)+room), n.items...)
		return own
	}
	own.kids = append(make([]*node[T], 0, len(n.kids)+room), n.kids...)
	own.firsts = append(make([]T, 0, len(n.kids)+room), n.firsts...)
	return own
}

// set returns the node with the item, and what follows it where it became too large.
func (e *Edit[T]) set(n *node[T], v T) (own, split *node[T]) {
	own = e.own(n)
	if own.kids == nil {
		i, there := slices.BinarySearchFunc(own.items, v, e.list.compare)
		if there {
			own.items[i] = v
			return own, nil
		}
		own.items = slices.Insert(own.items, i, v)
		own.count++
		if len(own.items) <= maxItems {
			return own, nil
		}
		at := cut(len(own.items), i)
		split = &node[T]{owner: e, count: len(own.items) - at, items: slices.Clone(own.items[at:])}
		own.items, own.count = slices.Clip(own.items[:at]), at
		return own, split
	}
	k := own.kid(v, e.list.compare)
	before := own.kids[k].count
	kid, more := e.set(own.kids[k], v)
	own.kids[k], own.firsts[k] = kid, kid.first()
	own.count += kid.count - before
	if more == nil {
		return own, nil
	}
	own.count += more.count
	own.kids = slices.Insert(own.kids, k+1, more)
	own.firsts = slices.Insert(own.firsts, k+1, more.first())
	if len(own.kids) <= maxKids {
		return own, nil
	}
	return own, e.split(own, cut(len(own.kids), k+1))
}

// cut is where a node with n entries is parted after one came at a position: what grows at its ends alone leaves full
// nodes behind.
func cut(n, at int) int {
	switch at {
	case n - 1:
		return n - 1
	case 0:
		return 1
	}
	return n / 2
}

func (e *Edit[T]) split(n *node[T], at int) *node[T] {
	split := &node[T]{owner: e, kids: slices.Clone(n.kids[at:]), firsts: slices.Clone(n.firsts[at:])}
	for _, k := range split.kids {
		split.count += k.count
	}
	clear(n.kids[at:])
	n.kids, n.firsts = n.kids[:at], n.firsts[:at]
	n.count -= split.count
	return split
}

// delete returns the node without an item that is there.
func (e *Edit[T]) delete(n *node[T], v T) *node[T] {
	own := e.own(n)
	own.count--
	if own.kids == nil {
		i, _ := slices.BinarySearchFunc(own.items, v, e.list.compare)
		own.items = slices.Delete(own.items, i, i+1)
		return own
	}
	k := own.kid(v, e.list.compare)
	kid := e.delete(own.kids[k], v)
	own.kids[k] = kid
	if kid.count == 0 {
		own.kids = slices.Delete(own.kids, k, k+1)
		own.firsts = slices.Delete(own.firsts, k, k+1)
		return own
	}
	own.firsts[k] = kid.first()
	e.join(own, max(k-1, 0))
	e.join(own, min(k, len(own.kids)-1))
	return own
}

// join puts a kid and the next together if they are small, so that no list has many nodes for few items.
func (e *Edit[T]) join(n *node[T], k int) {
	if k+1 >= len(n.kids) {
		return
	}
	a, b := n.kids[k], n.kids[k+1]
	if len(a.items)+len(b.items) > maxItems/2 || len(a.kids)+len(b.kids) > maxKids/2 {
		return
	}
	a = e.own(a)
	a.items, a.kids, a.firsts = append(a.items, b.items...), append(a.kids, b.kids...), append(a.firsts, b.firsts...)
	a.count += b.count
	n.kids[k] = a
	n.kids = slices.Delete(n.kids, k+1, k+2)
	n.firsts = slices.Delete(n.firsts, k+1, k+2)
}
