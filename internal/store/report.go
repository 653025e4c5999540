package store

import (
	"context"
	"time"

	"github.com/postiljon/postiljon/internal/store/kv"
)

// A report is what the doctor found for somebody, kept for as long as events are, so that whoever helps can read it
// by its reference. What it says is the business of who wrote it.

// MaxReport bounds a report in octets.
const MaxReport = 256 << 10

// How many reports are kept: of an account, and of those who have not signed in, which are account 0.
const (
	maxReports       = 100
	maxPublicReports = 2000
)

// PutReport keeps a report of an account, 0 for somebody who is not signed in. The oldest go when there are too many.
// Kinds: KindLimit for one that is too large, KindNotFound without the account.
func (s *Store) PutReport(ctx context.Context, a AccountID, id TraceID, report []byte) error {
	if len(report) > MaxReport {
		return fail("keep report", KindLimit, "%d octets", len(report))
	}
	most := maxReports
	if a == 0 {
		most = maxPublicReports
	}
	err := s.records.Write(ctx, kv.Account(a), func(tx kv.Tx) error {
		if a != 0 {
			if _, err := readHead(tx); err != nil { // the account went meanwhile
				return err
			}
		}
		var keys []key
		err := scan(tx, table(tableReport), table(tableReport).after(), func(k, _ []byte) error {
			keys = append(keys, append(key(nil), k...))
			return nil
		})
		if err != nil {
			return err
		}
		for ; len(keys) >= most; keys = keys[1:] {
			if err := tx.Delete(keys[0]); err != nil {
				return err
			}
		}
		return tx.Set(reportKey(id), report)
	})
	return wrap("keep report", err)
}

// Report returns a report of an account. Kind: KindNotFound.
func (s *Store) Report(ctx context.Context, a AccountID, id TraceID) (report []byte, err error) {
	err = s.view(ctx, "read report", a, func(r kv.Reader) error {
		b, ok, err := r.Get(reportKey(id))
		if err != nil {
			return err
		}
		if !ok {
			return fail("read report", KindNotFound, "report %s", id)
		}
		report = append([]byte(nil), b...)
		return nil
	})
	return report, err
}

// FindReport returns a report, whosever it is. Kind: KindNotFound.
func (s *Store) FindReport(ctx context.Context, id TraceID) (report []byte, err error) {
	if report, err = s.Report(ctx, 0, id); KindOf(err) != KindNotFound {
		return report, err
	}
	err = s.records.Accounts(ctx, func(a kv.Account) error {
		if report != nil {
			return nil
		}
		found, err := s.Report(ctx, AccountID(a), id)
		if KindOf(err) == KindNotFound {
			return nil
		}
		report = found
		return err
	})
	if err == nil && report == nil {
		err = fail("find report", KindNotFound, "report %s", id)
	}
	return report, wrap("find report", err)
}

// reportKey is R id: ids begin with their time, so reports sort by it.
func reportKey(id TraceID) key { return append(table(tableReport), id[:]...) }

// trimReports deletes the reports of an account from before a time.
func trimReports(tx kv.Tx, before time.Time) error {
	from, to := table(tableReport), table(tableReport).number(uint64(max(before.UnixMilli(), 0))<<16)
	it := tx.Iterate(from, to)
	old := it.Next()
	if err := it.Close(); err != nil || !old {
		return err
	}
	return tx.DeleteRange(from, to)
}
