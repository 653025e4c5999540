package jmapd

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// copyArgs are those of Email/copy (RFC 8621 section 4.7).
type copyArgs struct {
	from          neighbour
	create        map[string]map[string]json.RawMessage
	destroy       bool
	ifState       *string
	ifFromState   *string
	destroyIfThis *string
}

func (c *call) copyArgs(ctx context.Context) (a copyArgs, err error) {
	if err := c.args.only("fromAccountId", "ifFromInState", "ifInState", "create", "onSuccessDestroyOriginal", "destroyFromIfInState"); err != nil {
		return a, err
	}
	for name, v := range map[string]any{
		"create": &a.create, "onSuccessDestroyOriginal": &a.destroy, "ifInState": &a.ifState, "ifFromInState": &a.ifFromState, "destroyFromIfInState": &a.destroyIfThis,
	} {
		if err := c.args.read(name, v); err != nil {
			return a, err
		}
	}
	from, err := c.args.text("fromAccountId")
	switch {
	case err != nil:
		return a, err
	case a.create == nil:
		return a, invalid("create is missing")
	case len(a.create) > c.server.options.Limits.Set:
		return a, errTooManyToSet
	case from == accountID(c.account.ID):
		return a, invalid("fromAccountId is accountId: Email/set puts an email into several mailboxes")
	}
	if a.from, err = c.server.reach(ctx, c.user, from); errors.Is(err, errNoAccount) {
		err = &methodError{Type: "fromAccountNotFound"}
	}
	return a, err
}

// emailCopy is Email/copy (RFC 8621 section 4.7): from another account, as emails of their own with the same text.
func emailCopy(ctx context.Context, c *call) (any, error) {
	a, err := c.copyArgs(ctx)
	if err != nil {
		return nil, err
	}
	from, err := c.server.look(ctx, sight{a.from.ID, c.user.ID})
	if err != nil {
		return nil, err
	}
	to, err := c.picture(ctx)
	if err != nil {
		return nil, err
	}
	before := to.emailState()
	if a.ifState != nil && *a.ifState != before || a.ifFromState != nil && *a.ifFromState != from.emailState() {
		return nil, errMismatch
	}
	within, begun := c.expecting(ctx, a.ifState != nil, to)
	created, failed := object{}, map[string]*methodError{}
	var originals []string
	into := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(a.create)) {
		source, o, e := c.copyOne(within, from, to, a.create[name], into)
		if e != nil {
			failed[name] = e
			continue
		}
		created[name], c.request.created[name] = o, o["id"].(string)
		originals = append(originals, source)
	}
	if begun.Missed() {
		return nil, errMismatch
	}
	c.tell(ctx)
	if to, err = c.picture(ctx); err != nil {
		return nil, err
	}
	answer := object{
		"fromAccountId": accountID(a.from.ID), "accountId": accountID(c.account.ID), "oldState": before, "newState": to.emailState(),
		"created": nullIfEmpty(created), "notCreated": nullIfEmpty(failed),
	}
	if !a.destroy || len(originals) == 0 {
		return answer, nil
	}
	return several{{"Email/copy", answer, ""}, c.destroyOriginals(ctx, &a, originals, into)}, nil
}

// destroyOriginals is the Email/set that follows a copy.
func (c *call) destroyOriginals(ctx context.Context, a *copyArgs, ids []string, into map[string]bool) response {
	then := &call{server: c.server, account: &a.from.Account, user: c.user, request: c.request, args: arguments{}}
	if len(into) == 1 { // the event of the account that they leave says where they went
		then.elsewhere = slices.Collect(maps.Keys(into))[0]
		if c.sight().isShared() {
			then.elsewhere = store.SharedName(c.account, then.elsewhere)
		}
		if then.sight().isShared() {
			then.elsewhere += " (" + c.user.Address + ")"
		}
	}
	for name, v := range map[string]any{"destroy": ids, "ifInState": a.destroyIfThis} {
		text, err := json.Marshal(v)
		if err != nil {
			return response{"error", c.server.errorOf(err), ""}
		}
		then.args[name] = text
	}
	if a.from.readOnly {
		return response{"error", &methodError{Type: "accountReadOnly"}, ""}
	}
	answer, err := emailSet(ctx, then)
	if err != nil {
		return response{"error", c.server.errorOf(err), ""}
	}
	return response{"Email/set", answer, ""}
}

