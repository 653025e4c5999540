package account

import (
	"bytes"
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/index"
	"github.com/postiljon/postiljon/internal/web/page"
)

// Contacts are the address book and whom the account wrote to.
type Contacts struct {
	Contacts []store.Contact `json:"contacts"` // by name
	Recents  []Recent        `json:"recents"`  // the last first
}

// Recent is an address that the account wrote to.
type Recent struct {
	Address string `json:"address"`
	Name    string `json:"name,omitempty"`
	Count   int64  `json:"count"`
	Last    string `json:"last"`
	// Failed is why the last message to it came back, where there is no such address, and Why the same in words. Only contacts are
	// still there then.
	Failed cause.ID `json:"failed,omitempty"`
	Why    string   `json:"why,omitempty"`
}

// Suggestions are addresses for what was typed so far, the likeliest first.
type Suggestions struct {
	List []Suggestion `json:"list"`
}

// Suggestion is an address with its name. A recent one can be removed (DELETE /api/contacts/recent).
type Suggestion struct {
	Address string `json:"address"`
	Name    string `json:"name,omitempty"`
	Contact string `json:"contact,omitempty"` // the id of the contact it is of
	Recent  bool   `json:"recent,omitempty"`
	// Failed and Why are as in Recent; such an address comes last.
	Failed cause.ID `json:"failed,omitempty"`
	Why    string   `json:"why,omitempty"`

	weight float64
}

// Imported is what became of vCards.
type Imported struct {
	Added   int `json:"added"`
	Known   int `json:"known"`   // left out: all their addresses are there already
	Skipped int `json:"skipped"` // neither name nor address, or not to be read
}

// Bounds of the address book's interfaces.
const (
	maxSuggestions = 10
	maxTyped       = 200
	maxImport      = 5 << 20
	maxPut         = 500
	importLasts    = time.Minute // the file's way here
)

func (a *API) contacts(_ http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	list, err := a.Store.Contacts(r.Context(), who.ID)
	if err != nil {
		return nil, err
	}
	recents, err := a.Store.Recents(r.Context(), who.ID)
	recents = worthKnowing(recents, list)
	out := &Contacts{Contacts: append([]store.Contact{}, list...), Recents: []Recent{}}
	for _, c := range recents {
		out.Recents = append(out.Recents, Recent{c.Address, c.Name, c.Count, stamp(c.Last), c.Failed, a.why(r, c.Failed)})
	}
	return out, err
}

func (a *API) putContacts(w http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	var c struct {
		Contacts []store.Contact `json:"contacts"`
	}
	if err := a.read(w, r, &c); err != nil {
		return nil, err
	}
	if len(c.Contacts) == 0 || len(c.Contacts) > maxPut {
		return nil, wrong("contacts", a.say(r, "too_many"))
	}
	kept, err := a.Store.PutContacts(r.Context(), who.ID, c.Contacts)
	if store.KindOf(err) == store.KindInvalid {
		return nil, wrong("contacts", a.say(r, "contact"))
	}
	return map[string]any{"contacts": kept}, err
}

func (a *API) deleteContact(_ http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	return map[string]bool{"removed": true}, a.Store.DeleteContact(r.Context(), who.ID, r.PathValue("id"))
}

func (a *API) deleteRecent(_ http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	return map[string]bool{"removed": true}, a.Store.RemoveRecent(r.Context(), who.ID, r.URL.Query().Get("address"))
}

// worthKnowing leaves out of the recent addresses those that do not exist, but for what stands in the address book: that somebody meant,
// and is told of it.
func worthKnowing(recents []store.Recent, contacts []store.Contact) []store.Recent {
	return slices.DeleteFunc(recents, func(c store.Recent) bool {
		return c.Failed != "" && !slices.ContainsFunc(contacts, func(one store.Contact) bool {
			return slices.ContainsFunc(one.Addresses, func(address string) bool { return strings.EqualFold(address, c.Address) })
		})
	})
}

// suggest finds addresses of which a word begins with what was typed; several words must all be found.
func (a *API) suggest(_ http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	typed := r.URL.Query().Get("q")
	if len(typed) > maxTyped {
		typed = strings.ToValidUTF8(typed[:maxTyped], "")
	}
	list, err := a.Store.Contacts(r.Context(), who.ID)
	if err != nil {
		return nil, err
	}
	recents, err := a.Store.Recents(r.Context(), who.ID)
	if err != nil {
		return nil, err
	}
	found := suggestions(typed, list, worthKnowing(recents, list), a.Store.Now())
	if limit, err := strconv.Atoi(r.URL.Query().Get("limit")); err == nil && limit > 0 {
		found = found[:min(limit, len(found))]
	}
	for i := range found {
		found[i].Why = a.why(r, found[i].Failed)
	}
	return &Suggestions{found}, nil
}

// why is a cause in a few words, "" for none.
func (a *API) why(r *http.Request, id cause.ID) string {
	if id == "" {
		return ""
	}
	return a.Catalogue.Why(id, page.Lang(r)).Title
}

