package embedded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// The file format of bbolt, version 2. A file is pages; the first two are metas, of which the valid
// one with the higher transaction counts. From its root a tree of branches and leaves is reached,
// and buckets in leaves are trees in turn. Numbers are in the machine's byte order.
//
//	page    id 8  flags 2  count 2  overflow 4
//	meta    magic 4  version 4  page size 4  flags 4  root 8  sequence 8  freelist 8  pages 8  transaction 8  checksum 8
//	branch  position 4  key size 4  page 8
//	leaf    flags 4  position 4  key size 4  value size 4
//	bucket  root 8  sequence 8, and its page if root is 0
const (
	boltMagic       = 0xED0CDAED
	boltVersion     = 2
	boltPageHeader  = 16
	boltElement     = 16
	boltMetaSummed  = 56 // of a meta's bytes the checksum is about
	boltBucketValue = 16
	boltNoFreelist  = ^uint64(0)

	boltBranch, boltLeaf, boltFreelist = 0x01, 0x02, 0x10
	boltBucketFlag                     = 0x01 // of a leaf's element
)

// boltFile checks a file of bbolt without mapping it, as bbolt itself does when it opens one that
// has no list of free pages; there, what it finds is a panic on a goroutine of its own.
type boltFile struct {
	r    io.ReaderAt
	size uint64
	// entry looks at each key and value.
	entry func(bucket string, key, value []byte) error

	pageSize uint64
	pages    uint64
	seen     map[uint64]bool
}

func newBoltFile(r io.ReaderAt, size int64, entry func(string, []byte, []byte) error) *boltFile {
	return &boltFile{r: r, size: uint64(size), entry: entry, seen: map[uint64]bool{}}
}

type boltMeta struct{ pageSize, root, freelist, pages, tx uint64 }

// check returns the first fault.
func (b *boltFile) check() error {
	meta, err := b.meta()
	if err != nil {
		return err
	}
	b.pageSize, b.pages = meta.pageSize, meta.pages
	if b.pages > b.size/b.pageSize {
		return fmt.Errorf("it is truncated: it has %d bytes and should have %d pages of %d bytes", b.size, b.pages, b.pageSize)
	}
	if meta.freelist != boltNoFreelist {
		if _, err := b.page(meta.freelist, boltFreelist); err != nil {
			return err
		}
	}
	_, err = b.tree(meta.root, "", nil, nil)
	return err
}

// meta finds the meta that counts.
func (b *boltFile) meta() (boltMeta, error) {
	first, err := b.metaAt(0)
	if err == nil {
		second, err := b.metaAt(first.pageSize)
		if err == nil && second.tx > first.tx {
			return second, nil
		}
		return first, nil
	}
	for at := uint64(1 << 10); at <= 16<<20 && at < b.size; at *= 2 { // its page size isn't known then
		if second, err := b.metaAt(at); err == nil && second.pageSize == at {
			return second, nil
		}
	}
	return boltMeta{}, err
}

func (b *boltFile) metaAt(at uint64) (boltMeta, error) {
	var raw [boltPageHeader + boltMetaSummed + 8]byte
	if _, err := b.r.ReadAt(raw[:], int64(at)); err != nil { // at most 16 MiB
		return boltMeta{}, fmt.Errorf("its first pages can't be read: %w", err)
	}
	m := raw[boltPageHeader:]
	order := binary.NativeEndian
	if order.Uint32(m) != boltMagic || order.Uint32(m[4:]) != boltVersion {
		return boltMeta{}, errors.New("it isn't a database: its first pages are something else")
	}
	sum := fnv.New64a()
	_, _ = sum.Write(m[:boltMetaSummed]) // never fails
	if sum.Sum64() != order.Uint64(m[boltMetaSummed:]) {
		return boltMeta{}, errors.New("the checksums of both first pages are wrong")
	}
	meta := boltMeta{
		pageSize: uint64(order.Uint32(m[8:])),
		root:     order.Uint64(m[16:]), freelist: order.Uint64(m[32:]),
		pages: order.Uint64(m[40:]), tx: order.Uint64(m[48:]),
	}
	if meta.pageSize < boltPageHeader {
		return boltMeta{}, fmt.Errorf("pages of %d bytes", meta.pageSize)
	}
	return meta, nil
}

