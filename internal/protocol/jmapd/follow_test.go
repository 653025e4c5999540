package jmapd

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// followed are queries whose results a client follows.
var followed = []string{
	`"filter":{"inMailbox":"F1"},"sort":[{"property":"receivedAt","isAscending":false}]`,
	`"filter":{"inMailbox":"F1"},"sort":[{"property":"receivedAt","isAscending":false}],"collapseThreads":true`,
	`"filter":{"notKeyword":"$seen"},"sort":[{"property":"size"},{"property":"receivedAt","isAscending":false}]`,
	`"filter":{"operator":"NOT","conditions":[{"inMailbox":"F2"},{"someInThreadHaveKeyword":"$flagged"}]},"sort":[{"property":"someInThreadHaveKeyword","keyword":"$seen"}]`,
	`"filter":{"inMailboxOtherThan":["F1"],"from":"anna"},"sort":[{"property":"subject"}],"collapseThreads":true`,
	`"filter":{"allInThreadHaveKeyword":"$seen"},"sort":[{"property":"hasKeyword","keyword":"$flagged","isAscending":false},{"property":"sentAt"}],"collapseThreads":true`,
}

// followedBoxes are queries of mailboxes whose results a client follows.
var followedBoxes = []string{
	`"sort":[{"property":"sortOrder"},{"property":"name","isAscending":false}]`,
	`"sortAsTree":true,"filterAsTree":true,"filter":{"operator":"NOT","conditions":[{"name":"2"}]},"sort":[{"property":"name"}]`,
	`"filter":{"hasAnyRole":false,"isSubscribed":true}`,
	`"filter":{"operator":"OR","conditions":[{"parentId":null},{"role":"archive"}]}`,
}

// listing is a query that a client follows.
type listing struct {
	kind, args string
	ids        []string
	state      string
}

// follower is a client that reads everything once and from then on asks for changes alone.
type follower struct {
	t       rapid.TB
	w       *world
	account store.Account   // who asks
	of      store.AccountID // whose mail it is
	forgot  bool            // the service may have forgotten what it knew last
	most    func() int      // maxChanges, 0 for none
	states  map[string]string
	objects map[string]map[string]object // by type and id
	lists   []listing
}

func newFollower(t rapid.TB, w *world, a store.Account, most func() int) *follower {
	return newFollowerOf(t, w, a, a.ID, most)
}

func newFollowerOf(t rapid.TB, w *world, a store.Account, of store.AccountID, most func() int) *follower {
	f := &follower{t: t, w: w, account: a, of: of, most: most}
	f.read()
	return f
}

// read reads everything.
func (f *follower) read() {
	f.objects, f.states = f.everything()
	f.lists = f.queries()
	f.forgot = false
}

// mailboxNames are the ids of mailboxes in queries, for owners.
var mailboxNames = regexp.MustCompile(`"F(\d)"`)

// followedTypes are the types of mail, with the properties that are asked for, ownTypes those of one's own account.
var (
	followedTypes = map[string]string{"Email": `["threadId","mailboxIds","keywords"]`, "Thread": "null", "Mailbox": "null"}
	ownTypes      = []string{"Identity", "Quota"}
)

// types are those that are followed.
func (f *follower) types() []string {
	types := slices.Sorted(maps.Keys(followedTypes))
	if f.of == f.account.ID {
		types = append(types, ownTypes...)
	}
	return types
}

// ask makes one call and returns its name and arguments.
func (f *follower) ask(method, args string) (string, object) {
	var r [][]any
	if f.of != f.account.ID {
		args = mailboxNames.ReplaceAllString(args, fmt.Sprintf(`"F%d-$1"`, f.of))
	}
	if err := json.Unmarshal(f.w.callsAs(f.account, fmt.Sprintf(`[[%q,{"accountId":%q%s},"0"]]`, method, accountID(f.of), args)), &r); err != nil {
		f.t.Fatal(err)
	}
	return r[0][0].(string), r[0][1].(object)
}

// refused is an error that a client of what is shared must live with: then it reads everything again. Nothing is shared
// with it any more if the account is not found.
func (f *follower) refused(name string, answer object) bool {
	if name != "error" {
		return false
	}
	if kind := answer["type"]; f.of == f.account.ID || kind != "accountNotFound" && (kind != "cannotCalculateChanges" || !f.forgot) {
		f.t.Fatal(name, answer)
	}
	return true
}

