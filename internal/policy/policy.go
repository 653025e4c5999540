// Package policy decides: who may sign in, how much may be sent how fast, how many connections one
// address may hold, whether a mailbox takes one more message. Every answer is a cause.Decision.
//
//   - SignIn checks passwords for every protocol (signin.go), with the help of a Hasher (password.go),
//     a cache (cache.go) and a Guard against guessing (guard.go);
//   - StateForSignIn and StateForSending tell what the state of an account allows (state.go);
//   - Sending counts messages in sliding windows (sending.go);
//   - Connections counts connections and sessions (connections.go);
//   - Quota says what happens to mail for a full mailbox (quota.go).
//
// Everything here is safe for concurrent use, keeps bounded memory, and takes its time from a clock
// that is injected. What must survive a restart goes through a Record.
package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Clock tells the time. Sleeping belongs to it, so that a test need not wait.
type Clock interface {
	Now() time.Time
	// Sleep returns after d, or earlier with the error of ctx.
	Sleep(ctx context.Context, d time.Duration) error
}

// SystemClock is the time of the machine.
type SystemClock struct{}

// Now returns time.Now.
func (SystemClock) Now() time.Time { return time.Now() }

// Sleep waits for d or for the end of ctx.
func (SystemClock) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Record is one small durable document: what a policy remembers over a restart.
type Record interface {
	// Load returns the document; nil, nil if there is none yet.
	Load(ctx context.Context) ([]byte, error)
	// Save replaces the document. It is durable when Save returns nil.
	Save(ctx context.Context, doc []byte) error
}

// FileRecord is a Record in a file of its own.
type FileRecord string

var _ Record = FileRecord("")

// Load reads the file.
func (f FileRecord) Load(context.Context) ([]byte, error) {
	info, err := os.Stat(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("policy: load record: %w", err)
	}
	if info.Size() > MaxRecord {
		return nil, fmt.Errorf("policy: load record: %s has %d octets, more than %d", filepath.Base(string(f)), info.Size(), MaxRecord)
	}
	doc, err := os.ReadFile(string(f))
	if err != nil {
		return nil, fmt.Errorf("policy: load record: %w", err)
	}
	return doc, nil
}

// Save writes a new file beside the old one, syncs it and puts it in the old one's place.
func (f FileRecord) Save(_ context.Context, doc []byte) error {
	dir := filepath.Dir(string(f))
	tmp, err := os.CreateTemp(dir, filepath.Base(string(f))+".*.new")
	if err != nil {
		return fmt.Errorf("policy: save record: %w", err)
	}
	_, err = tmp.Write(doc)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), string(f))
	}
	if err != nil {
		return fmt.Errorf("policy: save record: %w", errors.Join(err, os.Remove(tmp.Name())))
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("policy: save record: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("policy: save record: %w", err)
	}
	return nil
}

// Settings is where a store keeps small records of other packages; *store.Store is one.
type Settings interface {
	Setting(ctx context.Context, name string) ([]byte, error)
	PutSetting(ctx context.Context, name string, value []byte) error
}

// SettingRecord is a Record among the settings of a store.
type SettingRecord struct {
	Settings Settings
	Name     string
}

var _ Record = SettingRecord{}

// Load reads the setting.
func (r SettingRecord) Load(ctx context.Context) ([]byte, error) {
	doc, err := r.Settings.Setting(ctx, r.Name)
	if err != nil {
		return nil, fmt.Errorf("policy: load record %s: %w", r.Name, err)
	}
	return doc, nil
}

// Save replaces the setting.
func (r SettingRecord) Save(ctx context.Context, doc []byte) error {
	if err := r.Settings.PutSetting(ctx, r.Name, doc); err != nil {
		return fmt.Errorf("policy: save record %s: %w", r.Name, err)
	}
	return nil
}

// MaxRecord is the most octets of a document that a policy saves, which is what a store keeps as a
// setting. What does not fit is left out, the least important first.
const MaxRecord = 1 << 20

// loadJSON reads a record into v, which it leaves alone when there is no record yet.
func loadJSON(ctx context.Context, r Record, v any) error {
	doc, err := r.Load(ctx)
	if err != nil || len(doc) == 0 {
		return err
	}
	if err := json.Unmarshal(doc, v); err != nil {
		return fmt.Errorf("policy: load record: %w", err)
	}
	return nil
}

// marshalWithin returns the JSON of a document within MaxRecord octets. It asks for ever smaller
// documents: part is 1 for all there is, then a half, a quarter and so on.
func marshalWithin(document func(part float64) any) ([]byte, error) {
	for part := 1.0; part > 1e-6; part /= 2 {
		doc, err := json.Marshal(document(part))
		if err != nil {
			return nil, fmt.Errorf("policy: save record: %w", err)
		}
		if len(doc) <= MaxRecord {
			return doc, nil
		}
	}
	return nil, errors.New("policy: save record: too large however much is left out")
}
