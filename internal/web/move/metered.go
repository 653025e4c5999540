package move

import (
	"errors"
	"net"
	"sync/atomic"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// maxTalk bounds what another server says beside messages, in octets: all of it is in memory until it is worked through.
const maxTalk = 32 << 20

var errTalks = errors.New("move: the other server says more than mail needs")

// metered is a connection on which so much can be said.
type metered struct {
	net.Conn
	left atomic.Int64 // octets
}

func (m *metered) Read(p []byte) (int, error) {
	n, err := m.Conn.Read(p)
	if m.left.Add(-int64(n)) < 0 {
		return n, errors.Join(errTalks, m.Conn.Close())
	}
	return n, err
}

// expect makes room for messages, as large as they are said to be, and for what encryption adds.
func (m *metered) expect(messages map[imap.UID]*imapclient.FetchMessageBuffer) {
	room := int64(maxTalk)
	for _, one := range messages {
		room += one.RFC822Size + one.RFC822Size/8
	}
	m.left.Store(room)
}
