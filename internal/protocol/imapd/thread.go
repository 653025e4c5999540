package imapd

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"math"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// thread is THREAD and UID THREAD (RFC 5256 section 3).
func (s *session) thread(c *threadCommand) outcome {
	sel := s.selected
	if c.search.key.has(opModSeq) {
		s.enableCondstore()
	}
	q := s.query(sel, c.search.tag)
	q.prepare(&c.search.key)
	all := sel.view.UIDs.Len()
	if sel.isTooMany(c.search.key.within(sel.known()), s.server.options.Limits.Messages) {
		return s.tooMany()
	}
	q.progress.goal = 2 * all
	hits, err := q.run(&c.search.key, sel.known())
	if err != nil {
		return s.failedSearch(err, sel)
	}
	q.progress.done = 2*all - hits.Len()
	f, roots, err := q.threads(hits, c.references)
	if err != nil {
		return s.failedSearch(err, sel)
	}
	s.tellThreads(f, roots, &found{sel: sel, byUID: c.search.uid})
	return done()
}

// nobody stands for no node.
const nobody = -1

// threadNode is a message among its threads, or a dummy for one that is named but not there.
type threadNode struct {
	uid     uid.UID // 0: a dummy
	reply   bool    // the subject says that it is a reply or forwarded
	date    int64   // sent date
	subject textKey // base subject, as it is compared; zero for none
	parent  int32
	// The children, in no order.
	child, next int32
	named       bool // a message says that it is above another
}

// textKey stands for a text: two of a session that are not the same have not the same key, but for
// a chance of one in 2^128.
type textKey [2]uint64

// forest is messages that are threaded. It keeps some hundred octets for each, however long the
// texts that tie them together.
type forest struct {
	nodes []threadNode
	ids   map[textKey]int32
	seeds [2]maphash.Seed
	steps int // taken in search of loops
}

// Bounds of a forest: of its nodes, and of the work to keep it without loops. Both are beyond what
// a million messages need unless somebody made them to.
const (
	maxNodes = 4 << 20
	maxSteps = 1 << 28
)

