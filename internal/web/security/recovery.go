package security

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/notice"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/web/session"
)

// Recovery is the address that a link goes to when the password is forgotten.
type Recovery struct {
	Address string    `json:"address"`
	Since   time.Time `json:"since"`
}

// askedAddress is an address that was sent a code, to see whether its mail reaches the holder of the account.
type askedAddress struct {
	address, code string
	wrong         int // codes so far
}

const (
	recoveryFor = 30 * time.Minute // how long a code is good
	codeDigits  = 6
	maxWrong    = 5      // wrong codes, then it is not good any more
	maxCodes    = 5      // sent for an account in an hour, and to an address
	maxCodesDay = 8      // to an address in a day
	maxAsked    = 10_000 // accounts
)

func accountName(a store.AccountID) string { return strconv.FormatUint(uint64(a), 10) }

// beginRecovery sends a code to the address.
func (s *Server) beginRecovery(r *http.Request, one *session.Session) (any, error) {
	given, err := body[struct {
		Address string `json:"address"`
	}](r)
	if err != nil {
		return nil, err
	}
	to, err := address.Parse(strings.TrimSpace(given.Address), address.Options{UTF8: true})
	if err != nil || to.IsLiteral() || !strings.Contains(to.ASCIIDomain(), ".") {
		return nil, wrong("address-wrong")
	}
	own, err := s.leadsTo(r, to.String(), one.Account.ID)
	if err != nil {
		return nil, err
	}
	if own {
		return nil, wrong("own")
	}
	now := s.Store.Now()
	if !s.codes.Allow(accountName(one.Account.ID), now) || !s.codesTo(strings.ToLower(to.String()), now) { // nobody is pestered, from several accounts either
		return nil, wrong("often")
	}
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		return nil, err
	}
	code, until := fmt.Sprintf("%0*d", codeDigits, n), now.Add(recoveryFor)
	s.asked.Put(accountName(one.Account.ID), askedAddress{address: to.String(), code: code}, now)
	s.Notices.RecoveryCode(one.Account, to.String(), code, until, s.where(r, one))
	return struct {
		Until time.Time `json:"until"`
	}{until}, nil
}

// codesTo counts a code that is to go to an address.
func (s *Server) codesTo(to string, now time.Time) bool {
	return s.codes.Allow("to "+to, now) && s.daily.Allow(to, now)
}

// leadsTo tells whether mail to an address comes to an account.
func (s *Server) leadsTo(r *http.Request, to string, a store.AccountID) (bool, error) {
	found, err := s.Store.Resolve(r.Context(), to)
	if store.KindOf(err) == store.KindNotFound {
		return false, nil
	}
	return slices.ContainsFunc(found.Accounts, func(b store.Account) bool { return b.ID == a }), err
}

// setRecovery takes the code. That the holder was asked who he is lies as far back as the code.
func (s *Server) setRecovery(r *http.Request, one *session.Session) (any, error) {
	given, err := body[struct {
		Code string `json:"code"`
	}](r)
	if err != nil {
		return nil, err
	}
	name, now := accountName(one.Account.ID), s.Store.Now()
	asked, ok := s.asked.Take(name, now) // so that two at once cannot both try
	if !ok {
		return nil, wrong("late")
	}
	code := strings.Join(strings.Fields(given.Code), "")
	if subtle.ConstantTimeCompare([]byte(code), []byte(asked.code)) == 0 {
		if asked.wrong++; asked.wrong >= maxWrong {
			return nil, wrong("late")
		}
		s.asked.Put(name, asked, now)
		return nil, wrong("code")
	}
	set := store.RecoveryAddress{Address: asked.address, Since: now.UTC()}
	before, err := s.putRecovery(r, one, set)
	if err != nil {
		return nil, err
	}
	s.note(r, journal.RecoverySet, one, store.Field{Name: "to", Value: set.Address})
	s.tell(r, one, notice.RecoverySet)
	if before != "" && before != set.Address {
		s.Notices.RecoveryLeft(one.Account, before, s.where(r, one))
	}
	return Recovery(set), nil
}

func (s *Server) deleteRecovery(r *http.Request, one *session.Session) (any, error) {
	before, err := s.putRecovery(r, one, store.RecoveryAddress{})
	if err != nil || before == "" {
		return nil, err
	}
	s.note(r, journal.RecoveryRemoved, one, store.Field{Name: "to", Value: before})
	s.tell(r, one, notice.RecoveryRemoved)
	s.Notices.RecoveryLeft(one.Account, before, s.where(r, one))
	return nil, nil
}

// putRecovery replaces the address, and returns the one before.
func (s *Server) putRecovery(r *http.Request, one *session.Session, next store.RecoveryAddress) (before string, err error) {
	err = s.Store.UpdateWebSecurity(r.Context(), one.Account.ID, func(w *store.WebSecurity) {
		before, w.Recovery = w.Recovery.Address, next
	})
	return before, err
}
