package nanobus

import (
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"nanofront/nanobus/balance"
	"nanofront/nanobus/sp"
	"nanofront/nanobus/wire"
)

const (
	// maxGathered is how many bytes may wait for a link's writer before
	// senders feel it: requests go elsewhere, replies wait.
	maxGathered = 4 << 20

	// batchSize is where a batch is cut into messages; only a frame that is
	// larger by itself makes a larger message. mangos' pool has nothing for
	// messages of 64 KiB and more: batches of 1 MiB cost five times as much
	// per request, for their garbage
	// (BenchmarkRequestReply/peer=nanobus/callers=256/body=4096).
	batchSize = 60 << 10

	// smallBuffer is what each of a link's two buffers may always keep. A
	// larger one goes when it was not even a quarter full for so many writes.
	smallBuffer = 64 << 10
	shrinkAfter = 256

	// sentRing is for how many writes back a link remembers the time.
	sentRing = 256

	pingInterval = time.Second
	// maxUnanswered pings, one a second, end a link: nothing at all has come
	// in since the first of them. Counted and not timed, so that a process
	// that was stopped itself doesn't blame its peers when it goes on.
	maxUnanswered = 5
	helloTimeout  = 5 * time.Second
)

// linkState says what a link may be used for.
type linkState int32

const (
	linkGreeting linkState = iota // no hello from the peer yet
	linkLive
	linkDraining // the peer takes no more requests
	linkDown
)

// Link is the connection with one peer. Two goroutines belong to it, both
// started when it is attached and ended by its close: the reader and the
// writer.
type Link struct {
	bus      *Bus
	pipe     *sp.Pipe
	instance *instance // the table entry that was dialled; nil on accepted links
	remote   string
	attached int64

	state atomic.Int32
	hello atomic.Pointer[wire.Hello]
	down  chan struct{}

	challenge challenge
	unproven  atomic.Bool  // the peer has said hello and owes its proof
	chores    atomic.Int32 // of this second, see maxChores
	events    atomic.Int32 // its events in the queue

	writing sync.WaitGroup

	// Caller's side: credit and what choosing needs.
	target balance.Target

	// Clock of the peer against ours, in µs, from the pings. Unknown until
	// offsetKnown.
	offset      atomic.Int64
	offsetKnown atomic.Bool
	bestRTT     int64 // reader only
	bestAt      int64 // reader only

	answers []HeldAnswer // to held calls, of the message at hand; reader only

	unanswered atomic.Int32    // pings since the last message came in
	pinged     atomic.Uint64   // t0 of the last ping
	sentAt     [sentRing]int64 // bus time of the writes, atomically accessed
	writes     atomic.Uint32   // number of the write that will take what gathers now

	// mu guards what follows. It is held for one append of a frame, never
	// over a system call. Only the locks of one of the link's requests or
	// bodies are taken under it.
	mu       sync.Mutex
	space    sync.Cond // gathered bytes have shrunk
	out      []byte    // frames gathered for the next message
	cuts     []int     // where out is cut into messages
	cut      int       // where the current message began in out
	frames   int       // frames in out
	parked   bool      // the writer waits for wake, and nobody writes
	corked   bool      // the reader is at a message, and sends what comes of it afterwards
	closed   bool
	granted  int        // window announced to the peer
	formerly int        // what it was before it shrank
	shrunkAt int64      // bus time of that
	cancels  int        // requests that the peer has not cancelled
	active   []*Request // requests of the peer that are not answered yet
	freeSlot []int32    // free indexes of active
	drainAck bool       // the peer has said that it sends no more requests
	readers  map[bodyKey]*BodyReader
	owed     int // of the readers, responses'
	writers  map[bodyKey]*BodyWriter
	held     map[uint64]*Held // requests of the peer that are held

	wake   chan struct{}
	turn   turn
	canTry bool // the pipe can be written to without blocking

	closing     atomic.Bool // close was called
	closeReason atomic.Pointer[string]
}

func newLink(b *Bus, p *sp.Pipe, in *instance) *Link {
	l := &Link{
		bus: b, pipe: p, instance: in,
		remote:   p.Remote(),
		canTry:   p.CanTry(),
		attached: b.now(),
		down:     make(chan struct{}),
		wake:     make(chan struct{}, 1),
	}
	l.space.L = &l.mu
	l.target.Owner = l
	if in != nil {
		l.remote = in.Address
	}
	return l
}

// Peer returns what the peer said of itself; nil before its hello.
func (l *Link) Peer() *wire.Hello { return l.hello.Load() }

// InFlight is the number of our requests under way on the link.
func (l *Link) InFlight() int { return l.target.InFlight() }