// copyOne copies one email: into the first of its mailboxes, and from there as the same email into the others. It returns the
// email's own id, and notes where it went.
func (c *call) copyOne(ctx context.Context, from, to *picture, raw map[string]json.RawMessage, names map[string]bool) (source string, o object, e *methodError) {
	rest := maps.Clone(raw)
	if unmarshal(raw["id"], &source) != nil {
		return "", nil, badProperty("id", "the id of the email to copy is missing")
	}
	source = c.named(source)
	delete(rest, "id")
	rest["blobId"] = json.RawMessage(`"-"`) // what an EmailImport has in the place of the id
	if _, given := raw["blobId"]; given {
		return "", nil, badProperty("blobId", "it cannot be set")
	}
	patch, _, received, e := c.importArgs(to, rest)
	if e != nil {
		return "", nil, e
	}
	l, there := from.located(source)
	if !there {
		return "", nil, &methodError{Type: "notFound"}
	}
	if e := to.mayPlace(patch); e != nil {
		return "", nil, e
	}
	if room := c.server.options.Room; room != nil {
		if d := room(ctx, c.account, l.Size); !d.Allowed() {
			return "", nil, &methodError{Type: "overQuota", Why: c.why(d)}
		}
	}
	into := slices.Sorted(maps.Keys(patch.mailboxes))
	one := store.Copying{
		From: store.Place{Account: from.sight.owner, Mailbox: l.At[0].Mailbox}, To: store.Place{Account: to.sight.owner, Mailbox: into[0]},
		Set: uid.Of(l.At[0].UID), Lose: to.may(into[0]).Fixed().With(store.FlagDeleted),
		As: func(n *store.NewEmail) {
			if !received.IsZero() {
				n.Received = received
			}
			if patch.keywords != nil {
				n.Flags, n.Keywords = patch.flags()
			}
		},
	}
	done, err := c.server.store.CopyBetween(ctx, one)
	switch {
	case store.KindOf(err) == store.KindLimit:
		return "", nil, &methodError{Type: "tooManyKeywords"}
	case err != nil:
		return "", nil, c.setError(err, "mailboxIds")
	case len(done.To) == 0: // somebody was faster
		return "", nil, &methodError{Type: "notFound"}
	}
	for _, m := range into {
		names[to.boxes[m].Name] = true
	}
	o, e = c.placedNew(ctx, to, into, store.Appended{UIDValidity: done.UIDValidity, UIDs: done.To, ModSeq: done.ModSeq})
	return source, o, e
}

// flags are the keywords of a patch of a new email as the store has them.
func (e *emailPatch) flags() (f store.Flags, keywords []string) {
	for _, k := range slices.Sorted(maps.Keys(e.keywords)) {
		if one, system := systemFlag(k); system {
			f = f.With(one)
		} else {
			keywords = append(keywords, k)
		}
	}
	return f, keywords
}

// blobCopy is Blob/copy (RFC 8620 section 6.3): what is in one account can be named in another for a while, as an upload. What was
// uploaded can be named everywhere.
func blobCopy(ctx context.Context, c *call) (any, error) {
	if err := c.args.only("fromAccountId", "blobIds"); err != nil {
		return nil, err
	}
	var ids []string
	if err := c.args.read("blobIds", &ids); err != nil {
		return nil, err
	}
	var found [2]neighbour
	for i, name := range []string{"accountId", "fromAccountId"} {
		id, err := c.args.text(name)
		if err != nil {
			return nil, err
		}
		if found[i], err = c.server.reach(ctx, c.user, id); errors.Is(err, errNoAccount) && i == 1 {
			err = &methodError{Type: "fromAccountNotFound"}
		}
		if err != nil {
			return nil, err
		}
	}
	switch {
	case ids == nil:
		return nil, invalid("blobIds is missing")
	case len(ids) > c.server.options.Limits.Set:
		return nil, errTooManyToSet
	}
	p, err := c.server.look(ctx, sight{found[1].ID, c.user.ID})
	if err != nil {
		return nil, err
	}
	copied, failed := object{}, map[string]*methodError{}
	for _, id := range ids {
		made, e := c.copyBlob(ctx, p, c.named(id))
		if e != nil {
			failed[id] = e
		} else {
			copied[id] = made
		}
	}
	return object{
		"fromAccountId": accountID(found[1].ID), "accountId": accountID(found[0].ID), "copied": nullIfEmpty(copied), "notCopied": nullIfEmpty(failed),
	}, nil
}

func (c *call) copyBlob(ctx context.Context, p *picture, id string) (string, *methodError) {
	if _, known, err := c.server.uploaded(ctx, c.user.ID, id); err != nil {
		return "", c.setError(err)
	} else if known {
		return id, nil
	}
	u, e := c.putTogether(ctx, p, []dataSource{{BlobID: &id}})
	switch {
	case e != nil && e.Type == "blobNotFound":
		return "", &methodError{Type: "notFound"}
	case e != nil:
		return "", e
	}
	return uploadID(u), nil
}
