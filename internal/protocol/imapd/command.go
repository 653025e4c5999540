package imapd

import (
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// command is one command as parsed. Byte slices in it are parts of the buffer that it was read
// into, which stays until the command is done.
type command struct {
	tag  string
	name string // in upper case, "UID FETCH" for those with UID
	args any    // *fetchCommand and so on, nil for commands without arguments
}

// idCommand is ID (RFC 2971): pairs of field and value; a nil value is NIL.
type idCommand struct{ fields [][2]string }

// enableCommand is ENABLE (RFC 5161), the names in upper case.
type enableCommand struct{ capabilities []string }

// authenticateCommand is AUTHENTICATE with the initial response still in base64 (RFC 4959), nil
// without one.
type authenticateCommand struct {
	mechanism string
	initial   []byte
}

type loginCommand struct{ user, password string }

// mailboxCommand is any command whose only argument is a mailbox.
type mailboxCommand struct{ mailbox string }

// selectCommand is SELECT or EXAMINE.
type selectCommand struct {
	mailbox   string
	readOnly  bool // EXAMINE
	condstore bool
	qresync   *qresyncParams
}

// qresyncParams is what the client knows of a mailbox (RFC 7162 section 3.2.5).
type qresyncParams struct {
	uidValidity uint32
	modSeq      store.ModSeq
	known       uid.Set // nil: not given
	seqs, uids  uid.Set // sequence match data: the n-th number of one belongs to the n-th of the other
}

type createCommand struct {
	mailbox string
	use     []string // special-use attributes in upper case, without the backslash
}

type renameCommand struct{ from, to string }

// listCommand is LIST (RFC 9051 section 6.3.9) or LSUB.
type listCommand struct {
	lsub, extended             bool
	reference                  string
	patterns                   []string
	subscribed, remote         bool // selection options
	recursiveMatch, specialUse bool
	returnSubscribed           bool
	returnChildren             bool
	returnSpecialUse           bool
	returnMyRights             bool
	returnStatus               statusItems
	returnMetadata             *getMetadataCommand // nil: not asked for
}

// statusItems is a set of the items that STATUS can tell.
type statusItems uint16

const (
	statusMessages statusItems = 1 << iota
	statusUIDNext
	statusUIDValidity
	statusUnseen
	statusDeleted
	statusSize
	statusRecent
	statusHighestModSeq
	statusAppendLimit
	statusMailboxID
	statusDeletedStorage
)

// compressCommand is COMPRESS, the mechanism in upper case. Its answer is sent before it is done.
type compressCommand struct{ tag, mechanism string }

// quotaCommand is GETQUOTA or SETQUOTA.
type quotaCommand struct {
	root   string
	limits []quotaLimit // of SETQUOTA
}

type quotaLimit struct {
	resource string
	limit    uint64
}

type statusCommand struct {
	mailbox string
	items   statusItems
}

// appendCommand is APPEND or REPLACE up to the mailbox.
type appendCommand struct {
	mailbox string
	// rest is what follows the mailbox on its line: the description of a message, mostly up to
	// where the message itself is announced. See appending.
	rest []byte
	// REPLACE: the message that goes, by number or by UID; it can be star.
	replace, uid bool
	number       uint32
}

// flagNames are flags as the client names them.
type flagNames struct {
	system   store.Flags
	keywords []string
}

// systemFlags by name in upper case. \Recent is not among them: clients cannot set it.
var systemFlags = map[string]store.Flags{
	"SEEN":     store.FlagSeen,
	"ANSWERED": store.FlagAnswered,
	"FLAGGED":  store.FlagFlagged,
	"DELETED":  store.FlagDeleted,
	"DRAFT":    store.FlagDraft,
}

// fetchCommand is FETCH or UID FETCH.
type fetchCommand struct {
	uid          bool
	set          seqSet
	items        fetchItems
	sections     []*section
	changedSince *store.ModSeq
	vanished     bool
	partial      *resultRange // nil: all messages of the set
}

// fetchItems is a set of the data items that need no section.
type fetchItems uint16

const (
	fetchFlags fetchItems = 1 << iota
	fetchUID
	fetchModSeq
	fetchInternalDate
	fetchSize
	fetchEnvelope
	fetchBody
	fetchBodyStructure
	fetchEmailID
	fetchThreadID
	fetchSaveDate
	fetchPreview
)

// storeCommand is STORE or UID STORE.
type storeCommand struct {
	uid            bool
	set            seqSet
	op             store.FlagOp
	silent         bool
	flags          flagNames
	unchangedSince *store.ModSeq
}

// copyCommand is COPY, MOVE and their UID forms.
type copyCommand struct {
	uid, move bool
	set       seqSet
	mailbox   string
}

// expungeCommand is EXPUNGE, or UID EXPUNGE with a set.
type expungeCommand struct {
	uid bool
	set seqSet
}

// searchCommand is SEARCH, SORT or ESEARCH.
type searchCommand struct {
	tag      string
	uid      bool
	extended bool // RETURN was given: the answer is ESEARCH
	ret      searchReturn
	partial  *resultRange  // of returnPartial
	update   *fetchCommand // what to send of messages that come into the results, nil for nothing
	charset  bool          // CHARSET was given
	order    []sortKey     // of SORT
	from     *sources      // of ESEARCH, nil for the others
	key      searchKey
}

type searchReturn uint8

const (
	returnMin searchReturn = 1 << iota
	returnMax
	returnAll
	returnCount
	returnSave
	returnPartial
	returnContext
	returnUpdate
)
