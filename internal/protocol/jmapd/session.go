package jmapd

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/store"
)

// The capabilities that are there.
const (
	capabilityCore = "urn:ietf:params:jmap:core"
	capabilityMail = "urn:ietf:params:jmap:mail"

	capabilitySubmission = "urn:ietf:params:jmap:submission"

	capabilityBlob      = "urn:ietf:params:jmap:blob"
	capabilityQuota     = "urn:ietf:params:jmap:quota"
	capabilitySieve     = "urn:ietf:params:jmap:sieve"
	capabilityVAPID     = "urn:ietf:params:jmap:webpush-vapid"
	capabilityWebSocket = "urn:ietf:params:jmap:websocket"
)

// capabilities are all of them.
var capabilities = []string{
	capabilityCore, capabilityMail, capabilitySubmission, capabilityVacation, capabilityVendor, capabilityBlob, capabilityQuota, capabilitySieve, capabilityVAPID,
	capabilityWebSocket,
}

type object = map[string]any

// sessionOf is the Session object of an account (RFC 8620 section 2), with the accounts that share mailboxes with it.
func (s *Server) sessionOf(ctx context.Context, a *store.Account) (object, error) {
	l := &s.options.Limits
	id := accountID(a.ID)
	base := s.options.BaseURL + "/jmap/"
	session := object{
		"capabilities": object{
			capabilityCore: object{
				"maxSizeUpload": l.Upload, "maxConcurrentUpload": maxUploadsAtOnce,
				"maxSizeRequest": l.RequestSize, "maxConcurrentRequests": l.ConcurrentRequests, "maxCallsInRequest": l.Calls,
				"maxObjectsInGet": l.Get, "maxObjectsInSet": l.Set, "collationAlgorithms": []string{},
			},
			capabilityMail: object{}, capabilitySubmission: object{}, capabilityVacation: object{}, capabilityVendor: object{},
		},
		"accounts": object{id: object{
			"name": a.Address, "isPersonal": true, "isReadOnly": false,
			"accountCapabilities": object{
				capabilityCore:     object{},
				capabilityMail:     l.mailCapability(true),
				capabilityVacation: object{},
				capabilityVendor:   object{"maxSizeMessage": l.Message, "maxRecipients": l.Recipients},
				// RFC 8621 section 1.3.2.
				capabilitySubmission: object{
					"maxDelayedSend": int(maxDelay.Seconds()),
					"submissionExtensions": object{
						"FUTURERELEASE": []string{strconv.Itoa(int(maxDelay.Seconds())), "9999-12-31T23:59:59Z"},
						"SIZE":          []string{strconv.FormatInt(l.Message, 10)}, "DSN": []string{}, "REQUIRETLS": []string{}, "8BITMIME": []string{}, "SMTPUTF8": []string{},
					},
				},
			},
		}},
		"primaryAccounts": object{capabilityMail: id, capabilitySubmission: id, capabilityVacation: id, capabilityVendor: id},
		"username":        a.Address,
		"apiUrl":          base + "api",
		"downloadUrl":     base + "download/{accountId}/{blobId}/{name}?accept={type}",
		"uploadUrl":       base + "upload/{accountId}/",
		"eventSourceUrl":  base + "events?types={types}&closeafter={closeafter}&ping={ping}",
	}
	s.announce(session, id)
	others, err := s.neighbours(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	for i := range others {
		session["accounts"].(object)[accountID(others[i].ID)] = object{
			"name": others[i].Address, "isPersonal": false, "isReadOnly": others[i].readOnly,
			"accountCapabilities": object{capabilityCore: object{}, capabilityMail: l.mailCapability(false), capabilityBlob: l.blobCapability()},
		}
	}
	session["state"] = stateOfSession(session)
	return session, nil
}

// mailCapability is what is told of mail in an account (RFC 8621 section 1.3.1).
func (l *Limits) mailCapability(own bool) object {
	return object{
		"maxMailboxesPerEmail": nil, "maxMailboxDepth": store.MaxMailboxDepth, "maxSizeMailboxName": store.MaxMailboxNameSize,
		"maxSizeAttachmentsPerEmail": l.attachments(), "emailQuerySortOptions": sortOptions(), "mayCreateTopLevelMailbox": own,
	}
}

// attachments is how many octets can be attached to an email, so that it is not too large with its text when they are encoded: 57 octets
// take a line of 78 (RFC 2045 section 6.8).
func (l *Limits) attachments() int64 {
	const besideThem = 1 << 20 // octets of header and text
	return max(0, min(l.Upload, (l.Message-besideThem)/78*57))
}

// announce adds the capabilities that are not mail itself.
func (s *Server) announce(session object, account string) {
	all := session["capabilities"].(object)
	one := session["accounts"].(object)[account].(object)["accountCapabilities"].(object)
	primary := session["primaryAccounts"].(object)
	all[capabilityVAPID] = object{"applicationServerKey": s.pusher.keys.Public} // RFC 9749 section 3
	all[capabilityWebSocket] = object{"url": "wss" + strings.TrimPrefix(s.options.BaseURL, "https") + "/jmap/ws", "supportsPush": true}
	for capability, of := range map[string]object{
		capabilityBlob: s.options.Limits.blobCapability(), capabilityQuota: {}, capabilitySieve: s.options.Sieve.capability(),
	} {
		all[capability], one[capability], primary[capability] = object{}, of, account
	}
	all[capabilitySieve] = object{"implementation": "Postiljon"} // RFC 9661 section 1.2.1
}

// stateOfSession is another one whenever anything in the Session object is.
func stateOfSession(session object) string {
	text, err := json.Marshal(session)
	if err != nil {
		return "" // maps of text and numbers can always be written
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

func (s *Server) session(w http.ResponseWriter, r *http.Request, a *store.Account) {
	session, err := s.sessionOf(r.Context(), a)
	if err != nil {
		s.answer(w, nil, err)
		return
	}
	text, err := json.Marshal(session)
	s.answer(w, text, err)
}

// answer sends what programs read, if it could be written.
func (s *Server) answer(w http.ResponseWriter, text []byte, err error) {
	if err != nil {
		s.log.Error("jmapd: an answer cannot be written", "error", err)
		problem{Type: "about:blank", Status: http.StatusInternalServerError}.write(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(timeFor(len(text)))) // else the usual one holds
	_, _ = w.Write(text)                                                                   // a client that went away
}

// Ids are a letter and a number, as RFC 8620 section 1.2 advises. Those of mailboxes, emails and conversations are the
// MAILBOXID, EMAILID and THREADID of IMAP (RFC 8474).
func accountID(a store.AccountID) string { return fmt.Sprintf("a%d", a) }
func mailboxID(m store.MailboxID) string { return fmt.Sprintf("F%d", m) }
func emailID(e store.EmailID) string     { return fmt.Sprintf("M%d", e) }
func threadID(t store.ThreadID) string   { return fmt.Sprintf("T%d", t) }

// id writes the id of a mailbox, an email or a conversation. As IMAP tells them, those of others have the number of the account
// in them, so that no two that one person sees are the same.
func (v sight) id(kind byte, n uint64) string {
	if v.isShared() {
		return fmt.Sprintf("%c%d-%d", kind, v.owner, n)
	}
	return fmt.Sprintf("%c%d", kind, n)
}

func (v sight) mailboxID(m store.MailboxID) string { return v.id('F', uint64(m)) }
func (v sight) emailID(e store.EmailID) string     { return v.id('M', uint64(e)) }
func (v sight) threadID(t store.ThreadID) string   { return v.id('T', uint64(t)) }

// parseIn reads what sight.id wrote.
func parseIn[T ~uint64 | ~uint32](v sight, kind byte, id string) (T, bool) {
	if v.isShared() {
		rest, ok := strings.CutPrefix(id, fmt.Sprintf("%c%d-", kind, v.owner))
		if !ok {
			return 0, false
		}
		id = string(kind) + rest
	}
	return parseID[T](kind, id)
}

// parseID reads an id of one kind.
func parseID[T ~uint64 | ~uint32](kind byte, id string) (T, bool) {
	if len(id) < 2 || id[0] != kind || id[1] == '0' || id[1] == '+' {
		return 0, false
	}
	n, err := strconv.ParseUint(id[1:], 10, 64)
	return T(n), err == nil && uint64(T(n)) == n
}
