package sp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"

	"nanofront/internal/tlsfiles"
)

// Credentials are certificate, key and authorities as last read. Safe for
// concurrent use.
type Credentials struct {
	files      tlsfiles.Files
	serverName string
	read       *tlsfiles.Reader
}

// NewCredentials reads the files for the first time. serverName is the name that
// a server's certificate must be made out to; "": the host that was dialled.
// failed is told of a later reading that was of no use; what was read before
// stays in use then.
func NewCredentials(files tlsfiles.Files, serverName string, failed func(error)) (*Credentials, error) {
	read, err := tlsfiles.New(files, failed)
	if err != nil {
		return nil, fmt.Errorf("nanobus: %w", err)
	}
	return &Credentials{files: files, serverName: serverName, read: read}, nil
}

// canListen reports what a server needs and has not.
func (c *Credentials) canListen() error {
	if c.files.Cert == "" {
		return errors.New("that needs a certificate: give --bus-cert and --bus-key")
	}
	return nil
}

// base is what both sides have in common. Without tickets: links live long,
// and a resumed session would skip looking at a certificate.
func (c *Credentials) base() (*tls.Config, *x509.CertPool) {
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
func (c *Credentials) server() *tls.Config {
	conf, pool := c.base()
	if pool != nil {
		conf.ClientAuth = tls.RequireAndVerifyClientCert
		conf.ClientCAs = pool
	}
	return conf
}

// client is the configuration of one connection to addr, HOST:PORT.
func (c *Credentials) client(addr string) *tls.Config {
	conf, pool := c.base()
	conf.RootCAs = pool
	conf.ServerName = c.serverName
	if conf.ServerName == "" {
		conf.ServerName, _, _ = net.SplitHostPort(addr) // checked by transportURL
	}
	return conf
}
