package policy

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// cheap is a Hasher whose hashes cost next to nothing, to keep tests short: less than NewHasher takes.
func cheap(t testing.TB) *Hasher {
	t.Helper()
	h, err := NewHasher(HashParams{MemoryKiB: 19456, Passes: 1, Lanes: 1, Concurrent: 2, Queue: 100})
	if err != nil {
		t.Fatal(err)
	}
	h.params.MemoryKiB = 64
	h.decoy = h.encode(randomBytes(hashSalt), randomBytes(hashSize))
	return h
}

func TestHashAndVerify(t *testing.T) {
	h := cheap(t)
	phc, err := h.Hash(t.Context(), "räksmörgås 1")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(phc, "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Errorf("hash is %s", phc)
	}
	tests := []struct {
		password string
		ok       bool
	}{
		{"räksmörgås 1", true},
		{"ra\u0308ksmo\u0308rga\u030as 1", true}, // decomposed
		{"räksmörgås\u00a01", true},              // no-break space
		{"räksmörgås 1 ", false},                 // a space more
		{"Räksmörgås 1", false}, {"", false}, {phc, false},
	}
	for _, tt := range tests {
		ok, rehash, err := h.Verify(t.Context(), phc, tt.password)
		if ok != tt.ok || rehash || err != nil {
			t.Errorf("%q: %t, rehash %t, %v", tt.password, ok, rehash, err)
		}
	}
	again, err := h.Hash(t.Context(), "räksmörgås 1")
	if err != nil || again == phc {
		t.Errorf("two hashes of one password are equal: %s, %v", again, err)
	}
}

