package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"nanofront/internal/process"
	"nanofront/internal/rawhttp"
)

// ErrUnreachable is wrapped by the error of a Run that could not even begin.
var ErrUnreachable = errors.New("load: can't reach the server")

// lead is between the moment when all is ready and the first request.
const lead = 2 * time.Millisecond

// Run generates load as the options say, and returns what it found. When ctx
// is done, it stops sending, waits two seconds at most for answers, and returns
// the result so far, Interrupted. progress, if it is not nil, is called each second
// by a goroutine of Run. Its errors are ErrOptions, ErrUnreachable, or what the system has refused.
func Run(ctx context.Context, o Options, progress func(Snapshot)) (*Result, error) {
	p, err := prepare(o)
	if err != nil {
		return nil, err
	}
	addr, err := reach(ctx, p)
	if err != nil {
		return nil, err
	}
	var cut atomic.Int64
	cut.Store(never)
	c := newCollector(p.Workers, p.Duration, progress)
	if !p.Portable {
		defer rawhttp.MoreCores(p.Workers)()
	}
	workers := make([]*worker, p.Workers)
	errs := make([]error, p.Workers)
	start := make(chan time.Time) // closed over by the workers; sent to each once
	var ready, done sync.WaitGroup
	for i := range workers {
		ready.Add(1)
		done.Go(func() { // ends with the plan, or when cut says so
			// The goroutine is the only one of its thread, which ends with it: what is set for the
			// thread, and measured of it, is the worker's alone.
			runtime.LockOSThread()
			workers[i], errs[i] = setUp(p, i, addr, &cut, c)
			ready.Done()
			if base, ok := <-start; ok {
				errs[i] = workers[i].run(base)
			} else if workers[i] != nil {
				workers[i].poll.Shutdown()
			}
		})
	}
	ready.Wait()
	if err := errors.Join(errs...); err != nil {
		close(start)
		done.Wait()
		return nil, fmt.Errorf("load: %w", err)
	}
	base := time.Now().Add(lead + p.Warmup)
	for range workers {
		start <- base
	}
	used := make(chan float64, 1)
	finished := make(chan struct{})
	go watch(ctx, p, base, &cut, finished, used) // ends with finished
	collected := make(chan struct{})
	go func() { // ends with finished
		c.run(finished)
		close(collected)
	}()
	done.Wait()
	close(finished)
	<-collected
	cpu := <-used
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	return sum(p, workers, c, base, cut.Load(), cpu), nil
}

// reach finds the server's address, and whether anybody listens there.
func reach(ctx context.Context, p *plan) (*net.TCPAddr, error) {
	d := net.Dialer{Timeout: max(p.Timeout, time.Second)}
	conn, err := d.DialContext(ctx, "tcp", p.address)
	if err != nil {
		if errors.Is(err, syscall.ECONNREFUSED) {
			return nil, fmt.Errorf("%w: nobody listens on %s", ErrUnreachable, p.address)
		}
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer func() { _ = conn.Close() }() // nothing was sent
	addr, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return nil, fmt.Errorf("%w: %s is no TCP address", ErrUnreachable, conn.RemoteAddr())
	}
	return addr, nil
}

// setUp makes worker i, with its connections open.
func setUp(p *plan, i int, addr *net.TCPAddr, cut *atomic.Int64, c *collector) (*worker, error) {
	poll, err := rawhttp.NewPoller(p.share(i), addr, p.Portable)
	if err != nil {
		return nil, err
	}
	w := newWorker(p, i, poll, cut, c)
	if p.Churn {
		return w, nil
	}
	return w, w.connectAll()
}

// watch takes the CPU time of the counted time, and cuts it short when ctx is
// done.
func watch(ctx context.Context, p *plan, base time.Time, cut *atomic.Int64, finished <-chan struct{}, used chan<- float64) {
	timer := time.NewTimer(time.Until(base))
	defer timer.Stop()
	before, begun := process.OwnUsage().CPU, false
	stop := func() {
		// A little ahead, so that all workers learn of it before.
		cut.CompareAndSwap(never, max(0, int64(time.Since(base)+longestWait)))
	}
	for {
		select {
		case <-timer.C:
			if !begun {
				before, begun = process.OwnUsage().CPU, true
				timer.Reset(time.Until(base.Add(p.Duration)))
				continue
			}
		case <-ctx.Done():
			stop()
		case <-finished:
		}
		used <- process.OwnUsage().CPU - before
		break
	}
	select {
	case <-ctx.Done():
		stop() // harmless after the end
	case <-finished:
	}
	<-finished
}

// sum makes the result of what the workers counted.
func sum(p *plan, workers []*worker, c *collector, base time.Time, cut int64, cpu float64) *Result {
	r := newResult(p)
	r.Started, r.Series, r.CPU = base, c.series, cpu
	if cut < int64(p.Duration) {
		r.Interrupted, r.Duration = true, time.Duration(cut)
	}
	for _, w := range workers {
		r.add(w.tally.Result)
	}
	r.Planned = r.Sent + r.Unsent
	r.Steps = begun(r.Steps, r.Duration)
	// What is the same was counted once only.
	if !p.open() {
		r.Service = r.Latency
	}
	if len(r.Entries) == 1 {
		r.Entries[0].Counts = r.Counts
	}
	return r
}
