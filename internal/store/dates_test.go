package store_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// TestDates lets messages come, go and move, and holds the dates of a mailbox against those of its
// emails.
func TestDates(t *testing.T) {
	s := storetest.Open(t)
	a := storetest.Account(t, s, "anna@demo.test").ID
	ctx, n := t.Context(), 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		box := must[store.Mailbox](t)(s.CreateMailbox(ctx, a, fmt.Sprintf("Box%d", n), store.RoleNone)).ID
		day := func(what string) int { return rapid.IntRange(-400, 30000).Draw(rt, what) }
		for range rapid.IntRange(1, 8).Draw(rt, "steps") {
			first := rapid.Uint32Range(1, 30).Draw(rt, "first")
			some := uid.Set{{First: uid.UID(first), Last: uid.UID(first + rapid.Uint32Range(0, 5).Draw(rt, "length"))}}
			var err error
			switch rapid.SampledFrom([]string{"append", "append", "expunge", "move"}).Draw(rt, "what") {
			case "append":
				var list []store.NewEmail
				for range rapid.IntRange(1, 6).Draw(rt, "messages") {
					header := "Subject: x\r\n"
					if rapid.Bool().Draw(rt, "dated") {
						zone := rapid.SampledFrom([]string{"+0000", "+1200", "-1100"}).Draw(rt, "zone")
						header += "Date: " + time.Unix(int64(day("sent"))*86400+int64(rapid.IntRange(0, 86399).Draw(rt, "second")), 0).UTC().Format("Mon, 2 Jan 2006 15:04:05 ") + zone + "\r\n"
					}
					e := storetest.Email(t, s, header+"\r\n")
					e.Received = time.Unix(int64(day("received"))*86400+77, 0)
					list = append(list, e)
				}
				_, err = s.Append(ctx, a, box, list)
			case "expunge":
				_, _, err = s.Expunge(ctx, a, box, some, false)
			case "move":
				_, err = s.Move(ctx, a, box, some, box)
			}
			if err != nil {
				rt.Fatal(err)
			}
			limit := int64(day("limit")) * 86400
			end := limit + int64(rapid.IntRange(0, 4000).Draw(rt, "days"))*86400
			for _, w := range []store.DateWindow{
				{From: limit, Until: end}, {From: limit, Until: math.MaxInt64}, {From: math.MinInt64, Until: math.MaxInt64},
				{Sent: true, From: limit, Until: end}, {Sent: true, From: math.MinInt64, Until: end}, {Sent: true, From: math.MinInt64, Until: math.MaxInt64},
			} {
				var want []uid.UID
				err := s.Messages(ctx, a, box, uid.All(), func(m *store.Message) error {
					if w.Has(store.DatesOf(&m.Email)) {
						want = append(want, m.UID)
					}
					return nil
				})
				if err != nil {
					rt.Fatal(err)
				}
				view := must[*store.View](t)(s.View(ctx, a, box))
				dates := must[*store.Dates](t)(s.Dates(ctx, a, box))
				if have := slices.Collect(dates.Select(view.UIDs, w).Set().All()); !slices.Equal(have, want) {
					rt.Fatalf("%v, want %v", have, want)
				}
			}
		}
	})
}