func TestVerifyAsksForRehash(t *testing.T) {
	old := cheap(t)
	phc, err := old.Hash(t.Context(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	now, err := NewHasher(HashParams{MemoryKiB: 20480, Passes: 1, Lanes: 1, Concurrent: 1, Queue: 1})
	if err != nil {
		t.Fatal(err)
	}
	if ok, rehash, err := now.Verify(t.Context(), phc, "correct horse"); !ok || !rehash || err != nil {
		t.Errorf("right password: %t, rehash %t, %v", ok, rehash, err)
	}
	if ok, rehash, err := now.Verify(t.Context(), phc, "wrong horse"); ok || rehash || err != nil {
		t.Errorf("wrong password: %t, rehash %t, %v", ok, rehash, err)
	}
}

func TestVerifyKnownHash(t *testing.T) {
	// Made with the argon2 reference implementation.
	const phc = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	if ok, _, err := cheap(t).Verify(t.Context(), phc, "password"); !ok || err != nil {
		t.Errorf("%t, %v", ok, err)
	}
}

func TestVerifyRefusesUnreadableHashes(t *testing.T) {
	const salt, key = "c29tZXNhbHQ", "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	for _, phc := range []string{
		"", "$", "secret", "$argon2i$v=19$m=65536,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=16$m=65536,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=99999999,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=65536,t=999,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=65536,t=0,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=65536,t=2,p=256$" + salt + "$" + key,
		"$argon2id$v=19$m=65536,t=2$" + salt + "$" + key,
		"$argon2id$v=19$t=2,m=65536,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=65536,t=2,p=1$$" + key,
		"$argon2id$v=19$m=65536,t=2,p=1$" + salt + "$",
		"$argon2id$v=19$m=65536,t=2,p=1$" + salt + "$" + strings.Repeat("A", 400),
		"$pbkdf2-sha256$i=1$" + salt + "$" + key,
		"$pbkdf2-sha256$i=100$" + salt,
	} {
		if ok, _, err := cheap(t).Verify(t.Context(), phc, "password"); ok || !errors.Is(err, ErrHash) {
			t.Errorf("%q: %t, %v", phc, ok, err)
		}
	}
}

func TestHashRefusesWeakPasswords(t *testing.T) {
	for _, password := range []string{"", "seven77", strings.Repeat("x", 1001)} {
		if _, err := cheap(t).Hash(t.Context(), password); !errors.Is(err, ErrWeak) {
			t.Errorf("%d octets: %v", len(password), err)
		}
	}
}

func TestHasherBoundsMemory(t *testing.T) {
	h, err := NewHasher(HashParams{MemoryKiB: 19456, Passes: 1, Lanes: 1, Concurrent: 1, Queue: 1})
	if err != nil {
		t.Fatal(err)
	}
	h.slots <- struct{}{} // one hash is running
	waits := make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { waits <- h.VerifyNobody(ctx, "x") }()
	for h.queued.Load() == 0 {
	}
	if err := h.VerifyNobody(t.Context(), "x"); !errors.Is(err, ErrBusy) {
		t.Errorf("one too many: %v", err)
	}
	cancel()
	if err := <-waits; !errors.Is(err, context.Canceled) {
		t.Errorf("who waited and left: %v", err)
	}
	h.leave()
	if err := h.VerifyNobody(t.Context(), "x"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestNewHasherChecksItsParams(t *testing.T) {
	for _, p := range []HashParams{
		{}, {MemoryKiB: 1024, Passes: 1, Lanes: 1, Concurrent: 1}, {MemoryKiB: 1 << 20, Passes: 1, Lanes: 1, Concurrent: 1},
		{MemoryKiB: 19456, Lanes: 1, Concurrent: 1}, {MemoryKiB: 19456, Passes: 1, Concurrent: 1},
		{MemoryKiB: 19456, Passes: 1, Lanes: 1},
	} {
		if _, err := NewHasher(p); err == nil {
			t.Errorf("%+v was accepted", p)
		}
	}
	if _, err := NewHasher(DefaultHashParams()); err != nil {
		t.Error(err)
	}
}

func TestGeneratedPasswords(t *testing.T) {
	app := regexp.MustCompile(`^([a-hjkmnp-z]{4}-){3}[a-hjkmnp-z]{4}$`)
	readable := regexp.MustCompile(`^([a-z]{5}-){4}[1-9][0-9]$`)
	seen := map[string]bool{}
	for range 1000 {
		a, p := GenerateAppPassword(), GeneratePassword()
		if !app.MatchString(a) || !readable.MatchString(p) || seen[a] || seen[p] {
			t.Fatalf("%s, %s", a, p)
		}
		seen[a], seen[p] = true, true
	}
}

func TestAppPasswordAsPeopleTypeIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		password := GenerateAppPassword()
		phc, err := HashGenerated(password)
		if err != nil {
			t.Fatal(err)
		}
		h := &Hasher{}
		plain := strings.ReplaceAll(password, "-", "")
		for _, typed := range []string{password, plain, strings.ToUpper(password), strings.ReplaceAll(password, "-", " ")} {
			if ok, rehash, err := h.Verify(context.Background(), phc, typed); !ok || rehash || err != nil {
				t.Fatalf("%q: %t, %v", typed, ok, err)
			}
		}
		i := rapid.IntRange(0, 15).Draw(t, "i")
		wrong := plain[:i] + string(appLetters[(strings.IndexByte(appLetters, plain[i])+1)%len(appLetters)]) + plain[i+1:]
		for _, typed := range []string{wrong, plain[:15], plain + "a", ""} {
			if ok, _, err := h.Verify(context.Background(), phc, typed); ok || err != nil {
				t.Fatalf("%q passes for %q, %v", typed, plain, err)
			}
		}
	})
}

func FuzzParseArgon2(f *testing.F) {
	f.Add("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Add("$argon2id$v=19$m=0,t=,p=-1$$")
	f.Fuzz(func(t *testing.T, phc string) {
		a, err := parseArgon2(phc)
		if err == nil && (a.memory == 0 || a.memory > maxHashMemory || a.passes == 0 || a.lanes == 0 || len(a.key) < 16) {
			t.Errorf("%q gives %+v", phc, a)
		}
	})
}

func BenchmarkHash(b *testing.B) {
	h, err := NewHasher(DefaultHashParams())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := h.VerifyNobody(b.Context(), "a password"); err != nil {
			b.Fatal(err)
		}
	}
}
