package sasl

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
)

// bearers is a TokenVerifier that says about each token what its name says.
type bearers struct {
	people
	asked []string // authzid and token of the last question
}

func (b *bearers) Token(_ context.Context, authzid, token string) (Identity, cause.Decision) {
	b.asked = []string{authzid, token}
	switch token {
	case "good":
		return Identity{Name: "anna", Account: 1}, cause.Allow()
	case "revoked":
		return Identity{}, cause.Refuse(cause.AuthTokenRevoked)
	case "narrow":
		return Identity{}, cause.Refuse(cause.AccountProtocolDisabled)
	case "later":
		return Identity{}, cause.Wait(cause.ProviderAuthBackendDown, time.Time{})
	}
	return Identity{}, cause.Refuse(cause.AuthPasswordWrong)
}

func startBearer(t *testing.T, name string) (Mechanism, *bearers) {
	t.Helper()
	v := &bearers{}
	m, err := New(Options{Plaintext: true, Offers: Offers{Tokens: true}}).Start(name, Channel{}, v)
	if err != nil {
		t.Fatal(err)
	}
	return m, v
}

func TestBearer(t *testing.T) {
	const rfcToken = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="
	tests := []struct {
		name, mechanism, response string
		asked                     []string
		status                    string // of the challenge before the end
		want                      cause.ID
	}{
		{"RFC 7628 section 4.1", OAuthBearer, "n,a=user@example.com,|host=server.example.com|port=143|auth=Bearer " + rfcToken + "||",
			[]string{"user@example.com", rfcToken}, "invalid_token", cause.AuthPasswordWrong},
		{"good", OAuthBearer, "n,a=anna,|auth=Bearer good||", []string{"anna", "good"}, "", ""},
		{"good, any case", OAuthBearer, "y,,|auth=bearer  good||", []string{"", "good"}, "", ""},
		{"name with a comma", OAuthBearer, "n,a=an=2Cna,|auth=Bearer good||", []string{"an,na", "good"}, "", ""},
		{"revoked", OAuthBearer, "n,a=anna,|auth=Bearer revoked||", []string{"anna", "revoked"}, "invalid_token", cause.AuthTokenRevoked},
		{"not for this", OAuthBearer, "n,a=anna,|auth=Bearer narrow||", []string{"anna", "narrow"}, "insufficient_scope", cause.AccountProtocolDisabled},
		{"cannot be checked now", OAuthBearer, "n,a=anna,|auth=Bearer later||", []string{"anna", "later"}, "", cause.ProviderAuthBackendDown},
		{"asks what to do", OAuthBearer, "n,,|auth=||", []string{"", ""}, "invalid_token", cause.AuthPasswordWrong},
		{"channel binding", OAuthBearer, "p=tls-exporter,,|auth=Bearer good||", nil, "", cause.ClientProtocolError},
		{"no GS2 header", OAuthBearer, "|auth=Bearer good||", nil, "", cause.ClientProtocolError},
		{"half a GS2 header", OAuthBearer, "n,|auth=Bearer good||", nil, "", cause.ClientProtocolError},
		{"name without a=", OAuthBearer, "n,anna,|auth=Bearer good||", nil, "", cause.ClientProtocolError},
		{"two tokens", OAuthBearer, "n,,|auth=Bearer good|auth=Bearer good||", nil, "", cause.ClientProtocolError},
		{"no token", OAuthBearer, "n,,|host=example.org||", nil, "", cause.ClientProtocolError},
		{"another scheme", OAuthBearer, "n,,|auth=Basic good||", nil, "", cause.ClientProtocolError},
		{"no end", OAuthBearer, "n,,|auth=Bearer good|", nil, "", cause.ClientProtocolError},
		{"more after the end", OAuthBearer, "n,,|auth=Bearer good||x", nil, "", cause.ClientProtocolError},
		{"space in the token", OAuthBearer, "n,,|auth=Bearer go od||", nil, "", cause.ClientProtocolError},
		{"no pair", OAuthBearer, "n,,|auth||", nil, "", cause.ClientProtocolError},
		{"empty", OAuthBearer, "", nil, "", cause.ClientProtocolError},
		{"too long", OAuthBearer, "n,,|auth=Bearer " + strings.Repeat("x", maxToken) + "||", nil, "", cause.ClientProtocolError},
		{"not UTF-8", OAuthBearer, "n,,|auth=Bearer \xff||", nil, "", cause.ClientProtocolError},
		{"good", XOAuth2, "user=anna|auth=Bearer good||", []string{"anna", "good"}, "", ""},
		{"revoked", XOAuth2, "user=anna|auth=Bearer revoked||", []string{"anna", "revoked"}, `"401"`, cause.AuthTokenRevoked},
		{"not for this", XOAuth2, "user=anna|auth=Bearer narrow||", []string{"anna", "narrow"}, `"403"`, cause.AccountProtocolDisabled},
		{"no user", XOAuth2, "auth=Bearer good||", nil, "", cause.ClientProtocolError},
		{"OAUTHBEARER", XOAuth2, "n,a=anna,|auth=Bearer good||", nil, "", cause.ClientProtocolError},
	}
	for _, tt := range tests {
		t.Run(tt.mechanism+" "+tt.name, func(t *testing.T) {
			m, v := startBearer(t, tt.mechanism)
			challenge, done, err := m.Next(t.Context(), nil)
			if len(challenge) != 0 || done || err != nil {
				t.Fatalf("nothing said: %q, %v, %v", challenge, done, err)
			}
			challenge, done, err = m.Next(t.Context(), []byte(strings.ReplaceAll(tt.response, "|", "\x01")))
			if tt.status != "" {
				if !strings.Contains(string(challenge), tt.status) || done || err != nil {
					t.Fatalf("%q, %v, %v; want %s", challenge, done, err, tt.status)
				}
				challenge, done, err = m.Next(t.Context(), []byte{1})
			}
			if causeOf(err) != tt.want || done != (err == nil) || challenge != nil {
				t.Errorf("%q, %v, %v; want %q", challenge, done, err, tt.want)
			}
			if !slices.Equal(v.asked, tt.asked) {
				t.Errorf("asked %q, want %q", v.asked, tt.asked)
			}
			if done && m.Identity().Name != "anna" {
				t.Errorf("identity %v", m.Identity())
			}
		})
	}
}

