package alerts

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

func TestSettings(t *testing.T) {
	st := storetest.Open(t)
	anna := storetest.Account(t, st, "anna@north.example")
	of := func() Settings {
		s, err := Of(t.Context(), st, anna.ID)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := of()
	if diff := cmp.Diff(Usual(), s); diff != "" {
		t.Error(diff)
	}
	if !s.Tells("F1") || s.Tells("F7") || !s.Counts("F1", true) || s.Counts("F7", false) || s.SoundOf("F1") != Device {
		t.Errorf("%+v", s)
	}
	if err := json.Unmarshal([]byte(`{"sound":"bell","badge":"dot","folders":{"F1":{"badge":false},"F7":{"sound":"none","tell":true},"F2-4":{"badge":true},"F9":{}}}`), &s); err != nil || s.Check() != nil {
		t.Fatal(err, s.Check())
	}
	for i := range maxOff + 3 {
		s.SwitchOff(fmt.Sprint("device", i))
	}
	s.SwitchOff("device9")
	if err := Set(t.Context(), st, anna.ID, &s); err != nil {
		t.Fatal(err)
	}
	kept := of()
	if diff := cmp.Diff(s, kept); diff != "" {
		t.Error(diff)
	}
	if len(kept.Folders) != 3 || !kept.Tells("F1") || kept.Counts("F1", true) || !kept.Tells("F7") || !kept.Counts("F7", true) || kept.Tells("F2-4") || !kept.Counts("F2-4", false) ||
		kept.SoundOf("F1") != "bell" || kept.SoundOf("F7") != None || len(kept.Off) != maxOff || kept.Off[0] != "device3" || kept.Off[maxOff-1] != "device9" {
		t.Errorf("%+v", kept)
	}
	// What another program wrote there is taken for nothing.
	for _, foreign := range []string{`nothing of ours`, `{"sound":"loud"}`, `{"badge":"5"}`, `{"folders":{"å":{"sound":"none"}}}`, `{"folders":{"F1":{"sound":"loud"}}}`, `{"off":[""]}`} {
		err := st.Annotate(t.Context(), anna.ID, store.AccountAnnotations, []store.Annotation{{Name: annotation, Value: []byte(foreign)}})
		if diff := cmp.Diff(Usual(), of()); diff != "" || err != nil {
			t.Error(err, foreign, diff)
		}
	}
}

func TestBrowserOf(t *testing.T) {
	for device, want := range map[string]string{"0b1c-2|Firefox, Linux": "0b1c-2", "phone": "", "|x": "", "a b|x": ""} {
		if got := BrowserOf(&store.PushSubscription{Device: device}); got != want {
			t.Errorf("%q: %q, want %q", device, got, want)
		}
	}
}
