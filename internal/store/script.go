package store

import (
	"bytes"
	"context"
	"errors"
	"hash/fnv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/postiljon/postiljon/internal/store/kv"
)

// Script is a script of rules about the mail of an account (RFC 5228, RFC 5804).
type Script struct {
	ID      uint64 // stays through renames
	Name    string // UTF-8 in NFC
	Text    string
	Active  bool // it runs on each message; at most one script does
	Changed time.Time
}

// Limits of scripts.
const (
	MaxScripts    = 64        // an account
	MaxScriptName = 512       // octets, room for the 128 characters that RFC 5804 section 1.6 wants
	MaxScriptSize = 64 << 10  // octets of a script
	MaxScriptsSum = 512 << 10 // octets of all scripts of an account
)

const scriptVersion = 1

// The table of scripts has them by name; under the empty name lies the name of the active one, under lastScript, which is
// no name, the last ID that was given.
const lastScript = "\x00"

func scriptKey(name string) key { return table(tableScript).text(name) }

func (s *Script) encode() []byte {
	r := record{b: make([]byte, 0, len(s.Text)+24)}
	r.putOctet(scriptVersion)
	r.putInt(s.Changed.Unix())
	r.putText(s.Text)
	r.putUint(s.ID)
	return r.b
}

func decodeScript(name string, b []byte) (Script, error) {
	r := record{b: b}
	if r.octet() != scriptVersion {
		return Script{}, errDamaged
	}
	s := Script{Name: name, Changed: time.Unix(r.int(), 0)}
	s.Text = r.text()
	if len(r.b) > 0 {
		s.ID = r.uint()
	} else { // of before scripts had one
		h := fnv.New64a()
		h.Write([]byte(name))
		s.ID = h.Sum64()
	}
	return s, r.err()
}

// ParseScriptName checks the name of a script and brings it into the form that is stored (RFC 5804
// section 1.6). Kinds: KindInvalid, KindLimit.
func ParseScriptName(name string) (string, error) {
	const op = "check script name"
	name = norm.NFC.String(name)
	if name == "" || !utf8.ValidString(name) || strings.ContainsFunc(name, unprintable) {
		return "", fail(op, KindInvalid, "a name has no control characters and is not empty")
	}
	if len(name) > MaxScriptName {
		return "", fail(op, KindLimit, "names have at most %d octets", MaxScriptName)
	}
	return name, nil
}

func activeScript(r kv.Reader) (string, error) {
	b, _, err := r.Get(scriptKey(""))
	return string(b), err
}

func readScripts(r kv.Reader) (list []Script, err error) {
	err = eachScript(r, func(one *Script) error {
		list = append(list, *one)
		return nil
	})
	return list, err
}

func eachScript(r kv.Reader, fn func(s *Script) error) error {
	active, err := activeScript(r)
	if err != nil {
		return err
	}
	t := table(tableScript)
	return scan(r, t, t.after(), func(k, v []byte) error {
		name := string(k[1:])
		if name == "" || name == lastScript {
			return nil
		}
		s, err := decodeScript(name, v)
		if err != nil {
			return err
		}
		s.Active = name == active
		return fn(&s)
	})
}

// Scripts returns all scripts of an account by name.
func (s *Store) Scripts(ctx context.Context, a AccountID) (list []Script, err error) {
	err = s.view(ctx, "list scripts", a, func(r kv.Reader) (err error) {
		list, err = readScripts(r)
		return err
	})
	return list, err
}

// Script returns the script with a name. Kind: KindNotFound.
func (s *Store) Script(ctx context.Context, a AccountID, name string) (found Script, err error) {
	if name, err = ParseScriptName(name); err != nil {
		return found, &Error{Op: "read script", Kind: KindNotFound, Err: err}
	}
	err = s.view(ctx, "read script", a, func(r kv.Reader) (err error) {
		found, err = readScript(r, name)
		return err
	})
	return found, err
}

func readScript(r kv.Reader, name string) (found Script, err error) {
	b, ok, err := r.Get(scriptKey(name))
	if err != nil {
		return found, err
	}
	if !ok {
		return found, fail("read script", KindNotFound, "script %q", name)
	}
	if found, err = decodeScript(name, b); err != nil {
		return found, err
	}
	active, err := activeScript(r)
	found.Active = name == active
	return found, err
}

// ActiveScript returns the script that runs on each message. Kind: KindNotFound, where none does.
func (s *Store) ActiveScript(ctx context.Context, a AccountID) (found Script, err error) {
	err = s.view(ctx, "read active script", a, func(r kv.Reader) error {
		name, err := activeScript(r)
		if err == nil && name == "" {
			return fail("read active script", KindNotFound, "none is active")
		}
		if err == nil {
			found, err = readScript(r, name)
		}
		return err
	})
	return found, err
}

// ScriptChanges returns a number that is another one after every change of the account's scripts,
// and may be another one without, like Changes.
func (s *Store) ScriptChanges(a AccountID) uint64 {
	return s.hub.scripted[a%AccountID(len(s.hub.scripted))].Load()
}

