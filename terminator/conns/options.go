package conns

import (
	"net/netip"
	"time"

	"nanofront/metrics"
)

// Options says how many connections there may be and how long each may take. All fields are
// required, but for the functions.
type Options struct {
	Max int // open connections; one more is accepted and closed at once

	IdleTimeout  time.Duration // between requests, and before the first
	HeadTimeout  time.Duration // from a request's first byte to the end of its header section
	BodyTimeout  time.Duration // from there on, for each BodyPiece of its body
	WriteTimeout time.Duration // for the client to acknowledge each AckPiece of a response, or what there is

	// Trusted reports whether a peer is a trusted proxy. It is called once for each connection.
	// Nil: none is.
	Trusted func(netip.Addr) bool

	// Tick is called at each look at the connections, five times a second or more often, once a
	// second while there are none, and for the first one after that. Not by two goroutines at once.
	// Nil: nothing is.
	Tick func(time.Time)

	// Short is asked at each look whether memory is so short that new connections are to wait. It
	// is told whether they do: what was enough to begin with isn't enough to go on. Paused is told
	// when that changes. Late is asked before connections are accepted: whether the event loops
	// don't keep up. Nil: there is nothing of it.
	Short  func(paused bool) bool
	Paused func(paused bool)
	Late   func() bool

	Metrics *metrics.Set
}

const (
	// BodyPiece is what the body timeout is for: what bounds the time is the slowest rate that is
	// borne, so that a body of any size may come.
	BodyPiece = 64 << 10

	// AckPiece is the same for responses.
	AckPiece = 64 << 10

	// LingerTimeout bounds how long a connection lingers, LingerSilence how long the client may
	// send nothing meanwhile, and LingerBytes what is read and dropped: enough for a client that
	// sends 64 MiB before it reads, at 20 Mbit/s.
	LingerTimeout = 30 * time.Second
	LingerSilence = 2 * time.Second
	LingerBytes   = 256 << 20

	// crowdedIdle is how long a connection may be idle, in ms, while more than seven eighths of
	// those that may be open are.
	crowdedIdle = 1000

	// maxLingering bounds how many connections linger at a time.
	maxLingering = 1024

	// shards is how many parts of the roster there are.
	shards = 16
)

// stats counts what nobody else could: connections, and what ends one without a response.
type stats struct {
	accepted      *metrics.Counter
	refused       *metrics.Counter // closed at once, being one connection too many
	inherited     *metrics.Counter // taken over from a predecessor
	bequeathed    *metrics.Counter // passed to a successor
	acceptErrors  *metrics.Counter // accepting failed for want of something, mostly descriptors, and was tried again
	idleClosed    *metrics.Counter // idle for too long, or at the end of a drain
	writeTimeouts *metrics.Counter // didn't take its response in time
	handOver      *metrics.Counter // could not pass to another driver, for want of a descriptor
	noMemory      *metrics.Counter // the front held too much for its clients to hold a response
	lingerFull    *metrics.Counter // closed without lingering, as too many do
}

func newStats(s *metrics.Set) stats {
	closed := func(reason string) *metrics.Counter { return s.Counter(metrics.HTTPClosed, reason) }
	return stats{
		accepted: s.Counter(metrics.HTTPAccepted), inherited: s.Counter(metrics.HTTPInherited), bequeathed: s.Counter(metrics.HTTPBequeathed),
		refused: closed("too_many"), acceptErrors: closed("accept_error"), idleClosed: closed("idle"),
		writeTimeouts: closed("write_timeout"), handOver: closed("hand_over"), lingerFull: closed("linger_full"),
		noMemory: closed("no_memory"),
	}
}
