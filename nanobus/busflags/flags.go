package busflags

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/rs/zerolog"

	"nanofront/internal/cli"
	"nanofront/internal/logging"
	"nanofront/nanobus"
)

// Flags are the flags that say how peers on the bus are told from strangers. Embed it.
type Flags struct {
	BusCert       string `group:"Bus security" type:"path" placeholder:"FILE" help:"Certificate for tls+tcp:// addresses of the bus, PEM. Reloaded when it changes."`
	BusKey        string `group:"Bus security" type:"path" placeholder:"FILE" help:"Key of --bus-cert, PEM."`
	BusCA         string `group:"Bus security" name:"bus-ca" type:"path" placeholder:"FILE" help:"CA certificates to verify bus peers with, PEM; peers that connect must then present a certificate. Default: the system's, and clients need none."`
	BusServerName string `group:"Bus security" placeholder:"NAME" help:"Name or IP address that a bus server's certificate must have. Default: the host of its address."`
	BusSecretFile string `group:"Bus security" type:"path" placeholder:"FILE" help:"File with the secret that all processes on the bus share, at least 16 bytes. Each proves that it knows the secret, which is never sent."`
}

// Validate is called by kong: it looks at what one flag alone doesn't show.
func (b *Flags) Validate() error {
	switch {
	case (b.BusCert == "") != (b.BusKey == ""):
		return errors.New("--bus-cert and --bus-key belong together: give both or none")
	case strings.ContainsAny(b.BusServerName, " /:") && !strings.Contains(b.BusServerName, "::"):
		return fmt.Errorf("--bus-server-name: %q is not a host name or IP address", b.BusServerName)
	}
	return nil
}

// CheckListen reports what is missing to listen on a bus address. Its error is
// a *cli.UsageError.
func (b *Flags) CheckListen(flag, addr string) error {
	if strings.HasPrefix(addr, "tls+tcp://") && b.BusCert == "" {
		return cli.Usagef("--%s: %q needs a certificate: give --bus-cert and --bus-key", flag, addr)
	}
	return nil
}

// Security is what the flags say, for the bus; log gets what is allowed and
// unwise. Its errors are *cli.UsageErrors that name the flag.
func (b *Flags) Security(log zerolog.Logger) (nanobus.Security, error) {
	s := nanobus.Security{TLS: nanobus.TLS{Cert: b.BusCert, Key: b.BusKey, CA: b.BusCA, ServerName: b.BusServerName}}
	for _, f := range []struct{ flag, name string }{
		{"bus-cert", b.BusCert}, {"bus-key", b.BusKey}, {"bus-ca", b.BusCA},
	} {
		if f.name == "" {
			continue
		}
		r, err := os.Open(f.name)
		if err != nil {
			return s, cli.Usagef("--%s: %w", f.flag, err)
		}
		_ = r.Close() // it was only to be seen whether it can be read
	}
	if err := s.TLS.Check(); err != nil {
		return s, &cli.UsageError{Err: err}
	}
	if b.BusSecretFile == "" {
		return s, nil
	}
	secret, open, err := readSecret(b.BusSecretFile)
	if err != nil {
		return s, cli.Usagef("--bus-secret-file: %w", err)
	}
	if open {
		log.Warn().Str(logging.File, b.BusSecretFile).Msg("the bus secret is readable by users other than its owner: run chmod 600 on it")
	}
	s.Secret = secret
	return s, nil
}

// readSecret returns what the file holds without the white space around it.
// open: others than its owner may read it.
func readSecret(name string) (secret []byte, open bool, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = f.Close() }() // it was only read
	st, err := f.Stat()
	if err != nil {
		return nil, false, err
	}
	content, err := io.ReadAll(io.LimitReader(f, nanobus.MaxSecret+64))
	if err != nil {
		return nil, false, err
	}
	secret = bytes.TrimSpace(content)
	if n := len(secret); n < nanobus.MinSecret || n > nanobus.MaxSecret {
		return nil, false, fmt.Errorf("%s has %d bytes, not counting surrounding white space: want %d to %d, such as from head -c 32 /dev/urandom | base64",
			name, n, nanobus.MinSecret, nanobus.MaxSecret)
	}
	return secret, st.Mode().IsRegular() && st.Mode().Perm()&0o077 != 0, nil
}
