package wire

import "encoding/binary"

// What a tap frame says, its body's first byte.
const (
	TapOpStart = 1
	TapOpState = 2
	TapOpCopy  = 3
)

// Sizes of the bodies' fixed parts, the first byte included.
const (
	TapStartFixed = 13 // sample, kinds, payload
	TapStateFixed = 10 // state, dropped
	TapCopyFixed  = 10 // time, direction
)

// TapStart is the body by which a peer asks for copies of frames: of so many in
// a million correlation ids, of the kinds whose bits are set, with so many
// bytes of each payload. No kinds: no more copies.
func TapStart(sample, kinds, payload uint32) []byte {
	b := append(make([]byte, 0, TapStartFixed), TapOpStart)
	b = binary.BigEndian.AppendUint32(b, sample)
	b = binary.BigEndian.AppendUint32(b, kinds)
	return binary.BigEndian.AppendUint32(b, payload)
}
