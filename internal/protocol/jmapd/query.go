package jmapd

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
)

// comparator is one of a sort (RFC 8620 section 5.5).
type comparator struct {
	Property    string
	IsAscending *bool
	Collation   string
	Keyword     string
}

// turned is the result of a comparison in the direction that is wanted.
func (c *comparator) turned(n int) int {
	if c.IsAscending != nil && !*c.IsAscending {
		return -n
	}
	return n
}

// query are the arguments of every /query (RFC 8620 section 5.5).
type query struct {
	sort     []comparator
	position int
	anchor   *string
	offset   int
	limit    *int
	total    bool
}

func (c *call) query(further ...string) (q query, err error) {
	names := []string{"filter", "sort", "position", "anchor", "anchorOffset", "limit", "calculateTotal"}
	if err := c.args.only(append(further, names...)...); err != nil {
		return q, err
	}
	for name, v := range map[string]any{
		"sort": &q.sort, "position": &q.position, "anchor": &q.anchor, "anchorOffset": &q.offset, "limit": &q.limit, "calculateTotal": &q.total,
	} {
		if err := c.args.read(name, v); err != nil {
			return q, err
		}
	}
	if q.limit != nil && *q.limit < 0 {
		return q, invalid("limit is negative")
	}
	return q, checkSort(q.sort)
}

// results are the ids that a query found, in order.
type results struct {
	total int
	id    func(at int) string
	find  func(id string) (at int, there bool)
}

// listOf are results that are in a slice.
func listOf(ids []string) results {
	return results{len(ids), func(at int) string { return ids[at] }, func(id string) (int, bool) {
		at := slices.Index(ids, id)
		return at, at >= 0
	}}
}

// answer cuts the window out of the results.
func (q *query) answer(c *call, found results, state string) (object, error) {
	total, at := found.total, q.position
	if q.anchor != nil {
		anchor, there := found.find(*q.anchor)
		if !there {
			return nil, &methodError{Type: "anchorNotFound"}
		}
		at = max(0, anchor+q.offset)
	} else if at < 0 {
		at = max(0, total+at)
	}
	most := c.server.options.Limits.QueryResults
	another := q.limit != nil && *q.limit > most // than was asked for
	cut := q.limit == nil
	if q.limit != nil && !another {
		most = *q.limit
	}
	window := []string{}
	for i := at; i < min(at+most, total); i++ {
		window = append(window, found.id(i))
	}
	answer := object{"accountId": accountID(c.account.ID), "queryState": state, "canCalculateChanges": true, "position": at, "ids": window}
	if q.total {
		answer["total"] = total
	}
	if another || cut && min(at, total)+most < total {
		answer["limit"] = most
	}
	return answer, nil
}

// queryChange are the arguments of every /queryChanges (RFC 8620 section 5.6), beside those of its query.
type queryChange struct {
	since string
	most  *int // nil: no bound
	upTo  *string
	total bool
	sort  []comparator
}

func (c *call) queryChange(further ...string) (q queryChange, err error) {
	names := []string{"filter", "sort", "sinceQueryState", "maxChanges", "upToId", "calculateTotal"}
	if err := c.args.only(append(further, names...)...); err != nil {
		return q, err
	}
	if q.since, err = c.args.text("sinceQueryState"); err != nil {
		return q, err
	}
	for name, v := range map[string]any{"sort": &q.sort, "upToId": &q.upTo, "calculateTotal": &q.total, "maxChanges": &q.most} {
		if err := c.args.read(name, v); err != nil {
			return q, err
		}
	}
	if q.most != nil && *q.most < 0 {
		return q, invalid("maxChanges is negative")
	}
	return q, checkSort(q.sort)
}

// addedItem is a result at its position.
type addedItem struct {
	ID    string `json:"id"`
	Index int    `json:"index"`
}

// answer tells which results went or may lie elsewhere now, and where those lie that came or may have moved.
func (q *queryChange) answer(c *call, removed []string, added []addedItem, state string, total int) (any, error) {
	removed = listed(removed)
	if q.most != nil && len(removed)+len(added) > *q.most {
		return nil, &methodError{Type: "tooManyChanges"}
	}
	slices.SortFunc(added, func(a, b addedItem) int { return a.Index - b.Index })
	if added == nil {
		added = []addedItem{}
	}
	answer := object{"accountId": accountID(c.account.ID), "oldQueryState": q.since, "newQueryState": state, "removed": removed, "added": added}
	if q.total {
		answer["total"] = total
	}
	return answer, nil
}

// checkSort holds comparators to what is sorted by: a property, in the one collation that there is.
func checkSort(sort []comparator) error {
	for _, s := range sort {
		if s.Property == "" {
			return invalid("sort: property is missing")
		}
		if s.Collation != "" {
			return &methodError{Type: "unsupportedSort", Description: "collation " + s.Collation}
		}
	}
	return nil
}

// maxFilter bounds the conditions and operators of a filter.
const (
	maxFilter      = 200
	maxFilterDepth = 20
)

// readingConditions are those for which emails are read, by what that costs.
var readingConditions = map[string]int{"subject": 1, "from": 1, "to": 1, "cc": 1, "bcc": 1, "header": 2, "text": 3, "body": 3}

// parseFilter reads a filter (RFC 8620 section 5.5) whose conditions one reads.
func parseFilter[T any](raw json.RawMessage, one func(name string, raw json.RawMessage) (func(T) bool, error)) (func(T) bool, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return func(T) bool { return true }, nil
	}
	left := maxFilter
	return filterNode(raw, one, maxFilterDepth, &left)
}

func filterNode[T any](raw json.RawMessage, one func(string, json.RawMessage) (func(T) bool, error), depth int, left *int) (func(T) bool, error) {
	var members map[string]json.RawMessage
	if err := unmarshal(raw, &members); err != nil {
		return nil, invalid("filter is not an object")
	}
	if *left--; *left < 0 || depth == 0 {
		return nil, &methodError{Type: "unsupportedFilter", Description: "too many conditions"}
	}
	var parts []func(T) bool
	if operator, ok := members["operator"]; ok {
		var op string
		var conditions []json.RawMessage
		if unmarshal(operator, &op) != nil || unmarshal(members["conditions"], &conditions) != nil || len(members) != 2 {
			return nil, invalid("filter: not an operator with conditions")
		}
		for _, c := range conditions {
			part, err := filterNode(c, one, depth-1, left)
			if err != nil {
				return nil, err
			}
			parts = append(parts, part)
		}
		return combine(op, parts)
	}
	// What is decided without reading comes first.
	names := slices.SortedFunc(maps.Keys(members), func(a, b string) int {
		return cmp.Or(cmp.Compare(readingConditions[a], readingConditions[b]), cmp.Compare(a, b))
	})
	for _, name := range names {
		if *left--; *left < 0 {
			return nil, &methodError{Type: "unsupportedFilter", Description: "too many conditions"}
		}
		part, err := one(name, members[name])
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	return combine("AND", parts)
}

func combine[T any](op string, parts []func(T) bool) (func(T) bool, error) {
	some := func(v T) bool { return slices.ContainsFunc(parts, func(p func(T) bool) bool { return p(v) }) }
	switch op {
	case "AND":
		return func(v T) bool { return !slices.ContainsFunc(parts, func(p func(T) bool) bool { return !p(v) }) }, nil
	case "OR":
		return some, nil
	case "NOT":
		return func(v T) bool { return !some(v) }, nil
	}
	return nil, invalid("filter: unknown operator")
}
