package clinic

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
)

// Letter is what goes to the postmaster when somebody asks for help.
type Letter struct {
	Reference string
	From      string // the address that it is about
	Account   store.AccountID
	Lang      cause.Lang
	Text      string // what the person wrote, and the summary
	Bundle    []byte // a zip file, without secrets
}

// file is one file of the bundle.
type file struct{ Name, Text string }

// helpPage shows what goes to the postmaster before it goes.
type helpPage struct {
	frame
	Reference, Subject string
	Files              []file
	Size               string
	Public             bool
	Sent               bool
}

// found is the report that a page is about; nil if it was answered already.
func (c *Clinic) found(w http.ResponseWriter, r *http.Request, v visitor) *kept {
	id, err := ParseReference(r.PathValue("ref"))
	if err != nil {
		c.sorry(w, r, v, http.StatusNotFound, "sorry_reference")
		return nil
	}
	k, err := c.load(r.Context(), v, id)
	if err != nil {
		c.fail(w, r, v, err)
		return nil
	}
	if k == nil {
		c.sorry(w, r, v, http.StatusNotFound, "sorry_reference")
	}
	return k
}

// help shows the bundle.
func (c *Clinic) help(w http.ResponseWriter, r *http.Request, v visitor) {
	if k := c.found(w, r, v); k != nil {
		c.showHelp(w, r, v, k, r.URL.Query().Has("sent"))
	}
}

func (c *Clinic) showHelp(w http.ResponseWriter, r *http.Request, v visitor, k *kept, sent bool) {
	files, err := c.files(r, v, k)
	if err != nil {
		c.fail(w, r, v, err)
		return
	}
	size := 0
	for _, f := range files {
		size += len(f.Text)
	}
	p := helpPage{
		frame: c.frame(r, v, "help_title"), Reference: reference(k.ID), Subject: k.Address, Files: files, Public: v.account == nil, Sent: sent,
		Size: c.Catalogue.Value(v.lang, cause.Size("size", int64(size))),
	}
	c.pages.Write(w, http.StatusOK, "help.html", v.lang, p)
}

// bundle is the same as a zip file.
func (c *Clinic) bundle(w http.ResponseWriter, r *http.Request, v visitor) {
	k := c.found(w, r, v)
	if k == nil {
		return
	}
	packed, err := c.zip(r, v, k)
	if err != nil {
		c.fail(w, r, v, err)
		return
	}
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", `attachment; filename="`+reference(k.ID)+`.zip"`)
	_, _ = w.Write(packed) // a client that went away
}

func (c *Clinic) zip(r *http.Request, v visitor, k *kept) ([]byte, error) {
	files, err := c.files(r, v, k)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range files {
		w, err := z.CreateHeader(&zip.FileHeader{Name: f.Name, Method: zip.Deflate, Modified: k.Ended})
		if err != nil {
			return nil, err
		}
		if _, err := w.Write([]byte(f.Text)); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// maxWords is how much a person may write to the postmaster.
const maxWords = 2000

// ask sends the bundle to the postmaster. Only who is signed in can: the postmaster's mailbox is no place for strangers
// to fill.
func (c *Clinic) ask(w http.ResponseWriter, r *http.Request, v visitor) {
	k := c.found(w, r, v)
	if k == nil {
		return
	}
	if v.account == nil {
		c.showHelp(w, r, v, k, false)
		return
	}
	if err := c.runs.countOnly(counted{perHelp, "help " + v.account.Address}); err != nil {
		c.sorry(w, r, v, http.StatusTooManyRequests, "sorry_busy")
		return
	}
	packed, err := c.zip(r, v, k)
	if err != nil {
		c.fail(w, r, v, err)
		return
	}
	words := []rune(strings.ToValidUTF8(r.PostFormValue("words"), "?"))
	letter := Letter{
		Reference: reference(k.ID), From: v.account.Address, Account: v.account.ID, Lang: v.lang, Bundle: packed,
		Text: strings.TrimSpace(string(words[:min(len(words), maxWords)])+"\n\n"+redact(c.summary(r, v, k), k.Address)) + "\n",
	}
	if err := c.Help(r.Context(), letter); err != nil {
		c.fail(w, r, v, err)
		return
	}
	http.Redirect(w, r, c.path("/doctor/report/"+letter.Reference+"/help", v)+"&sent", http.StatusSeeOther)
}

// summary is what was found, in a few lines.
func (c *Clinic) summary(r *http.Request, v visitor, k *kept) string {
	v.aside = true
	p := c.reportPage(r, v, k)
	lines := []string{p.Sentence}
	for _, text := range []string{p.Text, p.Next} {
		if text != "" {
			lines = append(lines, text)
		}
	}
	lines = append(lines, "", p.Say("reference", "reference", p.Reference), p.Ended, k.Address)
	for _, f := range k.Causes {
		lines = append(lines, string(f.ID))
	}
	for _, part := range []struct {
		key   string
		texts []string
	}{{"checked_trouble", p.Checked.Trouble}, {"checked_fine", p.Checked.Fine}, {"checked_unseen", p.Checked.Unseen}} {
		if len(part.texts) > 0 {
			lines = append(lines, "", p.T[part.key]+":")
			for _, text := range part.texts {
				lines = append(lines, "- "+text)
			}
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

// files are what the bundle has, without what is nobody else's business.
func (c *Clinic) files(r *http.Request, v visitor, k *kept) ([]file, error) {
	files := []file{{"summary.txt", redact(c.summary(r, v, k), k.Address)}}
	if len(k.Report) == 0 {
		return files, nil
	}
	var report any
	if err := json.Unmarshal(k.Report, &report); err != nil {
		return nil, fmt.Errorf("clinic: %w", err)
	}
	raw, err := json.MarshalIndent(redactJSON(report, k.Address), "", " ")
	if err != nil {
		return nil, fmt.Errorf("clinic: %w", err)
	}
	return append(files, file{"report.json", string(raw)}), nil
}

// mailAddress finds addresses of mail in texts.
var mailAddress = regexp.MustCompile(`[^\s"'<>()\[\],:;@=]+@[\p{L}\p{N}][\p{L}\p{N}.-]*`)

// redact leaves of addresses of other people their first letter and the domain.
func redact(text, own string) string {
	return mailAddress.ReplaceAllStringFunc(text, func(found string) string {
		if strings.EqualFold(strings.TrimRight(found, "."), own) {
			return found
		}
		local, domain, _ := strings.Cut(found, "@")
		for _, first := range local {
			return string(first) + "…@" + domain
		}
		return "…@" + domain
	})
}

// redactJSON does the same with all texts of a value, and takes out what messages are about.
func redactJSON(value any, own string) any {
	switch v := value.(type) {
	case string:
		return redact(v, own)
	case []any:
		for i := range v {
			v[i] = redactJSON(v[i], own)
		}
	case map[string]any:
		for name, one := range v {
			if strings.EqualFold(name, "subject") {
				if _, isText := one.(string); isText {
					v[name] = "…"
					continue
				}
			}
			v[name] = redactJSON(one, own)
		}
	}
	return value
}

// Subject is what a letter is headed with.
func (c *Clinic) Subject(l Letter) string {
	return c.says[l.Lang].Say("words.letter_subject", "address", l.From, "reference", l.Reference)
}
