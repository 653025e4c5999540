package imapd

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// TestThreadsAsWritten compares REFERENCES with the steps of RFC 5256 section 3 as they are
// written, over messages that refer to each other in every way.
func TestThreadsAsWritten(t *testing.T) {
	ids := rapid.SampledFrom([]string{"", "a@x", "b@x", "c@x", "d@x", "e@x", `"f"@x`, "f@x"})
	subjects := rapid.SampledFrom([]string{"", "one", "Re: one", "ONE (fwd)", "two", "re: two", "three", "Re: three"})
	rapid.Check(t, func(rt *rapid.T) {
		f, w := newForest(0), &written{ids: map[string]*letter{}}
		for i := range rapid.IntRange(0, 12).Draw(rt, "messages") {
			l := &letter{uid: uid.UID(i + 1), date: int64(rapid.IntRange(0, 3).Draw(rt, "date"))}
			id, subject := ids.Draw(rt, "id"), subjects.Draw(rt, "subject")
			refs := rapid.SliceOfN(rapid.SampledFrom([]string{"a@x", "b@x", "c@x", "d@x", "e@x", "f@x", "g@x"}), 0, 4).Draw(rt, "refs")
			base, reply := message.BaseSubject(subject)
			l.base, l.reply = strings.ToUpper(base), reply
			w.add(l, messageID(id), refs)

			n := threadNode{uid: l.uid, date: l.date, reply: reply}
			if base != "" {
				n.subject = f.key([]byte(l.base))
			}
			raw := "Subject: " + subject + "\r\n"
			if id != "" {
				raw += "Message-ID: <" + id + ">\r\n"
			}
			if len(refs) > 0 {
				raw += "References: <" + strings.Join(refs, "> <") + ">\r\n"
			}
			view, err := message.ViewSummary(summaryOf(raw + "\r\n").AppendBinary(nil))
			if err != nil {
				rt.Fatal(err)
			}
			if err := f.link(n, &view); err != nil {
				rt.Fatal(err)
			}
		}
		s := &session{server: &Server{}}
		s.tellThreads(f, f.gather(f.prune()), &found{byUID: true})
		want := "* THREAD" + w.threads() + "\r\n"
		if string(s.out) != want {
			rt.Fatalf("\nwant %shave %s", want, s.out)
		}
	})
}

// letter is a message, or a dummy if its UID is 0.
type letter struct {
	uid      uid.UID
	date     int64
	base     string
	reply    bool
	parent   *letter
	children []*letter
}

func (l *letter) setParent(p *letter) {
	if l.parent != nil {
		l.parent.children = slices.DeleteFunc(l.parent.children, func(c *letter) bool { return c == l })
	}
	if l.parent = p; p != nil {
		p.children = append(p.children, l)
	}
}

func (l *letter) isBelow(p *letter) bool {
	for ; l != nil; l = l.parent {
		if l == p {
			return true
		}
	}
	return false
}

// written is the algorithm as the RFC words it.
type written struct {
	ids map[string]*letter
	all []*letter
}

func (w *written) dummy() *letter {
	l := &letter{}
	w.all = append(w.all, l)
	return l
}

func (w *written) named(id string) *letter {
	if w.ids[id] == nil {
		w.ids[id] = w.dummy()
	}
	return w.ids[id]
}

func (w *written) add(l *letter, id string, refs []string) {
	if id == "" || w.named(id).uid != 0 {
		id = fmt.Sprintf("unique %d", l.uid)
	}
	self := w.named(id)
	self.uid, self.date, self.base, self.reply = l.uid, l.date, l.base, l.reply
	for i := 1; i < len(refs); i++ {
		a, b := w.named(refs[i-1]), w.named(refs[i])
		if b.parent == nil && !a.isBelow(b) {
			b.setParent(a)
		}
	}
	self.setParent(nil)
	if len(refs) > 0 {
		if last := w.named(refs[len(refs)-1]); !last.isBelow(self) {
			self.setParent(last)
		}
	}
}

