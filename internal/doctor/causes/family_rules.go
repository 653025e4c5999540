package causes

import "github.com/postiljon/postiljon/internal/doctor/infer"

func rules() []*infer.Cause {
	return []*infer.Cause{rulesMoved, rulesLoop}
}
