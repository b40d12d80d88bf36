package link

import (
	"errors"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"nanofront/metrics"
	"nanofront/nanobus/sp"
	"nanofront/nanobus/wire"
	"nanofront/nanobus/writer"
)

// A link's window is its own: one that takes more than its part, when there
// are several, is refused what goes beyond, after the grace for what was on
// its way.
func TestLink_LimitFollowsTheWindow(t *testing.T) {
	n := Node{Config: Config{Serve: func([]*Request) {}, Window: 100}}
	l := New(&n, sp.NewPipe(nil), nil)
	const second = int64(time.Second)
	l.Grant(100, 0)
	l.Grant(50, 10*second)
	if got := l.limit(11 * second); got != 100 {
		t.Errorf("a second after it has shrunk: %d, want 100", got)
	}
	l.Grant(25, 11*second)
	if got := l.limit(12 * second); got != 100 {
		t.Errorf("shrunk twice: %d, want 100", got)
	}
	if got := l.limit(14 * second); got != 25 {
		t.Errorf("when the grace is over: %d, want 25", got)
	}
	l.Grant(20, 20*second)
	if got := l.limit(21 * second); got != 25 {
		t.Errorf("shrunk once more: %d, want 25", got)
	}
}

// A request that is answered after its link has closed goes back to the pool:
// the link must not touch it any more.
func TestLink_CancelAfterCloseTouchesNoRequest(t *testing.T) {
	n := Node{Config: Config{Serve: func([]*Request) {}, Window: 1}}
	n.Reporter = NewReporter(zerolog.Nop(), metrics.New(metrics.Handler, ""))
	n.Init(Config{Serve: func([]*Request) {}, Window: 1, Slots: 1}, nil, 1)
	l := New(&n, sp.NewPipe(nil), nil)
	const id = 7
	r := &Request{link: l, id: id}
	r.ctx.r = r
	r.Leave() // it has no message
	l.admit([]*Request{r})
	l.Detached()
	if err := r.Reply(wire.Bytes("late")); !errors.Is(err, writer.ErrLinkDown) {
		t.Errorf("reply: got %v", err)
	}
	r.id, r.ctx.err = id, nil // as its next user might have it
	r.cancelled.Store(false)
	l.cancelled(id)
	if r.Cancelled() {
		t.Error("a cancel reached a request that was answered")
	}
	if l.Active.n != 0 {
		t.Errorf("%d requests are left in the link's table", l.Active.n)
	}
}
