package replay

import (
	"errors"
	"io"
	"sync"
	"time"

	"nanofront/httpmsg"
	"nanofront/internal/rawhttp"
	"nanofront/internal/recording"
	engine "nanofront/internal/replay"
	"nanofront/nanobus"
)

const (
	// sharp is for how long before a request is due the thread sleeps by itself: timers may be a
	// millisecond late.
	sharp = 2 * time.Millisecond
	// maxKept is the most of a body that is kept to be hashed.
	maxKept = 1 << 20
)

// encode is an engine.Encoder for the bus. The request comes from this machine, as through a front.
func encode(dst []byte, r *recording.Record, body []byte) []byte {
	q := httpmsg.Request{
		Method: []byte(r.Method), Scheme: []byte(r.Scheme), Host: []byte(r.Host), Path: []byte(r.Path), Query: []byte(r.Query),
		Client: []byte("127.0.0.1"), Body: body,
	}
	for _, f := range r.Fields {
		if engine.Sends(f.Name) {
			q.Header = append(q.Header, httpmsg.Field{Name: []byte(f.Name), Value: []byte(f.Value)})
		}
	}
	mark := engine.MarkOf(r)
	q.Header = append(q.Header, httpmsg.Field{Name: []byte(engine.Mark), Value: []byte(mark)}, httpmsg.Field{Name: []byte("x-request-id"), Value: []byte("replay-" + mark)})
	return q.AppendTo(dst)
}

// busSender sends requests over the bus.
type busSender struct {
	bus     *nanobus.Bus
	service *nanobus.Service
	clock   func() int64
	report  engine.Report
	timeout time.Duration

	free     []*flight
	all      []*flight
	inFlight int

	mu    sync.Mutex
	ended []*flight // taken by Wait
	taken []*flight
	wake  chan struct{}
}

// flight is a request under way.
type flight struct {
	item   engine.Item
	answer engine.Answer
	call   *nanobus.Call
	flying bool
	resp   httpmsg.Response
	body   []byte // of a download
	size   int64
	failed error // of a download
}

func newBusSender(b *nanobus.Bus, s *nanobus.Service, n int, timeout time.Duration, clock func() int64, r engine.Report) *busSender {
	bs := &busSender{bus: b, service: s, clock: clock, report: r, timeout: timeout, wake: make(chan struct{}, 1)}
	for range n {
		f := &flight{call: nanobus.NewCall()}
		f.answer.Field = func(name string) []byte { return f.resp.Header.Get(name) }
		f.call.Done = func(c *nanobus.Call) {
			f.answer.Done = clock()
			c.Keep()
			if c.Err == nil && c.Download != nil {
				go f.rest(bs) // ends with the download, at the call's deadline at the latest
				return
			}
			bs.push(f)
		}
		bs.free, bs.all = append(bs.free, f), append(bs.all, f)
	}
	return bs
}

// push gives an ended call to the worker.
func (s *busSender) push(f *flight) {
	s.mu.Lock()
	s.ended = append(s.ended, f)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// rest takes the rest of a body that comes in chunks.
func (f *flight) rest(s *busSender) {
	want := int(min(f.item.Want.Copied, maxKept))
	if err := f.resp.Decode(f.call.Payload); err == nil {
		f.size = int64(len(f.resp.Body))
		f.body = append(f.body[:0], f.resp.Body[:min(len(f.resp.Body), want)]...)
	}
	var buf [32 << 10]byte
	for {
		n, err := f.call.Download.Read(buf[:])
		f.size += int64(n)
		if keep := min(n, want-len(f.body)); keep > 0 {
			f.body = append(f.body, buf[:keep]...)
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				f.failed = err
			}
			break
		}
	}
	f.answer.Done = s.clock()
	s.push(f)
}

func (s *busSender) Room() bool { return len(s.free) > 0 }

func (s *busSender) InFlight() int { return s.inFlight }

func (s *busSender) Send(it *engine.Item) {
	f := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	s.inFlight++
	f.item, f.failed, f.size, f.body, f.flying = *it, nil, -1, f.body[:0], true
	f.item.Wire = nil
	f.answer = engine.Answer{Field: f.answer.Field, Sent: s.clock()}
	s.report.Sent(&f.item, f.answer.Sent)
	if err := s.service.Go(f.call, nanobus.Bytes(it.Wire), s.timeout); err != nil {
		f.call.Err = err
		f.answer.Done = s.clock()
		s.push(f)
	}
}

func (s *busSender) Wait(d time.Duration) error {
	if s.take() || d <= 0 {
		return nil
	}
	if s.Room() && d <= sharp {
		rawhttp.Sleep(d)
		s.take()
		return nil
	}
	if s.Room() {
		d -= sharp
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-s.wake:
	case <-timer.C:
	}
	s.take()
	return nil
}

// take reports the calls that have ended.
func (s *busSender) take() bool {
	s.mu.Lock()
	s.ended, s.taken = s.taken[:0], s.ended
	s.mu.Unlock()
	for _, f := range s.taken {
		s.end(f)
	}
	return len(s.taken) > 0
}

func (s *busSender) end(f *flight) {
	a := &f.answer
	switch {
	case f.call.Err != nil:
		a.Cause, a.Err = cause(f.call.Err), f.call.Err
	case f.failed != nil:
		a.Cause, a.Err = cause(f.failed), f.failed
	default:
		if err := f.resp.Decode(f.call.Payload); err != nil {
			a.Cause, a.Err = engine.Protocol, err
			break
		}
		a.Status, a.Size, a.Body = f.resp.Status, int64(len(f.resp.Body)), f.resp.Body[:min(int64(len(f.resp.Body)), f.item.Want.Copied)]
		if f.size >= 0 {
			a.Size, a.Body = f.size, f.body
		}
	}
	f.flying = false
	s.inFlight--
	s.report.Ended(&f.item, a)
	f.item, a.Err, a.Body = engine.Item{}, nil, nil // it would keep the recording's memory
	f.resp.Release()
	f.call.Release()
	s.free = append(s.free, f)
}

// cause is why a call has no answer.
func cause(err error) engine.Cause {
	switch {
	case errors.Is(err, nanobus.ErrNoInstance), errors.Is(err, nanobus.ErrNoCredit):
		return engine.Refused
	case errors.Is(err, nanobus.ErrTimeout):
		return engine.Timeout
	case errors.Is(err, nanobus.ErrLinkDown):
		return engine.Reset
	case errors.Is(err, nanobus.ErrCancelled):
		return engine.Aborted
	}
	return engine.Failed
}

func (s *busSender) Close() {
	for _, f := range s.all {
		if f.flying {
			s.bus.Abort(f.call.ID())
		}
	}
	for s.inFlight > 0 {
		if !s.take() {
			<-s.wake
		}
	}
}
