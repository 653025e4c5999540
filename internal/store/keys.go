package store

import (
	"encoding/binary"

	"github.com/postiljon/postiljon/internal/store/uid"
)

// The tables of an account's key space: the first octet of each key. Numbers in
// keys are big-endian, so that they sort.
const (
	tableHead         = 'h' // h: counters of the account
	tableMailbox      = 'b' // b mailbox: the mailbox's record
	tableName         = 'n' // n name: mailbox
	tableSubscription = 's' // s name: nothing
	tableKeywords     = 'k' // k: names of the account's keywords
	tableChunk        = 'u' // u mailbox chunk: which UIDs exist (uid.Chunk)
	tablePlacement    = 'p' // p mailbox uid: flags, MODSEQ, email
	tableChange       = 'c' // c mailbox modseq uid: nothing; finds what changed
	tableVanished     = 'x' // x mailbox modseq: UIDs expunged by that change
	tableRemoval      = 'X' // X modseq email: its thread if no mailbox has it any more (mail.go)
	tableEmail        = 'e' // e email: what never changes of a message
	tableLocation     = 'l' // l email mailbox uid: nothing; an email's placements
	tableThread       = 't' // t hash of a Message-ID: thread
	tableDelivery     = 'd' // d delivery id: placement; makes retries harmless
	tableCredential   = 'r' // r id: a password or app password
	tableSubmission   = 'q' // q trace id: a message on its way out
	tableDue          = 'Q' // Q part ...: what is to be done for submissions, and when (due.go)
	tableEvent        = 'j' // j time trace number: an event
	tablePostings     = 'w' // w part ...: the search index (postings.go)
	tableAnnotation   = 'm' // m mailbox name: an annotation (RFC 5464)
	tableOutbox       = 'O' // O uid: the submission that a message in the Outbox shows (outbox.go)
	tableGrant        = 'g' // g mailbox identifier: rights (RFC 4314)
	tableScript       = 'v' // v name: a script of rules; v: the name of the active one (script.go)
	tableJunk         = 'z' // z part ...: what the account taught about junk (junk.go)
	tableContact      = 'C' // C part ...: addresses that the account wrote to, and its address book (contacts.go)
	tableReport       = 'R' // R id: what the doctor found (report.go); those of nobody's account are in the system's key space
	tableHanded       = 'K' // K ...: emails that were handed in to be sent, and what became of them (handed.go)
	tableIdentity     = 'i' // i: whom the account writes as (identity.go)
	tablePush         = 'P' // P id: where a device wants to be told of changes (push.go)
	tableUpload       = 'U' // U id: what was uploaded and may be named yet (upload.go)
	tableMemory       = 'y' // y key: what rules remember for a while (script.go)
	tableWebSession   = 'I' // I hash: a browser that is signed in (websession.go)
	tableFactor       = 'F' // F part ...: what signs in beside passwords (factor.go)
	tableFile         = 'f' // f id: a large file, sent as a link or brought to be imported (file.go)
	tableJob          = 'J' // J id: an import that runs or ran (job.go)
	tableAllowed      = 'W' // W sender: an address or domain whose mail is let through whatever proves it (allowed.go)
	tablePrepared     = 'V' // V mailbox part ...: flags and dates of a large mailbox's messages at a glance (prepared.go)
	tableFetchMark    = 'M' // M hash: how far a mailbox of another provider was fetched (job.go)
)

// The tables of the system's key space, beside tableEvent, tableSubmission and tableDue.
const (
	tableDomain    = 'D' // D domain: the domain's record
	tableAccount   = 'A' // A account: the account's record
	tableAddress   = 'a' // a address: an account's number or an alias
	tableCounter   = 'N' // N: the last account number
	tableSetting   = 'S' // S name: a small record of another package
	tableSending   = 'o' // o batch: messages whose end is about to go out (sending.go)
	tableHint      = 'H' // H ...: who may share something with whom (hint.go)
	tableLeaving   = 'G' // G account: nothing; an account that left the directory and whose records are going (leaving.go)
	tableFileToken = 'L' // L hash of a token: the file that its link leads to (file.go)
	tableMention   = 'E' // E day hash account: nothing; the account has events of that day that name a Message-ID; E: up to when that is whole (mention.go)
)

type key []byte

func table(t byte) key { return append(make(key, 0, 24), t) }

func (k key) mailbox(m MailboxID) key { return binary.BigEndian.AppendUint32(k, uint32(m)) }
func (k key) uid(u uid.UID) key       { return binary.BigEndian.AppendUint32(k, uint32(u)) }
func (k key) chunk(n uint32) key      { return binary.BigEndian.AppendUint32(k, n) }
func (k key) modSeq(m ModSeq) key     { return binary.BigEndian.AppendUint64(k, uint64(m)) }
func (k key) email(e EmailID) key     { return binary.BigEndian.AppendUint64(k, uint64(e)) }
func (k key) day(n uint32) key        { return binary.BigEndian.AppendUint32(k, n) }
func (k key) number(n uint64) key     { return binary.BigEndian.AppendUint64(k, n) }
func (k key) text(s string) key       { return append(k, s...) }

// after returns the first key behind all that begin with k.
func (k key) after() key {
	end := append(key(nil), k...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

func tail32(k []byte) uint32 { return binary.BigEndian.Uint32(k[len(k)-4:]) }

// record writes and reads the fields of a stored record: varints, and octets
// with their length. Reading past the end or a malformed number sets bad.
type record struct {
	b   []byte
	bad bool
}

func (r *record) putUint(n uint64) { r.b = binary.AppendUvarint(r.b, n) }
func (r *record) putInt(n int64)   { r.b = binary.AppendVarint(r.b, n) }
func (r *record) putText(s string) { r.putUint(uint64(len(s))); r.b = append(r.b, s...) }
func (r *record) putOctet(o byte)  { r.b = append(r.b, o) }
func (r *record) uint() (n uint64) { n, k := binary.Uvarint(r.b); r.skip(k); return n }
func (r *record) int() (n int64)   { n, k := binary.Varint(r.b); r.skip(k); return n }
func (r *record) text() string     { return string(r.octets()) }
func (r *record) err() error {
	if r.bad {
		return errDamaged
	}
	return nil
}

func (r *record) skip(k int) {
	if k <= 0 {
		r.bad, r.b = true, nil
		return
	}
	r.b = r.b[k:]
}

func (r *record) octet() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	o := r.b[0]
	r.b = r.b[1:]
	return o
}

// octets reads a length and as many octets, which alias the record.
func (r *record) octets() []byte {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}
