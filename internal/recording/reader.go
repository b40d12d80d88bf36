package recording

import (
	"cmp"
	"container/heap"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"sort"
	"time"

	"github.com/klauspost/compress/zstd"
)

// maxOpen is how many blocks may be open at once, as their times overlap; a megabyte each at most.
const maxOpen = 16

// ReaderOptions are for special cases. The zero value means what Open does.
type ReaderOptions struct {
	// Now is the clock that the expiry goes by; nil: time.Now.
	Now func() time.Time
}

// Reader reads a recording. It isn't for several goroutines.
type Reader struct {
	r       io.ReaderAt
	file    *os.File // nil: not ours
	size    int64
	header  Header
	summary Summary
	whole   bool
	blocks  []block // by their first record
	decoder *zstd.Decoder

	next  int // of blocks, to be opened
	open  openBlocks
	from  int64 // what Seek has asked for
	after int64 // of the last record given out
	late  uint64
}

// Open opens a recording, unless it has expired.
func Open(name string) (*Reader, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no file")
	}
	var r *Reader
	if err == nil {
		r, err = NewReader(f, info.Size(), ReaderOptions{})
	}
	if err != nil {
		_ = f.Close() // it was only read
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	r.file = f
	return r, nil
}

// ReadHeader is what a file says of itself, even if it has expired.
func ReadHeader(name string) (Header, error) {
	f, err := os.Open(name)
	if err != nil {
		return Header{}, err
	}
	defer func() { _ = f.Close() }() // it was only read
	h, _, err := readHeader(f)
	if err != nil {
		return h, fmt.Errorf("%s: %w", name, err)
	}
	return h, nil
}

// NewReader reads a recording of that many bytes. Close doesn't close r.
func NewReader(r io.ReaderAt, size int64, o ReaderOptions) (*Reader, error) {
	h, from, err := readHeader(r)
	if err != nil {
		return nil, err
	}
	now := time.Now
	if o.Now != nil {
		now = o.Now
	}
	if h.Expired(now()) {
		return nil, fmt.Errorf("%w on %s: nanofront record prune removes it", ErrExpired, h.Expires.UTC().Format("2006-01-02 15:04 UTC"))
	}
	rd := &Reader{r: r, size: size, header: h, from: math.MinInt64, after: math.MinInt64}
	rd.decoder, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxRaw), zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		return nil, err
	}
	if rd.blocks, rd.summary, err = readIndex(r, from, size); err == nil {
		rd.whole = true
	} else {
		rd.scan(from)
	}
	slices.SortStableFunc(rd.blocks, func(a, b block) int { return cmp.Compare(a.first, b.first) })
	return rd, nil
}

// scan finds the blocks of a file without an index, up to the last one that is whole.
func (r *Reader) scan(at int64) {
	s := &r.summary
	s.First, s.Last = math.MaxInt64, math.MinInt64
	for len(r.blocks) < maxBlocks {
		b, lost, err := readBlock(r.r, at, r.size)
		if err != nil {
			break
		}
		at = b.end()
		r.blocks = append(r.blocks, b)
		s.Lost = lost
	}
	// After a power failure the end may be zeros.
	if n := len(r.blocks) - 1; n >= 0 {
		if _, err := r.unpack(&r.blocks[n]); err != nil {
			r.blocks = r.blocks[:n]
		}
	}
	for i := range r.blocks {
		b := &r.blocks[i]
		s.Records += uint64(b.records)
		s.First, s.Last = min(s.First, b.first), max(s.Last, b.last)
	}
	if s.Blocks = uint64(len(r.blocks)); s.Blocks == 0 {
		s.First, s.Last = 0, 0
		return
	}
	s.Ended = time.Unix(0, s.Last).UTC()
}

// Header is what the recording is of.
func (r *Reader) Header() Header { return r.header }

// Summary is what was known at the end. If the file is not whole, because the recorder had no time
// to end it, it is what can be told from the blocks.
func (r *Reader) Summary() (s Summary, whole bool) { return r.summary, r.whole }

// Late is how many records Next has given out behind one of a later time.
func (r *Reader) Late() uint64 { return r.late }

