package main

import "github.com/postiljon/postiljon/internal/protocol/jmapd"

// openJMAP makes the server of JMAP, which the web serves.
func (s *service) openJMAP() (err error) {
	s.jmap, err = jmapd.New(jmapd.Options{
		Store: s.store, Index: s.index, Catalogue: s.catalogue, BaseURL: s.config.BaseURL(), SignIn: s.signInHTTP, Tokens: s.sasl.tokens.Load, Log: s.log,
		Queue: s.queue, Check: s.road.Check, Holder: jmapd.Holder{Journal: s.journal, Meters: s.policies.sending.Meters}, Near: s.nearest,
		Limits: jmapd.Limits{
			Upload: int64(s.config.Limits.MessageSize), Message: int64(s.config.Limits.MessageSize), Recipients: s.config.Limits.Recipients,
		},
		Filed: func(f jmapd.Filed) { s.policies.trainer.Moved(f.Account, f.Into, f.UIDs, f.From, f.To) },
	})
	return err
}
