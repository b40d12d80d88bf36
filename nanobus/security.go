package nanobus

import (
	"fmt"

	"nanofront/internal/tlsfiles"
	"nanofront/nanobus/sp"
)

const (
	// MinSecret and MaxSecret bound the shared secret, in bytes.
	MinSecret = 16
	MaxSecret = 4096
)

// Security says how peers are told from strangers. The zero value trusts the
// network: whoever reaches a listening bus can take part.
type Security struct {
	// TLS is for tls+tcp addresses.
	TLS TLS
	// Secret is shared by all processes; each proves to know it before a link
	// is used, and it never travels. MinSecret..MaxSecret bytes. nil: none is
	// wanted, and peers that want one are not linked with.
	//
	// It says who is there when a link comes up. What passes afterwards is
	// neither hidden nor sealed: that takes TLS.
	Secret []byte
}

func (s *Security) validate() error {
	if n := len(s.Secret); n != 0 && (n < MinSecret || n > MaxSecret) {
		return fmt.Errorf("nanobus: the secret has %d bytes: want %d to %d", n, MinSecret, MaxSecret)
	}
	return nil
}

// TLS says how a process proves its identity on tls+tcp addresses, and whom it believes. TLS 1.3 is
// spoken and nothing older. The files are PEM. They are read again when they have changed, for the
// connections made after that.
//
// The zero value connects to servers that the system's authorities vouch for,
// and can't listen.
type TLS struct {
	// Cert and Key are the process' own certificate, with the chain to the
	// authority behind it, and its key. Both or none. Needed to listen, and to
	// connect to a server that asks for a certificate.
	Cert, Key string
	// CA has the authorities that a peer's certificate must be signed by. With
	// it, whoever connects must show one. "": servers are held against the
	// system's authorities, and clients are not asked.
	CA string
	// ServerName is the name or IP address that the certificate of a server
	// must be made out to. "": the host of the address that was dialled.
	ServerName string
}

// Check reports what is wrong with the files; nil if they can be used now.
func (t TLS) Check() error {
	_, err := t.credentials(nil)
	return err
}

func (t TLS) credentials(failed func(error)) (*sp.Credentials, error) {
	return sp.NewCredentials(tlsfiles.Files{
		Cert: t.Cert, Key: t.Key, CA: t.CA, Flags: [3]string{"--bus-cert", "--bus-key", "--bus-ca"},
	}, t.ServerName, failed)
}
