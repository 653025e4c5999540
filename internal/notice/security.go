package notice

import (
	"context"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
)

// Where is the browser that something was done with.
type Where struct {
	Browser, System string // as people name them, "" if not known
	Remote          string // its address
	Language        cause.Lang
}

// device names a browser in words.
func (s *Sender) device(lang cause.Lang, w Where) string {
	words := s.texts[lang]
	switch {
	case w.Browser != "" && w.System != "":
		return words.Say("all.device", "browser", w.Browser, "system", w.System)
	case w.Browser+w.System != "":
		return w.Browser + w.System
	}
	return words.Say("all.device-unknown")
}

// NewBrowser tells the holder of an account that a browser signed in to it that never did before.
func (s *Sender) NewBrowser(a store.Account, w Where, at time.Time) {
	s.security(a, "new-browser", w, at)
}

// The changes of an account's security that its holder is told of.
const (
	PasswordChanged    = "password-changed"
	SecondStepOn       = "second-step-on"
	SecondStepOff      = "second-step-off"
	RecoveryUsed       = "recovery-used"
	PasskeyCreated     = "passkey-created"
	AppPasswordCreated = "app-password-created"
	RecoverySet        = "recovery-set"
	RecoveryRemoved    = "recovery-removed"
)

// Changed tells the holder of an account that its security was changed: one of the kinds above.
func (s *Sender) Changed(a store.Account, kind string, w Where, at time.Time) {
	s.security(a, kind, w, at)
}

func (s *Sender) security(a store.Account, kind string, w Where, at time.Time) {
	lang := s.language(&a, w)
	a.Language = string(lang)
	s.enqueue(func(ctx context.Context) error { return s.write(ctx, &a, kind, s.where(lang, w, at)...) })
}

// language is that of the account, or else of the browser.
func (s *Sender) language(a *store.Account, w Where) cause.Lang {
	lang := w.Language
	if a.Language != "" {
		lang = cause.ParseLang(a.Language)
	}
	if s.texts[lang] == nil {
		lang = cause.English
	}
	return lang
}

// where are the values that tell where and when something was done.
func (s *Sender) where(lang cause.Lang, w Where, at time.Time) []cause.Param {
	remote := w.Remote
	if strings.TrimSpace(remote) == "" {
		remote = "?"
	}
	return []cause.Param{cause.Text("device", s.device(lang, w)), cause.Text("remote", remote), cause.Time("at", at)}
}
