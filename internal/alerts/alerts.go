// Package alerts is what an account wants to notice of mail that comes: which folders it is told of, what that sounds like, and which
// unread mail the badge counts. All its browsers hold to that; whether one of them tells or makes a sound at all is up to it.
package alerts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/store"
)

// annotation is that of the account which has the settings, as JSON: whoever hears of changed annotations hears of them.
const annotation = "/private/vendor/postiljon/alerts"

// Bounds of the settings.
const (
	maxFolders = 500
	maxOff     = 32
	maxID      = 64 // octets
)

// Device leaves the sound to the device that shows a notification; None makes none. The others are made by the webmail.
const (
	Device = "device"
	None   = "none"
)

// Sounds are what new mail can sound like.
var Sounds = []string{Device, "bell", "rise", "wood", None}

// Number, Dot and Hidden are what a badge can show: how much is unread, that something is, or nothing.
const (
	Number = "number"
	Dot    = "dot"
	Hidden = "none"
)

var badges = []string{Number, Dot, Hidden}

// Settings are those of an account.
type Settings struct {
	Sound   string            `json:"sound"`         // one of Sounds, of all folders that have no other
	Badge   string            `json:"badge"`         // Number, Dot or Hidden
	Folders map[string]Folder `json:"folders"`       // by the id that JMAP has for the account, also of folders that others share
	Off     []string          `json:"off,omitempty"` // devices that were switched off from another
}

// Folder is what is otherwise in one folder.
type Folder struct {
	Sound string `json:"sound,omitempty"` // "" for that of all
	Tell  *bool  `json:"tell,omitempty"`  // nil: of the INBOX alone
	Badge *bool  `json:"badge,omitempty"` // nil: if it is told of
}

// Usual are the settings of who chose nothing.
func Usual() Settings { return Settings{Sound: Device, Badge: Number, Folders: map[string]Folder{}} }

// inbox is the id of the INBOX in JMAP.
var inbox = fmt.Sprintf("F%d", store.InboxID)

// Tells reports whether the account is told of mail that comes to a folder.
func (s *Settings) Tells(folder string) bool { return or(s.Folders[folder].Tell, folder == inbox) }

// Counts reports whether the badge counts what is unread in a folder; told is whether the device is told of it.
func (s *Settings) Counts(folder string, told bool) bool { return or(s.Folders[folder].Badge, told) }

// SoundOf is what mail in a folder sounds like.
func (s *Settings) SoundOf(folder string) string {
	if one := s.Folders[folder].Sound; one != "" {
		return one
	}
	return s.Sound
}

func or(chosen *bool, usual bool) bool {
	if chosen != nil {
		return *chosen
	}
	return usual
}

// Of reads the settings of an account. Those that another program wrote, and that mean nothing, are the usual ones.
func Of(ctx context.Context, st *store.Store, a store.AccountID) (Settings, error) {
	all, err := st.Annotations(ctx, a, store.AccountAnnotations)
	if err != nil {
		return Usual(), fmt.Errorf("alerts: read: %w", err)
	}
	for _, one := range all {
		s := Usual()
		if one.Name == annotation && json.Unmarshal(one.Value, &s) == nil && s.Check() == nil {
			return s, nil
		}
	}
	return Usual(), nil
}

// Set keeps the settings of an account, which Check found to be right.
func Set(ctx context.Context, st *store.Store, a store.AccountID, s *Settings) error {
	value, err := json.Marshal(s)
	if err == nil {
		err = st.Annotate(ctx, a, store.AccountAnnotations, []store.Annotation{{Name: annotation, Value: value}})
	}
	if err != nil {
		return fmt.Errorf("alerts: keep: %w", err)
	}
	return nil
}

// ErrWrong says that settings are not what settings can be.
var ErrWrong = errors.New("alerts: not settings")

// Check finds out whether the settings are what settings can be, and leaves out of them what says nothing.
func (s *Settings) Check() error {
	if !slices.Contains(Sounds, s.Sound) || !slices.Contains(badges, s.Badge) || len(s.Folders) > maxFolders || len(s.Off) > maxOff {
		return ErrWrong
	}
	if s.Folders == nil {
		s.Folders = map[string]Folder{}
	}
	for id, f := range s.Folders {
		if !isID(id) || f.Sound != "" && !slices.Contains(Sounds, f.Sound) {
			return ErrWrong
		}
		if f == (Folder{}) {
			delete(s.Folders, id)
		}
	}
	if slices.ContainsFunc(s.Off, func(device string) bool { return !isID(device) }) {
		return ErrWrong
	}
	return nil
}

// isID tells whether something can be an id of JMAP (RFC 8620 section 1.2), or the name that a browser gives itself.
func isID(id string) bool {
	return id != "" && len(id) <= maxID && !strings.ContainsFunc(id, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_'
	})
}

// BrowserOf is the name that a browser gives itself in its subscription, "" if a program made it that is no browser of ours.
func BrowserOf(sub *store.PushSubscription) string {
	browser, _, ours := strings.Cut(sub.Device, "|")
	if !ours || !isID(browser) {
		return ""
	}
	return browser
}

// SwitchOff remembers that a browser is not to be told any more, though it may ask again by itself.
func (s *Settings) SwitchOff(browser string) {
	s.Off = slices.DeleteFunc(s.Off, func(one string) bool { return one == browser })
	s.Off = append(s.Off, browser)
	s.Off = s.Off[max(len(s.Off)-maxOff, 0):]
}
