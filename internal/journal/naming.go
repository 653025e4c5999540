package journal

import (
	"context"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/store"
)

// naming tells which message and whose account a line is about, where a timeline has several.
type naming struct {
	accounts map[store.AccountID]string
	traces   map[store.TraceID]string // subjects of messages, by the traces of their arrival
	ids      map[string]string        // and by their Message-IDs
}

func (t *Timeline) naming() naming {
	n := naming{accounts: t.accounts, traces: map[store.TraceID]string{}, ids: map[string]string{}}
	for i := range t.Lines {
		e := &t.Lines[i].Event
		if subject := e.Field("subject"); ofOneMessage[e.Kind] && subject != "" {
			n.traces[e.Trace] = subject
			n.ids[canonical(e.Field("message-id"))] = subject
		}
	}
	return n
}

// maxSubjects is how many messages of one line are named.
const maxSubjects = 3

// subjects are those of the messages of an event that does not say them itself, where there are several in the timeline.
func (n *naming) subjects(e *store.Event) (list []string) {
	if len(n.traces) < 2 || e.Field("subject") != "" {
		return nil
	}
	if subject := n.traces[e.Trace]; subject != "" {
		return []string{subject}
	}
	for _, f := range e.Fields {
		if f.Name != "message-id" {
			continue
		}
		if subject := n.ids[canonical(f.Value)]; subject != "" && len(list) < maxSubjects && !slices.Contains(list, subject) {
			list = append(list, subject)
		}
	}
	return list
}

// account is in whose journal an event stands that names no address: what somebody did with the mail that was there.
func (n *naming) account(e *store.Event) string {
	if slices.ContainsFunc(e.Fields, func(f store.Field) bool { return f.Name == "from" || f.Name == "to" || f.Name == "key" }) {
		return ""
	}
	return n.accounts[e.Account]
}

// nameAccounts notes whose journals the lines are from, for who asks on behalf of the service; who asks for one account is told of
// no other.
func (s *search) nameAccounts(ctx context.Context, t *Timeline) error {
	if s.query.Account != 0 {
		return nil
	}
	t.accounts = map[store.AccountID]string{}
	for i := range t.Lines {
		id := t.Lines[i].Event.Account
		if _, ok := t.accounts[id]; ok || id == 0 {
			continue
		}
		a, err := s.journal.store.Account(ctx, id)
		if err != nil && store.KindOf(err) != store.KindNotFound {
			return err
		}
		t.accounts[id] = a.Address
	}
	return nil
}

// maxNear is how many addresses like the one asked for are named.
const maxNear = 5

// near are addresses here that are like the one asked for, which is none. Who asks for one account is told of no other.
func (s *search) near(ctx context.Context) (list []string, err error) {
	local, domain, ok := strings.Cut(s.name, "@")
	if !ok || s.query.Account != 0 {
		return nil, nil
	}
	if here, err := s.journal.store.LocalDomain(ctx, domain); err != nil || !here {
		return nil, err
	}
	if known, err := s.accountsOf(ctx, s.name); err != nil || len(known) > 0 {
		return nil, err
	}
	all, err := s.journal.store.Accounts(ctx, domain)
	for _, a := range all {
		if other, _, _ := strings.Cut(a.Address, "@"); len(list) < maxNear && oneSlip(local, other) {
			list = append(list, a.Address)
		}
	}
	return list, err
}

// oneSlip tells whether two names differ by one letter that is left out, added or wrong, or by two that changed places.
func oneSlip(a, b string) bool {
	x, y := []rune(a), []rune(b)
	for len(x) > 0 && len(y) > 0 && x[0] == y[0] {
		x, y = x[1:], y[1:]
	}
	for len(x) > 0 && len(y) > 0 && x[len(x)-1] == y[len(y)-1] {
		x, y = x[:len(x)-1], y[:len(y)-1]
	}
	return max(len(x), len(y)) <= 1 || len(x) == 2 && len(y) == 2 && x[0] == y[1] && x[1] == y[0]
}
