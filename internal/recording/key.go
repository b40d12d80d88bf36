package recording

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
)

// Limits of a key in bytes.
const (
	minKey = 32
	maxKey = 4096
)

// NewKey draws a key.
func NewKey() []byte {
	key := make([]byte, minKey)
	_, _ = rand.Read(key) // ends the program rather than fail
	return key
}

// ReadKey reads a key: all bytes of a file that only its owner may read.
func ReadKey(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%s: others may read it (%#o), and with it could try out what was replaced: chmod 600", name, mode)
	}
	key, err := io.ReadAll(io.LimitReader(f, maxKey+1))
	if err != nil {
		return nil, err
	}
	if len(key) < minKey || len(key) > maxKey {
		return nil, fmt.Errorf("%s: a key of %d bytes: want %d to %d, as from head -c 32 /dev/urandom", name, len(key), minKey, maxKey)
	}
	return key, nil
}

// keyID names a key without saying anything about it.
func keyID(key []byte) string {
	h := hmac.New(sha256.New, key)
	_, _ = h.Write([]byte("nanofront recording: which key")) // a hash takes everything
	return hex.EncodeToString(h.Sum(nil)[:8])
}
