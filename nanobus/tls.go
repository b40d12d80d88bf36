package nanobus

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// reloadInterval is how often at most the files of TLS are looked at, and only
// when a connection is made.
const reloadInterval = time.Second

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
	log   func() *zerolog.Event // for a failed reload

	mu      sync.Mutex
	checked time.Time
	stamps  [3]stamp
	cert    *tls.Certificate // nil: has none
	pool    *x509.CertPool   // nil: the system's
}

// stamp changes when a file does.
type stamp struct {
	modified time.Time
	size     int64
}

// newCredentials reads the files for the first time.
func newCredentials(files TLS, log func() *zerolog.Event) (*credentials, error) {
	if (files.Cert == "") != (files.Key == "") {
		return nil, errors.New("nanobus: TLS certificate and key belong together: give both or none")
	}
	c := &credentials{files: files, log: log, checked: time.Now()}
	c.stamps = c.look()
	if err := c.read(); err != nil {
		return nil, err
	}
	return c, nil
}

// canListen reports what a server needs and has not.
func (c *credentials) canListen() error {
	if c.files.Cert == "" {
		return errors.New("that needs a certificate: give --bus-cert and --bus-key")
	}
	return nil
}

func (c *credentials) look() (s [3]stamp) {
	for i, name := range []string{c.files.Cert, c.files.Key, c.files.CA} {
		if name == "" {
			continue
		}
		if st, err := os.Stat(name); err == nil {
			s[i] = stamp{st.ModTime(), st.Size()}
		}
	}
	return s
}

// read reads all files, or leaves things as they are.
func (c *credentials) read() error {
	var cert *tls.Certificate
	var pool *x509.CertPool
	if c.files.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
		if err != nil {
			return fmt.Errorf("nanobus: TLS certificate %s with key %s: %w", c.files.Cert, c.files.Key, err)
		}
		cert = &pair
	}
	if c.files.CA != "" {
		pem, err := os.ReadFile(c.files.CA)
		if err != nil {
			return fmt.Errorf("nanobus: TLS authorities: %w", err)
		}
		pool = x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return fmt.Errorf("nanobus: TLS authorities: %s has no certificate in PEM", c.files.CA)
		}
	}
	c.cert, c.pool = cert, pool
	return nil
}

// current returns the credentials for a connection that is made now.
func (c *credentials) current() (*tls.Certificate, *x509.CertPool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.checked) >= reloadInterval {
		c.checked = now
		if s := c.look(); s != c.stamps {
			// Certificate and key can't be replaced at one moment: until they
			// fit each other the old ones serve, and the stamps stay old so
			// that the next look tries again.
			if err := c.read(); err != nil {
				c.log().Err(err).Msg("the changed TLS files are not usable; the ones read before stay in use")
			} else {
				c.stamps = s
			}
		}
	}
	return c.cert, c.pool
}

// base is what both sides have in common. Without tickets: links live long,
// and a resumed session would skip looking at a certificate.
func (c *credentials) base() (*tls.Config, *x509.CertPool) {
	cert, pool := c.current()
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