// changeScripts runs a change of an account's scripts.
func (s *Store) changeScripts(ctx context.Context, op string, a AccountID, fn func(tx kv.Tx) error) error {
	expected := expectation(ctx, a, ofScripts)
	err := s.records.Update(ctx, kv.Account(a), func(tx kv.Tx) error {
		if _, err := readHead(tx); err != nil {
			return err
		}
		if err := expected.check(tx); err != nil {
			return err
		}
		return fn(tx)
	})
	s.hub.scripted[a%AccountID(len(s.hub.scripted))].Add(1)
	if err == nil {
		expected.meet()
		s.hub.notify(a)
	}
	return wrap(op, err)
}

// RoomForScript tells whether PutScript would find room for so many octets under a name. Kinds:
// KindInvalid, KindLimit.
func (s *Store) RoomForScript(ctx context.Context, a AccountID, name string, size int) error {
	name, err := ParseScriptName(name)
	if err != nil {
		return err
	}
	return s.view(ctx, "find room for script", a, func(r kv.Reader) error { return boundScripts(r, name, size) })
}

// boundScripts holds the limits of an account that gets a script, or another text for it.
func boundScripts(r kv.Reader, name string, size int) error {
	const op = "store script"
	if size > MaxScriptSize {
		return fail(op, KindLimit, "a script has at most %d octets", MaxScriptSize)
	}
	count, sum := 1, size
	err := eachScript(r, func(s *Script) error {
		if s.Name != name {
			count++
			sum += len(s.Text)
		}
		return nil
	})
	if err == nil && (count > MaxScripts || sum > MaxScriptsSum) {
		err = fail(op, KindLimit, "an account has at most %d scripts of %d octets", MaxScripts, MaxScriptsSum)
	}
	return err
}

// PutScript stores a script, in place of one that has its name. Whether it can be run is for the
// caller to know. Kinds: KindInvalid, KindLimit, KindNoSpace.
func (s *Store) PutScript(ctx context.Context, a AccountID, name, text string) error {
	name, err := ParseScriptName(name)
	if err != nil {
		return err
	}
	return s.changeScripts(ctx, "store script", a, func(tx kv.Tx) error {
		if err := boundScripts(tx, name, len(text)); err != nil {
			return err
		}
		one := Script{Text: text, Changed: s.now()}
		old, err := readScript(tx, name)
		switch KindOf(err) {
		case KindNotFound:
			if one.ID, err = newScriptID(tx); err != nil {
				return err
			}
		default:
			if one.ID = old.ID; err != nil {
				return err
			}
		}
		return tx.Set(scriptKey(name), one.encode())
	})
}

// newScriptID returns an ID that no script of the account ever had.
func newScriptID(tx kv.Tx) (uint64, error) { return nextID(tx, scriptKey(lastScript)) }

// ActivateScript makes a script the one that runs on each message, with an empty name none. Kind:
// KindNotFound.
func (s *Store) ActivateScript(ctx context.Context, a AccountID, name string) error {
	if name == "" {
		return s.changeScripts(kv.WithReserve(ctx), "deactivate scripts", a, func(tx kv.Tx) error { return tx.Delete(scriptKey("")) })
	}
	name, err := ParseScriptName(name)
	if err != nil {
		return &Error{Op: "activate script", Kind: KindNotFound, Err: err}
	}
	return s.changeScripts(ctx, "activate script", a, func(tx kv.Tx) error {
		if _, err := readScript(tx, name); err != nil {
			return err
		}
		return tx.Set(scriptKey(""), []byte(name))
	})
}

// DeleteScript removes a script. Kinds: KindNotFound, KindInUse (it is active).
func (s *Store) DeleteScript(ctx context.Context, a AccountID, name string) error {
	name, err := ParseScriptName(name)
	if err != nil {
		return &Error{Op: "delete script", Kind: KindNotFound, Err: err}
	}
	return s.changeScripts(kv.WithReserve(ctx), "delete script", a, func(tx kv.Tx) error {
		found, err := readScript(tx, name)
		if err != nil {
			return err
		}
		if found.Active {
			return fail("delete script", KindInUse, "script %q is active", name)
		}
		return tx.Delete(scriptKey(name))
	})
}

// RenameScript gives a script another name; the active one stays active. Kinds: KindNotFound,
// KindExists, KindInvalid, KindLimit.
func (s *Store) RenameScript(ctx context.Context, a AccountID, from, to string) error {
	const op = "rename script"
	from, err := ParseScriptName(from)
	if err != nil {
		return &Error{Op: op, Kind: KindNotFound, Err: err}
	}
	if to, err = ParseScriptName(to); err != nil {
		return err
	}
	return s.changeScripts(ctx, op, a, func(tx kv.Tx) error {
		found, err := readScript(tx, from)
		if err != nil {
			return err
		}
		if _, err := readScript(tx, to); KindOf(err) != KindNotFound {
			return orExists(op, err, "script %q", to)
		}
		if err := tx.Delete(scriptKey(from)); err != nil {
			return err
		}
		if found.Active {
			if err := tx.Set(scriptKey(""), []byte(to)); err != nil {
				return err
			}
		}
		return tx.Set(scriptKey(to), found.encode())
	})
}

