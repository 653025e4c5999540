package sasl

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
)

// Channel is the connection under an exchange, as far as mechanisms care.
type Channel struct {
	// TLS is the state of the TLS connection, nil without TLS.
	TLS *tls.ConnectionState
	// Certificate is the server certificate that the client saw; nil if that is not known, which
	// is so when a TLS session was resumed.
	Certificate *x509.Certificate
}

// ChannelOf describes a connection. For a *tls.Conn made by ServeTLS, which must have finished its
// handshake, it knows the certificate too.
func ChannelOf(c net.Conn) Channel {
	t, ok := c.(*tls.Conn)
	if !ok {
		return Channel{}
	}
	state := t.ConnectionState()
	ch := Channel{TLS: &state}
	if k, ok := t.NetConn().(*keeper); ok {
		ch.Certificate = k.certificate
	}
	return ch
}

// bindings of the channel (RFC 5056) that a client can name in its first message.
const (
	bindExporter = "tls-exporter"         // RFC 9266
	bindUnique   = "tls-unique"           // RFC 5929 section 3
	bindEndPoint = "tls-server-end-point" // RFC 5929 section 4
)

// binding returns the channel-binding data of a type, and whether the channel has it.
func (ch Channel) binding(kind string) ([]byte, bool) {
	if ch.TLS == nil {
		return nil, false
	}
	switch kind {
	case bindExporter:
		return ch.exporter()
	case bindUnique:
		// Without the extended master secret (RFC 7627) two connections can be made to have the
		// same tls-unique. Keying material is exported only where it is used.
		if _, ok := ch.exporter(); !ok || ch.TLS.Version >= tls.VersionTLS13 {
			return nil, false
		}
		return ch.TLS.TLSUnique, len(ch.TLS.TLSUnique) > 0
	case bindEndPoint:
		return ch.endPoint()
	}
	return nil, false
}

func (ch Channel) exporter() ([]byte, bool) {
	data, err := ch.TLS.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
	return data, err == nil
}

// endPoint hashes the certificate with the hash of its signature, but SHA-256 for MD5 and SHA-1
// (RFC 5929 section 4.1). Signatures without a hash, such as Ed25519, have no such binding.
func (ch Channel) endPoint() ([]byte, bool) {
	if ch.Certificate == nil {
		return nil, false
	}
	raw := ch.Certificate.Raw
	switch ch.Certificate.SignatureAlgorithm {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.SHA256WithRSA, x509.SHA256WithRSAPSS, x509.ECDSAWithSHA256:
		sum := sha256.Sum256(raw)
		return sum[:], true
	case x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384:
		sum := sha512.Sum384(raw)
		return sum[:], true
	case x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512:
		sum := sha512.Sum512(raw)
		return sum[:], true
	}
	return nil, false
}

// keeper is a connection that remembers which certificate was served on it: a server's
// tls.ConnectionState does not tell.
type keeper struct {
	net.Conn
	certificate *x509.Certificate
}

// ServeTLS is tls.Server, for a config made by TLSConfig.
func ServeTLS(c net.Conn, config *tls.Config) *tls.Conn {
	return tls.Server(&keeper{Conn: c}, config)
}

// TLSConfig returns a copy of a server's config with which connections of ServeTLS remember the
// certificate that they served, for the channel binding tls-server-end-point.
func TLSConfig(config *tls.Config) *tls.Config {
	kept := config.Clone()
	if choose := config.GetConfigForClient; choose != nil {
		kept.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			c, err := choose(hello)
			if c == nil || err != nil {
				return nil, err
			}
			return TLSConfig(c), nil
		}
	}
	// With certificates of its own, crypto/tls does not always ask GetCertificate.
	kept.Certificates = nil
	kept.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		cert, err := chooseCertificate(config, hello)
		if err != nil {
			return nil, err
		}
		if k, ok := hello.Conn.(*keeper); ok {
			k.certificate, err = leaf(cert)
		}
		return cert, err
	}
	return kept
}

// chooseCertificate does what crypto/tls would do with config.
func chooseCertificate(config *tls.Config, hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if config.GetCertificate != nil && (len(config.Certificates) == 0 || hello.ServerName != "") {
		if cert, err := config.GetCertificate(hello); cert != nil || err != nil {
			return cert, err
		}
	}
	for i := range config.Certificates {
		if hello.SupportsCertificate(&config.Certificates[i]) == nil {
			return &config.Certificates[i], nil
		}
	}
	if len(config.Certificates) == 0 {
		return nil, fmt.Errorf("sasl: no certificate for %q", hello.ServerName)
	}
	return &config.Certificates[0], nil
}

func leaf(cert *tls.Certificate) (*x509.Certificate, error) {
	if cert.Leaf != nil {
		return cert.Leaf, nil
	}
	if len(cert.Certificate) == 0 {
		return nil, fmt.Errorf("sasl: empty certificate")
	}
	parsed, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return nil, fmt.Errorf("sasl: read the server certificate: %w", err)
	}
	return parsed, nil
}
