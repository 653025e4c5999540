package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/postiljon/postiljon/internal/store/kv"
)

// Annotation is a named value that programs keep with a mailbox or with the
// account (RFC 5464).
type Annotation struct {
	Name  string // in lower case, begins with "/private/" or "/shared/"
	Value []byte // nil: there is none
}

// Limits of annotations.
const (
	MaxAnnotations        = 1000     // an account
	MaxAnnotationName     = 255      // octets
	MaxAnnotationSize     = 64 << 10 // octets of a value
	MaxAnnotationsInTotal = 4 << 20  // octets of names and values, an account
)

// AccountAnnotations stands for the account itself where a mailbox is named.
const AccountAnnotations MailboxID = 0

// ParseAnnotationName checks the name of an annotation and brings it into the
// form that is stored (RFC 5464 section 3.1). Kind: KindInvalid.
func ParseAnnotationName(name string) (string, error) {
	const op = "check annotation name"
	name = strings.ToLower(name)
	if len(name) > MaxAnnotationName {
		return "", fail(op, KindInvalid, "names have at most %d octets", MaxAnnotationName)
	}
	if !strings.HasPrefix(name, "/private/") && !strings.HasPrefix(name, "/shared/") {
		return "", fail(op, KindInvalid, "a name begins with /private/ or /shared/")
	}
	if strings.HasSuffix(name, "/") || strings.Contains(name, "//") {
		return "", fail(op, KindInvalid, "a level of the name is empty")
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7f || c == '*' || c == '%' {
			return "", fail(op, KindInvalid, "a name has printable ASCII other than * and %%")
		}
	}
	return name, nil
}

// Annotations returns the annotations of a mailbox, or of the account
// (AccountAnnotations), by name. Kind: KindNotFound.
func (s *Store) Annotations(ctx context.Context, a AccountID, id MailboxID) (list []Annotation, err error) {
	err = s.view(ctx, "read annotations", a, func(r kv.Reader) error {
		if id != AccountAnnotations {
			if _, err := readMailbox(r, id); err != nil {
				return err
			}
		}
		t := table(tableAnnotation).mailbox(id)
		return scan(r, t, t.after(), func(k, v []byte) error {
			list = append(list, Annotation{Name: string(k[len(t):]), Value: append([]byte{}, v...)})
			return nil
		})
	})
	return list, err
}

// Annotate sets annotations of a mailbox, or of the account, and removes those
// whose value is nil: all or none. It changes no MODSEQ. Kinds: KindNotFound,
// KindInvalid (a name), KindLimit (too many or too large), KindNoSpace.
func (s *Store) Annotate(ctx context.Context, a AccountID, id MailboxID, changes []Annotation) error {
	const op = "annotate"
	err := s.records.Update(ctx, kv.Account(a), func(tx kv.Tx) error {
		if id != AccountAnnotations {
			if _, err := readMailbox(tx, id); err != nil {
				return err
			}
		} else if _, err := readHead(tx); err != nil {
			return err
		}
		added := false
		for _, c := range changes {
			name, err := ParseAnnotationName(c.Name)
			if err != nil {
				return err
			}
			k := table(tableAnnotation).mailbox(id).text(name)
			switch {
			case c.Value == nil:
				err = tx.Delete(k)
			case len(c.Value) > MaxAnnotationSize:
				err = fail(op, KindLimit, "values have at most %d octets", MaxAnnotationSize)
			default:
				added = true
				err = tx.Set(k, c.Value)
			}
			if err != nil {
				return err
			}
		}
		if !added {
			return nil
		}
		return boundAnnotations(tx)
	})
	if err == nil {
		s.hub.annotate(a)
	}
	return wrap(op, err)
}

// AllAnnotations calls fn with all annotations of an account and the mailbox of each, or
// AccountAnnotations. They are valid during the call.
func (s *Store) AllAnnotations(ctx context.Context, a AccountID, fn func(MailboxID, Annotation) error) error {
	return s.view(ctx, "read annotations", a, func(r kv.Reader) error {
		t := table(tableAnnotation)
		return scan(r, t, t.after(), func(k, v []byte) error {
			if len(k) <= 5 {
				return fmt.Errorf("annotation %x: %w", k, errDamaged)
			}
			return fn(MailboxID(binary.BigEndian.Uint32(k[1:])), Annotation{Name: string(k[5:]), Value: v})
		})
	})
}

// boundAnnotations holds the limits of an account.
func boundAnnotations(r kv.Reader) error {
	count, size := 0, 0
	t := table(tableAnnotation)
	err := scan(r, t, t.after(), func(k, v []byte) error {
		count++
		size += len(k) + len(v)
		return nil
	})
	if err == nil && (count > MaxAnnotations || size > MaxAnnotationsInTotal) {
		err = fail("annotate", KindLimit, "an account has at most %d annotations of %d octets", MaxAnnotations, MaxAnnotationsInTotal)
	}
	return err
}

// annotations checks that each annotation belongs to something and could be set.
func (v *verifier) annotations() error {
	return v.scan(table(tableAnnotation), func(k, b []byte) error {
		if len(k) <= 5 {
			v.problem("annotation %x: %v", k, errDamaged)
			return nil
		}
		id, name := MailboxID(binary.BigEndian.Uint32(k[1:])), string(k[5:])
		if parsed, err := ParseAnnotationName(name); err != nil || parsed != name || len(b) > MaxAnnotationSize {
			v.problem("annotation %q of mailbox %d is not valid", name, id)
		}
		if id == AccountAnnotations {
			return nil
		}
		if _, err := readMailbox(v.r, id); KindOf(err) == KindNotFound {
			v.problem("annotation %q belongs to mailbox %d, which does not exist", name, id)
		} else if err != nil {
			return err
		}
		return nil
	})
}
