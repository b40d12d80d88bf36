package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/proto"
)

// errDamaged is wrapped by what check has found.
var errDamaged = errors.New("damaged")

// keyBucket is where etcd keeps its keys, under revisions: 8 bytes, '_' and 8 bytes, and a
// byte more for a key that was deleted.
const (
	keyBucket   = "key"
	revisionLen = 17
)

// check reads through the data of a member before etcd does: etcd meets most damage on goroutines
// of its own, by a panic that nobody can catch. It costs some milliseconds for what nanofront keeps
// there, a few seconds for the largest database that is allowed. nil if there is nothing yet.
func check(dir string) error {
	name := filepath.Join(dir, "member", "snap", "db")
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		return fmt.Errorf("%w: %s is a directory", errDamaged, name)
	}
	if info.Size() == 0 {
		return nil // etcd begins it anew from its log
	}
	if logs, err := filepath.Glob(filepath.Join(dir, "member", "wal", "*.wal")); err == nil && len(logs) == 0 {
		return fmt.Errorf("%w: %s exists, but its log in member/wal doesn't", errDamaged, name)
	}
	if err := newBoltFile(f, info.Size(), checkEntry).check(); err != nil {
		return fmt.Errorf("%w: %s: %w", errDamaged, name, err)
	}
	return nil
}

// checkEntry reads what is in etcd's buckets as etcd will.
func checkEntry(bucket string, key, value []byte) error {
	if bucket != keyBucket {
		return nil
	}
	if len(key) != revisionLen && len(key) != revisionLen+1 || key[8] != '_' {
		return fmt.Errorf("%x isn't a revision", key[:min(len(key), 2*revisionLen)])
	}
	if err := proto.Unmarshal(value, &mvccpb.KeyValue{}); err != nil {
		return fmt.Errorf("revision %x: %w", key, err)
	}
	return nil
}
