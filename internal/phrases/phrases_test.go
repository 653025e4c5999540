package phrases

import (
	"testing"
	"testing/fstest"

	"github.com/postiljon/postiljon/internal/cause"
)

func TestSay(t *testing.T) {
	files := fstest.MapFS{
		"texts/en.toml": {Data: []byte("[say]\nsent = \"{count} {count:message was|messages were} sent to {whom}\"\n")},
		"texts/sv.toml": {Data: []byte("[say]\nsent = \"{count} {count:meddelande|meddelanden} skickades till {whom}\"\n")},
	}
	tests := []struct {
		lang  cause.Lang
		pairs []string
		want  string
	}{
		{cause.English, []string{"count", "1", "whom", "Anna"}, "1 message was sent to Anna"},
		{cause.English, []string{"count", "0", "whom", "Anna"}, "0 messages were sent to Anna"},
		{cause.English, []string{"count", "1,001", "whom", "{count:a|b}"}, "1,001 messages were sent to {count:a|b}"},
		{cause.English, []string{"whom", "Anna"}, "{count} messages were sent to Anna"},
		{cause.Swedish, []string{"count", "1", "whom", "Anna"}, "1 meddelande skickades till Anna"},
		{cause.Swedish, []string{"count", "21", "whom", "Anna"}, "21 meddelanden skickades till Anna"},
	}
	for _, tt := range tests {
		s, err := Load(files, tt.lang)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Say("say.sent", tt.pairs...); got != tt.want {
			t.Errorf("%s with %q: %q, want %q", tt.lang, tt.pairs, got, tt.want)
		}
		if got := s.Say("say.no"); got != "say.no" {
			t.Errorf("a key that does not exist says %q", got)
		}
	}
	if _, err := Load(files, cause.Norwegian); err == nil {
		t.Error("a language without a file is loaded")
	}
}
