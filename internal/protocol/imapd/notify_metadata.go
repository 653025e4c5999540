package imapd

import (
	"cmp"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/store"
)

// annotationSums are all annotations of the accounts that are watched: enough of each to see that it
// changed.
type annotationSums map[annotationKey]uint64

type annotationKey struct {
	store.Place // with the mailbox store.AccountAnnotations: of the server
	name        string
}

var annotationSeed = maphash.MakeSeed()

// set notes annotations as they are now; a nil value is one that is gone.
func (sums annotationSums) set(at store.Place, list []store.Annotation) {
	if sums == nil {
		return
	}
	for i := range list {
		key := annotationKey{at, list[i].Name}
		if list[i].Value == nil {
			delete(sums, key)
			continue
		}
		sums[key] = maphash.Bytes(annotationSeed, list[i].Value)
	}
}

// annotationSums reads the annotations that the client can hear of: of others, what they share.
func (n *notifier) annotationSums(s *session) (annotationSums, error) {
	sums := annotationSums{}
	for account := range n.watched {
		err := s.store.AllAnnotations(s.ctx, account, func(id store.MailboxID, a store.Annotation) error {
			if account == s.conn.Account || id != store.AccountAnnotations && strings.HasPrefix(a.Name, "/shared/") {
				at := store.Place{Account: account, Mailbox: id}
				sums[annotationKey{at, a.Name}] = maphash.Bytes(annotationSeed, a.Value)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return sums, nil
}

// annotationChanges is a number that is another one after every change of annotations.
func (n *notifier) annotationChanges(s *session) (sum uint64) {
	for a := range n.watched {
		sum += s.store.AnnotationChanges(a)
	}
	return sum
}

// wants reports whether the client asked for one of some events, of whatever mailbox.
func (n *notifier) wants(e notifyEvents) bool {
	return slices.ContainsFunc(n.groups, func(g notifyGroup) bool { return g.events&e != 0 })
}

// tellAnnotated names the annotations that changed (RFC 5465 sections 5.6 and 5.7, RFC 5464 section
// 4.4.2) and returns how many responses that took.
func (s *session) tellAnnotated(n *notifier, list []place) (told int, err error) {
	at := n.annotationChanges(s)
	if n.annotations == nil || at == n.annotatedAt {
		return 0, nil
	}
	before := n.annotations
	if n.annotations, err = n.annotationSums(s); err != nil {
		return 0, err
	}
	n.annotatedAt = at
	changed := changedAnnotations(before, n.annotations)
	server := store.Place{Account: s.conn.Account, Mailbox: store.AccountAnnotations}
	if names := changed[server]; len(names) > 0 && n.wants(eventServerMetadata) {
		s.tellEntries("", names)
		told++
	}
	for i := range list {
		m := &list[i]
		if names := changed[m.at()]; len(names) > 0 && n.eventsOf(m)&eventMailboxMetadata != 0 && m.mayReadMetadata() {
			s.tellEntries(m.Name, names)
			told++
		}
	}
	return told, nil
}

// changedAnnotations names what differs between two states, by mailbox.
func changedAnnotations(before, after annotationSums) map[store.Place][]string {
	changed := map[store.Place][]string{}
	for key, sum := range after {
		if old, ok := before[key]; !ok || old != sum {
			changed[key.Place] = append(changed[key.Place], key.name)
		}
	}
	for key := range before {
		if _, ok := after[key]; !ok {
			changed[key.Place] = append(changed[key.Place], key.name)
		}
	}
	for _, names := range changed {
		slices.SortFunc(names, cmp.Compare[string])
	}
	return changed
}

// tellEntries writes a METADATA response without values.
func (s *session) tellEntries(mailbox string, names []string) {
	s.raw("* METADATA ")
	if mailbox == "" {
		s.raw(`""`)
	} else {
		s.out = s.appendMailbox(s.out, mailbox)
	}
	for _, name := range names {
		s.out = appendAString(append(s.out, ' '), []byte(name))
	}
	s.raw("\r\n")
	s.flushIfFull()
}
