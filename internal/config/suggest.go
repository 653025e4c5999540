package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// suggestion is ", did you mean ...?" for a key that does not exist, or the
// section where a key of that name does.
func suggestion(key []string) string {
	known := Keys()
	wanted := strings.Join(key, ".")
	if best := Nearest(wanted, known); best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	if best := Nearest(wanted, sections()); best != "" {
		return fmt.Sprintf("; did you mean [%s]?", best)
	}
	last := key[len(key)-1]
	for _, k := range known {
		if strings.HasSuffix(k, "."+last) {
			return fmt.Sprintf("; did you mean %q?", k)
		}
	}
	return ""
}

// sections are the names of all sections.
func sections() (all []string) {
	for _, key := range Keys() {
		if section, _, ok := strings.Cut(key, "."); ok && !slices.Contains(all, section) {
			all = append(all, section)
		}
	}
	return all
}

// Keys are all keys, as "section.key".
func Keys() []string { return keys(reflect.TypeFor[Config](), "") }

func keys(t reflect.Type, prefix string) (all []string) {
	for i := range t.NumField() {
		field := t.Field(i)
		name := prefix + field.Tag.Get("toml")
		if field.Type.Kind() == reflect.Struct {
			all = append(all, keys(field.Type, name+".")...)
			continue
		}
		all = append(all, name)
	}
	return all
}

// Nearest returns the candidate that is most like a word that was probably
// misspelt; "" if none is like it.
func Nearest(word string, candidates []string) string {
	best, least := "", max(1, len(word)/3)+1
	for _, c := range candidates {
		if d := distance(strings.ToLower(word), strings.ToLower(c)); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance is how many letters must be changed, added, dropped or swapped with
// their neighbour to make one word from the other.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := range x {
		row[0] = i + 1
		for j := range y {
			cost := 1
			if x[i] == y[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(y)]
}
