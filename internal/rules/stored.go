package rules

import (
	"context"

	"github.com/postiljon/postiljon/internal/store"
)

// Stored are the simple rules of an account as they are kept.
type Stored struct {
	Settings Settings
	Active   string // the script that runs, "" for none; SettingsScript where the simple rules do
	ByHand   bool   // the script of the simple rules was changed by hand, so that Settings are empty
}

// Runs reports whether the simple rules run.
func (s *Stored) Runs() bool { return s.Active == SettingsScript && !s.ByHand }

// Load reads the simple rules of an account.
func Load(ctx context.Context, st *store.Store, a store.AccountID) (Stored, error) {
	scripts, err := st.Scripts(ctx, a)
	return In(scripts), err
}

// In returns the simple rules that are among the scripts of an account.
func In(scripts []store.Script) (out Stored) {
	out.Settings.Rules = []Rule{}
	for i := range scripts {
		x := &scripts[i]
		if x.Active {
			out.Active = x.Name
		}
		if x.Name != SettingsScript {
			continue
		}
		settings, ours, err := Read(x.Text)
		if out.ByHand = !ours || err != nil; !out.ByHand {
			out.Settings = settings
		}
	}
	return out
}

// Save keeps simple rules and has them run. A script that was active and is not theirs runs after them. The error is an
// *Invalid, a sieve.Errors, or one of the store.
func Save(ctx context.Context, st *store.Store, a *store.Account, before *Stored, s Settings) error {
	if before.Active != "" && before.Active != SettingsScript {
		s.Then = before.Active
	}
	if err := s.CheckFor(a.Address); err != nil {
		return err
	}
	text, err := s.Script()
	if err != nil {
		return err
	}
	if err := st.PutScript(ctx, a.ID, SettingsScript, text); err != nil {
		return err
	}
	return st.ActivateScript(ctx, a.ID, SettingsScript)
}