// Seek makes Next go on with the first record at that time or later; with the zero time from the
// beginning.
func (r *Reader) Seek(at time.Time) error {
	r.open, r.next, r.late = r.open[:0], 0, 0
	r.from, r.after = math.MinInt64, math.MinInt64
	if at.IsZero() {
		return nil
	}
	r.from = at.UnixNano()
	// Blocks are in the order of their first records; one that ended before can be left out.
	r.next = sort.Search(len(r.blocks), func(i int) bool { return r.blocks[i].first >= r.from })
	for i := r.next - 1; i >= 0; i-- {
		if r.blocks[i].last >= r.from {
			r.next = i
		}
	}
	return nil
}

// Next reads a record; io.EOF says that there are no more. Records come in the order of their
// times, but for those that more than 16 blocks stand between (Late). After another error, which is
// about one block, Next goes on behind that.
func (r *Reader) Next(rec *Record) error {
	for {
		if err := r.fill(); err != nil {
			return err
		}
		if len(r.open) == 0 {
			return io.EOF
		}
		b := r.open[0]
		rec.At = b.at
		err := rec.decode(b.record)
		more, berr := b.step()
		switch {
		case err != nil || berr != nil:
			heap.Pop(&r.open)
			return fmt.Errorf("block at byte %d: %w", b.offset, errors.Join(err, berr))
		case more:
			heap.Fix(&r.open, 0)
		default:
			heap.Pop(&r.open)
		}
		if rec.At < r.from {
			continue
		}
		if rec.At < r.after {
			r.late++
		}
		r.after = max(r.after, rec.At)
		return nil
	}
}

// fill opens the blocks that the next record may be in.
func (r *Reader) fill() error {
	for r.next < len(r.blocks) && len(r.open) < maxOpen {
		b := &r.blocks[r.next]
		if len(r.open) > 0 && b.first > r.open[0].at {
			break
		}
		r.next++
		if b.last < r.from {
			continue
		}
		raw, err := r.unpack(b)
		if err != nil {
			return err
		}
		o := &openBlock{rest: taker{s: raw}, left: b.records, at: b.first, last: b.last, offset: b.offset}
		more, err := o.step()
		if err != nil {
			return fmt.Errorf("block at byte %d: %w", b.offset, err)
		}
		if more {
			heap.Push(&r.open, o)
		}
	}
	return nil
}

// unpack reads the records of a block.
func (r *Reader) unpack(b *block) (string, error) {
	packed := make([]byte, b.packed)
	if _, err := r.r.ReadAt(packed, b.end()-int64(b.packed)); err != nil {
		return "", fmt.Errorf("%w: block at byte %d: %w", ErrMalformed, b.offset, err)
	}
	raw, err := r.decoder.DecodeAll(packed, make([]byte, 0, b.raw))
	if err != nil {
		return "", fmt.Errorf("%w: block at byte %d: %w", ErrMalformed, b.offset, err)
	}
	if len(raw) != int(b.raw) {
		return "", fmt.Errorf("%w: block at byte %d has %d bytes of records and says %d", ErrMalformed, b.offset, len(raw), b.raw)
	}
	return string(raw), nil
}

// Close gives the file back.
func (r *Reader) Close() error {
	r.decoder.Close()
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// openBlock is a block that is being read: the record that comes next, and what comes behind it.
type openBlock struct {
	at     int64
	record string
	rest   taker
	left   uint32
	last   int64
	offset int64
}

// step goes to the next record; false: there is none.
func (b *openBlock) step() (bool, error) {
	if b.left == 0 {
		return false, nil
	}
	b.left--
	t := taker{s: b.rest.text()}
	at := uint64(b.at) + t.uvarint()
	if b.rest.bad || t.bad || int64(at) < b.at || int64(at) > b.last {
		return false, fmt.Errorf("%w: it ends inside a record, or one has a time that the block hasn't", ErrMalformed)
	}
	b.at, b.record = int64(at), t.s
	return true, nil
}

// openBlocks is a heap of blocks by the time of the next record.
type openBlocks []*openBlock

func (o openBlocks) Len() int { return len(o) }
func (o openBlocks) Less(i, j int) bool {
	return o[i].at < o[j].at || o[i].at == o[j].at && o[i].offset < o[j].offset
}
func (o openBlocks) Swap(i, j int) { o[i], o[j] = o[j], o[i] }

// Push is for package heap.
func (o *openBlocks) Push(b any) { *o = append(*o, b.(*openBlock)) } //nolint:forcetypeassert // only such are pushed

// Pop is for package heap.
func (o *openBlocks) Pop() any {
	n := len(*o) - 1
	b := (*o)[n]
	*o = (*o)[:n]
	return b
}
