package causes

import "github.com/postiljon/postiljon/internal/doctor/infer"

func reputation() []*infer.Cause {
	return []*infer.Cause{
		reputationIPListed,
		reputationHomeIPListed,
		reputationDNSBLDead,
		reputationGreylisted,
	}
}
