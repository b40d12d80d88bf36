package trace

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
)

// ID names a trace, a request with all that was done for it.
type ID [16]byte

// SpanID names a part of a trace.
type SpanID [8]byte

// NewID draws an id.
func NewID() (id ID) {
	for id == (ID{}) {
		binary.BigEndian.PutUint64(id[:8], rand.Uint64())
		binary.BigEndian.PutUint64(id[8:], rand.Uint64())
	}
	return id
}

// NewSpanID draws an id.
func NewSpanID() (id SpanID) {
	for id == (SpanID{}) {
		binary.BigEndian.PutUint64(id[:], rand.Uint64())
	}
	return id
}

// String is the id as 32 hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// String is the id as 16 hexadecimal digits.
func (id SpanID) String() string { return hex.EncodeToString(id[:]) }

// key is the part of the id by which records are found.
func (id ID) key() uint64 { return binary.BigEndian.Uint64(id[8:]) | 1 }

// child is the id of the nth part of a span, which takes no random number and is the same whenever
// it is asked for.
func (id SpanID) child(n uint64) (c SpanID) {
	binary.BigEndian.PutUint64(c[:], max(binary.BigEndian.Uint64(id[:])+n*0x9e3779b97f4a7c15, 1))
	return c
}

// Share reports whether a trace is among so many of all, where share is from 0 to 1: the same
// everywhere, as it goes by the random bits of the id.
func (id ID) Share(share float64) bool {
	const bits = 56 // that are random at least, by W3C Trace Context, level 2
	return float64(binary.BigEndian.Uint64(id[8:])&(1<<bits-1)) < share*(1<<bits)
}