func (f *follower) get(kind, ids string) (map[string]object, string) {
	properties := followedTypes[kind]
	if properties == "" {
		properties = "null"
	}
	name, answer := f.ask(kind+"/get", fmt.Sprintf(`,"ids":%s,"properties":%s`, ids, properties))
	all := map[string]object{}
	if f.refused(name, answer) {
		return all, ""
	}
	for _, o := range answer["list"].([]any) {
		all[o.(object)["id"].(string)] = o.(object)
	}
	return all, answer["state"].(string)
}

func (f *follower) everything() (map[string]map[string]object, map[string]string) {
	objects, states := map[string]map[string]object{}, map[string]string{}
	for _, kind := range f.types() {
		objects[kind], states[kind] = f.get(kind, "null")
	}
	return objects, states
}

func (f *follower) queries() (lists []listing) {
	add := func(kind string, queries []string) {
		for _, q := range queries {
			one := listing{kind: kind, args: q}
			name, answer := f.ask(kind+"/query", ","+q)
			if !f.refused(name, answer) {
				one.ids, one.state = texts(answer["ids"]), answer["queryState"].(string)
			}
			lists = append(lists, one)
		}
	}
	add("Email", followed)
	add("Mailbox", followedBoxes)
	return lists
}

func texts(list any) (out []string) {
	for _, one := range list.([]any) {
		out = append(out, one.(string))
	}
	return out
}

// follow asks for what changed.
func (f *follower) follow() {
	if f.states["Email"] == "" { // nothing was shared the last time
		f.read()
		return
	}
	for _, kind := range f.types() {
		for range 1000 {
			bound := ""
			if n := f.most(); n > 0 {
				bound = fmt.Sprintf(`,"maxChanges":%d`, n)
			}
			name, answer := f.ask(kind+"/changes", fmt.Sprintf(`,"sinceState":%q%s`, f.states[kind], bound))
			if f.refused(name, answer) {
				f.read()
				return
			}
			f.apply(kind, answer)
			if !answer["hasMoreChanges"].(bool) {
				break
			}
		}
	}
	for i := range f.lists {
		l := &f.lists[i]
		name, answer := f.ask(l.kind+"/queryChanges", fmt.Sprintf(`,%s,"sinceQueryState":%q,"calculateTotal":true`, l.args, l.state))
		if f.refused(name, answer) {
			f.read()
			return
		}
		if err := l.apply(answer); err != "" {
			f.t.Fatal(err)
		}
		if int(answer["total"].(float64)) != len(l.ids) {
			f.t.Fatalf("%s: %v, told are %v", l.args, l.ids, answer["total"])
		}
	}
}

// apply takes the answer of a /queryChanges into account (RFC 8620 section 5.6) and returns what is wrong with it.
func (l *listing) apply(answer object) string {
	removed := texts(answer["removed"])
	l.ids = slices.DeleteFunc(l.ids, func(id string) bool { return slices.Contains(removed, id) })
	last := -1
	for _, one := range answer["added"].([]any) {
		at, id := int(one.(object)["index"].(float64)), one.(object)["id"].(string)
		if at > len(l.ids) || at <= last {
			return fmt.Sprintf("%s: %d is behind the end of %v, or not in order", l.args, at, l.ids)
		}
		l.ids, last = slices.Insert(l.ids, at, id), at
	}
	l.state = answer["newQueryState"].(string)
	return ""
}

func (f *follower) apply(kind string, answer object) {
	for _, id := range texts(answer["destroyed"]) {
		delete(f.objects[kind], id)
	}
	wanted := texts(answer["updated"])
	parts, partial := answer["updatedProperties"].([]any)
	if partial {
		for _, id := range wanted {
			now, _ := f.get(kind, `["`+id+`"]`)
			for _, p := range parts {
				if o := now[id]; o != nil {
					f.objects[kind][id][p.(string)] = o[p.(string)]
				}
			}
		}
		wanted = nil
	}
	for _, id := range append(wanted, texts(answer["created"])...) {
		now, _ := f.get(kind, `["`+id+`"]`)
		if o := now[id]; o != nil { // else it went since, which is told the next time
			f.objects[kind][id] = o
		}
	}
	f.states[kind] = answer["newState"].(string)
}

// compare holds what the client has against what is there, while nothing changes: as it was carried on in memory, and read
// anew.
func (f *follower) compare() {
	f.t.Helper()
	f.follow()
	f.same()
	f.w.forget(f.of)
	f.same()
}

// forget takes what is in memory of an account away.
func (w *world) forget(a store.AccountID) {
	w.server.accounts.mu.Lock()
	defer w.server.accounts.mu.Unlock()
	maps.DeleteFunc(w.server.accounts.of, func(v sight, _ *account) bool { return v.owner == a })
}

