package jmapd

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"hash"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/postiljon/postiljon/internal/store"
)

// Bounds of Blob/* (RFC 9404 section 3.1).
const (
	maxDataSources = 64
	maxBlobRead    = 256 << 20 // octets that a call reads, also for sums and sizes; the largest upload if that is more
)

// digests are the algorithms by their names in the registry of HTTP digests.
var digests = map[string]func() hash.Hash{"sha": sha1.New, "sha-256": sha256.New, "sha-512": sha512.New}

// blobTypes are those that Blob/lookup knows.
var blobTypes = []string{"Email", "Mailbox", "SieveScript", "Thread"}

// blobCapability is what an account is told of blobs (RFC 9404 section 3.1).
func (l *Limits) blobCapability() object {
	return object{
		"maxSizeBlobSet": l.Upload, "maxDataSources": maxDataSources, "supportedTypeNames": blobTypes,
		"supportedDigestAlgorithms": slices.Sorted(maps.Keys(digests)),
	}
}

// dataSource is a part of a blob that is made (RFC 9404 section 4.1).
type dataSource struct {
	Text   *string `json:"data:asText"`
	Base64 *string `json:"data:asBase64"`
	BlobID *string `json:"blobId"`
	Offset int64   `json:"offset"`
	Length *int64  `json:"length"`
}

// blobUpload is Blob/upload (RFC 9404 section 4.1).
func blobUpload(ctx context.Context, c *call) (any, error) {
	if err := c.args.only("create"); err != nil {
		return nil, err
	}
	var create map[string]*struct {
		Data []dataSource
		Type *string
	}
	if err := c.args.read("create", &create); err != nil {
		return nil, err
	}
	if create == nil {
		return nil, invalid("create is missing")
	}
	if len(create) > c.server.options.Limits.Set {
		return nil, errTooManyToSet
	}
	p, err := c.picture(ctx)
	if err != nil {
		return nil, err
	}
	created, failed := object{}, map[string]*methodError{}
	for _, name := range slices.Sorted(maps.Keys(create)) {
		if create[name] == nil || create[name].Data == nil {
			failed[name] = badProperty("data", "it is missing")
			continue
		}
		u, e := c.putTogether(ctx, p, create[name].Data)
		if e != nil {
			failed[name] = e
			continue
		}
		kind := "application/octet-stream"
		if t := create[name].Type; t != nil {
			kind = mediaType(*t)
		}
		created[name], c.request.created[name] = object{"id": uploadID(u), "type": kind, "size": u.Size}, uploadID(u)
	}
	return object{"accountId": accountID(c.account.ID), "created": nullIfEmpty(created), "notCreated": nullIfEmpty(failed)}, nil
}

// putTogether makes one blob of parts.
func (c *call) putTogether(ctx context.Context, p *picture, parts []dataSource) (*store.Upload, *methodError) {
	s, a := c.server, c.user.ID
	switch err := s.reserve(ctx, a); {
	case errors.Is(err, errTooMuch):
		return nil, &methodError{Type: "overQuota", Description: err.Error()}
	case err != nil:
		return nil, c.setError(err)
	}
	defer s.finish(a)
	if len(parts) > maxDataSources {
		return nil, badProperty("data", "more parts than maxDataSources")
	}
	w, err := s.store.Blobs().Create(ctx)
	if err != nil {
		return nil, c.setError(err)
	}
	size := int64(0)
	for i := range parts {
		n, e := c.appendPart(ctx, p, w, &parts[i], s.options.Limits.Upload-size)
		if e != nil {
			w.Abort()
			return nil, e
		}
		size += n
	}
	ref, err := w.Commit()
	if err != nil {
		return nil, c.setError(err)
	}
	u, err := s.store.AddUpload(ctx, a, ref, size)
	if err != nil {
		return nil, c.setError(err)
	}
	return &u, nil
}

