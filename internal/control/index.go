package control

import (
	"context"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/index"
)

// IndexedAccount is how far the search index of an account has come.
type IndexedAccount struct {
	Address string `json:"address"`
	Indexed int64  `json:"indexed"` // messages; some may be deleted since
	Waiting int64  `json:"waiting"` // at most so many messages; searches read them one by one
	Always  int    `json:"always"`  // messages that every search reads
	Text    int64  `json:"text"`    // octets of text that is indexed
	Size    int64  `json:"size"`    // octets of the index
	Runs    int    `json:"runs"`
}

// IndexStatus tells how the search indexes are, of one account or with "" of all.
func (c *Client) IndexStatus(ctx context.Context, address string) ([]IndexedAccount, error) {
	return call[[]IndexedAccount](ctx, c, "index.status", Name{address})
}

func (s *Server) indexStatus(ctx context.Context, r Name) ([]IndexedAccount, error) {
	accounts, err := s.named(ctx, r.Name)
	if err != nil {
		return nil, err
	}
	list := make([]IndexedAccount, 0, len(accounts))
	for i := range accounts {
		st, err := s.Index.Status(ctx, accounts[i].ID)
		if store.KindOf(err) == store.KindNotFound && r.Name == "" {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		list = append(list, IndexedAccount{
			Address: accounts[i].Address, Indexed: st.Emails, Waiting: st.Waiting, Always: st.Always,
			Text: st.Text, Size: st.Size, Runs: st.Runs,
		})
	}
	return list, nil
}

// RebuildIndex makes search indexes anew, of one account or with "" of all.
func (c *Client) RebuildIndex(ctx context.Context, address string, progress func(Progress)) ([]IndexedAccount, error) {
	return follow[[]IndexedAccount](ctx, c, "index.rebuild", Name{address}, progress)
}

func (s *Server) rebuildIndex(ctx context.Context, r Name, progress func(Progress)) ([]IndexedAccount, error) {
	accounts, err := s.named(ctx, r.Name)
	if err != nil {
		return nil, err
	}
	total := int64(0)
	for i := range accounts {
		if u, err := s.Store.Usage(ctx, accounts[i].ID); err == nil {
			total += u.Emails
		}
	}
	before := int64(0)
	for i := range accounts {
		done := int64(0)
		err := s.Index.Rebuild(ctx, accounts[i].ID, func(emails int64) {
			done = emails
			progress(Progress{Done: before + done, Total: total})
		})
		if err != nil && (store.KindOf(err) != store.KindNotFound || r.Name != "") {
			return nil, err
		}
		before += done
	}
	return s.indexStatus(ctx, r)
}

// verifyIndexes compares the search indexes with the messages.
func verifyIndexes(ctx context.Context, st *store.Store, answer *VerifyReport) error {
	accounts, err := st.Accounts(ctx, "")
	if err != nil {
		return nil // which the check of the store has told
	}
	x := index.New(index.Options{Store: st})
	for i := range accounts {
		r, err := x.Verify(ctx, accounts[i].ID, true)
		if err != nil && ctx.Err() != nil {
			return err
		}
		if err != nil && store.KindOf(err) != store.KindNotFound {
			r.Found++
			r.Problems = append(r.Problems, err.Error())
		}
		answer.Found += r.Found
		for _, p := range r.Problems {
			answer.Problems = append(answer.Problems, accounts[i].Address+": search index: "+p+
				" ('postiljon index rebuild "+accounts[i].Address+"' makes it anew)")
		}
	}
	return nil
}

// named returns the account with an address, or with "" all.
func (s *Server) named(ctx context.Context, address string) ([]store.Account, error) {
	if address == "" {
		return s.Store.Accounts(ctx, "")
	}
	a, err := s.find(ctx, address)
	return []store.Account{a}, err
}
