package handlers

import "sync"

// Stream is a response that continues after ServeStream has returned, until Close or Break: without
// a goroutine, for as long as its client stays. Its methods may be called from any goroutine.
type Stream struct {
	x       *Exchange
	writing sync.Mutex // a BodyWriter is for one at a time
	mu      sync.Mutex
	over    bool
}

// Stream is Begin for a response that outlives ServeStream, which should then return nil soon. The
// Exchange is valid until the Stream ends.
//
//	func (h *hub) ServeStream(x *handlers.Exchange) error {
//		x.Response().Set("content-type", "text/event-stream")
//		s, err := x.Stream(-1)
//		if err != nil {
//			return err
//		}
//		h.add(s)
//		s.OnGone(func() { h.remove(s); _ = s.Close() })
//		return nil
//	}
func (x *Exchange) Stream(length int64) (*Stream, error) {
	if _, err := x.Begin(length); err != nil {
		return nil, err
	}
	x.bus.Leave() // the stream may end before ServeStream has returned
	x.detached = &Stream{x: x}
	return x.detached, nil
}

// Write sends p. It blocks while the client is slow to read what was written before, and fails when
// it has gone.
func (s *Stream) Write(p []byte) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.x.out.Write(p)
}

// OnGone sets f to be called, once, on a goroutine of its own, when the client has gone, or when
// the process drains and the stream has been quiet for 2 seconds. The Stream must still be closed.
func (s *Stream) OnGone(f func()) { s.x.out.OnGone(f) }

// Close ends the response as complete. Idempotent; a concurrent Write fails.
func (s *Stream) Close() error { return s.Break(nil) }

// Break ends the response. With an error, which is logged, it marks the response as incomplete.
func (s *Stream) Break(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.over = true
		s.x.endStream(err)
	}
	return nil
}
