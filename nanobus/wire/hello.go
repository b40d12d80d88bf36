package wire

import (
	"encoding/binary"
	"fmt"
)

// MaxTopics bounds the subscriptions that one hello may list.
const MaxTopics = 64

// ProcessSize is the length of Hello.Process.
const ProcessSize = 8

// The flags in a hello's body; the others are ignored.
const (
	HelloEventsOnly = 1 << 0
	HelloBodies     = 1 << 1
	HelloHolds      = 1 << 2
)

// Hello is how a process introduces itself on a link. It is the first frame
// that either side sends; a later one replaces it.
type Hello struct {
	// Version is the protocol version the peer speaks.
	Version uint16
	// EventsOnly says that the peer sends no requests on this link, so that
	// none of the window needs to be kept for it.
	EventsOnly bool
	// Bodies says that the peer takes bodies in chunks: data frames.
	Bodies bool
	// Holds says that the peer, as a caller, keeps requests that are held: hold frames.
	Holds bool
	// Window is how many requests the peer takes at once on this link.
	// 0 means that it takes none (a pure caller).
	Window uint32
	// Service, CodeVersion and Instance name the process: what it is, which
	// version of its code runs, and which of its kind it is. At most 255
	// bytes each.
	Service, CodeVersion, Instance string
	// Topics are the events it wants. At most 64, 255 bytes each.
	Topics []string
	// Nonce is 32 random bytes, drawn for the link, of a peer that wants the
	// shared secret proven (Proof); nil if it doesn't.
	Nonce []byte
	// Process is drawn by each process at its start, ProcessSize bytes: it
	// tells two from each other that were given the same name. nil: unknown.
	Process []byte
	// Memory names where a responder remembers the requests that it knows
	// again: processes that say the same name share it. At most 255 bytes.
	// Empty: it doesn't.
	Memory string
}

// AppendTo appends the hello as a whole frame.
func (h *Hello) AppendTo(dst []byte) []byte {
	start := len(dst)
	dst = Begin(dst, KindHello, 0, 0)
	dst = binary.BigEndian.AppendUint16(dst, h.Version)
	flags := uint16(0)
	if h.EventsOnly {
		flags |= HelloEventsOnly
	}
	if h.Bodies {
		flags |= HelloBodies
	}
	if h.Holds {
		flags |= HelloHolds
	}
	dst = binary.BigEndian.AppendUint16(dst, flags)
	dst = binary.BigEndian.AppendUint32(dst, h.Window)
	dst = AppendString8(dst, h.Service)
	dst = AppendString8(dst, h.CodeVersion)
	dst = AppendString8(dst, h.Instance)
	dst = append(dst, byte(len(h.Topics))) // maxTopics at most
	for _, t := range h.Topics {
		dst = AppendString8(dst, t)
	}
	if h.Nonce != nil || h.Process != nil || h.Memory != "" {
		dst = AppendString8(dst, string(h.Nonce))
	}
	if h.Process != nil || h.Memory != "" {
		dst = AppendString8(dst, string(h.Process))
	}
	if h.Memory != "" {
		dst = AppendString8(dst, h.Memory)
	}
	End(dst, start)
	return dst
}

// DecodeHello reads a hello's body. Bytes behind the last field belong to a
// later minor revision and are ignored.
func DecodeHello(b []byte) (*Hello, error) {
	if len(b) < 8 {
		return nil, fmt.Errorf("%w: hello of %d bytes", ErrMalformed, len(b))
	}
	h := &Hello{
		Version:    binary.BigEndian.Uint16(b),
		EventsOnly: binary.BigEndian.Uint16(b[2:])&HelloEventsOnly != 0,
		Bodies:     binary.BigEndian.Uint16(b[2:])&HelloBodies != 0,
		Holds:      binary.BigEndian.Uint16(b[2:])&HelloHolds != 0,
		Window:     binary.BigEndian.Uint32(b[4:]),
	}
	b = b[8:]
	for _, dst := range []*string{&h.Service, &h.CodeVersion, &h.Instance} {
		s, rest, ok := TakeString8(b)
		if !ok {
			return nil, fmt.Errorf("%w: hello ends inside a name", ErrMalformed)
		}
		*dst, b = string(s), rest
	}
	if len(b) < 1 {
		return nil, fmt.Errorf("%w: hello without a topic count", ErrMalformed)
	}
	n := int(b[0])
	b = b[1:]
	if n > MaxTopics {
		return nil, fmt.Errorf("%w: hello with %d topics: want at most %d", ErrMalformed, n, MaxTopics)
	}
	for range n {
		s, rest, ok := TakeString8(b)
		if !ok {
			return nil, fmt.Errorf("%w: hello ends inside a topic", ErrMalformed)
		}
		h.Topics = append(h.Topics, string(s))
		b = rest
	}
	// Of other lengths they are no nonce and no process, but something that
	// this version doesn't know.
	nonce, b, ok := TakeString8(b)
	if ok && len(nonce) == NonceSize {
		h.Nonce = append([]byte(nil), nonce...)
	}
	process, b, also := TakeString8(b)
	if ok && also && len(process) == ProcessSize {
		h.Process = append([]byte(nil), process...)
	}
	if memory, _, there := TakeString8(b); ok && also && there {
		h.Memory = string(memory)
	}
	return h, nil
}

// Wants reports whether the peer has subscribed to the topic.
func (h *Hello) Wants(topic string) bool {
	for _, t := range h.Topics {
		if t == topic {
			return true
		}
	}
	return false
}
