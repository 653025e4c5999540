package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/smallstep/pkcs7"
)

// SignDocument signs a document with the certificate that is shown, in the form that devices take configuration profiles in
// (CMS signed data, RFC 5652): they show whose it is.
func (k *Keeper) SignDocument(document []byte) ([]byte, error) {
	c := k.public()
	if c == nil {
		c = k.current.Load().certificate
	}
	signed, err := pkcs7.NewSignedData(document)
	if err != nil {
		return nil, fmt.Errorf("certs: sign: %w", err)
	}
	chain, err := chainOf(c)
	if err != nil {
		return nil, fmt.Errorf("certs: sign: %w", err)
	}
	signed.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	if err := signed.AddSignerChain(chain[0], c.PrivateKey, chain[1:], pkcs7.SignerInfoConfig{}); err != nil {
		return nil, fmt.Errorf("certs: sign: %w", err)
	}
	der, err := signed.Finish()
	if err != nil {
		return nil, fmt.Errorf("certs: sign: %w", err)
	}
	return der, nil
}

func chainOf(c *tls.Certificate) ([]*x509.Certificate, error) {
	if len(c.Certificate) == 0 {
		return nil, errors.New("no certificate")
	}
	chain := make([]*x509.Certificate, len(c.Certificate))
	for i, der := range c.Certificate {
		var err error
		if chain[i], err = x509.ParseCertificate(der); err != nil {
			return nil, err
		}
	}
	return chain, nil
}
