package nanobus

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"

	"github.com/rs/zerolog"

	"nanofront/internal/tlsfiles"
)

// TLS says how a process proves who it is on tls+tcp addresses, and whom it
// believes. TLS 1.3 is spoken and nothing older. The files are PEM. They are
// read again when they have changed, for the connections made after that.
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
	_, err := newCredentials(t, nil)
	return err
}

// credentials are TLS's files as last read. Safe for concurrent use.
type credentials struct {
	files TLS
	read  *tlsfiles.Reader
}

// newCredentials reads the files for the first time. log is for a reload that
// failed.
func newCredentials(files TLS, log func() *zerolog.Event) (*credentials, error) {
	read, err := tlsfiles.New(tlsfiles.Files{
		Cert: files.Cert, Key: files.Key, CA: files.CA, Flags: [3]string{"--bus-cert", "--bus-key", "--bus-ca"},
	}, func(err error) {
		log().Err(err).Msg("the changed TLS files are not usable; the ones read before stay in use")
	})
	if err != nil {
		return nil, fmt.Errorf("nanobus: %w", err)
	}
	return &credentials{files: files, read: read}, nil
}

// canListen reports what a server needs and has not.
func (c *credentials) canListen() error {
	if c.files.Cert == "" {
		return errors.New("that needs a certificate: give --bus-cert and --bus-key")
	}
	return nil
}

// base is what both sides have in common. Without tickets: links live long,
// and a resumed session would skip looking at a certificate.
func (c *credentials) base() (*tls.Config, *x509.CertPool) {
	cert, pool := c.read.Current()
	conf := &tls.Config{
		MinVersion:                  tls.VersionTLS13,
		SessionTicketsDisabled:      true,
		DynamicRecordSizingDisabled: true, // one record per message, from the first on
	}
	if cert != nil {
		conf.Certificates = []tls.Certificate{*cert}
	}
	return conf, pool
}

// server is the configuration of one accepted connection.
func (c *credentials) server() *tls.Config {
	conf, pool := c.base()
	if pool != nil {
		conf.ClientAuth = tls.RequireAndVerifyClientCert
		conf.ClientCAs = pool
	}
	return conf
}

// client is the configuration of one connection to addr, HOST:PORT.
func (c *credentials) client(addr string) *tls.Config {
	conf, pool := c.base()
	conf.RootCAs = pool
	conf.ServerName = c.files.ServerName
	if conf.ServerName == "" {
		conf.ServerName, _, _ = net.SplitHostPort(addr) // checked by transportURL
	}
	return conf
}
