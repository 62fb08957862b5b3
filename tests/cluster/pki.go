// The keys and certificates of one control plane: made at its first start, kept in its folder.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Where each of them lies; `FILE.pem` is the certificate, `FILE-key.pem` its key.
type pki struct{ folder string }

const (
	authority      = "ca"
	apiServing     = "apiserver"
	kubeletClient  = "kubelet-client"
	nodeServing    = "node"
	serviceAccount = "service-account"
)

func (p pki) certificate(name string) string { return filepath.Join(p.folder, name+".pem") }
func (p pki) key(name string) string         { return filepath.Join(p.folder, name+"-key.pem") }

// makePKI makes what is missing: the authority, the API server's certificate, its certificate as a client of the node, the
// node's, and the key that signs the tokens of service accounts.
func makePKI(folder string) (pki, error) {
	p := pki{folder}
	if _, err := os.Stat(p.key(serviceAccount)); err == nil {
		return p, nil
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return p, err
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return p, err
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test-cluster"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return p, err
	}
	if err := p.write(authority, der, caKey); err != nil {
		return p, err
	}
	loopback := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 96, 0, 1)}
	names := []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
	for index, leaf := range []x509.Certificate{
		{Subject: pkix.Name{CommonName: apiServing}, IPAddresses: loopback, DNSNames: names},
		{Subject: pkix.Name{CommonName: kubeletClient, Organization: []string{"system:masters"}}},
		{Subject: pkix.Name{CommonName: nodeServing}, IPAddresses: loopback[:1]},
	} {
		leaf.SerialNumber = big.NewInt(int64(index) + 2)
		leaf.NotBefore, leaf.NotAfter = ca.NotBefore, ca.NotAfter
		leaf.KeyUsage = x509.KeyUsageDigitalSignature
		leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return p, err
		}
		der, err := x509.CreateCertificate(rand.Reader, &leaf, ca, &key.PublicKey, caKey)
		if err != nil {
			return p, err
		}
		if err := p.write(leaf.Subject.CommonName, der, key); err != nil {
			return p, err
		}
	}
	return p, p.writeServiceAccountKey()
}

func (p pki) write(name string, certificate []byte, key *ecdsa.PrivateKey) error {
	block := pem.Block{Type: "CERTIFICATE", Bytes: certificate}
	if err := os.WriteFile(p.certificate(name), pem.EncodeToMemory(&block), 0o600); err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(p.key(name), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

func (p pki) writeServiceAccountKey() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	block := pem.Block{Type: "PUBLIC KEY", Bytes: public}
	if err := os.WriteFile(p.certificate(serviceAccount), pem.EncodeToMemory(&block), 0o600); err != nil {
		return err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(p.key(serviceAccount), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}), 0o600)
}

// A bearer token that nobody guesses.
func randomToken() (string, error) {
	bytes := make([]byte, 24)
	_, err := rand.Read(bytes)
	return hex.EncodeToString(bytes), err
}
