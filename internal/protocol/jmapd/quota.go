package jmapd

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/postiljon/postiljon/internal/store"
)

// storageQuota is the id of the one quota that an account can have: octets of its emails.
const storageQuota = "storage"

// quotaProperties are those of RFC 9425 section 4.
var quotaProperties = []string{"id", "resourceType", "used", "hardLimit", "scope", "name", "types", "warnLimit", "softLimit", "description"}

// quotaWarn is from where on people are warned, in percent.
const quotaWarn = 90

// quota is how much an account has of how much it may have; no limit means no quota.
type quota struct{ used, limit int64 }

func (s *Server) quota(ctx context.Context, a store.AccountID) (q quota, err error) {
	account, err := s.store.Account(ctx, a)
	if err != nil || account.Quota == 0 {
		return q, err
	}
	usage, err := s.store.Usage(ctx, a)
	return quota{usage.Size, account.Quota}, err
}

func (q quota) state() string { return fmt.Sprintf("%d.%d", q.used, q.limit) }

func (s *Server) quotaState(ctx context.Context, a store.AccountID) (string, error) {
	q, err := s.quota(ctx, a)
	return q.state(), err
}

func (q quota) object() object {
	return object{
		"id": storageQuota, "resourceType": "octets", "used": q.used, "hardLimit": q.limit, "scope": "account", "name": "Storage", "types": []string{"Email"},
		"warnLimit": q.limit / 100 * quotaWarn, "softLimit": nil, "description": nil,
	}
}

// quotaGet is Quota/get (RFC 9425 section 4.1).
func quotaGet(ctx context.Context, c *call) (any, error) {
	g, err := c.get(func(p string) bool { return slices.Contains(quotaProperties, p) })
	if err != nil {
		return nil, err
	}
	q, err := c.server.quota(ctx, c.account.ID)
	if err != nil {
		return nil, err
	}
	if g.all && q.limit > 0 {
		g.ids = []string{storageQuota}
	}
	var list []object
	var missing []string
	for _, id := range g.ids {
		if id == storageQuota && q.limit > 0 {
			list = append(list, g.pick(q.object()))
		} else {
			missing = append(missing, id)
		}
	}
	return c.got(q.state(), list, missing), nil
}

// quotaChanges is Quota/changes (RFC 9425 section 4.2).
func quotaChanges(ctx context.Context, c *call) (any, error) {
	old, _, err := c.changesArgs()
	if err != nil {
		return nil, err
	}
	was, ok := parseQuota(old)
	if !ok {
		return nil, errCannotCalculate
	}
	q, err := c.server.quota(ctx, c.account.ID)
	if err != nil {
		return nil, err
	}
	ids := map[string][]string{"created": {}, "updated": {}, "destroyed": {}}
	only := any(nil)
	switch {
	case q == was:
	case was.limit == 0:
		ids["created"] = []string{storageQuota}
	case q.limit == 0:
		ids["destroyed"] = []string{storageQuota}
	default:
		ids["updated"] = []string{storageQuota}
		if q.limit == was.limit {
			only = []string{"used"}
		}
	}
	return object{
		"accountId": accountID(c.account.ID), "oldState": old, "newState": q.state(), "hasMoreChanges": false,
		"created": ids["created"], "updated": ids["updated"], "destroyed": ids["destroyed"], "updatedProperties": only,
	}, nil
}

func parseQuota(state string) (q quota, ok bool) {
	a, b, _ := strings.Cut(state, ".")
	used, err1 := strconv.ParseInt(a, 10, 64)
	limit, err2 := strconv.ParseInt(b, 10, 64)
	return quota{used, limit}, err1 == nil && err2 == nil
}

// quotaCondition is a FilterCondition of RFC 9425 section 4.3.
func quotaCondition(name string, raw json.RawMessage) (func(quota) bool, error) {
	var text string
	if unmarshal(raw, &text) != nil {
		return nil, invalid("filter: %s has the wrong type", name)
	}
	is := func(yes bool) (func(quota) bool, error) { return func(quota) bool { return yes }, nil }
	switch name {
	case "name":
		return is(strings.Contains("storage", strings.ToLower(text)))
	case "scope":
		return is(text == "account")
	case "resourceType":
		return is(text == "octets")
	case "type":
		return is(text == "Email")
	}
	return nil, &methodError{Type: "unsupportedFilter", Description: name}
}

// quotaFound are the ids that a query of quotas finds.
func (c *call) quotaFound(ctx context.Context, by []comparator) (ids []string, state string, err error) {
	for _, s := range by {
		if s.Property != "name" && s.Property != "used" {
			return nil, "", &methodError{Type: "unsupportedSort", Description: s.Property}
		}
	}
	keep, err := parseFilter(c.args["filter"], quotaCondition)
	if err != nil {
		return nil, "", err
	}
	q, err := c.server.quota(ctx, c.account.ID)
	if err == nil && q.limit > 0 && keep(q) {
		ids = []string{storageQuota}
	}
	return ids, q.state(), err
}

// quotaQuery is Quota/query (RFC 9425 section 4.3).
func quotaQuery(ctx context.Context, c *call) (any, error) {
	q, err := c.query()
	if err != nil {
		return nil, err
	}
	ids, state, err := c.quotaFound(ctx, q.sort)
	if err != nil {
		return nil, err
	}
	return q.answer(c, listOf(ids), state)
}

// quotaQueryChanges is Quota/queryChanges (RFC 9425 section 4.4).
func quotaQueryChanges(ctx context.Context, c *call) (any, error) {
	q, err := c.queryChange()
	if err != nil {
		return nil, err
	}
	was, ok := parseQuota(q.since)
	if !ok {
		return nil, errCannotCalculate
	}
	ids, state, err := c.quotaFound(ctx, q.sort)
	if err != nil {
		return nil, err
	}
	var removed []string
	var added []addedItem
	if state != q.since {
		if was.limit > 0 {
			removed = []string{storageQuota}
		}
		for i, id := range ids {
			added = append(added, addedItem{id, i})
		}
	}
	return q.answer(c, removed, added, state, len(ids))
}
