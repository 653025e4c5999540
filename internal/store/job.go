package store

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store/kv"
)

// Job is work for an account that takes long: an import. What it works through is remembered elsewhere, so that one that
// was broken off can be begun again.
type Job struct {
	ID      string    `json:"-"`
	Account AccountID `json:"-"`
	Kind    JobKind   `json:"kind"`
	State   JobState  `json:"state"`
	Created time.Time `json:"created"`
	Ended   time.Time `json:"ended,omitzero"`
	// Name is what is imported, to be shown: a file's name, or user and host.
	Name string `json:"name"`
	File string `json:"file,omitempty"` // id of the file
	Into string `json:"into,omitempty"` // mailbox, "" for as it comes
	// Of JobFetch: from where. The password is nowhere but in memory.
	Host string `json:"host,omitempty"`
	Port int    `json:"port,omitempty"`
	TLS  string `json:"tls,omitempty"`
	User string `json:"user,omitempty"`

	Progress JobProgress  `json:"progress"`
	Failures []JobFailure `json:"failures,omitempty"` // the first MaxJobFailures
	Cause    cause.ID     `json:"cause,omitempty"`    // why it failed
	Detail   string       `json:"detail,omitempty"`   // technical: what the other server said
}

// JobKind is what a job does.
type JobKind string

// The kinds.
const (
	JobImport JobKind = "import" // of a file
	JobFetch  JobKind = "fetch"  // from another provider, with IMAP
)

// JobState is how a job is.
type JobState string

// The states; of one that is interrupted the service ended first.
const (
	JobRunning     JobState = "running"
	JobDone        JobState = "done"
	JobFailed      JobState = "failed"
	JobCancelled   JobState = "cancelled"
	JobInterrupted JobState = "interrupted"
)

// JobProgress is how far a job is. Totals of 0 are not known.
type JobProgress struct {
	Mailbox        string `json:"mailbox,omitempty"` // that is worked on
	Mailboxes      int    `json:"mailboxes"`         // that are done
	MailboxesTotal int    `json:"mailboxesTotal"`
	Messages       int64  `json:"messages"` // that were looked at
	MessagesTotal  int64  `json:"messagesTotal"`
	Octets         int64  `json:"octets"`
	OctetsTotal    int64  `json:"octetsTotal"`
	Imported       int64  `json:"imported"`
	Skipped        int64  `json:"skipped"` // were there already
	Failed         int64  `json:"failed"`  // could not be taken
}

// JobFailure is one message that could not be taken.
type JobFailure struct {
	Where string   `json:"where"`           // a file and number, or a mailbox and UID
	Why   string   `json:"why"`             // technical
	Cause cause.ID `json:"cause,omitempty"` // if one is known
}

const (
	// MaxJobFailures is how many failures are listed.
	MaxJobFailures = 200
	// maxJobs is how many jobs of an account are remembered.
	maxJobs = 50
	// jobMemory is how long an ended job is remembered, markMemory how far a mailbox elsewhere was fetched.
	jobMemory  = 30 * 24 * time.Hour
	markMemory = 365 * 24 * time.Hour
)

func jobKey(id string) key { return table(tableJob).text(id) }

func decodeJob(a AccountID, k, b []byte) (j Job, err error) {
	if err := json.Unmarshal(b, &j); err != nil {
		return j, fmt.Errorf("job: %w: %w", errDamaged, err)
	}
	j.Account, j.ID = a, string(k[1:])
	return j, nil
}

func eachJob(r kv.Reader, a AccountID, fn func(j *Job) error) error {
	return scan(r, table(tableJob), table(tableJob).after(), func(k, b []byte) error {
		j, err := decodeJob(a, k, b)
		if err != nil {
			return err
		}
		return fn(&j)
	})
}

// CreateJob notes a job that begins. The oldest that ended go if there are many. Kind: KindNotFound.
func (s *Store) CreateJob(ctx context.Context, a AccountID, j Job) (Job, error) {
	if _, err := s.Account(ctx, a); err != nil {
		return j, err
	}
	j.ID, j.Account, j.State, j.Created = randomID(), a, JobRunning, s.now().UTC()
	err := s.records.Update(ctx, kv.Account(a), func(tx kv.Tx) error {
		if _, err := readHead(tx); err != nil { // the account went meanwhile
			return err
		}
		var ended []Job
		err := eachJob(tx, a, func(j *Job) error {
			if j.State != JobRunning {
				ended = append(ended, *j)
			}
			return nil
		})
		if err != nil {
			return err
		}
		slices.SortFunc(ended, func(x, y Job) int { return y.Created.Compare(x.Created) })
		for i := maxJobs - 1; i < len(ended); i++ {
			if err := tx.Delete(jobKey(ended[i].ID)); err != nil {
				return err
			}
		}
		return setJSON(tx, jobKey(j.ID), j)
	})
	return j, wrap("create job", err)
}

// PutJob notes how a job is. Where it still runs that need not be durable: what a job did is in what it made. It works on a
// full volume. Kind: KindNotFound for one that was forgotten.
func (s *Store) PutJob(ctx context.Context, j *Job) error {
	write := s.records.Update
	if j.State == JobRunning {
		write = s.records.Write
	}
	err := write(kv.WithReserve(ctx), kv.Account(j.Account), func(tx kv.Tx) error {
		if there, err := exists(tx, jobKey(j.ID)); err != nil || !there {
			return orMissing("put job", err, "job %q", j.ID)
		}
		return setJSON(tx, jobKey(j.ID), j)
	})
	return wrap("put job", err)
}