// Memory is something that rules remember for a while: that a message was seen, that a sender was
// answered, how often they sent on today.
type Memory struct {
	Key   string // at most MaxMemoryKey octets
	Until time.Time
	Count int64
}

// Limits of memories. What goes beyond drives out what would be forgotten first.
const (
	MaxMemories  = 10_000 // an account
	MaxMemoryKey = 64
)

func memoryKey(name string) key { return table(tableMemory).text(name) }

func encodeMemory(m *Memory) []byte {
	var r record
	r.putInt(m.Until.Unix())
	r.putInt(m.Count)
	return r.b
}

func decodeMemory(k, b []byte) (Memory, error) {
	r := record{b: b}
	m := Memory{Key: string(k[1:]), Until: time.Unix(r.int(), 0)}
	m.Count = r.int()
	return m, r.err()
}

// Remembered returns what is remembered under a key, and whether it is and not over.
func (s *Store) Remembered(ctx context.Context, a AccountID, name string) (m Memory, ok bool, err error) {
	err = s.view(ctx, "read memory", a, func(r kv.Reader) error {
		k := memoryKey(name)
		b, found, err := r.Get(k)
		if err != nil || !found {
			return err
		}
		m, err = decodeMemory(k, b)
		ok = m.Until.After(s.now())
		return err
	})
	return m, ok, err
}

// Remember keeps memories, in place of those with their keys. Those of a delivery are kept with it
// (DeliverTo.Remember), so that a message which is not placed leaves none. Kind: KindNoSpace.
func (s *Store) Remember(ctx context.Context, a AccountID, list []Memory) error {
	err := s.records.Update(ctx, kv.Account(a), func(tx kv.Tx) error {
		if _, err := readHead(tx); err != nil {
			return err
		}
		return s.remember(tx, list)
	})
	return wrap("remember", err)
}

// remember keeps memories. Under the empty key lies about how many there are.
func (s *Store) remember(tx kv.Tx, list []Memory) error {
	if len(list) == 0 {
		return nil
	}
	b, _, err := tx.Get(memoryKey(""))
	if err != nil {
		return err
	}
	count := (&record{b: append(bytes.Clone(b), 0)}).uint()
	for i := range list {
		m := &list[i]
		if m.Key == "" || len(m.Key) > MaxMemoryKey {
			return fail("remember", KindInvalid, "a key has 1 to %d octets", MaxMemoryKey)
		}
		if _, known, err := tx.Get(memoryKey(m.Key)); err != nil {
			return err
		} else if !known {
			count++
		}
		if err := tx.Set(memoryKey(m.Key), encodeMemory(m)); err != nil {
			return err
		}
	}
	if count > MaxMemories {
		if count, err = s.forget(tx); err != nil {
			return err
		}
	}
	var r record
	r.putUint(count)
	return tx.Set(memoryKey(""), r.b)
}

// forget removes what is over, and if that is not a quarter then of the rest every second: which one
// goes does not matter much, that there is room for long does.
func (s *Store) forget(tx kv.Tx) (left uint64, err error) {
	var over, rest []key
	t := table(tableMemory)
	err = scan(tx, t, t.after(), func(k, v []byte) error {
		if len(k) == 1 {
			return nil
		}
		m, err := decodeMemory(k, v)
		if err != nil || !m.Until.After(s.now()) {
			over = append(over, bytes.Clone(k))
		} else {
			rest = append(rest, bytes.Clone(k))
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	if left = uint64(len(rest)); left > MaxMemories*3/4 {
		for i := 0; i < len(rest); i += 2 {
			over = append(over, rest[i])
			left--
		}
	}
	for _, k := range over {
		if err := tx.Delete(k); err != nil {
			return 0, err
		}
	}
	return left, nil
}

// scripts checks that each script can be read, that the active one is there, and what is remembered.
func (v *verifier) scripts() error {
	active, err := activeScript(v.r)
	if err != nil {
		return err
	}
	if active != "" {
		if _, err := readScript(v.r, active); err != nil {
			v.problem("the active script %q cannot be read: %v", active, err)
		}
	}
	err = v.scan(table(tableScript), func(k, b []byte) error {
		name := string(k[1:])
		if name == "" || name == active || name == lastScript {
			return nil
		}
		if parsed, err := ParseScriptName(name); err != nil || parsed != name {
			v.problem("a script has the name %q, which is not valid", name)
		}
		if _, err := decodeScript(name, b); err != nil {
			v.problem("script %q: %v", name, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return v.scan(table(tableMemory), func(k, b []byte) error {
		if len(k) == 1 {
			return nil
		}
		if _, err := decodeMemory(k, b); errors.Is(err, errDamaged) {
			v.problem("memory %x: %v", k[1:], err)
		}
		return nil
	})
}
