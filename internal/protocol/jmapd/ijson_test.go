package jmapd

import (
	"encoding/json"
	"testing"
)

func TestIJSON(t *testing.T) {
	for text, want := range map[string]bool{
		`{}`: true, `[]`: true, `"a"`: true, `[{"a":1},{"a":1}]`: true, `{"a":{"a":"a"},"b":["a","a"]}`: true, `{"a":"b,{[","b":"\"a"}`: true,
		`{"a":1,"a":1}`: false, `[[{"b":[],"a":{},"b":0}]]`: false, `{"a":1,"\u0061":1}`: false, `{"a":[1,{"c":2}],"a":3}`: false, `{"\"":1,"\"":2}`: false,
		`"\ud83d\ude00"`: true, `"\ud83d"`: false, `"\ude00"`: false, `"\ud83dx"`: false, `"\ud83d\n"`: false, `"\ude00\ud83d"`: false, `"\ud83d\ud83d"`: false, `"\\ud83d"`: true,
		`{"\ud83d":1}`: false, `"å\u00e5"`: true,
	} {
		if !json.Valid([]byte(text)) {
			t.Fatal(text)
		}
		if isIJSON([]byte(text)) != want {
			t.Errorf("%s: not %v", text, want)
		}
	}
}

// FuzzIJSON holds that all JSON is gone through, and that what is read and written anew has no name twice and no half of a pair.
func FuzzIJSON(f *testing.F) {
	f.Add([]byte(`{"a":[{"b":"\ud83d\ude00"},null,-1.5e3],"\u0061":"\\"}`))
	f.Add([]byte(`[{"a":1,"a":"\ud83d"},{"":{"":[]}}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var value any
		if json.Unmarshal(text, &value) != nil {
			return
		}
		isIJSON(text)
		if again, err := json.Marshal(value); err != nil || !isIJSON(again) {
			t.Error(string(again), err)
		}
	})
}
