package message

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// The binary form of a Summary:
//
//	version  1 octet
//	flags    uvarint
//	numbers  Size, HeaderSize, MaxLine: uvarint; Date: varint seconds since 1970, varint zone in seconds
//	lengths  of the blocks that follow, uvarint each
//	blocks   envelope, bodystructure, preview, subject, message-id, addresses, references, parts, overview
//
// What a listing reads comes first, and every block can be reached without reading another. Version 1, which is read as well,
// has no overview.
const encodingVersion = 2

// ErrCorrupt is wrapped by the errors of ParseSummary and ViewSummary.
var ErrCorrupt = errors.New("message: corrupt summary")

const (
	flagEightBit = 1 << iota
	flagHeaderEightBit
	flagBareLF
	flagBareCR
	flagNUL
	flagAttachment
	flagDegraded
	flagDate
)

// The blocks, in their order.
const (
	blockEnvelope = iota
	blockBodyStructure
	blockPreview
	blockSubject
	blockMessageID
	blockAddresses
	blockReferences
	blockParts
	blockOverview
	blockCount
)

// AppendBinary appends the compact form of s to b and returns the result. A typical message takes
// about one and a half kilobytes. Equal summaries have equal forms.
func (s *Summary) AppendBinary(b []byte) []byte {
	// Blocks whose length is not known beforehand are made in a buffer of their own.
	scratch := make([]byte, 0, 512)
	scratch = s.appendAddresses(scratch)
	addresses := len(scratch)
	scratch = appendStrings(appendStrings(scratch, s.InReplyTo), s.References)
	references := len(scratch)
	scratch = appendParts(scratch, s.Parts)

	b = append(b, encodingVersion)
	b = binary.AppendUvarint(b, s.flags())
	b = binary.AppendUvarint(b, uint64(s.Size))
	b = binary.AppendUvarint(b, uint64(s.HeaderSize))
	b = binary.AppendUvarint(b, uint64(s.MaxLine))
	if !s.Date.IsZero() {
		_, zone := s.Date.Zone()
		b = binary.AppendVarint(b, s.Date.Unix())
		b = binary.AppendVarint(b, int64(zone))
	}
	for _, n := range [blockCount]int{
		len(s.Envelope), len(s.BodyStructure), len(s.Preview), len(s.Subject), len(s.MessageID),
		addresses, references - addresses, len(scratch) - references, len(s.Overview),
	} {
		b = binary.AppendUvarint(b, uint64(n))
	}
	b = append(b, s.Envelope...)
	b = append(b, s.BodyStructure...)
	b = append(b, s.Preview...)
	b = append(b, s.Subject...)
	b = append(b, s.MessageID...)
	b = append(b, scratch...)
	return append(b, s.Overview...)
}

func (s *Summary) flags() uint64 {
	var flags uint64
	for _, f := range []struct {
		set bool
		bit uint64
	}{
		{s.EightBit, flagEightBit}, {s.HeaderEightBit, flagHeaderEightBit}, {s.BareLF, flagBareLF},
		{s.BareCR, flagBareCR}, {s.NUL, flagNUL}, {s.HasAttachment, flagAttachment},
		{s.Degraded, flagDegraded}, {!s.Date.IsZero(), flagDate},
	} {
		if f.set {
			flags |= f.bit
		}
	}
	return flags
}

func (s *Summary) appendAddresses(b []byte) []byte {
	for _, list := range [][]Address{s.From, s.Sender, s.ReplyTo, s.To, s.Cc, s.Bcc} {
		b = binary.AppendUvarint(b, uint64(len(list)))
		for _, a := range list {
			b = appendString(appendString(b, a.Name), a.Email)
		}
	}
	return b
}

// appendParts writes offsets as differences, which are small, and leaves what is derived away.
func appendParts(b []byte, parts []Part) []byte {
	b = binary.AppendUvarint(b, uint64(len(parts)))
	for i := range parts {
		p := &parts[i]
		b = binary.AppendUvarint(b, uint64(p.HeaderStart))
		b = binary.AppendUvarint(b, uint64(p.BodyStart-p.HeaderStart))
		b = binary.AppendUvarint(b, uint64(p.End-p.BodyStart))
		b = binary.AppendUvarint(b, uint64(p.Lines))
		b = binary.AppendUvarint(b, uint64(p.Parent+1))
		for _, text := range [...]string{p.Type, p.Subtype, p.Encoding, p.Charset, p.Boundary, p.Name, p.Filename, p.Disposition, p.ContentID} {
			b = appendString(b, text)
		}
	}
	return b
}

func appendStrings(b []byte, list []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, text := range list {
		b = appendString(b, text)
	}
	return b
}