// TestTokensOffered: only where they are switched on and the Verifier knows them.
func TestTokensOffered(t *testing.T) {
	server := New(Options{})
	secure := overTLS(t)
	if _, err := server.Start(OAuthBearer, secure, &bearers{}); causeOf(err) != cause.AuthMechanismMismatch {
		t.Errorf("not offered: %v", err)
	}
	server.SetOffers(Offers{Tokens: true})
	want := []string{ScramSHA256Plus, ScramSHA256, OAuthBearer, XOAuth2, Plain, Login}
	if got := server.Offer(secure); !slices.Equal(got, want) {
		t.Errorf("offered: %v", got)
	}
	if _, err := server.Start(XOAuth2, Channel{}, &bearers{}); causeOf(err) != cause.AuthPlaintextRefused {
		t.Errorf("without TLS: %v", err)
	}
	if _, err := server.Start(OAuthBearer, secure, &people{}); causeOf(err) != cause.AuthMechanismMismatch {
		t.Errorf("a verifier without tokens: %v", err)
	}
}

func FuzzBearer(f *testing.F) {
	f.Add("n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer abc\x01\x01")
	f.Add("user=anna\x01auth=Bearer abc\x01\x01")
	f.Add("n,a=a=2C=3Db,\x01auth=\x01\x01")
	f.Fuzz(func(t *testing.T, response string) {
		for _, name := range []string{OAuthBearer, XOAuth2} {
			m, v := startBearer(t, name)
			_, done, err := m.Next(t.Context(), []byte(response))
			if done && err != nil || done && len(v.asked) == 0 {
				t.Fatalf("%q: %v", response, err)
			}
			if len(v.asked) == 2 && strings.ContainsAny(v.asked[1], "\x00\x01\r\n ") {
				t.Fatalf("%q: token %s", response, base64.StdEncoding.EncodeToString([]byte(v.asked[1])))
			}
		}
	})
}