// appendPart writes a part, of which there is room for so many octets.
func (c *call) appendPart(ctx context.Context, p *picture, w io.Writer, d *dataSource, room int64) (int64, *methodError) {
	var from io.Reader
	want := int64(-1)
	switch {
	case d.Text != nil && d.Base64 == nil && d.BlobID == nil:
		from = strings.NewReader(*d.Text)
	case d.Base64 != nil && d.Text == nil && d.BlobID == nil:
		data, err := base64.StdEncoding.DecodeString(*d.Base64)
		if err != nil {
			return 0, badProperty("data", "not base64")
		}
		from = bytes.NewReader(data)
	case d.BlobID != nil && d.Text == nil && d.Base64 == nil && d.Offset >= 0 && (d.Length == nil || *d.Length >= 0):
		body, err := c.server.open(ctx, p, c.named(*d.BlobID))
		if errors.Is(err, errNoPart) {
			return 0, &methodError{Type: "blobNotFound", Description: *d.BlobID}
		}
		if err != nil {
			return 0, c.setError(err)
		}
		defer body.Close()
		if n, err := io.CopyN(io.Discard, body, d.Offset); err != nil && n < d.Offset {
			return 0, badProperty("data", "the offset is behind the end")
		}
		if from = body; d.Length != nil {
			from, want = io.LimitReader(body, *d.Length), *d.Length
		}
	default:
		return 0, badProperty("data", "each part has one of data:asText, data:asBase64 and blobId")
	}
	n, err := io.Copy(w, io.LimitReader(from, room+1))
	switch {
	case err != nil:
		return 0, c.setError(err)
	case n > room:
		return 0, &methodError{Type: "tooLarge"}
	case want >= 0 && n < want:
		return 0, badProperty("data", "the length is greater than what is there")
	}
	return n, nil
}

// blobGet is Blob/get (RFC 9404 section 4.2).
func blobGet(ctx context.Context, c *call) (any, error) {
	g, err := c.get(isBlobProperty, "offset", "length")
	if err != nil {
		return nil, err
	}
	r := blobRange{left: max(0, c.request.room.left), readable: max(maxBlobRead, c.server.options.Limits.Upload)}
	if err := c.args.read("offset", &r.offset); err != nil {
		return nil, err
	}
	if err := c.args.read("length", &r.length); err != nil {
		return nil, err
	}
	if r.offset < 0 || r.length != nil && *r.length < 0 {
		return nil, invalid("offset and length are not negative")
	}
	if g.all {
		return nil, invalid("ids is missing")
	}
	if g.properties == nil {
		g.properties = []string{"data", "size"}
	}
	p, err := c.picture(ctx)
	if err != nil {
		return nil, err
	}
	list, missing := []object{}, []string{}
	for _, id := range g.ids {
		body, err := c.server.open(ctx, p, c.named(id))
		if errors.Is(err, errNoPart) {
			missing = append(missing, id)
			continue
		}
		if err != nil {
			return nil, err
		}
		o, err := r.read(&bounded{body, &r.readable}, g.properties)
		body.Close()
		if err != nil {
			return nil, err
		}
		o["id"] = c.named(id)
		list = append(list, o)
	}
	if err := c.request.room.take(c.request.room.left - r.left); err != nil {
		return nil, err
	}
	return object{"accountId": accountID(c.account.ID), "list": list, "notFound": missing}, nil
}

func isBlobProperty(p string) bool {
	if name, ok := strings.CutPrefix(p, "digest:"); ok {
		return digests[name] != nil
	}
	return p == "data" || p == "data:asText" || p == "data:asBase64" || p == "size"
}

// blobRange is what of blobs is wanted.
type blobRange struct {
	offset int64
	length *int64
	left   int64 // octets that the answer has room for

	readable int64 // octets that the call may read still
}

// bounded reads no more than a call may.
type bounded struct {
	io.Reader
	left *int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if *b.left -= int64(n); *b.left < 0 {
		return n, &methodError{Type: "requestTooLarge", Description: "these blobs are more than is read in a call: ask for fewer at a time"}
	}
	return n, err
}

