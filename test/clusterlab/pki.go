package clusterlab

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// pki is the cluster's authority and the folder of all that it issues.
type pki struct {
	dir  string
	cert *x509.Certificate
	key  crypto.Signer
}

// validity of certificates: no lab lives that long.
const validity = 30 * 24 * time.Hour

func newPKI(dir string) (*pki, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	ca, err := cert.NewSelfSignedCACert(cert.Config{CommonName: "cluster lab"}, key)
	if err != nil {
		return nil, err
	}
	p := &pki{dir: dir, cert: ca, key: key}
	return p, p.write("ca", ca, key)
}

// path is that of a file, by its name in full.
func (p *pki) path(file string) string { return filepath.Join(p.dir, file) }

// issue writes NAME.crt and NAME.key, for a client and server.
func (p *pki) issue(name string, subject pkix.Name, addresses []netip.Addr, names ...string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: subject, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(validity),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	for _, a := range addresses {
		template.IPAddresses = append(template.IPAddresses, a.AsSlice())
	}
	der, err := x509.CreateCertificate(rand.Reader, template, p.cert, key.Public(), p.key)
	if err != nil {
		return err
	}
	issued, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	return p.write(name, issued, key)
}

func (p *pki) write(name string, c *x509.Certificate, key crypto.PrivateKey) error {
	text, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return err
	}
	block := pem.EncodeToMemory(&pem.Block{Type: cert.CertificateBlockType, Bytes: c.Raw})
	return errors.Join(
		os.WriteFile(p.path(name+".crt"), block, 0o600),
		os.WriteFile(p.path(name+".key"), text, 0o600))
}

// kubeconfig writes NAME.kubeconfig for a user, with a certificate in it, and
// returns its path.
func (p *pki) kubeconfig(name, server string, subject pkix.Name) (string, error) {
	if err := p.issue(name, subject, nil); err != nil {
		return "", err
	}
	config := clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"lab": {Server: server}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{name: {}},
		Contexts:       map[string]*clientcmdapi.Context{"lab": {Cluster: "lab", AuthInfo: name}},
		CurrentContext: "lab",
	}
	for file, field := range map[string]*[]byte{
		"ca.crt":      &config.Clusters["lab"].CertificateAuthorityData,
		name + ".crt": &config.AuthInfos[name].ClientCertificateData,
		name + ".key": &config.AuthInfos[name].ClientKeyData,
	} {
		data, err := os.ReadFile(p.path(file))
		if err != nil {
			return "", err
		}
		*field = data
	}
	file := p.path(name + ".kubeconfig")
	return file, clientcmd.WriteToFile(config, file)
}