func (f *follower) same() {
	f.t.Helper()
	objects, states := f.everything()
	if diff := cmp.Diff(objects, f.objects); diff != "" {
		f.t.Fatalf("a client that follows has other objects (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(states, f.states); diff != "" && f.of == f.account.ID { // those of what is shared are other ones once they are forgotten
		f.t.Fatalf("a client that follows is in another state (-want +got):\n%s", diff)
	}
	for i, l := range f.queries() {
		if diff := cmp.Diff(l.ids, f.lists[i].ids, cmpopts.EquateEmpty()); diff != "" {
			f.t.Fatalf("a client that follows has another list of %s (-want +got):\n%s", l.args, diff)
		}
	}
}

// happens is one thing that IMAP, SMTP or JMAP does; dice decides which.
func (w *world) happens(t rapid.TB, a store.Account, dice func(n int) int) {
	ctx, s := w.t.Context(), w.store
	box, other := store.MailboxID(1+dice(3)), store.MailboxID(1+dice(3))
	set := uid.Set{{First: uid.UID(1 + dice(12)), Last: uid.UID(1 + dice(12))}}
	set[0].Last = max(set[0].First, set[0].Last)
	flags := []store.Flags{store.FlagSeen, store.FlagFlagged, store.FlagDeleted}
	var err error
	switch dice(17) {
	case 0, 1, 2, 3, 4:
		err = w.deliver(a, box, dice(40), dice(8))
	case 5:
		_, err = s.Copy(ctx, a.ID, box, uid.Of(set[0].First), other)
	case 6:
		_, err = s.Move(ctx, a.ID, box, uid.Of(set[0].First), other)
	case 7:
		_, _, err = s.Expunge(ctx, a.ID, box, uid.Of(set[0].First), false)
	case 8:
		_, _, err = s.Expunge(ctx, a.ID, box, uid.All(), true)
	case 9, 10:
		_, err = s.StoreFlags(ctx, a.ID, box, set, store.FlagChange{Op: store.FlagOp(dice(2)), System: flags[dice(3)]}, nil)
	case 11:
		if _, err = s.CreateMailbox(ctx, a.ID, fmt.Sprintf("Work/Nr %d", dice(4)), store.RoleNone); store.KindOf(err) == store.KindExists {
			err = s.RenameMailbox(ctx, a.ID, "Work", fmt.Sprintf("Old %d", dice(3)))
		}
	case 12:
		err = s.DeleteMailbox(ctx, a.ID, fmt.Sprintf("Work/Nr %d", dice(4)))
	case 13:
		w.callsAs(a, fmt.Sprintf(`[["Email/set",{"accountId":%q,"update":{"M%d":{"keywords/$seen":true,"mailboxIds/F%d":true}}},"0"]]`, accountID(a.ID), 1+dice(20), other))
	case 14:
		change := []string{`"isSubscribed":true`, `"isSubscribed":false`, `"sortOrder":3`, `"role":"archive"`, `"role":null`, `"parentId":"F2"`, `"parentId":null`}[dice(7)]
		w.callsAs(a, fmt.Sprintf(`[["Mailbox/set",{"accountId":%q,"update":{"F%d":{%s}}},"0"]]`, accountID(a.ID), 1+dice(10), change))
	case 15:
		w.callsAs(a, fmt.Sprintf(`[["Identity/set",{"accountId":%q,"create":{"i":{"email":%q}},"update":{"I%d":{"name":"Nr %d"}},"destroy":["I%d"]},"0"]]`,
			accountID(a.ID), a.Address, 1+dice(5), dice(3), 1+dice(5)))
	case 16:
		_, err = s.UpdateAccount(ctx, a.ID, func(a *store.Account) error { a.Quota = int64(dice(3)) << 20; return nil })
	}
	if k := store.KindOf(err); err != nil && k != store.KindNotFound && k != store.KindExists {
		t.Fatal(err)
	}
}

// deliver places a message that may belong to a conversation.
func (w *world) deliver(a store.Account, box store.MailboxID, n, thread int) error {
	text := strings.Replace(storetest.Text(n), "Message-ID:", fmt.Sprintf("References: <thread.%d@demo.test>\r\nMessage-ID:", thread), 1)
	ref, err := w.store.Blobs().Put(w.t.Context(), []byte(text))
	if err != nil {
		return err
	}
	e := store.NewEmail{Blob: ref, Summary: message.Summarize([]byte(text)), Received: time.Date(2026, 11, 2, 10, n%7, 0, 0, time.UTC)}
	_, err = w.store.Append(w.t.Context(), a.ID, box, []store.NewEmail{e})
	return err
}

// TestFollow holds that a client which applies only what changed has what one has that reads everything.
func TestFollow(t *testing.T) {
	w := newWorld(t).wide()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		a := storetest.Account(w.t, w.store, fmt.Sprintf("a%d@example.org", n))
		w.others.Store(a.Address, a)
		dice := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "dice") }
		for range dice(5) {
			w.happens(t, a, dice)
		}
		f := newFollower(t, w, a, func() int { return dice(3) })
		for range rapid.IntRange(1, 15).Draw(t, "steps") {
			for range dice(4) {
				w.happens(t, a, dice)
			}
			switch dice(6) {
			case 0: // the service forgets what it had in memory
				w.forget(a.ID)
			case 1, 2, 3:
				f.follow()
			}
		}
		f.compare()
	})
}