func order(list []*letter) {
	slices.SortFunc(list, func(a, b *letter) int {
		x, y := a.first(), b.first()
		if x.date != y.date {
			return int(x.date - y.date)
		}
		return int(x.uid) - int(y.uid)
	})
}

func (l *letter) first() *letter {
	if l.uid != 0 {
		return l
	}
	order(l.children)
	return l.children[0]
}

func (w *written) threads() string {
	root := &letter{}
	for _, l := range w.all {
		if l.parent == nil {
			l.setParent(root)
		}
	}
	root.prune(true)
	order(root.children)
	w.bySubject(root)
	for _, l := range root.children {
		l.sortBelow()
	}
	order(root.children)
	text := ""
	for _, l := range root.children {
		text += l.String()
	}
	if text != "" {
		text = " " + text
	}
	return text
}

func (l *letter) prune(isRoot bool) {
	for _, c := range slices.Clone(l.children) {
		c.prune(false)
		if c.uid == 0 && (!isRoot || len(c.children) <= 1) {
			for _, below := range slices.Clone(c.children) {
				below.setParent(l)
			}
			c.setParent(nil)
		}
	}
}

func (w *written) bySubject(root *letter) {
	table := map[string]*letter{}
	for _, l := range root.children {
		base := l.first().base
		if base == "" {
			continue
		}
		t := table[base]
		if t == nil || t.uid != 0 && (l.uid == 0 || t.reply && !l.reply) {
			table[base] = l
		}
	}
	for _, l := range slices.Clone(root.children) {
		base := l.first().base
		t := table[base]
		switch {
		case base == "", t == l:
		case t.uid == 0 && l.uid == 0:
			for _, c := range slices.Clone(l.children) {
				c.setParent(t)
			}
			l.setParent(nil)
		case t.uid == 0, l.reply && !t.reply:
			l.setParent(t)
		default:
			d := &letter{}
			d.setParent(root)
			t.setParent(d)
			l.setParent(d)
			table[base] = d
		}
	}
}

func (l *letter) sortBelow() {
	for _, c := range l.children {
		c.sortBelow()
	}
	order(l.children)
}

func (l *letter) String() string {
	text := "("
	for {
		if l.uid != 0 {
			text += fmt.Sprint(l.uid)
		}
		if len(l.children) != 1 {
			break
		}
		text += " "
		l = l.children[0]
	}
	if l.uid != 0 && len(l.children) > 0 {
		text += " "
	}
	for _, c := range l.children {
		text += c.String()
	}
	return text + ")"
}

// TestThreadOfMany makes deep and wide threads, which must not cost the square of their messages.
func TestThreadOfMany(t *testing.T) {
	const n = 20_000
	for _, refer := range []func(i int) int{
		func(i int) int { return i - 1 },        // each answers the last
		func(i int) int { return i + 1 },        // and the other way round
		func(i int) int { return 0 },            // all answer one
		func(i int) int { return i * 7919 % n }, // as it comes
	} {
		f := newForest(n)
		for i := range n {
			raw := fmt.Sprintf("Message-ID: <%d@x>\r\nIn-Reply-To: <%d@x>\r\n\r\n", i, refer(i))
			view, err := message.ViewSummary(summaryOf(raw).AppendBinary(nil))
			if err != nil {
				t.Fatal(err)
			}
			if err := f.link(threadNode{uid: uid.UID(i + 1)}, &view); err != nil {
				t.Fatal(err)
			}
		}
		count := 0
		for _, i := range f.gather(f.prune()) {
			stack := []int32{i}
			for len(stack) > 0 {
				at := &f.nodes[stack[len(stack)-1]]
				stack = stack[:len(stack)-1]
				if at.uid != 0 {
					count++
				}
				for c := at.child; c != nobody; c = f.nodes[c].next {
					stack = append(stack, c)
				}
			}
		}
		if count != n {
			t.Errorf("%d of %d messages in the threads", count, n)
		}
	}
}
