package causes

import "github.com/postiljon/postiljon/internal/doctor/infer"

func outbox() []*infer.Cause {
	return []*infer.Cause{
		outboxStuck,
		outboxDraftOnly,
		outboxPoison,
		outboxRefusedInLimit,
		outboxDeferred,
		outboxAcceptedUnconfirmed,
		outboxExpired,
	}
}
