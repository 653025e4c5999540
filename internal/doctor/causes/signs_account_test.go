package causes

import (
	"testing"

	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

func TestTruths(t *testing.T) {
	const yes, no, unknown = infer.Yes, infer.No, infer.Unknown
	for _, c := range []struct {
		of   []infer.Truth
		want infer.Truth
	}{
		{[]infer.Truth{yes, no, unknown}, yes},
		{[]infer.Truth{no, unknown}, no},
		{[]infer.Truth{yes, unknown}, yes},
		{[]infer.Truth{unknown}, unknown},
		{[]infer.Truth{yes, yes}, yes},
	} {
		if got := either(c.of...); got != c.want {
			t.Errorf("any of %v is %v", c.of, got)
		}
	}
}

// A refusal that says "wrong name or password" first says nothing else, and a bare code is a guess.
func TestMeans(t *testing.T) {
	reading := func(m ...dialect.Meaning) dialect.Reading { return dialect.Reading{Meanings: m} }
	for _, c := range []struct {
		reading dialect.Reading
		kind    dialect.Kind
		want    bool
	}{
		{reading(dialect.Meaning{Kind: dialect.OAuthNeeded, Weight: 0.85}, dialect.Meaning{Kind: dialect.CredentialsRefused, Weight: 0.8}), dialect.OAuthNeeded, true},
		{reading(dialect.Meaning{Kind: dialect.OAuthNeeded, Weight: 0.85}, dialect.Meaning{Kind: dialect.CredentialsRefused, Weight: 0.8}), dialect.CredentialsRefused, true},
		{reading(dialect.Meaning{Kind: dialect.CredentialsRefused, Weight: 0.75}, dialect.Meaning{Kind: dialect.OAuthNeeded, Weight: 0.7}), dialect.OAuthNeeded, false},
		{reading(dialect.Meaning{Kind: dialect.CredentialsRefused, Weight: 0.4}), dialect.CredentialsRefused, true},
		{reading(dialect.Meaning{Kind: dialect.RecipientFull, Weight: 0.35}), dialect.RecipientFull, false},
		{reading(), dialect.RecipientFull, false},
	} {
		if got := means(c.reading, c.kind); got != c.want {
			t.Errorf("%v means %s: %v", c.reading.Meanings, c.kind, got)
		}
	}
}
