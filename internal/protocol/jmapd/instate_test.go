package jmapd

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/postiljon/postiljon/internal/rules"
	"github.com/postiljon/postiljon/internal/store"
)

// TestInStateAtOnce has several clients count in a keyword of one email, each from what it has read, while mail comes: with ifInState none of them counts over another one (RFC 8620 section 5.3).
func TestInStateAtOnce(t *testing.T) {
	const clients, each = 4, 25
	w := newWorld(t).wide()
	if err := w.deliver(w.anna, store.InboxID, 1, 1); err != nil {
		t.Fatal(err)
	}
	tries := make(chan struct{}, 1) // somebody is about to count
	var counting, others sync.WaitGroup
	others.Go(func() {
		n := 1
		for range tries {
			n++
			if err := w.deliver(w.anna, store.InboxID, n, n); err != nil {
				t.Error(err)
			}
		}
	})
	for range clients {
		counting.Go(func() {
			f := newFollower(t, w, w.anna, func() int { return 0 })
			for done := 0; done < each; {
				if f.count(tries) {
					done++
				}
			}
		})
	}
	counting.Wait()
	close(tries)
	others.Wait()
	f := newFollower(t, w, w.anna, func() int { return 0 })
	if n, _ := f.counted(); n != clients*each {
		t.Errorf("%d was counted to, by changes of which %d were said to be made", n, clients*each)
	}
}

// counted reads how far it was counted, and the state in which that is so.
func (f *follower) counted() (n int, state string) {
	_, answer := f.ask("Email/get", `,"ids":["M1"],"properties":["keywords"]`)
	email := answer["list"].([]any)[0].(object)
	for name := range email["keywords"].(object) {
		if digits, ok := strings.CutPrefix(name, "count-"); ok {
			n, _ = strconv.Atoi(digits)
		}
	}
	return n, answer["state"].(string)
}

// count counts one further, unless mail changes meanwhile. It says that it is about to.
func (f *follower) count(tries chan<- struct{}) bool {
	n, state := f.counted()
	select {
	case tries <- struct{}{}:
	default:
	}
	name, answer := f.ask("Email/set", fmt.Sprintf(`,"ifInState":%q,"update":{"M1":{"keywords":{"count-%d":true}}}`, state, n+1))
	if name == "error" {
		if answer["type"] != "stateMismatch" {
			f.t.Fatal(answer)
		}
		return false
	}
	if answer["notUpdated"] != nil {
		f.t.Fatal(answer)
	}
	return true
}

// TestInStateOfOthers has several clients change what is no mail, each from the state that it has read: no two changes begin in the same state.
func TestInStateOfOthers(t *testing.T) {
	const clients, each = 4, 10
	for _, tt := range []struct{ kind, change string }{ // %[1]s stands for a text that is another each time
		{"EmailSubmission", `"create":{"s":{"identityId":"I1","emailId":"M1","sendAt":"2099-11-02T10:00:00Z","envelope":{"mailFrom":{"email":"anna@example.org"},"rcptTo":[{"email":"%s@example.net"}]}}}`},
		{"Identity", `"update":{"I1":{"name":"%s"}}`},
		{"VacationResponse", `"update":{"singleton":{"textBody":"%s"}}`},
		{"SieveScript", `"update":{"s1":{"name":"%s"}}`},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			w := newWorld(t).wide()
			w.using = append(w.using, capabilityVacation)
			w.put(store.InboxID, 1, "From: anna@example.org\r\nTo: eva@example.net\r\nMessage-ID: <1@example.org>\r\n\r\nHej\r\n", store.Flags{})
			if err := w.store.PutScript(t.Context(), w.anna.ID, "one", "keep;"); err != nil {
				t.Fatal(err)
			}
			change := strings.ReplaceAll(tt.change, "2099", strconv.Itoa(w.store.Now().Year()+1))
			var began sync.Map
			var work sync.WaitGroup
			for n := range clients {
				work.Go(func() {
					f := newFollower(t, w, w.anna, func() int { return 0 })
					for done := 0; done < each; {
						_, now := f.ask(tt.kind+"/get", `,"ids":[]`)
						name, answer := f.ask(tt.kind+"/set", fmt.Sprintf(`,"ifInState":%q,`+change, now["state"], fmt.Sprintf("n%d-%d", n, done)))
						switch {
						case name == "error" && answer["type"] == "stateMismatch":
							continue
						case answer["created"] == nil && answer["updated"] == nil:
							t.Error(name, answer)
							return
						}
						if _, twice := began.LoadOrStore(now["state"], true); twice {
							t.Errorf("two changes began in state %s", now["state"])
						}
						done++
					}
				})
			}
			work.Wait()
		})
	}
}

// TestVacationBesideRules holds that neither the answer to absence nor a rule is lost where one changes while the other does.
func TestVacationBesideRules(t *testing.T) {
	const times = 20
	w := newWorld(t).wide()
	w.using = append(w.using, capabilityVacation)
	var work sync.WaitGroup
	work.Go(func() { // somebody else, who looks before and tries again
		for n := 1; n <= times; {
			scripts, err := w.store.Scripts(t.Context(), w.anna.ID)
			if err != nil {
				t.Error(err)
				return
			}
			state := stateOfScripts(scripts)
			now := rules.In(scripts)
			s := now.Settings
			s.Rules = append(s.Rules, rules.Rule{Name: strconv.Itoa(n), Star: true})
			ctx, expected := store.ExpectScripts(t.Context(), w.anna.ID, func(list []store.Script) bool { return stateOfScripts(list) == state })
			switch err := rules.Save(ctx, w.store, &w.anna, &now, s); {
			case expected.Missed():
			case err != nil:
				t.Error(err)
				return
			default:
				n++
			}
		}
	})
	f := newFollower(t, w, w.anna, func() int { return 0 })
	for n := range times {
		text := fmt.Sprintf("away %d", n)
		f.ask("VacationResponse/set", fmt.Sprintf(`,"update":{"singleton":{"textBody":%q}}`, text))
		if _, now := f.ask("VacationResponse/get", `,"ids":["singleton"]`); now["list"].([]any)[0].(object)["textBody"] != text {
			t.Errorf("%v, not %s", now, text)
		}
	}
	work.Wait()
	now, err := rules.Load(t.Context(), w.store, w.anna.ID)
	if err != nil || len(now.Settings.Rules) != times {
		t.Errorf("%d rules are left of %d: %v", len(now.Settings.Rules), times, err)
	}
}
