package view

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/postiljon/postiljon/internal/store"
)

// sendersName is an annotation of the account (RFC 5464): the addresses whose pictures of the web are always shown, as a JSON array.
const sendersName = "/private/vendor/postiljon/image-senders"

// maxSenders is how many there can be; the oldest is forgotten first.
const maxSenders = 500

// senderList is what /api/images/senders answers.
type senderList struct {
	Senders []string `json:"senders"`
}

// senderRequest is what it is told.
type senderRequest struct {
	Address string `json:"address"`
}

func (s *Server) listSenders(w http.ResponseWriter, r *request) error {
	list, err := s.imageSenders(r.Context(), r.account.ID)
	if err != nil {
		return err
	}
	s.answers.JSON(w, senderList{list})
	return nil
}

func (s *Server) addSender(w http.ResponseWriter, r *request) error {
	return s.changeSenders(w, r, func(list []string, address string) []string {
		list = append(without(list, address), address)
		return list[max(0, len(list)-maxSenders):]
	})
}

func (s *Server) removeSender(w http.ResponseWriter, r *request) error {
	return s.changeSenders(w, r, without)
}

func without(list []string, address string) []string {
	return slices.DeleteFunc(list, func(one string) bool { return one == address })
}

func (s *Server) changeSenders(w http.ResponseWriter, r *request, change func(list []string, address string) []string) error {
	var asked senderRequest
	if !s.answers.Read(w, r.Request, &asked) {
		return nil
	}
	address, err := store.NormalizeAddress(asked.Address)
	if err != nil {
		return errStatus(http.StatusBadRequest)
	}
	s.senders.Lock()
	defer s.senders.Unlock()
	list, err := s.imageSenders(r.Context(), r.account.ID)
	if err != nil {
		return err
	}
	list = change(list, address)
	value, err := json.Marshal(list)
	if err != nil {
		return err
	}
	err = s.store.Annotate(r.Context(), r.account.ID, store.AccountAnnotations, []store.Annotation{{Name: sendersName, Value: value}})
	if kind := store.KindOf(err); kind == store.KindNoSpace || kind == store.KindLimit {
		return errStatus(http.StatusInsufficientStorage)
	}
	if err != nil {
		return err
	}
	s.answers.JSON(w, senderList{list})
	return nil
}

// imageSenders are the addresses whose pictures are always shown, the oldest first.
func (s *Server) imageSenders(ctx context.Context, a store.AccountID) ([]string, error) {
	all, err := s.store.Annotations(ctx, a, store.AccountAnnotations)
	if err != nil {
		return nil, err
	}
	list := []string{}
	for _, one := range all {
		if one.Name == sendersName {
			if err := json.Unmarshal(one.Value, &list); err != nil { // a program wrote something else there
				list = []string{}
			}
		}
	}
	return list, nil
}

// imagesAllowed tells whether the account wants pictures of the sender always shown. Who only claims to be the sender gets none.
func (s *Server) imagesAllowed(r *request) (bool, error) {
	if len(r.mail.from) != 1 {
		return false, nil
	}
	address, err := store.NormalizeAddress(r.mail.from[0].Email)
	if err != nil {
		return false, nil
	}
	list, err := s.imageSenders(r.Context(), r.account.ID)
	if err != nil || !slices.Contains(list, address) {
		return false, err
	}
	header, err := s.header(r.Context(), r.mail, 0)
	if err != nil {
		return false, err
	}
	o, err := s.origin(r.Context(), r.mail, header)
	return err == nil && o.proven(), err
}
