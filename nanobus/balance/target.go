package balance

import (
	"sync/atomic"
	"time"
)

// Target is what choosing knows of one instance: how many requests it may have
// and has under way, and how long they have taken lately.
type Target struct {
	// Owner is whose it is, for whoever has picked it. It doesn't change.
	Owner any

	window   atomic.Int32
	inFlight atomic.Int32
	latency  atomic.Int64 // moving average in ns, see observe
	replies  atomic.Uint64

	recent recent

	// Standing is what its share comes to by how it does; whoever judges guards it.
	Standing Standing

	repliesSeen uint64 // replies at the last Recover; its caller's alone
}

// SetWindow says how many requests may be under way.
func (t *Target) SetWindow(n int32) { t.window.Store(n) }

// Window is how many requests may be under way.
func (t *Target) Window() int { return int(t.window.Load()) }

// InFlight is how many requests are under way.
func (t *Target) InFlight() int { return int(t.inFlight.Load()) }

// Latency is the moving average that choosing goes by.
func (t *Target) Latency() time.Duration { return time.Duration(t.latency.Load()) }

// Replies is how many requests were answered, but for errors.
func (t *Target) Replies() uint64 { return t.replies.Load() }

// Take takes one credit if there is one. It looks before it does, because
// looking at a target that is full costs the others that use it nothing.
func (t *Target) Take() bool { return t.inFlight.Load() < t.window.Load() && t.Credit() }

// Credit is Take without that look, for a target that most likely has one.
func (t *Target) Credit() bool {
	if t.inFlight.Add(1) > t.window.Load() {
		t.inFlight.Add(-1)
		return false
	}
	return true
}

// Refund gives a credit back. A peer that replies more often than it was asked
// doesn't get us to send more than its window.
func (t *Target) Refund() bool {
	if t.inFlight.Add(-1) < 0 {
		t.inFlight.Add(1)
		return false
	}
	return true
}

// Replied counts a reply.
func (t *Target) Replied() { t.replies.Add(1) }

// Observe folds the latency of one reply into the moving average that choosing
// goes by. A worse value counts at once, a better one by an eighth, so that an
// instance that got slow is avoided with the first sign of it and trusted
// again only slowly ("peak EWMA", as in Finagle).
func (t *Target) Observe(took time.Duration) {
	t.recent.times[bucketOf(took)].Add(1)
	t.fold(took)
}

func (t *Target) fold(took time.Duration) {
	old, ns := t.latency.Load(), int64(took)
	if ns > old {
		t.latency.Store(old + (ns-old)/2)
	} else {
		t.latency.Store(old - (old-ns)/8)
	}
}

// ObserveError is Observe for an error: an instance that fails quickly must not
// look like the fastest one.
func (t *Target) ObserveError(took time.Duration) {
	t.recent.failed.Add(1)
	t.fold(min(max(2*t.Latency(), took, 10*time.Millisecond), 5*time.Second))
}

// Outrun takes note that a request was answered elsewhere after so long. What this target would
// have answered isn't known, but that it would have taken longer: it counts only if it is more than
// is usual here.
func (t *Target) Outrun(after time.Duration) {
	if after > t.Latency() {
		t.fold(after)
	}
}

// Overtaken counts a request whose copy, sent elsewhere later, was answered first.
func (t *Target) Overtaken() { t.recent.outrun.Add(1) }

// Blame takes note that an answer, which is counted as one, says that the target has failed.
func (t *Target) Blame() { t.recent.blamed.Add(1) }

// Lately is what became of the requests in the last few seconds.
func (t *Target) Lately() Window { return t.recent.window(t.replies.Load()) }

// Failed counts a request that got no answer in time.
func (t *Target) Failed() { t.recent.failed.Add(1) }

// Recover is to be called once a second. An instance that looks slow gets no
// requests, and so no chance to look otherwise: without replies since the last
// time its latency is halved, until it gets one again.
func (t *Target) Recover() {
	t.recent.mark(t.replies.Load(), time.Now())
	if n := t.replies.Load(); n == t.repliesSeen {
		t.latency.Store(t.latency.Load() / 2)
	} else {
		t.repliesSeen = n
	}
}

// cost is what a request is expected to take, in ns. The constant keeps a
// target without history comparable with the others, and differences of some
// microseconds from deciding.
func (t *Target) cost() float64 { return float64(t.latency.Load() + int64(200*time.Microsecond)) }
