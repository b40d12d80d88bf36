package link

import (
	"sync"
	"sync/atomic"

	"nanofront/internal/tasks"
	"nanofront/nanobus/body"
	"nanofront/nanobus/tap"
	"nanofront/nanobus/writer"
)

// Config is what a process is on its links; Options has what the fields mean.
type Config struct {
	Serve   func(batch []*Request)
	Window  int
	Slots   int
	Takes   bool // bodies in chunks
	Most    int  // MaxBodies
	Holder  Holder
	MaxHeld int
	Spare   func() bool
	Secret  []byte
}

// upper is what the links of a process tell its bus.
type upper interface {
	// Greeted: the peer has said hello, for the first time or with other contents.
	Greeted(l *Link, first bool)
	// Draining: the peer takes no more requests.
	Draining(l *Link)
	// DrainAcked: the peer knows that we take no more requests.
	DrainAcked(l *Link)
	// Rechoose: a peer that was silent speaks.
	Rechoose(l *Link)
	// Event: one has come.
	Event(topic string, payload []byte, from *Link)
	// Tap: a frame of that kind has come.
	Tap(l *Link, body []byte) error
	// Copy: these frames were received, or are about to be sent, while somebody listens in.
	Copy(l *Link, d tap.Direction, frames []byte)
}

// common is what the writers of a process share.
type common = writer.Shared

// Node is what the links of a process share.
type Node struct {
	Config
	common
	Reporter
	upper    upper
	Calls    calls
	Bodies   *body.Set
	Schedule schedule
	Serving  atomic.Int64 // peers' requests that are not answered yet
	Holding  atomic.Int64 // peers' requests that are held

	Workers sync.WaitGroup // sweep, dispatch, readers and writers
	Tasks   tasks.Group    // what closes links and sockets
}

// Init makes n ready for links.
func (n *Node) Init(c Config, up upper, origin uint16) {
	n.Config, n.upper = c, up
	m := n.Metrics
	n.common.Init(m.MessagesOut, m.FramesOut, m.bytesOut, n.Reporter.payloadFailed)
	n.Calls = calls{node: n, Table: newTable(c.Slots, origin)}
	n.Schedule.Kick = make(chan struct{}, 1)
	n.Bodies = body.NewSet(body.Config{
		Most: c.Most, Now: n.Nanos, Due: n.Schedule.due, Go: n.Tasks.Go,
		Late: m.DroppedLate, Stray: m.DroppedStray, Over: m.droppedBodies, Cancels: m.cancelsOut,
	})
}
