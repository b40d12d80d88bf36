package recording

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
)

// A section is one of the parts of a file that are not records: a skippable frame of zstd (RFC 8878,
// section 3.1.2), so that the whole file is a valid zstd file, and what any zstd makes of it is the
// records.
//
//	magic (4) | size (4) | tag (4) | content … | CRC-32C of tag and content (4)
//
// Numbers are little-endian, as those of zstd.
const (
	skippable    = 0x184d2a57
	sectionFront = 8 // magic and size
	sectionExtra = 8 // tag and CRC
)

// The tags.
const (
	tagHeader = "NFRH"
	tagBlock  = "NFRB"
	tagIndex  = "NFRI"
	tagEnd    = "NFRE"
)

// Sizes of sections.
const (
	maxHeader  = 64 << 10
	maxSummary = 64 << 10
	blockFixed = 44 // content of a block's section
	indexEntry = 36 // of one block in the index
	endFixed   = 8  // content of the last section
	endSize    = sectionFront + sectionExtra + endFixed

	// maxBlocks bounds the index: 64 GiB of records.
	maxBlocks = 1 << 18
	// blockSize is how many bytes of records a block has when it is written.
	blockSize = 256 << 10
	// maxRaw is the most that one may have.
	maxRaw = blockSize + MaxRecord + binary.MaxVarintLen64*2
	// maxPacked is the most that one may have in the file: zstd makes what it can't compress hardly
	// longer.
	maxPacked = maxRaw + 4<<10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendSection appends a section with that content.
func appendSection(dst []byte, tag string, content ...[]byte) []byte {
	n := sectionExtra
	for _, c := range content {
		n += len(c)
	}
	dst = binary.LittleEndian.AppendUint32(dst, skippable)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(n)) // bounded by the limits of sections
	from := len(dst)
	dst = append(dst, tag...)
	for _, c := range content {
		dst = append(dst, c...)
	}
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[from:], castagnoli))
}

// readSection reads the section at that offset, whose content has at most most bytes, and returns
// the content and how long the section is in the file.
func readSection(r io.ReaderAt, at int64, tag string, most int) (content []byte, size int64, err error) {
	var front [sectionFront]byte
	if _, err := r.ReadAt(front[:], at); err != nil {
		return nil, 0, fmt.Errorf("%w: no section at byte %d: %w", ErrMalformed, at, err)
	}
	n := binary.LittleEndian.Uint32(front[4:])
	if binary.LittleEndian.Uint32(front[:]) != skippable || n < sectionExtra || int64(n) > int64(most)+sectionExtra {
		return nil, 0, fmt.Errorf("%w: no section %s at byte %d", ErrMalformed, tag, at)
	}
	b := make([]byte, n)
	if _, err := r.ReadAt(b, at+sectionFront); err != nil {
		return nil, 0, fmt.Errorf("%w: the section at byte %d isn't whole: %w", ErrMalformed, at, err)
	}
	sum := len(b) - 4
	if string(b[:4]) != tag || crc32.Checksum(b[:sum], castagnoli) != binary.LittleEndian.Uint32(b[sum:]) {
		return nil, 0, fmt.Errorf("%w: no section %s at byte %d, or a damaged one", ErrMalformed, tag, at)
	}
	return b[4:sum], sectionFront + int64(n), nil
}

// appendHeader appends the file's first section.
func appendHeader(dst []byte, h *Header) ([]byte, error) {
	text, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	if len(text) > maxHeader-2 {
		return nil, fmt.Errorf("recording: a header of %d bytes: want at most %d: name fewer routes or fields", len(text), maxHeader-2)
	}
	return appendSection(dst, tagHeader, binary.LittleEndian.AppendUint16(nil, Version), text), nil
}

// readHeader reads the file's first section, and returns where the second begins.
func readHeader(r io.ReaderAt) (h Header, end int64, err error) {
	content, end, err := readSection(r, 0, tagHeader, maxHeader)
	if err != nil {
		return h, 0, fmt.Errorf("%w: it doesn't begin as a recording does", ErrMalformed)
	}
	if len(content) < 2 {
		return h, 0, fmt.Errorf("%w: a header without a version", ErrMalformed)
	}
	if v := binary.LittleEndian.Uint16(content); v != Version {
		return h, 0, fmt.Errorf("%w: version %d, known here is %d", ErrVersion, v, Version)
	}
	if err := json.Unmarshal(content[2:], &h); err != nil {
		return h, 0, fmt.Errorf("%w: header: %w", ErrMalformed, err)
	}
	return h, end, nil
}

// block is where one stands, and what of.
type block struct {
	offset      int64  // of its section
	records     uint32 // at least 1
	raw, packed uint32 // bytes of the records, and of the zstd frame behind the section
	first, last int64
}

// end is the offset behind the block.
func (b *block) end() int64 {
	return b.offset + sectionFront + sectionExtra + blockFixed + int64(b.packed)
}

