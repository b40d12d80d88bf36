package nanobus_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nanofront/metrics"
	"nanofront/nanobus"
)

// outcome is how a request has ended.
type outcome int

const (
	replied   outcome = iota
	wanted            // with the error that the test wants
	expired           // with CodeExpired
	timedOut          // ErrTimeout
	linkDown          // ErrLinkDown
	refused           // never sent: ErrNoInstance or ErrNoCredit for its whole budget
	wrongOnes         // with anything that must not be
	outcomes
)

var outcomeNames = [outcomes]string{"replies", "wanted errors", "expired", "timeouts", "link down", "refused", "wrong"}

// tally counts outcomes.
type tally [outcomes]atomic.Int64

// sent is how many have been on a link.
func (t *tally) sent() int64 {
	var n int64
	for o := range outcomes {
		if o != refused {
			n += t[o].Load()
		}
	}
	return n
}

func (t *tally) String() string {
	var b bytes.Buffer
	for o := range outcomes {
		fmt.Fprintf(&b, ", %d %s", t[o].Load(), outcomeNames[o])
	}
	return b.String()[2:]
}

// chaosCaller is one process' end: a bus, and goroutines that call.
type chaosCaller struct {
	bus     *nanobus.Bus
	metrics *metrics.Set
	nonce   uint64
	total   tally
	links   sync.Map // *nanobus.Link to *tally
}

// chaosLoad is the requests, numbered from 0, and the callers that share them.
type chaosLoad struct {
	t       *testing.T
	callers []*chaosCaller
	ended   []atomic.Uint32 // how often each request has ended
	next    atomic.Int64    // the number of the next request
	twice   atomic.Int64    // ends of requests that had ended
	limit   int64           // requests below it may be started
	budget  func(n uint64) time.Duration
	cut     atomic.Bool // start no more
	errors  atomic.Int64
}

// chaosWorkers is how many requests each caller has under way at most.
const chaosWorkers = 256

// run starts requests up to the limit and returns when all of them have
// ended. It can be cut short.
func (l *chaosLoad) run(limit int64, budget func(n uint64) time.Duration) {
	l.limit, l.budget = limit, budget
	l.cut.Store(false)
	var wg sync.WaitGroup
	for _, c := range l.callers {
		for range chaosWorkers {
			wg.Go(func() { l.work(c) })
		}
	}
	wg.Wait()
	l.next.Store(l.issued()) // each worker has taken one number too many
}

// issued is how many requests have been started.
func (l *chaosLoad) issued() int64 { return min(l.next.Load(), l.limit) }

// tally adds up what all callers have seen.
func (l *chaosLoad) tally() *tally {
	sum := new(tally)
	for _, c := range l.callers {
		for o := range outcomes {
			sum[o].Add(c.total[o].Load())
		}
	}
	return sum
}

// wrong reports what must not be; the first few times, so that one fault
// doesn't fill the screen.
func (l *chaosLoad) wrong(format string, args ...any) {
	if l.errors.Add(1) <= 20 {
		l.t.Errorf(format, args...)
	}
}

// bytesPayload is a nanobus.Payload that costs no allocation to pass.
type bytesPayload struct{ b []byte }

// AppendTo implements nanobus.Payload.
func (p *bytesPayload) AppendTo(dst []byte) []byte { return append(dst, p.b...) }

// work is one goroutine's part: request after request.
func (l *chaosLoad) work(c *chaosCaller) {
	var (
		payload = new(bytesPayload)
		done    = make(chan outcome, 1)
		call    = nanobus.NewCall()
		n       uint64
	)
	call.Done = func(call *nanobus.Call) {
		o := l.judge(call, n, payload.b)
		l.end(n)
		select {
		case done <- o:
		default:
			l.twice.Add(1) // a second end of the same request
		}
	}
	s := c.bus.Service(chaosService)
	for !l.cut.Load() {
		i := l.next.Add(1) - 1
		if i >= l.limit {
			return
		}
		n = uint64(i)
		payload.b = chaosPayload(payload.b, n, c.nonce)
		if !l.start(s, call, payload, l.budget(n)) {
			l.end(n)
			c.total[refused].Add(1)
			continue
		}
		o := <-done
		c.total[o].Add(1)
		t, ok := c.links.Load(call.Link)
		if !ok {
			t, _ = c.links.LoadOrStore(call.Link, new(tally))
		}
		t.(*tally)[o].Add(1) //nolint:forcetypeassert // the map has nothing else
		call.Release()
	}
}

func (l *chaosLoad) end(n uint64) {
	if l.ended[n].Add(1) > 1 {
		l.twice.Add(1)
	}
}

// start puts a request on a link, and keeps trying for its budget.
func (l *chaosLoad) start(s *nanobus.Service, call *nanobus.Call, p nanobus.Payload, budget time.Duration) bool {
	for deadline := time.Now().Add(budget); ; {
		err := s.Go(call, p, budget)
		switch {
		case err == nil:
			return true
		case !errors.Is(err, nanobus.ErrNoCredit) && !errors.Is(err, nanobus.ErrNoInstance):
			l.wrong("request not started: %v", err)
			return false
		case time.Now().After(deadline):
			return false
		}
		time.Sleep(time.Millisecond) // between tries
	}
}

// judge says how a call has ended and whether it may end like that. It runs
// where the call ends: the payload is valid here.
func (l *chaosLoad) judge(call *nanobus.Call, n uint64, sent []byte) outcome {
	var remote *nanobus.RemoteError
	switch {
	case call.Err == nil:
		if chaosFails(n) {
			l.wrong("request %d: a reply where an error was wanted", n)
			return wrongOnes
		}
		if !bytes.Equal(call.Payload, sent) {
			l.wrong("request %d: the reply is to request %d, %d bytes, %d sent, checksum right: %v",
				n, chaosNumber(call.Payload), len(call.Payload), len(sent), chaosIntact(call.Payload))
			return wrongOnes
		}
		return replied
	case errors.Is(call.Err, nanobus.ErrTimeout):
		return timedOut
	case errors.Is(call.Err, nanobus.ErrLinkDown):
		return linkDown
	case errors.As(call.Err, &remote) && remote.Code == nanobus.CodeExpired:
		return expired
	case errors.As(call.Err, &remote) && remote.Code == nanobus.CodeInternal && remote.Text == chaosFailure && chaosFails(n):
		return wanted
	}
	l.wrong("request %d: %v", n, call.Err)
	return wrongOnes
}
