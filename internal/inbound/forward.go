package inbound

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/arc"
	"github.com/postiljon/postiljon/internal/inbound/genuine"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/srs"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob"
)

// Forwarder passes messages of others on to addresses elsewhere, for aliases and rules. The message
// goes out as it came, so that the signatures of its author hold; its envelope sender is rewritten,
// so that SPF holds for this server and bounces come back through it; and a seal says what was found
// out when it came (RFC 8617).
type Forwarder struct {
	SRS *srs.Rewriter
	// Key is what seals for a domain; an error leaves messages unsealed.
	Key func(ctx context.Context, domain string) (arc.Key, error)
	Now func() time.Time
	Log *slog.Logger
}

// Forwarded is a message to be passed on.
type Forwarded struct {
	ID        store.TraceID
	By        []string // the addresses here that pass it on
	From      address.Address
	To        []store.SubmissionRecipient
	Blob      blob.Ref
	Message   keptMessage     // what lies there
	Checked   *genuine.Result // nil if it was not looked at
	EnvID     string
	Ret       string
	SMTPUTF8  bool
	Body      string
	MessageID string
}

// ErrLoop is returned for a message that an address has passed on before.
var ErrLoop = errors.New("inbound: the message was forwarded here before")

// maxForwardHeader is how much of a header is looked at for loops.
const maxForwardHeader = 256 << 10

// Submission makes the submission of a message that is passed on. Error: ErrLoop.
func (f *Forwarder) Submission(ctx context.Context, m *Forwarded) (*store.Submission, error) {
	b := m.Message
	header, err := headerAt(b, b.Size())
	if err != nil {
		return nil, fmt.Errorf("inbound: forward: read message: %w", err)
	}
	if passedBefore(header, m.By) {
		return nil, ErrLoop
	}
	skip := returnPath(header)
	content := io.NewSectionReader(b, skip, b.Size()-skip)
	domain := address.NormalizeDomain(m.By[0][strings.LastIndexByte(m.By[0], '@')+1:])
	sub := &store.Submission{
		ID: m.ID, From: f.SRS.Forward(m.From, domain).String(), EnvID: m.EnvID, Ret: m.Ret,
		SMTPUTF8: m.SMTPUTF8, Body: m.Body, MessageID: m.MessageID,
		Blob: m.Blob, Skip: skip, Size: content.Size(), Created: f.Now(), Recipients: m.To,
	}
	sub.Prefix = f.seal(ctx, domain, m.Checked, content)
	for _, by := range m.By {
		sub.Prefix = fmt.Appendf(sub.Prefix, "Delivered-To: %s\r\n", by)
	}
	return sub, nil
}

// seal returns the ARC fields for a message (RFC 8617 section 5.1), none where nothing is known of it
// or its chain is closed.
func (f *Forwarder) seal(ctx context.Context, domain string, checked *genuine.Result, content *io.SectionReader) []byte {
	if checked == nil || f.Key == nil {
		return nil
	}
	key, err := f.Key(ctx, domain)
	var fields []byte
	if err == nil {
		fields, err = arc.Seal(content, content.Size(), checked.Arrived(f.Now()), key)
	}
	if err != nil && !errors.Is(err, arc.ErrClosed) {
		// It may be refused for that; not to send it would be worse.
		f.Log.Error("forwarded message not sealed", "domain", domain, "error", err)
	}
	return fields
}

// headerAt reads the header of a message, as far as it is looked at.
func headerAt(r io.ReaderAt, size int64) ([]byte, error) {
	header := make([]byte, min(size, maxForwardHeader))
	if n, err := r.ReadAt(header, 0); n < len(header) {
		return nil, err
	}
	if end := bytes.Index(header, []byte("\r\n\r\n")); end >= 0 {
		header = header[:end+2]
	}
	return header, nil
}

// passedBefore reports whether one of the addresses has passed the message on before: it says so in
// Delivered-To.
func passedBefore(header []byte, by []string) bool {
	for f := range message.HeaderFields(header) {
		if !strings.EqualFold(string(f.Name), "Delivered-To") {
			continue
		}
		value := strings.TrimSpace(string(f.Value()))
		for _, one := range by {
			if strings.EqualFold(value, one) {
				return true
			}
		}
	}
	return false
}

// returnPath is how many octets the Return-Path takes that this server has put in front: it is only
// for final delivery (RFC 5321 section 4.4).
func returnPath(header []byte) int64 {
	for f := range message.HeaderFields(header) {
		if strings.EqualFold(string(f.Name), "Return-Path") {
			return int64(len(f.Raw))
		}
		break
	}
	return 0
}
