package view

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"

	"github.com/postiljon/postiljon/internal/store"
)

// wantsImages tells whether pictures of the web are shown.
func (s *Server) wantsImages(r *request) (bool, error) {
	return r.URL.Query().Get("images") == "1", nil
}

// imageAddress is where the service hands out a picture of the web that a message has.
func (s *Server) imageAddress(m *mail, a store.AccountID, address string) string {
	return at(m.id, "image?u="+url.QueryEscape(address)+"&s="+s.signature(m, a, address))
}

// signature says that a picture is one of a message: the service fetches nothing else.
func (s *Server) signature(m *mail, a store.AccountID, address string) string {
	h := hmac.New(sha256.New, s.key[:])
	fmt.Fprintf(h, "image %d %d %s", a, m.ID, address)
	return hex.EncodeToString(h.Sum(nil)[:16])
}