// TestFollowShared is the same for somebody with whom mailboxes are shared, while they are shared with him otherwise: by
// himself, by a group and with everybody. Unless the service
// forgets what it had in memory he never has to read everything again.
func TestFollowShared(t *testing.T) {
	w := newWorld(t).wide()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		if n++; n > 40 {
			return // each takes its time
		}
		a := storetest.Account(w.t, w.store, fmt.Sprintf("a%d@example.org", n))
		b := storetest.Account(w.t, w.store, fmt.Sprintf("b%d@example.org", n))
		group, member := fmt.Sprintf("g%d@example.org", n), fmt.Sprintf("m%d@example.org", n)
		for _, alias := range []store.Alias{{Address: member, Targets: []string{b.Address}}, {Address: group, Targets: []string{member}}} {
			if err := w.store.CreateAlias(w.t.Context(), alias); err != nil {
				t.Fatal(err)
			}
		}
		w.others.Store(a.Address, a)
		w.others.Store(b.Address, b)
		dice := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "dice") }
		shares := func() {
			rights, err := store.ParseRights([]string{"", "l", "r", "lr", "lrs", "lrswi", "lrswipkxtea"}[dice(7)])
			if err != nil {
				t.Fatal(err)
			}
			with := []string{b.Address, b.Address, group, store.Anyone, "-" + b.Address}[dice(5)]
			_, _, err = w.store.SetGrant(w.t.Context(), a.ID, store.MailboxID(1+dice(3)), with, func(store.Rights) store.Rights { return rights })
			if err != nil {
				t.Fatal(err)
			}
		}
		for range dice(5) {
			w.happens(t, a, dice)
			shares()
		}
		f := newFollowerOf(t, w, b, a.ID, func() int { return dice(3) })
		for range rapid.IntRange(1, 15).Draw(t, "steps") {
			for range dice(4) {
				if dice(3) == 0 {
					shares()
				} else {
					w.happens(t, a, dice)
				}
			}
			switch dice(9) {
			case 8: // he changes something himself, as far as he may
				m := fmt.Sprintf("M%d-%d", a.ID, 1+dice(12))
				w.callsAs(b, fmt.Sprintf(`[["Email/set",{"accountId":%q,"update":{%q:{"keywords/$seen":true,"mailboxIds/F%d-%d":true}},"destroy":["M%d-%d"]},"0"]]`,
					accountID(a.ID), m, a.ID, 1+dice(3), a.ID, 20+dice(5)))
			case 0: // the service forgets what it had in memory
				w.forget(a.ID)
				f.forgot = true
			case 1: // who belongs to a group changes
				err := w.store.DeleteAlias(w.t.Context(), member)
				if store.KindOf(err) == store.KindNotFound {
					err = w.store.CreateAlias(w.t.Context(), store.Alias{Address: member, Targets: []string{b.Address}})
				}
				if err != nil {
					t.Fatal(err)
				}
			case 2, 3, 4:
				f.follow()
			}
		}
		f.compare()
	})
}

// TestFollowAtOnce is the same while mail changes all the time.
func TestFollowAtOnce(t *testing.T) {
	w := newWorld(t).wide()
	var others, followers sync.WaitGroup
	var all []*follower
	stop := make(chan struct{})
	for i := range 4 {
		r := rand.New(rand.NewPCG(uint64(i), 7))
		f := newFollower(t, w, w.anna, func() int { return r.IntN(4) })
		all = append(all, f)
		followers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					f.follow()
				}
			}
		})
	}
	for i := range 3 {
		others.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 11))
			for range 150 {
				w.happens(t, w.anna, r.IntN)
			}
		})
	}
	others.Wait()
	close(stop)
	followers.Wait()
	for _, f := range all {
		f.compare()
	}
}

