package tlsfiles

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"time"
)

// reloadInterval is how often at most the files are looked at.
const reloadInterval = time.Second

// Files are the names of PEM files; "" for none.
type Files struct {
	// Cert is a certificate with the chain to its authority behind it, Key
	// its key. Both or none.
	Cert, Key string
	// CA has the authorities that peers' certificates must be signed by.
	CA string
	// Flags are what Cert, Key and CA are called in errors, such as
	// --etcd-cert.
	Flags [3]string
}

// Reader has the files as last read. Safe for concurrent use.
type Reader struct {
	files  Files
	failed func(error) // told that changed files are not usable

	mu      sync.Mutex
	checked time.Time
	stamps  [3]stamp
	cert    *tls.Certificate
	pool    *x509.CertPool
}

// stamp changes when a file does.
type stamp struct {
	modified time.Time
	size     int64
}

// New reads the files for the first time. failed is told when changed files
// can't be used, in which case those read before stay in use; it may be nil.
func New(files Files, failed func(error)) (*Reader, error) {
	if (files.Cert == "") != (files.Key == "") {
		return nil, fmt.Errorf("%s and %s belong together: give both or none", files.Flags[0], files.Flags[1])
	}
	r := &Reader{files: files, failed: failed, checked: time.Now()}
	r.stamps = r.look()
	if err := r.read(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Reader) look() (s [3]stamp) {
	for i, name := range []string{r.files.Cert, r.files.Key, r.files.CA} {
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
func (r *Reader) read() error {
	var cert *tls.Certificate
	var pool *x509.CertPool
	if r.files.Cert != "" {
		pair, err := tls.LoadX509KeyPair(r.files.Cert, r.files.Key)
		if err != nil {
			return fmt.Errorf("%s %s, %s %s: %w", r.files.Flags[0], r.files.Cert, r.files.Flags[1], r.files.Key, err)
		}
		cert = &pair
	}
	if r.files.CA != "" {
		pem, err := os.ReadFile(r.files.CA)
		if err != nil {
			return fmt.Errorf("%s: %w", r.files.Flags[2], err)
		}
		pool = x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return fmt.Errorf("%s: %s has no certificate in PEM", r.files.Flags[2], r.files.CA)
		}
	}
	r.cert, r.pool = cert, pool
	return nil
}

// Current returns what is to be used for a connection that is made now: the
// certificate, nil if there is none, and the authorities, nil for the
// system's.
func (r *Reader) Current() (*tls.Certificate, *x509.CertPool) {
	cert, pool, err := r.current()
	if err != nil && r.failed != nil {
		r.failed(err)
	}
	return cert, pool
}

// current is Current, and the error of a reload. What is done about that is
// not done under the lock.
func (r *Reader) current() (*tls.Certificate, *x509.CertPool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); now.Sub(r.checked) >= reloadInterval {
		r.checked = now
		if s := r.look(); s != r.stamps {
			// Certificate and key can't be replaced at one moment: until they
			// fit each other the old ones serve, and the stamps stay old so
			// that the next look tries again.
			if err := r.read(); err != nil {
				return r.cert, r.pool, err
			}
			r.stamps = s
		}
	}
	return r.cert, r.pool, nil
}