func appendString(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// SummaryView reads a stored summary in place. Its methods return parts of the stored bytes, which
// the caller must not change; making one and calling them does not allocate, unless said so.
type SummaryView struct {
	flags                     uint64
	size, headerSize, maxLine int64
	date, zone                int64
	blocks                    [blockCount][]byte
}

// ViewSummary returns a view of b, which must stay unchanged while the view is used. It checks the
// frame only: blocks that need decoding are checked when they are asked for. Errors wrap ErrCorrupt.
func ViewSummary(b []byte) (SummaryView, error) {
	var v SummaryView
	if len(b) == 0 || b[0] == 0 || b[0] > encodingVersion {
		return v, fmt.Errorf("%w: unknown version", ErrCorrupt)
	}
	count := blockCount
	if b[0] == 1 {
		count = blockOverview
	}
	d := decoder{b: b[1:]}
	v.flags = d.uvarint()
	v.size, v.headerSize, v.maxLine = d.number(), d.number(), d.number()
	if v.flags&flagDate != 0 {
		v.date, v.zone = d.varint(), d.varint()
	}
	var lengths [blockCount]uint64
	for i := range count {
		lengths[i] = d.uvarint()
	}
	for i := range count {
		v.blocks[i] = d.bytes(lengths[i])
	}
	if !d.done() || v.zone < -maxZone || v.zone > maxZone || v.date < minDate || v.date > maxDate {
		return SummaryView{}, fmt.Errorf("%w: frame does not fit", ErrCorrupt)
	}
	return v, nil
}

// Bounds of a stored date: the years 0 to 9999 that a Date field can name, and zones of "+9959".
const (
	maxZone = 100 * 3600
	minDate = -62167219200 - maxZone
	maxDate = 253402300799 + maxZone
)

// Size returns Summary.Size.
func (v *SummaryView) Size() int64 { return v.size }

// HeaderSize returns Summary.HeaderSize.
func (v *SummaryView) HeaderSize() int64 { return v.headerSize }

// Envelope returns Summary.Envelope.
func (v *SummaryView) Envelope() []byte { return v.blocks[blockEnvelope] }

// BodyStructure returns Summary.BodyStructure.
func (v *SummaryView) BodyStructure() []byte { return v.blocks[blockBodyStructure] }

// Preview returns Summary.Preview, in UTF-8.
func (v *SummaryView) Preview() []byte { return v.blocks[blockPreview] }

// Subject returns Summary.Subject, in UTF-8.
func (v *SummaryView) Subject() []byte { return v.blocks[blockSubject] }

// MessageID returns Summary.MessageID.
func (v *SummaryView) MessageID() []byte { return v.blocks[blockMessageID] }

// Overview returns Summary.Overview; nothing where it is not kept.
func (v *SummaryView) Overview() []byte { return v.blocks[blockOverview] }

// HasAttachment returns Summary.HasAttachment.
func (v *SummaryView) HasAttachment() bool { return v.flags&flagAttachment != 0 }

// NUL returns Summary.NUL.
func (v *SummaryView) NUL() bool { return v.flags&flagNUL != 0 }

// EightBit returns Summary.EightBit.
func (v *SummaryView) EightBit() bool { return v.flags&flagEightBit != 0 }

// HeaderEightBit returns Summary.HeaderEightBit.
func (v *SummaryView) HeaderEightBit() bool { return v.flags&flagHeaderEightBit != 0 }

// Date returns Summary.Date. It allocates where the zone is not UTC.
func (v *SummaryView) Date() time.Time {
	if v.flags&flagDate == 0 {
		return time.Time{}
	}
	return inZone(v.date, int(v.zone))
}

// DateUnix returns the date in seconds since 1970, and false where the message has none.
func (v *SummaryView) DateUnix() (int64, bool) { return v.date, v.flags&flagDate != 0 }

// Parts decodes Summary.Parts, which allocates.
func (v *SummaryView) Parts() ([]Part, error) {
	d := decoder{b: v.blocks[blockParts]}
	parts := d.parts()
	if !d.done() || len(parts) == 0 {
		return nil, fmt.Errorf("%w: parts", ErrCorrupt)
	}
	return parts, nil
}

// Section answers as Summary.Section does. It decodes the parts, which allocates, unless the
// section is the message, its header or its text. Where the parts are corrupt it is false.
func (v *SummaryView) Section(path []int, spec SectionSpec) (start, end int64, ok bool) {
	if len(path) == 0 {
		root := [1]Part{{BodyStart: v.headerSize, End: v.size, Parent: -1}}
		return section(root[:], nil, spec)
	}
	parts, err := v.Parts()
	if err != nil {
		return 0, 0, false
	}
	return section(parts, path, spec)
}

// AddressField names an address field of the header.
type AddressField int

// The address fields that a Summary holds.
const (
	FieldFrom AddressField = iota
	FieldSender
	FieldReplyTo
	FieldTo
	FieldCc
	FieldBcc
	addressFields
)

// Addresses decodes one of the address lists, which allocates. Where they are corrupt it is empty.
func (v *SummaryView) Addresses(field AddressField) []Address {
	d := decoder{b: v.blocks[blockAddresses]}
	for f := range addressFields {
		list := d.addresses(f == field)
		if f == field && d.err == nil {
			return list
		}
	}
	return nil
}

// References decodes InReplyTo and References, which allocates. Where they are corrupt both are empty.
func (v *SummaryView) References() (inReplyTo, references []string) {
	d := decoder{b: v.blocks[blockReferences]}
	inReplyTo, references = d.strings(), d.strings()
	if !d.done() {
		return nil, nil
	}
	return inReplyTo, references
}

// Summary decodes everything. The result shares no memory with the stored bytes.
func (v *SummaryView) Summary() (*Summary, error) {
	s := &Summary{
		Size: v.size, HeaderSize: v.headerSize, MaxLine: v.maxLine,
		EightBit: v.flags&flagEightBit != 0, HeaderEightBit: v.flags&flagHeaderEightBit != 0,
		BareLF: v.flags&flagBareLF != 0, BareCR: v.flags&flagBareCR != 0, NUL: v.flags&flagNUL != 0,
		HasAttachment: v.flags&flagAttachment != 0, Degraded: v.flags&flagDegraded != 0,
		Envelope: clone(v.Envelope()), BodyStructure: clone(v.BodyStructure()), Overview: clone(v.Overview()),
		Preview: string(v.Preview()), Subject: string(v.Subject()), MessageID: string(v.MessageID()),
		Date: v.Date(),
	}
	d := decoder{b: v.blocks[blockAddresses]}
	for _, list := range []*[]Address{&s.From, &s.Sender, &s.ReplyTo, &s.To, &s.Cc, &s.Bcc} {
		*list = d.addresses(true)
	}
	if !d.done() {
		return nil, fmt.Errorf("%w: addresses", ErrCorrupt)
	}
	d = decoder{b: v.blocks[blockReferences]}
	s.InReplyTo, s.References = d.strings(), d.strings()
	if !d.done() {
		return nil, fmt.Errorf("%w: references", ErrCorrupt)
	}
	var err error
	s.Parts, err = v.Parts()
	return s, err
}

// ParseSummary decodes what AppendBinary made. Errors wrap ErrCorrupt.
func ParseSummary(b []byte) (*Summary, error) {
	v, err := ViewSummary(b)
	if err != nil {
		return nil, err
	}
	s, err := v.Summary()
	if err != nil {
		return nil, err
	}
	return s, nil
}

// clone copies b; nothing stays nothing.
func clone(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return append([]byte(nil), b...)
}

// decoder reads varints and strings off b. After the first error it gives zeros.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail() {
	d.b, d.err = nil, ErrCorrupt
}