// Job returns a job. Kind: KindNotFound.
func (s *Store) Job(ctx context.Context, a AccountID, id string) (j Job, err error) {
	err = s.view(ctx, "read job", a, func(r kv.Reader) error {
		b, ok, err := r.Get(jobKey(id))
		if err != nil || !ok || id == "" {
			return orMissing("read job", err, "job %q", id)
		}
		j, err = decodeJob(a, jobKey(id), b)
		return err
	})
	return j, err
}

// Jobs returns the jobs of an account, newest first.
func (s *Store) Jobs(ctx context.Context, a AccountID) (all []Job, err error) {
	err = s.view(ctx, "list jobs", a, func(r kv.Reader) error {
		return eachJob(r, a, func(j *Job) error {
			all = append(all, *j)
			return nil
		})
	})
	slices.SortStableFunc(all, func(x, y Job) int { return y.Created.Compare(x.Created) })
	return all, err
}

// AllJobs calls fn for the jobs of all accounts.
func (s *Store) AllJobs(ctx context.Context, fn func(Job) error) error {
	var all []Job
	err := s.records.Accounts(ctx, func(a kv.Account) error {
		if a == kv.System {
			return nil
		}
		jobs, err := s.Jobs(ctx, AccountID(a))
		all = append(all, jobs...)
		return err
	})
	for i := range all {
		if err == nil {
			err = fn(all[i])
		}
	}
	return wrap("list jobs", err)
}

// DeleteJob forgets a job; one that does not exist is no error.
func (s *Store) DeleteJob(ctx context.Context, a AccountID, id string) error {
	err := s.records.Update(kv.WithReserve(ctx), kv.Account(a), func(tx kv.Tx) error { return tx.Delete(jobKey(id)) })
	return wrap("delete job", err)
}

// FetchMark is how far a mailbox of another provider was fetched into an account.
type FetchMark struct {
	Host, User, Mailbox string    // as the other provider names them
	UIDValidity         uint32    // of that mailbox
	UID                 uint32    // the last that was fetched
	At                  time.Time // when
}

func markKey(host, user, mailbox string) key {
	sum := sha256.Sum256([]byte(host + "\x00" + user + "\x00" + mailbox))
	return append(table(tableFetchMark), sum[:16]...)
}

func encodeMark(m *FetchMark) []byte {
	var r record
	r.putOctet(1) // version
	r.putUint(uint64(m.UIDValidity))
	r.putUint(uint64(m.UID))
	r.putInt(m.At.Unix())
	return r.b
}

func decodeMark(b []byte) (m FetchMark, err error) {
	r := record{b: b}
	if r.octet() != 1 {
		return m, errDamaged
	}
	m.UIDValidity, m.UID, m.At = uint32(r.uint()), uint32(r.uint()), time.Unix(r.int(), 0)
	return m, r.err()
}

// FetchMark returns how far a mailbox elsewhere was fetched, all zero for not at all.
func (s *Store) FetchMark(ctx context.Context, a AccountID, host, user, mailbox string) (m FetchMark, err error) {
	err = s.view(ctx, "read fetch mark", a, func(r kv.Reader) error {
		b, ok, err := r.Get(markKey(host, user, mailbox))
		if err != nil || !ok {
			return err
		}
		m, err = decodeMark(b)
		return err
	})
	m.Host, m.User, m.Mailbox = host, user, mailbox
	return m, err
}

// PutFetchMark notes how far a mailbox elsewhere was fetched. A crash may forget the last: what is fetched again is
// found to be there.
func (s *Store) PutFetchMark(ctx context.Context, a AccountID, m FetchMark) error {
	m.At = s.now()
	err := s.records.Write(kv.WithReserve(ctx), kv.Account(a), func(tx kv.Tx) error {
		if _, err := readHead(tx); err != nil { // the account went meanwhile
			return err
		}
		return tx.Set(markKey(m.Host, m.User, m.Mailbox), encodeMark(&m))
	})
	return wrap("put fetch mark", err)
}

// ForgetJobs forgets jobs that ended long ago, and marks that nobody needed for longer.
func (s *Store) ForgetJobs(ctx context.Context) error {
	ctx = kv.WithReserve(ctx)
	now := s.now()
	var failed []error
	err := s.records.Accounts(ctx, func(a kv.Account) error {
		if a == kv.System {
			return nil
		}
		err := s.records.Write(ctx, a, func(tx kv.Tx) error {
			var over []key
			err := eachJob(tx, AccountID(a), func(j *Job) error {
				if j.State != JobRunning && now.Sub(j.Ended) > jobMemory {
					over = append(over, jobKey(j.ID))
				}
				return nil
			})
			t := table(tableFetchMark)
			err = errors.Join(err, scan(tx, t, t.after(), func(k, b []byte) error {
				if m, err := decodeMark(b); err != nil || now.Sub(m.At) > markMemory {
					over = append(over, slices.Clone(key(k)))
				}
				return nil
			}))
			for _, k := range over {
				err = errors.Join(err, tx.Delete(k))
			}
			return err
		})
		if err != nil {
			failed = append(failed, err)
		}
		return ctx.Err()
	})
	return wrap("forget jobs", errors.Join(append(failed, err)...))
}

// jobs checks that what is remembered of imports can be read.
func (v *verifier) jobs() error {
	err := v.scan(table(tableJob), func(k, b []byte) error {
		if _, err := decodeJob(v.account, k, b); err != nil {
			v.problem("job %q: %v", k[1:], err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return v.scan(table(tableFetchMark), func(k, b []byte) error {
		if _, err := decodeMark(b); err != nil {
			v.problem("mark %x of mail fetched from elsewhere: %v", k[1:], err)
		}
		return nil
	})
}
