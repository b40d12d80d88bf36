package embedded

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// gate stands before the server's requests and streams, so that they can be
// ended, waited for and refused before what they read from is closed. etcd
// itself doesn't do that in HardStop: a read that is in its handler when the
// backend closes dereferences a nil transaction and ends the process.
type gate struct {
	streams context.Context // ended first: watches and keep-alives
	calls   context.Context // ended for Kill: nobody answers requests then

	endStreams, endCalls context.CancelFunc

	mu     sync.RWMutex // held for reading by whoever enters, for writing to shut
	shut   bool
	inside sync.WaitGroup
}

func newGate() *gate {
	g := &gate{}
	g.calls, g.endCalls = context.WithCancel(context.Background())
	g.streams, g.endStreams = context.WithCancel(g.calls)
	return g
}

// close ends everything inside, waits for it, and lets nobody in any more.
func (g *gate) close() {
	g.endCalls()
	g.mu.Lock()
	g.shut = true
	g.mu.Unlock()
	g.inside.Wait()
}

func (g *gate) enter() error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.shut {
		return status.Error(codes.Unavailable, "embedded: etcd is stopping")
	}
	g.inside.Add(1)
	return nil
}

// stream makes watches and keep-alives end when the gate's streams do. A
// graceful stop of gRPC waits for them else until etcd's request timeout is
// over, 7 s in which every client watches a server that has nothing to say
// any more.
func (g *gate) stream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if err := g.enter(); err != nil {
		return err
	}
	defer g.inside.Done()
	ctx, cancel := context.WithCancel(ss.Context())
	defer cancel()
	defer context.AfterFunc(g.streams, cancel)()
	return handler(srv, &boundStream{ServerStream: ss, ctx: ctx})
}

// call does the same for requests.
func (g *gate) call(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if err := g.enter(); err != nil {
		return nil, err
	}
	defer g.inside.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(g.calls, cancel)()
	return handler(ctx, req)
}

type boundStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *boundStream) Context() context.Context { return s.ctx }
