package clinic

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
	"github.com/postiljon/postiljon/internal/store"
)

// kept is what was found, as it is kept under its reference: enough to be told again in any language. It has no password.
type kept struct {
	ID      store.TraceID
	Account store.AccountID
	Tile    string
	Address string
	Message string       // the trace of the message that it is about
	To      string       // and whom that was for
	Awaited string       // the address from which a message is waited for
	Place   string       // the mailbox in which it lies
	Refused cause.ID     // why it was turned away here
	Client  cause.Client // the mail program, as far as it is known
	Began   time.Time
	Ended   time.Time

	State    doctor.State
	Causes   []finding // the surest first
	Also     []finding
	Possible []cause.ID
	RuledOut []cause.ID
	Areas    []doctor.Area
	Note     string   // a sentence of ours in place of a cause: the key of its words
	Held     []string // what was not looked at on purpose: keys of words
	Fixed    bool     // what was found before is not there any more
	SignIns  doctor.SignIns

	Report json.RawMessage // postiljon.doctor/1
}

// finding is a cause with its values.
type finding struct {
	ID      cause.ID
	Certain bool
	Params  []param
	Until   time.Time
	Signs   []string
}

// param is a parameter of a cause; its type is kept beside it.
type param struct{ Name, Type, Value string }

func findingOf(d cause.Decision, certain bool, signs []string) finding {
	f := finding{ID: d.Cause, Certain: certain, Until: d.Until, Signs: signs}
	for _, p := range d.Params {
		kept := param{Name: p.Name}
		switch v := p.Value.(type) {
		case int64:
			kept.Type, kept.Value = "count", strconv.FormatInt(v, 10)
		case cause.Bytes:
			kept.Type, kept.Value = "size", strconv.FormatInt(int64(v), 10)
		case time.Time:
			kept.Type, kept.Value = "time", v.Format(time.RFC3339Nano)
		case time.Duration:
			kept.Type, kept.Value = "span", strconv.FormatInt(int64(v), 10)
		default:
			kept.Type, kept.Value = "text", fmt.Sprint(v)
		}
		f.Params = append(f.Params, kept)
	}
	return f
}

// decision is the cause with its values as they were.
func (f finding) decision() cause.Decision {
	d := cause.Decision{Action: cause.ActionRefuse, Cause: f.ID, Until: f.Until}
	for _, p := range f.Params {
		n, _ := strconv.ParseInt(p.Value, 10, 64) // findingOf wrote it
		switch p.Type {
		case "count":
			d.Params = append(d.Params, cause.Count(p.Name, n))
		case "size":
			d.Params = append(d.Params, cause.Size(p.Name, n))
		case "time":
			at, _ := time.Parse(time.RFC3339Nano, p.Value)
			d.Params = append(d.Params, cause.Time(p.Name, at))
		case "span":
			d.Params = append(d.Params, cause.Span(p.Name, time.Duration(n)))
		default:
			d.Params = append(d.Params, cause.Text(p.Name, p.Value))
		}
	}
	return d
}

// concluded takes over what the doctor found.
func (k *kept) concluded(r *doctor.Report) error {
	k.State, k.Possible, k.RuledOut, k.SignIns = r.Verdict.State, r.Verdict.Possible, r.Verdict.RuledOut, r.SignInAttempts
	k.Client, k.Areas = r.Client(), r.Areas()
	for _, c := range r.Verdict.Causes {
		if !ofTheDevice(c.ID) {
			k.Causes = append(k.Causes, findingOf(c.Decision, c.Certainty == infer.Proven, c.Signs))
		}
	}
	for _, c := range r.Verdict.Also {
		if !ofTheDevice(c.ID) {
			k.Also = append(k.Also, findingOf(c.Decision, c.Certainty == infer.Proven, c.Signs))
		}
	}
	k.Possible, k.RuledOut = slices.DeleteFunc(k.Possible, ofTheDevice), slices.DeleteFunc(k.RuledOut, ofTheDevice)
	cutOff := slices.ContainsFunc(k.Areas, func(a doctor.Area) bool { return a.Name == "network" && a.Condition == doctor.Trouble })
	if len(k.Causes) == 0 && (len(r.Verdict.Causes) > 0 || cutOff && k.State == doctor.Unknown) { // the line that is not in order is this machine's
		k.State, k.Note = doctor.Unknown, "note_failed"
	}
	if len(k.Causes) == 0 && k.State == doctor.Unknown && k.Account != 0 && len(r.Verdict.Unexplained) > 0 && !slices.ContainsFunc(r.Verdict.Unexplained, notOfThisMachine) {
		k.State, k.Note = doctor.Healthy, ""
	}
	var err error
	k.Report, err = json.Marshal(r)
	return err
}

