package causes

import "github.com/postiljon/postiljon/internal/doctor/infer"

func dns() []*infer.Cause {
	return []*infer.Cause{
		dnsResolverDead,
		dnsHostMisspelt,
		dnsDNSSECBogus,
		dnsFiltered,
		dnsRecordStale,
		dnsMXMissing,
		dnsMXNull,
		dnsMXUnusable,
		dnsDomainExpired,
		dnsAutoconfigWrong,
	}
}
