package causes

import "github.com/postiljon/postiljon/internal/doctor/infer"

func junk() []*infer.Cause {
	return []*infer.Cause{junkFiled, junkDropped}
}