// check reports what a block can't be.
func (b *block) check(size int64) error {
	if b.records == 0 || b.raw == 0 || b.raw > maxRaw || b.packed == 0 || b.packed > maxPacked || b.first > b.last ||
		uint64(b.records) > uint64(b.raw) || b.offset < 0 || b.end() > size {
		return fmt.Errorf("%w: block at byte %d: %d records of %d bytes, packed into %d, in a file of %d", ErrMalformed, b.offset, b.records, b.raw, b.packed, size)
	}
	return nil
}

// appendFacts appends what the index says of a block; its section says the same, without the offset.
func (b *block) appendFacts(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, b.records)
	dst = binary.LittleEndian.AppendUint32(dst, b.raw)
	dst = binary.LittleEndian.AppendUint32(dst, b.packed)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(b.first))
	return binary.LittleEndian.AppendUint64(dst, uint64(b.last))
}

func (b *block) readFacts(c []byte) {
	le := binary.LittleEndian
	b.records, b.raw, b.packed = le.Uint32(c), le.Uint32(c[4:]), le.Uint32(c[8:])
	b.first, b.last = int64(le.Uint64(c[12:])), int64(le.Uint64(c[20:]))
}

// appendBlock appends the section of a block. lost is what was lost until then.
func appendBlock(dst []byte, b *block, lost *Lost) []byte {
	c := b.appendFacts(make([]byte, 0, blockFixed))
	c = binary.LittleEndian.AppendUint64(c, lost.Tap)
	c = binary.LittleEndian.AppendUint64(c, lost.Here)
	return appendSection(dst, tagBlock, c)
}

// readBlock reads the section of a block.
func readBlock(r io.ReaderAt, at, size int64) (b block, lost Lost, err error) {
	c, _, err := readSection(r, at, tagBlock, blockFixed)
	if err != nil {
		return b, lost, err
	}
	if len(c) != blockFixed {
		return b, lost, fmt.Errorf("%w: block at byte %d: %d bytes", ErrMalformed, at, len(c))
	}
	b.offset = at
	b.readFacts(c)
	lost.Tap, lost.Here = binary.LittleEndian.Uint64(c[28:]), binary.LittleEndian.Uint64(c[36:])
	return b, lost, b.check(size)
}

// appendIndex appends the last two sections; the first begins at the offset at.
func appendIndex(dst []byte, at int64, blocks []block, s *Summary) ([]byte, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	c := binary.LittleEndian.AppendUint32(nil, uint32(len(blocks))) // bounded by maxBlocks
	for i := range blocks {
		c = binary.LittleEndian.AppendUint64(c, uint64(blocks[i].offset))
		c = blocks[i].appendFacts(c)
	}
	dst = appendSection(dst, tagIndex, c, text)
	return appendSection(dst, tagEnd, binary.LittleEndian.AppendUint64(nil, uint64(at))), nil
}

// readIndex reads the blocks of a file that was ended properly, whose header ends at from.
func readIndex(r io.ReaderAt, from, size int64) (blocks []block, s Summary, err error) {
	end, _, err := readSection(r, size-endSize, tagEnd, endFixed)
	if err != nil {
		return nil, s, err
	}
	if len(end) != endFixed {
		return nil, s, fmt.Errorf("%w: an end of %d bytes", ErrMalformed, len(end))
	}
	at := int64(binary.LittleEndian.Uint64(end))
	if at < from || at > size-endSize {
		return nil, s, fmt.Errorf("%w: an index at byte %d of %d", ErrMalformed, at, size)
	}
	most := min(size-endSize-at, 4+maxBlocks*indexEntry+maxSummary)
	c, _, err := readSection(r, at, tagIndex, int(most))
	if err != nil {
		return nil, s, err
	}
	if len(c) < 4 || uint64(len(c)-4) < uint64(binary.LittleEndian.Uint32(c))*indexEntry {
		return nil, s, fmt.Errorf("%w: an index of %d bytes", ErrMalformed, len(c))
	}
	n := int(binary.LittleEndian.Uint32(c))
	for c = c[4:]; len(blocks) < n; c = c[indexEntry:] {
		b := block{offset: int64(binary.LittleEndian.Uint64(c))}
		b.readFacts(c[8:])
		if err := b.check(at); err != nil {
			return nil, s, err
		}
		if b.offset < from {
			return nil, s, fmt.Errorf("%w: a block at byte %d, inside another section", ErrMalformed, b.offset)
		}
		from = b.end()
		blocks = append(blocks, b)
	}
	if len(c) > maxSummary {
		return nil, s, fmt.Errorf("%w: a summary of %d bytes", ErrMalformed, len(c))
	}
	if err := json.Unmarshal(c, &s); err != nil {
		return nil, s, fmt.Errorf("%w: summary: %w", ErrMalformed, err)
	}
	return blocks, s, nil
}
