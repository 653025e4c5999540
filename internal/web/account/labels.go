package account

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/postiljon/postiljon/internal/store"
)

// labelsName is the annotation of an account that has its labels, as JSON.
const labelsName = "/private/vendor/postiljon/labels"

// Limits of labels.
const (
	maxLabels      = 100 // of the keywords that an account can have
	maxLabelName   = 60  // characters
	maxLabelLength = 64  // octets of its keyword
)

// Label is a keyword that people give to mail, with what they call it.
type Label struct {
	Keyword string `json:"keyword"` // as IMAP and JMAP have it, in small letters
	Name    string `json:"name"`    // "" for one of the first five, which are called so in the reader's language
	Colour  string `json:"colour"`  // one of labelColours, or ""
}

// labelColours are the names of colours; style sheets know what they look like.
var labelColours = []string{"", "red", "orange", "yellow", "green", "teal", "blue", "violet", "pink", "grey"}

// taken are keywords that mean something to programs (the IANA registry of IMAP and JMAP keywords).
var taken = []string{"$seen", "$answered", "$flagged", "$draft", "$deleted", "$forwarded", "$junk", "$notjunk", "$phishing", "$mdnsent", "junk", "nonjunk", "notjunk", "forwarded"}

// Labels are those of an account, in the order in which they are shown.
type Labels struct {
	Labels []Label `json:"labels"` // null while nobody chose any: then they are the first five, as mail programs have them
}

// LabelsOf answers the labels of an account.
func (a *API) LabelsOf(ctx context.Context, id store.AccountID) (l Labels, err error) {
	all, err := a.Store.Annotations(ctx, id, store.AccountAnnotations)
	if err != nil {
		return l, err
	}
	for _, one := range all {
		if one.Name != labelsName {
			continue
		}
		if json.Unmarshal(one.Value, &l) != nil || l.check() != "" {
			return Labels{}, nil // another program wrote there
		}
	}
	return l, nil
}

func (a *API) labels(_ http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	return a.LabelsOf(r.Context(), who.ID)
}

func (a *API) changeLabels(w http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	var l Labels
	if err := a.read(w, r, &l); err != nil {
		return nil, err
	}
	if l.Labels == nil {
		l.Labels = []Label{}
	}
	if problem := l.check(); problem != "" {
		return nil, wrong("labels", a.say(r, problem))
	}
	value, err := json.Marshal(l)
	if err != nil {
		return nil, fmt.Errorf("account: labels: %w", err)
	}
	return l, a.Store.Annotate(r.Context(), who.ID, store.AccountAnnotations, []store.Annotation{{Name: labelsName, Value: value}})
}

// check answers what is wrong with labels, as a key of the texts.
func (l *Labels) check() string {
	if len(l.Labels) > maxLabels {
		return "too_many"
	}
	names, keywords := map[string]bool{}, map[string]bool{}
	for i := range l.Labels {
		one := &l.Labels[i]
		one.Name = strings.TrimSpace(one.Name)
		name := strings.ToLower(one.Name)
		switch {
		case !isKeyword(one.Keyword) || slices.Contains(taken, one.Keyword) || !slices.Contains(labelColours, one.Colour) || keywords[one.Keyword]:
			return "invalid"
		case !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxLabelName || strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || c == 0x7f }):
			return "label"
		case name != "" && names[name]:
			return "label_taken"
		}
		names[name], keywords[one.Keyword] = true, true
	}
	return ""
}

// isKeyword tells whether something is a keyword in small letters (RFC 8621 section 4.1.1).
func isKeyword(k string) bool {
	return k != "" && len(k) <= maxLabelLength && !strings.ContainsFunc(k, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || (c >= 'A' && c <= 'Z') || strings.ContainsRune(`(){]%*"\`, c)
	})
}