// read reads a blob to its end.
func (r *blobRange) read(body io.Reader, properties []string) (object, error) {
	o := object{}
	sums := map[string]hash.Hash{}
	var to []io.Writer
	for _, p := range properties {
		if name, ok := strings.CutPrefix(p, "digest:"); ok {
			sums[p] = digests[name]()
			to = append(to, sums[p])
		}
	}
	var data bytes.Buffer
	wantsData := slices.ContainsFunc(properties, func(p string) bool { return strings.HasPrefix(p, "data") })
	if wantsData {
		to = append(to, &data)
	}
	before, err := io.CopyN(io.Discard, body, r.offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	part := body
	if r.length != nil {
		part = io.LimitReader(body, *r.length)
	}
	if wantsData {
		part = io.LimitReader(part, r.left+1)
	}
	n, err := io.Copy(io.MultiWriter(to...), part)
	if err != nil {
		return nil, err
	}
	if wantsData {
		if r.left -= n; r.left < 0 {
			return nil, &methodError{Type: "requestTooLarge", Description: "the data is more than an answer has room for"}
		}
	}
	rest, err := io.Copy(io.Discard, body)
	if err != nil {
		return nil, err
	}
	if before < r.offset || r.length != nil && n < *r.length {
		o["isTruncated"] = true
	}
	for p, h := range sums {
		o[p] = base64.StdEncoding.EncodeToString(h.Sum(nil))
	}
	if slices.Contains(properties, "size") {
		o["size"] = before + n + rest
	}
	tellData(o, data.Bytes(), properties)
	return o, nil
}

// tellData writes data in the forms that are wanted.
func tellData(o object, data []byte, properties []string) {
	text := utf8.Valid(data)
	for _, p := range properties {
		switch {
		case (p == "data:asText" || p == "data") && text:
			o["data:asText"] = string(data)
		case p == "data:asBase64" || p == "data":
			o["data:asBase64"] = base64.StdEncoding.EncodeToString(data)
		case p == "data:asText":
			o[p] = nil
		}
		if strings.HasPrefix(p, "data") && p != "data:asBase64" && !text {
			o["isEncodingProblem"] = true
		}
	}
}

// blobLookup is Blob/lookup (RFC 9404 section 4.3).
func blobLookup(ctx context.Context, c *call) (any, error) {
	if err := c.args.only("ids", "typeNames"); err != nil {
		return nil, err
	}
	var ids, types []string
	for name, v := range map[string]*[]string{"ids": &ids, "typeNames": &types} {
		if err := c.args.read(name, v); err != nil {
			return nil, err
		}
		if *v == nil {
			return nil, invalid("%s is missing", name)
		}
	}
	for _, t := range types {
		if !slices.Contains(blobTypes, t) {
			return nil, &methodError{Type: "unknownDataType", Description: t}
		}
	}
	if len(ids) > c.server.options.Limits.Get {
		return nil, errTooManyToGet
	}
	p, err := c.picture(ctx)
	if err != nil {
		return nil, err
	}
	list, missing := []object{}, []string{}
	for _, id := range ids {
		found, there, err := c.lookup(ctx, p, c.named(id))
		if err != nil {
			return nil, err
		}
		if !there {
			missing = append(missing, id)
			continue
		}
		matched := map[string][]string{}
		for _, t := range types {
			matched[t] = listed(found[t])
		}
		list = append(list, object{"id": c.named(id), "matchedIds": matched})
	}
	return object{"accountId": accountID(c.account.ID), "list": list, "notFound": missing}, nil
}

// lookup finds what refers to a blob, by type.
func (c *call) lookup(ctx context.Context, p *picture, id string) (found map[string][]string, there bool, err error) {
	body, err := c.server.open(ctx, p, id)
	if errors.Is(err, errNoPart) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	body.Close()
	found = map[string][]string{}
	if e, _, ok := parseBlobID(id); ok {
		if l, ok := p.email(e); ok {
			found["Email"], found["Thread"] = []string{p.sight.emailID(e)}, []string{p.sight.threadID(l.Thread)}
			for i := range l.At {
				found["Mailbox"] = append(found["Mailbox"], p.sight.mailboxID(l.At[i].Mailbox))
			}
		}
	}
	if script, _, ok := strings.Cut(id, "-"); ok && strings.HasPrefix(id, "s") {
		found["SieveScript"] = []string{script}
	}
	return found, true, nil
}
