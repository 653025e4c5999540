package main

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/config"
)

// live are the keys that a reload changes; those of other keys need a restart.
var live = []string{
	"tls.certificate", "tls.key", "tls.names", "auth.channel_binding", "auth.tokens", "log.level", "journal.keep", "limits.address_hourly", "limits.domain_hourly", "limits.recipients_hourly", "plans",
	"relays", "limits.connections", "limits.connections_per_address", "limits.connections_per_block", "limits.connections_per_minute", "limits.sessions_per_account", "limits.exempt",
	"guard.free_failures", "guard.first_delay", "guard.max_delay", "guard.forget", "guard.address_failures", "guard.block_failures", "guard.account_failures",
	"guard.ban", "guard.max_ban", "guard.known_for", "guard.exempt",
}

// reload reads the configuration and the certificate again. Sessions go on. A
// configuration with an error is refused whole. It returns the keys that differ from what the service was started with and
// that need a restart.
func (s *service) reload() (restart []string, err error) {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	s.tell(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", monotonicMicroseconds()))
	defer s.tell("READY=1")
	if s.file == "" {
		return nil, s.certs.Reload(nil)
	}
	next, err := config.Load(s.file)
	if err != nil {
		return nil, err
	}
	level, err := logLevel(next.Log.Level)
	if err != nil {
		return nil, err
	}
	ways, err := relays(&next, s.log)
	if err != nil {
		return nil, err
	}
	connections := connectionLimits(&next)
	if err := errors.Join(connections.Check(), guardLimits(&next).Check()); err != nil {
		return nil, err
	}
	options := s.certOptions(&next)
	if err := s.certs.Reload(&options); err != nil {
		return nil, err
	}
	if s.policies.sending.SetPlans(plans(&next)) {
		s.queue.LimitsChanged()
	}
	s.policies.connections.SetLimits(connections)
	s.smtp.SetConnections(next.Limits.Connections)
	s.webLimit.Set(next.Limits.Connections)
	s.policies.guard.SetLimits(guardLimits(&next))
	s.queue.SetRelays(ways)
	s.sasl.offer(&next)
	s.level.Set(level)
	s.keep.Store(int64(next.Journal.Keep))
	restart = restartKeys(s.config, next)
	if len(restart) > 0 {
		s.log.Warn("some changes need a restart", "keys", strings.Join(restart, " "))
	}
	s.log.Info("reloaded", "file", s.file)
	return restart, nil
}

// restartKeys are the keys that differ and that a reload does not change.
func restartKeys(was, is config.Config) (keys []string) {
	for _, key := range config.Keys() {
		a, aok := valueAt(reflect.ValueOf(was), key)
		b, bok := valueAt(reflect.ValueOf(is), key)
		if !slices.Contains(live, key) && aok && bok && !reflect.DeepEqual(a, b) {
			keys = append(keys, key)
		}
	}
	return keys
}

// valueAt is the value of a "section.key" in a configuration.
func valueAt(v reflect.Value, key string) (any, bool) {
	for name := range strings.SplitSeq(key, ".") {
		found := false
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("toml") == name {
				v, found = v.Field(i), true
				break
			}
		}
		if !found {
			return nil, false
		}
	}
	return v.Interface(), true
}