// done tells whether everything was read, without error.
func (d *decoder) done() bool { return d.err == nil && len(d.b) == 0 }

func (d *decoder) uvarint() uint64 {
	x, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return x
}

func (d *decoder) varint() int64 {
	x, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return x
}

// number reads an offset or a size: below 2^56, so that sums of a few never overflow.
func (d *decoder) number() int64 {
	x := d.uvarint()
	if x >= 1<<56 {
		d.fail()
		return 0
	}
	return int64(x)
}

func (d *decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.fail()
		return nil
	}
	b := d.b[:n:n]
	d.b = d.b[n:]
	return b
}

// count reads the length of a list whose items take at least size octets each, so that a corrupt
// count cannot make us allocate more than a small multiple of the input.
func (d *decoder) count(size int) int {
	n := d.uvarint()
	if n > uint64(len(d.b)/size) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) strings() []string {
	n := d.count(1)
	if n == 0 {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = string(d.bytes(d.uvarint()))
	}
	return list
}

// addresses reads a list, or skips it where it is not wanted.
func (d *decoder) addresses(wanted bool) []Address {
	n := d.count(2)
	var list []Address
	if wanted && n > 0 {
		list = make([]Address, n)
	}
	for i := range n {
		name, email := d.bytes(d.uvarint()), d.bytes(d.uvarint())
		if wanted {
			list[i] = Address{Name: string(name), Email: string(email)}
		}
	}
	return list
}

func (d *decoder) parts() []Part {
	parts := make([]Part, d.count(14))
	for i := range parts {
		p := &parts[i]
		p.HeaderStart = d.number()
		p.BodyStart = p.HeaderStart + d.number()
		p.End = p.BodyStart + d.number()
		p.Lines = d.number()
		p.Parent = int(d.number()) - 1
		for _, text := range [...]*string{&p.Type, &p.Subtype, &p.Encoding, &p.Charset, &p.Boundary, &p.Name, &p.Filename, &p.Disposition, &p.ContentID} {
			*text = intern(d.bytes(d.uvarint()))
		}
		// A parent lies before its parts; only the message itself has none.
		if p.Parent >= i || (p.Parent < 0) != (i == 0) {
			d.fail()
			return nil
		}
	}
	return parts
}
