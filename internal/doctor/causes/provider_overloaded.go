package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// provider.overloaded: a server turns connections away at its greeting and takes
// others on repetition, or says that it has too much to do. What follows one of several
// addresses is a broken server; what others' servers do too is the line.
var providerOverloaded = &infer.Cause{
	ID:       cause.ProviderOverloaded,
	Requires: []*infer.Sign{overloaded},
	Explains: []infer.Link{
		{Sign: testMissing, P: infer.Sometimes},
		{Sign: turnedAway, P: 0.3},
		{Sign: saysBusy, P: 0.3},
		{Sign: saysUnavailable, P: 0.15},
		{Sign: imapDead, P: 0.3},
		{Sign: submissionDead, P: 0.3},
		{Sign: submissionDown, P: 0.2},
		{Sign: readingDown, P: 0.2},
		{Sign: providerDead, P: 0.2},
		{Sign: deadEverywhere, P: 0.2},
		{Sign: followsAddress, P: 0.1},
		{Sign: imapSignInRefused, P: 0.1},
		{Sign: submissionSignInRefused, P: 0.1},
	},
	Proof: []*infer.Sign{overloaded},
}

var overloaded = &infer.Sign{Name: "overloaded", Of: func(e *evidence.Evidence) infer.Truth {
	return either(turnedAway.Of(e), saysBusy.Of(e))
}}
