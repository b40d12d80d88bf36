package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// EnvEtcdPassword is the environment variable that may hold etcd's password.
const EnvEtcdPassword = envPrefix + "ETCD_PASSWORD"

// maxPassword is how long a password file may be.
const maxPassword = 4096

// Discovery are the flags that say where instances and routes are found. Embed it.
type Discovery struct {
	Etcd             string `group:"Discovery" default:"http://127.0.0.1:2379" type:"endpoints" placeholder:"URLS" help:"etcd's client URLs, separated by commas."`
	EtcdPrefix       string `group:"Discovery" default:"/nanofront/v1/" placeholder:"PATH" help:"Prefix of all keys in etcd. Systems that share an etcd need different ones."`
	EtcdUser         string `group:"Discovery" placeholder:"NAME" help:"User at etcd. The password comes from --etcd-password-file or $NANOFRONT_ETCD_PASSWORD."`
	EtcdPasswordFile string `group:"Discovery" type:"path" placeholder:"FILE" help:"File with the password at etcd."`
	EtcdCert         string `group:"Discovery" type:"path" placeholder:"FILE" help:"Client certificate for etcd, PEM."`
	EtcdKey          string `group:"Discovery" type:"path" placeholder:"FILE" help:"Key of --etcd-cert, PEM."`
	EtcdCA           string `group:"Discovery" name:"etcd-ca" type:"path" placeholder:"FILE" help:"CA certificates to verify etcd with, PEM. Default: the system's."`
	Static           string `group:"Discovery" type:"path" placeholder:"FILE" help:"Table of instances and routes to use instead of etcd."`
}

// Validate is called by kong: it looks at what one flag alone doesn't show.
func (d *Discovery) Validate() error {
	_, hasPassword := os.LookupEnv(EnvEtcdPassword)
	switch {
	case (d.EtcdCert == "") != (d.EtcdKey == ""):
		return errors.New("--etcd-cert and --etcd-key belong together: give both or none")
	case d.EtcdUser == "" && d.EtcdPasswordFile != "":
		return errors.New("--etcd-password-file needs --etcd-user")
	case d.EtcdUser != "" && d.EtcdPasswordFile == "" && !hasPassword:
		return fmt.Errorf("--etcd-user needs a password: give --etcd-password-file or set %s", EnvEtcdPassword)
	}
	tls := d.EtcdCert != "" || d.EtcdCA != ""
	if tls && strings.Contains(d.Etcd, "http://") {
		return fmt.Errorf("--etcd: %q has http:// URLs, but --etcd-cert and --etcd-ca need https://", d.Etcd)
	}
	return nil
}

// EtcdPassword is the password at etcd: the content of --etcd-password-file without the
// line end, else what $NANOFRONT_ETCD_PASSWORD holds. Its error is a *UsageError.
func (d *Discovery) EtcdPassword() (string, error) {
	if d.EtcdPasswordFile == "" {
		return os.Getenv(EnvEtcdPassword), nil
	}
	f, err := os.Open(d.EtcdPasswordFile)
	if err != nil {
		return "", Usagef("--etcd-password-file: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	content, err := io.ReadAll(io.LimitReader(f, maxPassword+1))
	if err != nil {
		return "", Usagef("--etcd-password-file: %w", err)
	}
	if len(content) > maxPassword {
		return "", Usagef("--etcd-password-file: %s has more than %d bytes", d.EtcdPasswordFile, maxPassword)
	}
	password := strings.TrimRight(string(content), "\r\n")
	if password == "" {
		return "", Usagef("--etcd-password-file: %s is empty", d.EtcdPasswordFile)
	}
	return password, nil
}
