package policy

import (
	"strings"
	"testing"
)

func TestWeaknessOf(t *testing.T) {
	for password, want := range map[string]Weakness{
		"":                              WeakShort,
		"kort42":                        WeakShort,
		"åäöåäöåäö":                     WeakShort, // nine characters, though more octets
		"password12":                    WeakCommon,
		"Passw0rd!!":                    WeakCommon,
		"Lösenord123":                   WeakCommon,
		"v4lk0mm3n!1":                   WeakCommon,
		"jagälskardig":                  WeakCommon,
		"1234567890":                    WeakRepeated,
		"qwertyuiop":                    WeakCommon,
		"poiuytrewq1":                   WeakRepeated,
		"aaaaaaaaaaaa":                  WeakRepeated,
		"korven42korven42":              WeakRepeated,
		"anna.svensson":                 WeakAddress,
		"AnnaSvensson1":                 WeakAddress,
		"exampleanna99":                 WeakAddress,
		"korrekt häst batteri":          "",
		"tavok-rimel-pudan-sofit-48":    "",
		"Sommar-42-hus":                 "",
		"password and something more":   "",
		"anna bor i ett rött hus":       "",
		strings.Repeat("x7 häst ", 600): WeakLong,
	} {
		if got := WeaknessOf(password, "anna.svensson@example.org", "Anna Svensson"); got != want {
			t.Errorf("%.30q: %q, not %q", password, got, want)
		}
	}
}