// suggestions weighs addresses: those written to often and lately come first, then contacts by name.
func suggestions(typed string, contacts []store.Contact, recents []store.Recent, now time.Time) []Suggestion {
	m := matcher{words: bytes.FieldsFunc(index.Fold(nil, []byte(typed)), func(r rune) bool { return unicode.IsSpace(r) || r == ',' || r == '<' || r == '>' })}
	var found []Suggestion
	at := map[string]int{} // of addresses in found
	for i := range contacts {
		c := &contacts[i]
		for _, address := range c.Addresses {
			if m.matches(c.Name, address) {
				at[strings.ToLower(address)] = len(found)
				found = append(found, Suggestion{Address: address, Name: c.Name, Contact: c.ID, weight: 2})
			}
		}
	}
	for i := range recents {
		c := &recents[i]
		known, ok := at[strings.ToLower(c.Address)]
		if !ok && !m.matches(c.Name, c.Address) {
			continue
		}
		days := max(0, now.Sub(c.Last).Hours()/24)
		weight := 1 + float64(min(c.Count, 100))*30/(30+days)
		if c.Failed != "" {
			weight = 0
		}
		if ok {
			s := &found[known]
			s.Address, s.Name, s.Recent, s.weight = c.Address, cmp.Or(s.Name, c.Name), true, s.weight+weight
			if s.Failed = c.Failed; c.Failed != "" {
				s.weight = 0
			}
			continue
		}
		found = append(found, Suggestion{Address: c.Address, Name: c.Name, Recent: true, Failed: c.Failed, weight: weight})
	}
	return best(found)
}

// best are the first suggestions of all, in order.
func best(found []Suggestion) []Suggestion {
	order := func(x, y Suggestion) int {
		return cmp.Or(cmp.Compare(y.weight, x.weight), strings.Compare(x.Name, y.Name), strings.Compare(x.Address, y.Address))
	}
	out := []Suggestion{}
	for _, s := range found {
		if len(out) == maxSuggestions && order(out[len(out)-1], s) <= 0 {
			continue
		}
		at, _ := slices.BinarySearchFunc(out, s, order)
		if out = slices.Insert(out, at, s); len(out) > maxSuggestions {
			out = out[:maxSuggestions]
		}
	}
	return out
}

// matcher finds out whether each word begins a word of a name or an address.
type matcher struct {
	words [][]byte
	text  []byte // of the last one, to be used again
}

func (m *matcher) matches(name, address string) bool {
	m.text = append(append(append(m.text[:0], name...), ' '), address...)
	n := len(m.text)
	m.text = index.Fold(m.text, m.text[:n])
	for _, w := range m.words {
		if !begins(m.text[n:], w) {
			return false
		}
	}
	return true
}

// begins tells whether a word stands in a text behind something that is no letter.
func begins(text, word []byte) bool {
	for from := 0; ; {
		i := bytes.Index(text[from:], word)
		if i < 0 {
			return false
		}
		if at := from + i; at == 0 || !isLetter(text[:at]) {
			return true
		}
		from += i + 1
	}
}

// isLetter tells whether a text ends in a letter or digit.
func isLetter(text []byte) bool {
	r, _ := utf8.DecodeLastRune(text)
	return unicode.IsLetter(r) || unicode.IsDigit(r)
}

func (a *API) export(w http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	list, err := a.Store.Contacts(r.Context(), who.ID)
	if err != nil {
		return nil, err
	}
	w.Header().Set("Content-Type", "text/vcard; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="contacts.vcf"`)
	_, _ = w.Write(writeCards(list)) // a client that went away
	return nil, errAnswered
}

func (a *API) importCards(w http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(importLasts)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, err
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(http.MaxBytesReader(w, r.Body, maxImport)); err != nil {
		return nil, wrong("", a.say(r, "cards_size"))
	}
	cards, skipped := readCards(b.Bytes())
	out := &Imported{Skipped: skipped}
	have, err := a.Store.Contacts(r.Context(), who.ID)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, c := range have {
		note(known, &c)
	}
	var added []store.Contact
	for i := range cards {
		c := &cards[i]
		if isKnown(known, c) {
			out.Known++
			continue
		}
		note(known, c)
		added = append(added, *c)
	}
	for part := range slices.Chunk(added, maxPut) {
		if _, err := a.Store.PutContacts(r.Context(), who.ID, part); err != nil {
			return nil, err
		}
		out.Added += len(part)
	}
	return out, nil
}

// note remembers what a contact is known by: its addresses, or else its name.
func note(known map[string]bool, c *store.Contact) {
	for _, address := range c.Addresses {
		known[strings.ToLower(address)] = true
	}
	if len(c.Addresses) == 0 {
		known[" "+c.Name] = true
	}
}

func isKnown(known map[string]bool, c *store.Contact) bool {
	if len(c.Addresses) == 0 {
		return known[" "+c.Name]
	}
	return !slices.ContainsFunc(c.Addresses, func(address string) bool { return !known[strings.ToLower(address)] })
}
