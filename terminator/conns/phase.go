package conns

// Phase says what a connection waits for, and so which of the timeouts holds.
type Phase uint64

const (
	Idle      Phase = iota // a request's first byte
	Head                   // the rest of its head
	Body                   // the rest of its body
	Serving                // its response: the business of the deadlines further in
	Streaming              // more of its response
	Writing                // the client, to take the response: see Conn.Wrote
	Lingering              // the client, to close its side, or to send on what is dropped
	Held                   // its response, which a handler gives when it has one: no timeout here
	phases
)

// A phase and its beginning, in milliseconds of the table's clock, share a word: one store a
// change, and the sweep never sees one without the other.
func pack(p Phase, since int64) uint64 {
	return uint64(since)<<3 | uint64(p)
}

func unpack(state uint64) (Phase, int64) { return Phase(state & 7), int64(state >> 3) }
