package control

import (
	"context"
	"time"

	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/store"
)

// Files are the large files of an account.
type Files struct {
	Address string `json:"address"`
	Used    int64  `json:"used"` // octets that count
	Files   []File `json:"files"`
}

// File is one of them; what could be fetched with is left out.
type File struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Size      int64     `json:"size"`
	Offset    int64     `json:"offset"` // octets that have come in
	Created   time.Time `json:"created"`
	Expires   time.Time `json:"expires"`
	Linked    time.Time `json:"linked,omitzero"`
	Revoked   time.Time `json:"revoked,omitzero"`
	Downloads int64     `json:"downloads"`
	Over      bool      `json:"over"` // nobody can have it any more
}

// RevokeFile asks to end the link of one file, by its id or name, or of all where Which is "".
type RevokeFile struct {
	Address string `json:"address"`
	Which   string `json:"which,omitempty"`
}

func (s *Server) listFiles(ctx context.Context, r Name) (Files, error) {
	a, err := s.find(ctx, r.Name)
	if err != nil {
		return Files{}, err
	}
	return s.filesOf(ctx, &a)
}

func (s *Server) filesOf(ctx context.Context, a *store.Account) (Files, error) {
	all, err := s.Store.Files(ctx, a.ID)
	if err != nil {
		return Files{}, err
	}
	usage, err := s.Store.FileUsage(ctx, a.ID)
	answer := Files{Address: a.Address, Used: usage.Octets, Files: []File{}}
	for i := range all {
		answer.Files = append(answer.Files, s.file(&all[i]))
	}
	return answer, err
}

func (s *Server) file(f *store.File) File {
	one := File{ID: f.ID, Name: f.Name, Size: f.Size, Offset: f.Offset, Created: f.Created, Expires: f.Expires, Over: f.Over(s.Store.Now())}
	if f.Link != nil {
		one.Linked, one.Revoked, one.Downloads = f.Link.Created, f.Link.Revoked, f.Link.Downloads
	}
	return one
}

// revokeFile ends links; those that it ended are the answer.
func (s *Server) revokeFile(ctx context.Context, r RevokeFile) (Files, error) {
	a, err := s.find(ctx, r.Address)
	if err != nil {
		return Files{}, err
	}
	all, err := s.Store.Files(ctx, a.ID)
	if err != nil {
		return Files{}, err
	}
	now := s.Store.Now().UTC()
	answer := Files{Address: a.Address, Files: []File{}}
	for i := range all {
		f := &all[i]
		if f.Link == nil || f.Over(now) || r.Which != "" && r.Which != f.ID && r.Which != f.Name {
			continue
		}
		changed, err := s.Store.ChangeFile(ctx, a.ID, f.ID, func(f *store.File) error {
			f.Link.Revoked = now
			return nil
		})
		if err != nil {
			return answer, err
		}
		s.note(ctx, journal.FileUnlinked, a.ID, store.Field{Name: "file", Value: f.Name})
		answer.Files = append(answer.Files, s.file(&changed))
	}
	if len(answer.Files) == 0 && r.Which != "" {
		return answer, missing("'postiljon files list "+a.Address+"' shows them.", "%s has no file %q with a link that works", a.Address, r.Which)
	}
	usage, err := s.Store.FileUsage(ctx, a.ID)
	answer.Used = usage.Octets
	return answer, err
}
