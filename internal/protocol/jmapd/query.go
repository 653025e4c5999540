package jmapd

import (
	"encoding/json"
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
	for _, s := range q.sort {
		if s.Collation != "" {
			return q, &methodError{Type: "unsupportedSort", Description: "collation " + s.Collation}
		}
	}
	return q, nil
}

// answer cuts the window out of the results.
func (q *query) answer(c *call, ids []string, state string) (any, error) {
	total, at := len(ids), q.position
	if q.anchor != nil {
		found := slices.Index(ids, *q.anchor)
		if found < 0 {
			return nil, &methodError{Type: "anchorNotFound"}
		}
		at = max(0, found+q.offset)
	} else if at < 0 {
		at = max(0, total+at)
	}
	most := c.server.options.Limits.QueryResults
	cut := q.limit == nil || *q.limit > most
	if !cut {
		most = *q.limit
	}
	from := min(at, total)
	window := ids[from:min(from+most, total)]
	if window == nil {
		window = []string{}
	}
	answer := object{"accountId": accountID(c.account.ID), "queryState": state, "canCalculateChanges": false, "position": at, "ids": window}
	if q.total {
		answer["total"] = total
	}
	if cut && from+most < total {
		answer["limit"] = most
	}
	return answer, nil
}

// maxFilter bounds the conditions and operators of a filter.
const (
	maxFilter      = 200
	maxFilterDepth = 20
)

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
	for name, value := range members {
		if *left--; *left < 0 {
			return nil, &methodError{Type: "unsupportedFilter", Description: "too many conditions"}
		}
		part, err := one(name, value)
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
