package mtasts

import (
	"crypto/sha256"
	"fmt"
	"time"
)

// publishedAge is how long others shall remember a policy of ours.
const publishedAge = 7 * 24 * time.Hour

// Publish returns the policy of a domain whose mail one host takes, and the text of the TXT record
// that announces it (RFC 8461 sections 3.1 and 3.2). The record changes with the policy.
func Publish(mode Mode, host string) (policy []byte, record string) {
	policy = fmt.Appendf(nil, "version: STSv1\r\nmode: %s\r\nmx: %s\r\nmax_age: %d\r\n", mode, host, publishedAge/time.Second)
	sum := sha256.Sum256(policy)
	return policy, fmt.Sprintf("v=STSv1; id=%x;", sum[:8])
}
