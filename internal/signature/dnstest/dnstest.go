// Package dnstest is DNS for tests: a table in memory with the methods and errors of a resolver.
package dnstest

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/postiljon/postiljon/internal/resolver"
)

// Zone holds records by name in lower case. A name that has none at all does not exist.
type Zone struct {
	Texts map[string][]string
	Mails map[string][]resolver.MX
	Hosts map[string][]netip.Addr
	Names map[netip.Addr][]string
	// Broken names cannot be looked up now. Asked counts questions, where it is set.
	Broken map[string]bool
	Asked  func(name string)
	// Slow holds questions back until the context ends.
	Slow bool
}

// TXT answers like resolver.Resolver.
func (z *Zone) TXT(ctx context.Context, name string) ([]string, bool, error) {
	return answer(ctx, z, name, z.Texts)
}

// MX answers like resolver.Resolver.
func (z *Zone) MX(ctx context.Context, name string) ([]resolver.MX, bool, error) {
	return answer(ctx, z, name, z.Mails)
}

// Addrs answers like resolver.Resolver.
func (z *Zone) Addrs(ctx context.Context, name string) ([]netip.Addr, bool, error) {
	return answer(ctx, z, name, z.Hosts)
}

// PTR answers like resolver.Resolver.
func (z *Zone) PTR(_ context.Context, addr netip.Addr) ([]string, bool, error) {
	if z.Broken[addr.String()] {
		return nil, false, resolver.ErrTemporary
	}
	names := z.Names[addr]
	if len(names) == 0 {
		return nil, false, resolver.ErrNotExist
	}
	return names, false, nil
}

func answer[T any](ctx context.Context, z *Zone, name string, table map[string][]T) ([]T, bool, error) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if z.Asked != nil {
		z.Asked(name)
	}
	if z.Slow {
		<-ctx.Done()
	}
	if err := ctx.Err(); err != nil {
		return nil, false, fmt.Errorf("%w: %w", resolver.ErrTemporary, err)
	}
	switch {
	case z.Broken[name]:
		return nil, false, resolver.ErrTemporary
	case len(table[name]) > 0:
		return table[name], false, nil
	case z.exists(name):
		return nil, false, resolver.ErrNoData
	}
	return nil, false, resolver.ErrNotExist
}

// exists tells whether the name or one below it has records.
func (z *Zone) exists(name string) bool {
	return has(z.Texts, name) || has(z.Mails, name) || has(z.Hosts, name)
}

func has[T any](table map[string][]T, name string) bool {
	for have := range table {
		if have == name || strings.HasSuffix(have, "."+name) {
			return true
		}
	}
	return false
}