// another makes an account for one run of a property, with who asks for it and dice.
func (w *world) another(t *rapid.T, n int) (store.Account, *follower, func(n int) int) {
	a := storetest.Account(w.t, w.store, fmt.Sprintf("a%d@example.org", n))
	w.others.Store(a.Address, a)
	return a, &follower{t: t, w: w, account: a, of: a.ID}, func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "dice") }
}

// TestFollowUpTo holds that a client which has the beginning of a list alone has it right up to the last one that it knows, where what is
// listed and its order never change (RFC 8620 section 5.6, upToId).
func TestFollowUpTo(t *testing.T) {
	w := newWorld(t).wide()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		if n++; n > 30 {
			return // each takes its time
		}
		a, f, dice := w.another(t, n)
		for range 5 + dice(10) {
			w.happens(t, a, dice)
		}
		for _, q := range []string{`"sort":[{"property":"receivedAt","isAscending":false}]`, `"filter":{"minSize":1,"from":"anna"},"sort":[{"property":"size"}]`} {
			_, answer := f.ask("Email/query", fmt.Sprintf(`,%s,"limit":%d`, q, 1+dice(6)))
			l := listing{kind: "Email", args: q, ids: texts(answer["ids"]), state: answer["queryState"].(string)}
			if len(l.ids) == 0 {
				continue
			}
			for range 1 + dice(8) {
				w.happens(t, a, dice)
			}
			last := l.ids[len(l.ids)-1]
			_, answer = f.ask("Email/query", fmt.Sprintf(`,%s`, q))
			all := texts(answer["ids"])
			_, answer = f.ask("Email/queryChanges", fmt.Sprintf(`,%s,"sinceQueryState":%q,"upToId":%q`, q, l.state, last))
			if err := l.apply(answer); err != "" && slices.Contains(all, last) {
				t.Fatal(err)
			}
			if at := slices.Index(all, last); at >= 0 && !slices.Equal(l.ids, all[:at+1]) {
				t.Fatalf("%s: %v, want %v of %v", q, l.ids, all[:at+1], all)
			}
		}
	})
}

// TestStatesOfGet holds that the states that are pushed are those that /get tells (RFC 8620 section 7.1), and that a state is another one
// whenever something is (section 5.1).
func TestStatesOfGet(t *testing.T) {
	w := newWorld(t).wide()
	w.using = append(w.using, capabilityVacation)
	types := []string{"Email", "EmailSubmission", "Identity", "Mailbox", "Quota", "SieveScript", "Thread", "VacationResponse"}
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		if n++; n > 30 {
			return // each takes its time
		}
		a, f, dice := w.another(t, n)
		was, stood := map[string]any{}, map[string]string{}
		for range 1 + dice(12) {
			switch dice(4) {
			case 0:
				f.ask("VacationResponse/set", fmt.Sprintf(`,"update":{"singleton":{"isEnabled":%t,"textBody":"Away %d","fromDate":null}}`, dice(2) == 0, dice(3)))
			case 1:
				w.callsAs(a, fmt.Sprintf(`[["Blob/upload",{"accountId":%q,"create":{"b":{"data":[{"data:asText":"keep; # %d"}]}}},"0"],`+
					`["SieveScript/set",{"accountId":%[1]q,"create":{"s":{"name":"Nr %[3]d","blobId":"#b"}},"onSuccessActivateScript":"#s"},"1"],["SieveScript/set",{"accountId":%[1]q,"destroy":["s%[4]d"]},"2"]]`,
					accountID(a.ID), dice(3), dice(3), 1+dice(4)))
			default:
				w.happens(t, a, dice)
			}
			for _, kind := range types {
				_, answer := f.ask(kind+"/get", `,"ids":null`)
				state := answer["state"].(string)
				pushed, err := w.server.now(w.t.Context(), a.ID) // getting identities can make them
				if err != nil {
					t.Fatal(err)
				}
				if pushed.states[a.ID][kind] != state {
					t.Fatalf("%s: pushed is %q, told %q", kind, pushed.states[a.ID][kind], state)
				}
				if stood[kind] == state && !cmp.Equal(was[kind], answer["list"]) {
					t.Fatalf("%s is another in the same state %s:\n%s", kind, state, cmp.Diff(was[kind], answer["list"]))
				}
				was[kind], stood[kind] = answer["list"], state
			}
		}
	})
}
