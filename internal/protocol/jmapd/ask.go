package jmapd

import (
	"context"
	"fmt"

	"github.com/postiljon/postiljon/internal/store"
)

// Ask answers method calls that another part of the service makes in the name of an account: methodCalls and what it
// returns, methodResponses, are as in a request (RFC 8620 section 3). Calls may name a mailbox by its role: "#inbox".
func (s *Server) Ask(ctx context.Context, a *store.Account, methodCalls []byte) ([]byte, error) {
	req, err := parseRequest(fmt.Appendf(nil, `{"using":[],"methodCalls":%s}`, methodCalls))
	if err != nil {
		return nil, fmt.Errorf("jmapd: ask: %w", err)
	}
	for _, m := range s.methods {
		req.using = append(req.using, m.capability)
	}
	p, err := s.picture(ctx, a.ID)
	if err != nil {
		return nil, fmt.Errorf("jmapd: ask: %w", err)
	}
	for id, b := range p.boxes {
		if b.Role != store.RoleNone {
			req.created[string(b.Role)] = mailboxID(id)
		}
	}
	defer func() { req.room.give() }()
	var done responses
	if err := s.run(ctx, a, req, &done); err != nil {
		return nil, fmt.Errorf("jmapd: ask: %w", err)
	}
	return done.text, nil
}