// String names the link in logs: the peer and its address.
func (l *Link) String() string {
	if h := l.hello.Load(); h != nil {
		return fmt.Sprintf("%s/%s at %s", h.Service, h.Instance, l.remote)
	}
	return l.remote
}

// begin locks the link and appends the header of a frame to what is gathered.
// The caller appends the body to l.out and calls commit, or abandon. On error
// the link is not locked.
func (l *Link) begin(k wire.Kind, flags uint8, id uint64) (start int, err error) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return 0, ErrLinkDown
	}
	start = len(l.out)
	l.out = wire.Begin(l.out, k, flags, id)
	return start, nil
}

// commit ends the frame that began at start, unlocks, and sees to it that the
// writer comes. A frame over MaxFrame is taken back: ErrTooLarge.
func (l *Link) commit(start int) error {
	if err := l.end(start); err != nil {
		return err
	}
	wake := l.parked && !l.corked
	if wake {
		l.parked = false
	}
	l.mu.Unlock()
	if wake {
		l.wake <- struct{}{}
	}
	return nil
}

// hold is commit, but leaves the writer asleep: who calls it calls push.
func (l *Link) hold(start int) error {
	if err := l.end(start); err != nil {
		return err
	}
	l.mu.Unlock()
	return nil
}

// end ends the frame that began at start. On error the link is unlocked.
func (l *Link) end(start int) error {
	if len(l.out)-start > MaxFrame {
		l.abandon(start)
		return ErrTooLarge
	}
	wire.End(l.out, start)
	if len(l.out)-l.cut > batchSize && start > l.cut {
		l.cuts = append(l.cuts, start)
		l.cut = start
	}
	l.frames++
	return nil
}

// encode appends p to the frame that began at start. On error, ErrTooLarge or
// ErrPayload, the frame is taken back and the link unlocked: whatever p does,
// it must not take the link and all that waits for it along.
func (l *Link) encode(start int, p Payload) (err error) {
	done := false
	defer func() {
		if !done { // it has panicked, or ended its goroutine
			l.abandon(start)
			err = l.bus.payloadFailed(p, recover(), debug.Stack())
		}
	}()
	out := p.AppendTo(l.out)
	done = true
	switch {
	case len(out) < len(l.out):
		l.abandon(start)
		return l.bus.payloadFailed(p, "it returned less than it was given", nil)
	case len(out)-start > MaxFrame:
		l.abandon(start)
		return ErrTooLarge
	}
	l.out = out
	return nil
}

// abandon takes the frame that began at start back and unlocks.
func (l *Link) abandon(start int) {
	l.out = l.out[:start]
	l.mu.Unlock()
}

// control sends a frame of a fixed body that no window covers. A peer that
// makes us send more of them than it reads loses its link.
func (l *Link) control(k wire.Kind, flags uint8, id uint64, body ...byte) {
	start, err := l.begin(k, flags, id)
	if err != nil {
		return
	}
	if l.overrun(start) {
		l.abandon(start)
		return
	}
	l.out = append(l.out, body...)
	_ = l.commit(start)
}

// close ends the link: its pipe closes, both goroutines end, calls under way
// on it end with ErrLinkDown, the peer's requests are cancelled. Idempotent.
// It may be called from any goroutine, under any lock, and doesn't wait: the
// bus does.
func (l *Link) close(reason string) {
	l.closeReason.CompareAndSwap(nil, &reason)
	if l.closing.CompareAndSwap(false, true) {
		// Closing the pipe makes its socket call Bus.detach, which calls detached.
		l.bus.tasks.Go(func() { _ = l.pipe.Close() })
	}
}

// detached is called once, when the pipe has gone.
func (l *Link) detached() {
	l.mu.Lock()
	l.closed = true
	wake := l.parked
	l.parked = false
	for _, r := range l.active {
		if r != nil {
			r.cancel()
		}
	}
	readers := l.readers
	l.readers, l.owed = nil, 0
	for _, w := range l.writers {
		w.halt(ErrLinkDown)
	}
	l.mu.Unlock()
	l.endHeld()
	for _, r := range readers {
		r.end(ErrLinkDown)
		r.gone()
	}
	l.space.Broadcast()
	if wake {
		l.wake <- struct{}{}
	}
	l.state.Store(int32(linkDown))
	close(l.down)
}

func (l *Link) reason() string {
	if r := l.closeReason.Load(); r != nil {
		return *r
	}
	if found := l.pipe.Ending(); found != "" {
		return found
	}
	return "peer"
}

func (l *Link) stateIs(s linkState) bool { return l.state.Load() == int32(s) }
