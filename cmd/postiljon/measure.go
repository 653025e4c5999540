package main

import (
	"context"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/protocol/smtpd"
)

// measured is a backend whose commits are timed: how long a sender waits for
// its message to be durable is the first sign of a disk in trouble.
type measured struct {
	smtpd.Backend
	commit func(time.Duration)
}

// NewSession implements smtpd.Backend.
func (m measured) NewSession(ctx context.Context, c *smtpd.Conn) (smtpd.Session, cause.Decision) {
	s, d := m.Backend.NewSession(ctx, c)
	if !d.Allowed() {
		return s, d
	}
	return &measuredSession{Session: s, message: measuredMessage{commit: m.commit}}, d
}

type measuredSession struct {
	smtpd.Session
	message measuredMessage // of the one transaction that a session has at a time
}

func (s *measuredSession) Data(ctx context.Context) (smtpd.Message, cause.Decision) {
	m, d := s.Session.Data(ctx)
	if !d.Allowed() {
		return m, d
	}
	s.message.Message = m
	return &s.message, d
}

type measuredMessage struct {
	smtpd.Message
	commit func(time.Duration)
}

func (m *measuredMessage) Commit(ctx context.Context) (smtpd.Receipt, cause.Decision) {
	began := time.Now()
	defer func() { m.commit(time.Since(began)) }()
	return m.Message.Commit(ctx)
}