// notOfThisMachine tells of signs that show more than that this machine has no line out, which is no matter for who has an account here.
func notOfThisMachine(sign string) bool { return sign != "no-name-resolves" && sign != "no-way-out" }

// ofTheDevice tells causes that lie in the device or the network from which the doctor looks. On the web that is this
// machine, not the person's: nothing can be said of them.
func ofTheDevice(id cause.ID) bool {
	switch family, _, _ := strings.Cut(string(id), "."); family {
	case "network":
		return id != cause.NetworkClientBanned
	case "device", "push", "web":
		return true
	}
	return id == cause.TLSClockWrong || id == cause.DNSResolverDead || id == cause.DNSFiltered || id == cause.ClientAccountOffline
}

// proven is what the service itself said of a sign-in or a message.
func (k *kept) proven(d cause.Decision) {
	k.State = doctor.Proven
	k.Causes = append(k.Causes, findingOf(d, true, nil))
}

// compareWith tells whether what was found before is gone.
func (k *kept) compareWith(before *kept) {
	if before == nil || before.Tile != k.Tile || len(before.Causes) == 0 && before.State != doctor.Proven {
		return
	}
	k.Fixed = len(k.Causes) == 0 && k.State == doctor.Healthy
}

// keep writes what was found to the store. A report that is too large is kept without its facts.
func (c *Clinic) keep(ctx context.Context, k *kept) error {
	packed, err := pack(k)
	if err == nil && len(packed) > store.MaxReport {
		k.Report = nil
		packed, err = pack(k)
	}
	if err != nil {
		return fmt.Errorf("clinic: %w", err)
	}
	return c.Store.PutReport(ctx, k.Account, k.ID, packed)
}

func pack(k *kept) ([]byte, error) {
	raw, err := json.Marshal(k)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(raw); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// maxUnpacked bounds what a report is unpacked to.
const maxUnpacked = 16 << 20

func unpack(packed []byte) (*kept, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(z, maxUnpacked))
	if err != nil {
		return nil, err
	}
	k := &kept{}
	return k, json.Unmarshal(raw, k)
}

// load returns a report that a visitor may see, nil if there is none.
func (c *Clinic) load(ctx context.Context, v visitor, id store.TraceID) (*kept, error) {
	packed, err := c.Store.Report(ctx, v.id(), id)
	if store.KindOf(err) == store.KindNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return unpack(packed)
}

// ReadReport shows a report to whoever helps, as JSON: when it was made, of whom, what was found, and the doctor's
// report in the schema postiljon.doctor/1.
func ReadReport(packed []byte) (json.RawMessage, error) {
	k, err := unpack(packed)
	if err != nil {
		return nil, fmt.Errorf("clinic: %w", err)
	}
	var causes []cause.ID
	for _, f := range k.Causes {
		causes = append(causes, f.ID)
	}
	return json.MarshalIndent(struct {
		Reference string          `json:"reference"`
		Address   string          `json:"address"`
		SignedIn  bool            `json:"signed_in"`
		About     string          `json:"about"`
		Message   string          `json:"message,omitempty"`
		To        string          `json:"to,omitempty"`
		Began     time.Time       `json:"began"`
		Ended     time.Time       `json:"ended"`
		State     doctor.State    `json:"state"`
		Causes    []cause.ID      `json:"causes"`
		Fixed     bool            `json:"fixed,omitempty"`
		Report    json.RawMessage `json:"report,omitempty"`
	}{reference(k.ID), k.Address, k.Account != 0, k.Tile, k.Message, k.To, k.Began, k.Ended, k.State, causes, k.Fixed, k.Report}, "", "  ")
}

// symptomOf is what a tile asks the doctor about.
func symptomOf(tile string) evidence.Symptom {
	switch tile {
	case "send":
		return evidence.Send
	case "receive":
		return evidence.Receive
	case "program", "signin":
		return evidence.SignsIn
	case "message":
		return evidence.OneMessage
	}
	return evidence.AnySymptom
}
