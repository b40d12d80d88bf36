package recording

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// Writer writes a recording. It isn't for several goroutines. It holds one block of records, and
// of the others 44 bytes each.
type Writer struct {
	f       *os.File
	encoder *zstd.Encoder
	blocks  []block
	size    int64 // of what is in the file
	lost    Lost
	summary Summary

	pending []pending
	bytes   []byte // their records
	out     []byte // memory for a block
	err     error  // of a write: nothing can come behind it
}

// pending is a record of the block that is being gathered.
type pending struct {
	at         int64
	start, end int
}

// Create makes a file, which nobody but its owner may read. There must be none of that name.
func Create(name string, h Header) (*Writer, error) {
	if err := h.check(); err != nil {
		return nil, err
	}
	front, err := appendHeader(nil, &h)
	if err != nil {
		return nil, err
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderCRC(true))
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("%s is there already, and a recording replaces no file: choose another name", name)
	}
	if err != nil {
		return nil, err
	}
	w := &Writer{f: f, encoder: encoder}
	if err := w.write(front); err != nil {
		_ = errors.Join(f.Close(), os.Remove(name)) // the first error is the one to tell
		return nil, err
	}
	return w, nil
}

func (w *Writer) write(b []byte) error {
	if w.err != nil {
		return w.err
	}
	n, err := w.f.Write(b)
	w.size += int64(n)
	w.err = err
	return err
}

// Write adds a record. Those of a block, some hundreds, are brought into the order of their times;
// readers can do the same for blocks that overlap, but not for one from long ago. A record that is
// too large is refused, with ErrTooLarge, and the recording goes on; another error ends it.
func (w *Writer) Write(r *Record) error {
	if w.err != nil {
		return w.err
	}
	start := len(w.bytes)
	w.bytes = r.appendTo(w.bytes)
	if n := len(w.bytes) - start; n > MaxRecord || len(r.Fields) > maxFields || len(r.Answer.Fields) > maxFields {
		w.bytes = w.bytes[:start]
		return fmt.Errorf("%w: %d bytes, %d and %d fields", ErrTooLarge, n, len(r.Fields), len(r.Answer.Fields))
	}
	w.pending = append(w.pending, pending{r.At, start, len(w.bytes)})
	if len(w.bytes)+len(w.pending)*2*binary.MaxVarintLen64 >= blockSize {
		return w.Flush()
	}
	return nil
}

// ErrTooLarge: a record that doesn't fit.
var ErrTooLarge = errors.New("recording: a record is too large")

// Lost notes what was lost so far, all together: the next block says it, for the case that it is
// the last one.
func (w *Writer) Lost(l Lost) { w.lost = l }

// Flush writes what has been gathered, so that it outlives the process.
func (w *Writer) Flush() error {
	if w.err != nil || len(w.pending) == 0 {
		return w.err
	}
	if len(w.blocks) == maxBlocks {
		return fmt.Errorf("recording: it has %d blocks, and can't have more: begin another one", maxBlocks)
	}
	slices.SortStableFunc(w.pending, func(a, b pending) int { return cmp.Compare(a.at, b.at) })
	b := block{offset: w.size, records: uint32(len(w.pending)), first: w.pending[0].at, last: w.pending[len(w.pending)-1].at} // bounded by blockSize
	raw := make([]byte, 0, len(w.bytes)+len(w.pending)*2*binary.MaxVarintLen64)
	before := b.first
	for _, p := range w.pending {
		var step [binary.MaxVarintLen64]byte
		n := binary.PutUvarint(step[:], uint64(p.at)-uint64(before))
		before = p.at
		raw = binary.AppendUvarint(raw, uint64(n+p.end-p.start))
		raw = append(raw, step[:n]...)
		raw = append(raw, w.bytes[p.start:p.end]...)
	}
	packed := w.encoder.EncodeAll(raw, nil)
	b.raw, b.packed = uint32(len(raw)), uint32(len(packed))
	w.out = append(appendBlock(w.out[:0], &b, &w.lost), packed...)
	if err := w.write(w.out); err != nil {
		return err
	}
	if w.summary.Records == 0 {
		w.summary.First, w.summary.Last = b.first, b.last
	}
	w.summary.First, w.summary.Last = min(w.summary.First, b.first), max(w.summary.Last, b.last)
	w.summary.Records += uint64(len(w.pending))
	w.blocks = append(w.blocks, b)
	w.pending, w.bytes = w.pending[:0], w.bytes[:0]
	return nil
}

// Size is how many bytes the file has, without the block that is being gathered.
func (w *Writer) Size() int64 { return w.size }

// Records is how many were written.
func (w *Writer) Records() uint64 { return w.summary.Records + uint64(len(w.pending)) }

// Close writes the rest and the index, with what s says of the end, of what was lost and why it
// ended. Without it the file can be read all the same.
func (w *Writer) Close(s Summary) error {
	if w.f == nil {
		return os.ErrClosed
	}
	err := w.Flush()
	if err == nil {
		s.Records, s.Blocks, s.First, s.Last = w.summary.Records, uint64(len(w.blocks)), w.summary.First, w.summary.Last
		w.out, err = appendIndex(w.out[:0], w.size, w.blocks, &s)
	}
	if err == nil {
		err = w.write(w.out)
	}
	if err == nil {
		err = w.f.Sync()
	}
	err = errors.Join(err, w.f.Close(), w.encoder.Close())
	w.f = nil
	return err
}