// page reads a page that is to be one of some kinds, with those that overflow from it.
func (b *boltFile) page(id uint64, kinds uint16) ([]byte, error) {
	if id < 2 || id >= b.pages {
		return nil, fmt.Errorf("page %d is referenced, but there are only %d", id, b.pages)
	}
	var head [boltPageHeader]byte
	if _, err := b.r.ReadAt(head[:], int64(id*b.pageSize)); err != nil { // within the file
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	order := binary.NativeEndian
	flags, more := order.Uint16(head[8:]), uint64(order.Uint32(head[12:]))
	if self := order.Uint64(head[:]); self != id {
		return nil, fmt.Errorf("page %d says that it is page %d", id, self)
	}
	if flags&kinds != flags || flags&(flags-1) != 0 || flags == 0 {
		return nil, fmt.Errorf("page %d is of kind %#x", id, flags)
	}
	if id+more >= b.pages {
		return nil, fmt.Errorf("page %d continues for %d pages, but there are only %d", id, more, b.pages)
	}
	for i := id; i <= id+more; i++ {
		if b.seen[i] {
			return nil, fmt.Errorf("page %d is referenced twice", i)
		}
		b.seen[i] = true
	}
	p := make([]byte, (1+more)*b.pageSize)
	if _, err := b.r.ReadAt(p, int64(id*b.pageSize)); err != nil { // within the file
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	return p, nil
}

// tree checks what is below a page. Its keys must be from low on and below high, where these are
// given. It returns the last key.
func (b *boltFile) tree(id uint64, bucket string, low, high []byte) (last []byte, err error) {
	p, err := b.page(id, boltBranch|boltLeaf)
	if err != nil {
		return nil, err
	}
	if last, err = b.elements(p, bucket, low, high); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	return last, nil
}

func (b *boltFile) elements(p []byte, bucket string, low, high []byte) (last []byte, err error) {
	order := binary.NativeEndian
	branch, n := order.Uint16(p[8:]) == boltBranch, int(order.Uint16(p[10:]))
	last = low
	for i := range n {
		at := boltPageHeader + i*boltElement
		if at+boltElement > len(p) {
			return nil, fmt.Errorf("element %d of %d is beyond its end", i, n)
		}
		e := p[at : at+boltElement]
		flags, position, keyLen, valueLen := order.Uint32(e), order.Uint32(e[4:]), order.Uint32(e[8:]), order.Uint32(e[12:])
		if branch {
			position, keyLen, valueLen = order.Uint32(e), order.Uint32(e[4:]), 0
		}
		begin := uint64(at) + uint64(position)
		end := begin + uint64(keyLen)
		if end+uint64(valueLen) > uint64(len(p)) {
			return nil, fmt.Errorf("the key or value of element %d is beyond its end", i)
		}
		key := p[begin:end]
		if c := bytes.Compare(last, key); last != nil && (c > 0 || c == 0 && i > 0) || high != nil && bytes.Compare(key, high) >= 0 {
			return nil, fmt.Errorf("the key of element %d, %.64x, is out of order", i, key)
		}
		if branch {
			below := high
			if i+1 < n {
				if below, err = branchKey(p, i+1); err != nil {
					return nil, err
				}
			}
			if last, err = b.tree(order.Uint64(e[8:]), bucket, key, below); err != nil {
				return nil, err
			}
			continue
		}
		last = key
		if err := b.leaf(bucket, flags, key, p[end:end+uint64(valueLen)]); err != nil {
			return nil, err
		}
	}
	return last, nil
}

// branchKey is the key of an element of a branch.
func branchKey(p []byte, i int) ([]byte, error) {
	at := boltPageHeader + i*boltElement
	if at+boltElement > len(p) {
		return nil, fmt.Errorf("element %d is beyond its end", i)
	}
	begin := uint64(at) + uint64(binary.NativeEndian.Uint32(p[at:]))
	end := begin + uint64(binary.NativeEndian.Uint32(p[at+4:]))
	if end > uint64(len(p)) {
		return nil, fmt.Errorf("the key of element %d is beyond its end", i)
	}
	return p[begin:end], nil
}

func (b *boltFile) leaf(bucket string, flags uint32, key, value []byte) error {
	if flags&boltBucketFlag == 0 {
		if bucket == "" {
			return fmt.Errorf("%.64q is outside of all buckets", key)
		}
		if err := b.entry(bucket, key, value); err != nil {
			return fmt.Errorf("bucket %.64q: %w", bucket, err)
		}
		return nil
	}
	if len(value) < boltBucketValue {
		return fmt.Errorf("bucket %.64q has a header of %d bytes", key, len(value))
	}
	root := binary.NativeEndian.Uint64(value)
	if root != 0 {
		_, err := b.tree(root, string(key), nil, nil)
		return err
	}
	inline := value[boltBucketValue:]
	if len(inline) < boltPageHeader || binary.NativeEndian.Uint16(inline[8:]) != boltLeaf {
		return fmt.Errorf("bucket %.64q has no page", key)
	}
	if _, err := b.elements(inline, string(key), nil, nil); err != nil {
		return fmt.Errorf("bucket %.64q: %w", key, err)
	}
	return nil
}
