package tap

import (
	"encoding/binary"
	"fmt"

	"nanofront/nanobus/wire"
)

// Request is what a tap has asked for.
type Request struct {
	Sample  uint32 // of a million correlation ids
	Kinds   uint32 // bit n: frames of kind n. None: no more copies
	Payload int    // bytes of each payload
}

// DecodeRequest reads what Options.Start has made.
func DecodeRequest(body []byte) (r Request, err error) {
	if len(body) < wire.TapStartFixed {
		return r, fmt.Errorf("%w: start of a tap in %d bytes", wire.ErrMalformed, len(body))
	}
	r.Sample = binary.BigEndian.Uint32(body[1:])
	r.Kinds = binary.BigEndian.Uint32(body[5:])
	r.Payload = int(min(binary.BigEndian.Uint32(body[9:]), MaxCopied))
	return r, nil
}

// Wants reports whether a whole frame is to be copied.
func (r *Request) Wants(raw []byte) bool {
	k := wire.Kind(raw[4])
	if k == wire.KindTap || r.Kinds>>k&1 == 0 {
		return false
	}
	id := binary.BigEndian.Uint64(raw[8:])
	return id == 0 || sampled(id, r.Sample)
}

// sampled goes by the correlation id alone, so that a request and all that
// belongs to it are in together or out together. Ids are counted up and slots
// used again, so it takes a hash that spreads them (the finaliser of
// splitmix64).
func sampled(id uint64, sample uint32) bool {
	id ^= id >> 30
	id *= 0xbf58476d1ce4e5b9
	id ^= id >> 27
	id *= 0x94d049bb133111eb
	id ^= id >> 31
	return ((id>>32)*Whole)>>32 < uint64(sample)
}

// Cut is how many bytes of a frame are copied. Frames without payload, small
// all of them, are copied whole.
func (r *Request) Cut(raw []byte) int {
	fixed := wire.HeaderSize
	switch wire.Kind(raw[4]) {
	case wire.KindRequest:
		fixed += wire.RequestFixed
	case wire.KindResponse:
		fixed += wire.ResponseFixed
		if raw[5]&wire.FlagError != 0 { // no payload: a code and a text
			return min(len(raw), fixed+4+maxErrorText)
		}
	case wire.KindHold:
		fixed += wire.HoldFixed
	case wire.KindEvent:
		if len(raw) > wire.HeaderSize {
			fixed += 1 + int(raw[wire.HeaderSize])
		}
	case wire.KindData:
	default:
		return len(raw)
	}
	return min(len(raw), fixed+r.Payload)
}
