package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"nanofront/handlers"
)

// memory is a handlers.Memory in files, which all ledgers of a folder share: one for each write,
// with the sum of its payload and, when it has ended, a byte and its answer. It forgets nothing by
// itself.
type memory struct{ dir string }

const (
	sumSize  = len(handlers.PayloadSum{})
	memories = "keys" // the folder
)

func newMemory(dir string) (*memory, error) {
	dir, err := filepath.Abs(filepath.Join(dir, memories))
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return &memory{dir}, nil
}

// Name implements handlers.Memory.
func (m *memory) Name() string {
	sum := sha256.Sum256([]byte(m.dir))
	return "folder " + hex.EncodeToString(sum[:8])
}

func (m *memory) file(id handlers.WriteID) string {
	return filepath.Join(m.dir, hex.EncodeToString(id[:]))
}

// Claim implements handlers.Memory. That a file is made or is there already is one step of the
// system.
func (m *memory) Claim(_ context.Context, id handlers.WriteID, payload handlers.PayloadSum, _ time.Time) (handlers.Write, error) {
	f, err := os.OpenFile(m.file(id), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return m.read(id, payload)
	case err != nil:
		return handlers.Write{}, err
	}
	_, err = f.Write(payload[:])
	return handlers.Write{State: handlers.WriteBegins, Payload: payload}, errors.Join(err, f.Close())
}

func (m *memory) read(id handlers.WriteID, payload handlers.PayloadSum) (handlers.Write, error) {
	b, err := os.ReadFile(m.file(id))
	if err != nil {
		return handlers.Write{}, err
	}
	w := handlers.Write{State: handlers.WriteUnderWay, Payload: payload}
	if len(b) >= sumSize { // else it is just being made
		w.Payload = handlers.PayloadSum(b)
	}
	if len(b) > sumSize {
		if w.State = handlers.WriteEnded; len(b) > sumSize+1 {
			w.Answer = b[sumSize+1:]
		}
	}
	return w, nil
}

// Settle implements handlers.Memory.
func (m *memory) Settle(id handlers.WriteID, answer []byte) error {
	f, err := os.OpenFile(m.file(id), os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append([]byte{1}, answer...)) // one write: it is there or isn't
	return errors.Join(err, f.Close())
}

// Forget implements handlers.Memory.
func (m *memory) Forget(id handlers.WriteID) error { return os.Remove(m.file(id)) }
