package store

import (
	"encoding/base32"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"strings"
	"time"
)

// TraceID names a message or a sign-in from the moment it is met: 48 bits of
// milliseconds since 1970, so that ids sort by time, and 48 random bits.
type TraceID [12]byte

var traceEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewTraceID returns a fresh id for something that happens at t.
func NewTraceID(t time.Time) (id TraceID) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(t.UnixMilli()))
	copy(id[:6], b[2:])
	binary.BigEndian.PutUint64(b[:], rand.Uint64())
	copy(id[6:], b[2:])
	return id
}

// String is the id as people see it: 20 letters and digits.
func (id TraceID) String() string { return traceEncoding.EncodeToString(id[:]) }

// Time is when the id was made, to the millisecond.
func (id TraceID) Time() time.Time {
	var b [8]byte
	copy(b[2:], id[:6])
	return time.UnixMilli(int64(binary.BigEndian.Uint64(b[:])))
}

// IsZero reports whether there is no id.
func (id TraceID) IsZero() bool { return id == TraceID{} }

var errTraceID = errors.New("a trace id has 20 letters and digits")

// ParseTraceID reads what String wrote, in any case.
func ParseTraceID(s string) (id TraceID, err error) {
	b, err := traceEncoding.DecodeString(strings.ToLower(s))
	if err != nil || len(b) != len(id) {
		return id, errTraceID
	}
	return TraceID(b), nil
}
