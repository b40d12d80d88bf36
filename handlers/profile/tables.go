package profile

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// checkedTable is a table whose blocks are checked as they are read. Pebble
// does that too, but when a sum is wrong it tries the block with each of its
// bits flipped to tell whether one did: 0.2 s of a core for a block of data that
// has two wrong ones and half a minute for a large block of the index, at each
// read (TestPebbleStore_DamageIsFoundAtOnce). Checking twice costs some 1 µs for
// each block that is not in the cache.
//
// Pebble reads one block with its trailer at a time, and the footer, which
// reaches to the end of the file.
type checkedTable struct {
	vfs.File
	name string
	size int64
}

// The end of a block: a byte that says how it is compressed, and the sum of
// all before.
const (
	blockTrailer = 1 + blockSum
	blockSum     = 4
)

func checked(f vfs.File, name string) (vfs.File, error) {
	info, err := f.Stat()
	if err != nil {
		_ = f.Close() // it was not read yet
		return nil, err
	}
	return &checkedTable{File: f, name: name, size: info.Size()}, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ReadAt implements vfs.File.
func (t *checkedTable) ReadAt(p []byte, off int64) (int, error) {
	n, err := t.File.ReadAt(p, off)
	if err != nil || n <= blockTrailer || off+int64(n) >= t.size {
		return n, err
	}
	sum := crc32.Checksum(p[:n-blockSum], castagnoli)
	if masked(sum) != binary.LittleEndian.Uint32(p[n-blockSum:]) {
		return 0, fmt.Errorf("the block at %d of %s, %d bytes, has a wrong checksum: %w", off, t.name, n, pebble.ErrCorruption)
	}
	return n, nil
}

// masked is how LevelDB and its descendants write a sum down, so that the sum
// of data that has sums in it is nothing special.
func masked(sum uint32) uint32 { return (sum>>15 | sum<<17) + 0xa282ead8 }
