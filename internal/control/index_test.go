package control

import (
	"testing"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

func TestIndex(t *testing.T) {
	w := open(t, nil)
	ctx := t.Context()
	st := w.server.Store
	a := storetest.Account(t, st, "anna@example.org")
	storetest.Account(t, st, "bo@example.org")
	if _, err := st.Append(ctx, a.ID, store.InboxID, []store.NewEmail{storetest.Email(t, st, "Subject: x\r\n\r\nsome text\r\n")}); err != nil {
		t.Fatal(err)
	}
	before, err := w.IndexStatus(ctx, "")
	if err != nil || len(before) != 2 || before[0].Indexed != 0 || before[0].Waiting != 1 {
		t.Fatalf("%+v, %v", before, err)
	}
	after, err := w.RebuildIndex(ctx, "anna@example.org", nil)
	if err != nil || len(after) != 1 || after[0].Indexed != 1 || after[0].Waiting != 0 || after[0].Size == 0 {
		t.Fatalf("%+v, %v", after, err)
	}
	if all, err := w.RebuildIndex(ctx, "", nil); err != nil || len(all) != 2 || all[0] != after[0] {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := w.IndexStatus(ctx, "nobody@example.org"); err == nil {
		t.Error("an account that does not exist has an index")
	}
	if _, err := w.RebuildIndex(ctx, "nobody@example.org", nil); err == nil {
		t.Error("the index of an account that does not exist was made")
	}
}
