package profile

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// identityFile has what the data in a directory is known by: a process that
// serves it can so be told from one that serves other data, whatever their
// names and the directory's, and also after it was moved.
const (
	identityFile  = "ID"
	identityBytes = 8
)

// identity reads the directory's, or draws one for a directory that has none
// yet. The directory is locked.
func identity(dir vfs.FS, path string) (string, error) {
	text, err := readFile(dir, dir.PathJoin(path, identityFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	id := strings.TrimSpace(text)
	if b, err := hex.DecodeString(id); err == nil && len(b) == identityBytes && id == strings.ToLower(id) {
		return id, nil
	}
	var b [identityBytes]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	id = hex.EncodeToString(b[:])
	return id, writeWhole(dir, path, identityFile, id+"\n")
}