func newForest(n int) *forest {
	return &forest{nodes: make([]threadNode, 0, n), ids: map[textKey]int32{}, seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
}

func (f *forest) key(text []byte) textKey {
	return textKey{maphash.Bytes(f.seeds[0], text), maphash.Bytes(f.seeds[1], text) | 1}
}

func (f *forest) add(n threadNode) (int32, error) {
	if len(f.nodes) == maxNodes {
		return nobody, errTooMuch
	}
	n.parent, n.child, n.next = nobody, nobody, nobody
	f.nodes = append(f.nodes, n)
	return int32(len(f.nodes) - 1), nil
}

// grow reads messages and threads them. It returns the heads of the threads in their order.
func (q *query) grow(f *forest, hits uid.Set, references bool) ([]int32, error) {
	var folded []byte
	err := q.each(hits, func(m *store.Message) error {
		base, reply := message.BaseSubject(string(m.Email.Summary.Subject()))
		folded = appendCasemap(folded[:0], []byte(base))
		n := threadNode{uid: m.UID, date: sentDate(&m.Email), reply: reply}
		if len(folded) > 0 {
			n.subject = f.key(folded)
		}
		if !references {
			_, err := f.add(n)
			return err
		}
		return f.link(n, &m.Email.Summary)
	})
	if err != nil {
		return nil, err
	}
	if references {
		return f.gather(f.prune()), nil
	}
	return f.bySubject(), nil
}

// bySubject makes the threads of ORDEREDSUBJECT: the first message with a subject is the parent of
// all others.
func (f *forest) bySubject() []int32 {
	order := make([]int32, len(f.nodes))
	for i := range order {
		order[i] = int32(i)
	}
	f.sort(order)
	first := map[textKey]int32{}
	var roots []int32
	for _, i := range order {
		head, ok := first[f.nodes[i].subject]
		if !ok {
			first[f.nodes[i].subject] = i
			roots = append(roots, i)
			continue
		}
		f.adopt(head, i)
	}
	return roots
}

// link adds a message and ties it to those that it refers to (REFERENCES, step 1).
func (f *forest) link(n threadNode, sum *message.SummaryView) error {
	self, err := f.message(n, messageID(string(sum.MessageID())))
	if err != nil {
		return err
	}
	inReplyTo, references := sum.References()
	if len(references) == 0 {
		references = inReplyTo[:min(len(inReplyTo), 1)]
	}
	last := int32(nobody)
	for _, id := range references {
		ref, err := f.named(messageID(id))
		if err != nil {
			return err
		}
		// A link that is there already is not changed: the list may be truncated.
		if last != nobody && f.nodes[ref].parent == nobody && f.mayAdopt(last, ref) {
			f.put(last, ref)
		}
		last = ref
	}
	// What the message itself says of its parent is true.
	f.nodes[self].parent = nobody
	if last != nobody && f.mayAdopt(last, self) {
		f.put(last, self)
	}
	if f.steps > maxSteps {
		return errTooMuch
	}
	return nil
}

// message puts a message in the place of the dummy with its identifier. Without an identifier, or
// with one that another message has, it has a place of its own.
func (f *forest) message(n threadNode, id string) (int32, error) {
	if id == "" {
		return f.add(n)
	}
	i, err := f.named(id)
	if err != nil || f.nodes[i].uid != 0 {
		if err != nil {
			return nobody, err
		}
		return f.add(n)
	}
	n.parent, n.child, n.next, n.named = f.nodes[i].parent, nobody, nobody, f.nodes[i].named
	f.nodes[i] = n
	return i, nil
}

// named returns the node with an identifier, a new dummy if there is none.
func (f *forest) named(id string) (int32, error) {
	k := f.key([]byte(id))
	if i, ok := f.ids[k]; ok {
		return i, nil
	}
	i, err := f.add(threadNode{})
	if err == nil {
		f.ids[k] = i
	}
	return i, err
}

// messageID normalizes an identifier: quotes around the part before the "@" make no difference.
func messageID(id string) string {
	if !strings.HasPrefix(id, `"`) {
		return id
	}
	end := strings.LastIndex(id, `"@`)
	if end < 1 {
		return id
	}
	local := []byte(id[1:end])
	out := make([]byte, 0, len(id))
	for i := 0; i < len(local); i++ {
		if local[i] == '\\' && i+1 < len(local) {
			i++
		}
		out = append(out, local[i])
	}
	return string(out) + id[end+1:]
}

func (f *forest) put(parent, child int32) {
	f.nodes[child].parent = parent
	f.nodes[parent].named = true
}

// mayAdopt reports whether no loop comes of making a node the parent of another. Mostly the other
// is new and has nothing below it.
func (f *forest) mayAdopt(parent, child int32) bool {
	if !f.nodes[child].named {
		return parent != child
	}
	for i := parent; i != nobody; i = f.nodes[i].parent {
		if f.steps++; i == child || f.steps > maxSteps {
			return false
		}
	}
	return true
}

// adopt makes a node a child of another, among its children.
func (f *forest) adopt(parent, child int32) {
	n := &f.nodes[child]
	n.parent, n.next = parent, f.nodes[parent].child
	f.nodes[parent].child = child
}

// prune takes dummies out (steps 2 and 3): what was below them moves up to the next message above.
// A dummy stays only at the top, with two children or more. It returns the heads of the threads.
func (f *forest) prune() (roots []int32) {
	top := make([]int32, len(f.nodes)) // of a dummy: the next message above, or the dummy on top
	for i := range top {
		top[i] = nobody
	}
	var path []int32
	above := func(i int32) int32 {
		path = path[:0]
		at := f.nodes[i].parent
		for at != nobody && f.nodes[at].uid == 0 && top[at] == nobody && f.nodes[at].parent != nobody {
			path = append(path, at)
			at = f.nodes[at].parent
		}
		if at != nobody && top[at] != nobody {
			at = top[at]
		}
		for _, p := range path {
			top[p] = at
		}
		return at
	}
	parents := make([]int32, len(f.nodes))
	for i := range f.nodes {
		parents[i] = above(int32(i))
	}
	for i := range f.nodes {
		if f.nodes[i].parent = nobody; f.nodes[i].uid != 0 && parents[i] != nobody {
			f.adopt(parents[i], int32(i))
		}
	}
	for i := range f.nodes {
		n := &f.nodes[i]
		if n.uid == 0 && n.child != nobody && f.nodes[n.child].next == nobody { // an only child
			f.nodes[n.child].parent = nobody
			n.child = nobody
		}
	}
	for i := range f.nodes {
		if n := &f.nodes[i]; n.parent == nobody && (n.uid != 0 || n.child != nobody) {
			roots = append(roots, int32(i))
		}
	}
	return roots
}

// head is the message that stands for a thread: the first child of a dummy.
func (f *forest) head(i int32) *threadNode {
	n := &f.nodes[i]
	if n.uid != 0 {
		return n
	}
	first := &f.nodes[n.child]
	for c := first.next; c != nobody; c = f.nodes[c].next {
		if f.compare(&f.nodes[c], first) < 0 {
			first = &f.nodes[c]
		}
	}
	return first
}

// compare orders messages by sent date, then as they lie in the mailbox (RFC 5256 section 2.2).
func (f *forest) compare(a, b *threadNode) int {
	if c := cmp.Compare(a.date, b.date); c != 0 {
		return c
	}
	return cmp.Compare(a.uid, b.uid)
}

// sort orders nodes by the messages that stand for them.
func (f *forest) sort(list []int32) {
	var heads map[int32]*threadNode
	for _, i := range list {
		if f.nodes[i].uid == 0 {
			if heads == nil {
				heads = map[int32]*threadNode{}
			}
			heads[i] = f.head(i) // of all its children: once is enough
		}
	}
	of := func(i int32) *threadNode {
		if n := &f.nodes[i]; n.uid != 0 {
			return n
		}
		return heads[i]
	}
	slices.SortFunc(list, func(a, b int32) int { return f.compare(of(a), of(b)) })
}

// gather puts threads with the same subject together (steps 4 to 6) and returns the heads of all
// threads in order.
func (f *forest) gather(roots []int32) []int32 {
	f.sort(roots)
	subjects := make([]textKey, len(roots)) // of the threads before they are merged
	table := map[textKey]int32{}
	for at, i := range roots {
		k := f.head(i).subject
		subjects[at] = k
		other, ok := table[k]
		dummy := f.nodes[i].uid == 0
		switch {
		case k == textKey{}:
		case !ok, f.nodes[other].uid != 0 && (dummy || f.nodes[other].reply && !f.nodes[i].reply):
			table[k] = i
		}
	}
	for at, i := range roots {
		if other, ok := table[subjects[at]]; ok && other != i {
			f.merge(table, subjects[at], other, i)
		}
	}
	kept := roots[:0]
	for _, i := range roots {
		if n := &f.nodes[i]; n.parent == nobody && (n.uid != 0 || n.child != nobody) {
			kept = append(kept, i)
		}
	}
	for i := len(f.nodes) - 1; i >= 0 && f.nodes[i].date == math.MaxInt64; i-- {
		kept = append(kept, int32(i)) // the dummies that merge made
	}
	f.sort(kept)
	return kept
}

// merge joins a thread with the one in the subject table (step 5.C).
func (f *forest) merge(table map[textKey]int32, subject textKey, other, i int32) {
	there, here := &f.nodes[other], &f.nodes[i]
	switch {
	case there.uid == 0 && here.uid == 0:
		for c := here.child; c != nobody; {
			next := f.nodes[c].next
			f.adopt(other, c)
			c = next
		}
		f.nodes[i].child = nobody
	case there.uid == 0, here.reply && !there.reply:
		f.adopt(other, i)
	default:
		// The date marks it for gather; no message has it.
		f.nodes = append(f.nodes, threadNode{date: math.MaxInt64, parent: nobody, child: nobody, next: nobody})
		dummy := int32(len(f.nodes) - 1)
		f.adopt(dummy, other)
		f.adopt(dummy, i)
		table[subject] = dummy
	}
}

// encode writes threads as their messages, one after the other as they are told, and how deep each is: twice the
// depth, plus one for a dummy, and where it is none the distance from the message before.
func (f *forest) encode(roots []int32) (b []byte) {
	type at struct {
		node  int32
		depth uint64
	}
	var stack []at
	var children []int32
	last := uid.UID(0)
	for _, root := range roots {
		stack = append(stack[:0], at{root, 0})
		for len(stack) > 0 {
			top := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if n := &f.nodes[top.node]; n.uid == 0 {
				b = binary.AppendUvarint(b, top.depth<<1|1)
			} else {
				b = binary.AppendUvarint(b, top.depth<<1)
				b = binary.AppendVarint(b, int64(n.uid)-int64(last))
				last = n.uid
			}
			children = f.children(children[:0], top.node)
			for _, c := range slices.Backward(children) {
				stack = append(stack, at{c, top.depth + 1})
			}
		}
	}
	return b
}

// decodeThreads reads threads as encode writes them; nil if they are not. Their messages have the place where they
// stood for a date.
func decodeThreads(b []byte) *ordering {
	if len(b) == 0 {
		return nil
	}
	v := &ordering{forest: newForest(0)}
	f := v.forest
	var path []int32 // down to the last message
	var uids []uid.UID
	last := int64(0)
	for len(b) > 0 {
		depth, n := binary.Uvarint(b)
		if n <= 0 || depth>>1 > uint64(len(path)) {
			return nil
		}
		node := threadNode{date: int64(len(f.nodes))}
		if b = b[n:]; depth&1 == 0 {
			distance, n := binary.Varint(b)
			if last += distance; n <= 0 || last <= 0 || last > int64(uid.Max) {
				return nil
			}
			b = b[n:]
			node.uid = uid.UID(last)
			uids = append(uids, node.uid)
		}
		i, err := f.add(node)
		if err != nil {
			return nil
		}
		if path = append(path[:depth>>1], i); len(path) == 1 {
			v.roots = append(v.roots, i)
		} else {
			f.adopt(path[len(path)-2], i)
		}
	}
	if slices.ContainsFunc(f.nodes, func(n threadNode) bool { return n.uid == 0 && n.child == nobody }) {
		return nil
	}
	f.ids = nil
	v.uids = store.NewOrder(uids).Set
	return v
}

// children appends the children of a node in their order.
func (f *forest) children(list []int32, i int32) []int32 {
	from := len(list)
	for c := f.nodes[i].child; c != nobody; c = f.nodes[c].next {
		list = append(list, c)
	}
	if len(list)-from > 1 {
		f.sort(list[from:])
	}
	return list
}

// tellThreads writes the THREAD response (RFC 5256 section 4). Threads can be deep: nothing here
// calls itself.
func (s *session) tellThreads(f *forest, roots []int32, r *found) {
	s.raw("* THREAD")
	sep := " "
	var stack, children []int32
	for _, root := range roots {
		s.raw(sep)
		sep = ""
		stack = append(stack[:0], root)
		for len(stack) > 0 && s.err == nil {
			i := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if i == nobody {
				s.out = append(s.out, ')')
				continue
			}
			s.out = append(s.out, '(')
			for space := false; ; space = true {
				if space {
					s.out = append(s.out, ' ')
				}
				n := &f.nodes[i]
				if n.uid != 0 {
					s.out = appendUint(s.out, r.name(n.uid))
				}
				if children = f.children(children[:0], i); len(children) != 1 {
					break
				}
				i = children[0]
			}
			stack = append(stack, nobody)
			if len(children) > 0 {
				if f.nodes[i].uid != 0 {
					s.out = append(s.out, ' ')
				}
				slices.Reverse(children)
				stack = append(stack, children...)
			}
			s.flushIfFull()
		}
	}
	s.raw("\r\n")
}
